"""Checkpoints: signed statements of where the chain stood, kept in a file outside the database as well.

One line of JSON each in ``checkpoints/<host>.jsonl``: at, seq, digest, host, signature. The signature is Ed25519
(base64) over the canonical text of the other four, so that anyone with the public key can check it. Made every
CHECKPOINT_SECONDS even when nothing happened (a missing one is the alarm), and at once after grave entries.
"""

import base64
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.utils import timezone

from . import chain, keys
from .actions import GRAVE
from .models import AuditEntry, AuditHead, Checkpoint


def checkpoint_due() -> bool:
    """Whether the last checkpoint is old, or a grave entry came after it."""
    last = Checkpoint.objects.order_by("-at").first()
    if last is None or last.at < timezone.now() - timedelta(seconds=settings.CHECKPOINT_SECONDS):
        return True
    return AuditEntry.objects.filter(seq__gt=last.seq, severity=GRAVE).exists()


def make_checkpoint() -> Checkpoint:
    """Sign the head as it is now. The file comes first: a row without its line would prove less than it says."""
    head = AuditHead.objects.get(pk=1)
    fields = {
        "at": chain.stamp(timezone.now()),
        "seq": head.seq,
        "digest": head.digest,
        "host": settings.WORKER_HOST,
    }
    signature = base64.b64encode(keys.signing_key().sign(chain.canonical(fields).encode())).decode()
    _append_line(fields | {"signature": signature})
    return Checkpoint.objects.create(**fields, signature=signature)


def signed_by(statement: dict, public_key: Ed25519PublicKey) -> bool:
    """Whether this statement (at, seq, digest, host, signature) was signed with our key."""
    fields = {name: statement.get(name) for name in ("at", "seq", "digest", "host")}
    try:
        signature = base64.b64decode(str(statement.get("signature")), validate=True)
        public_key.verify(signature, chain.canonical(fields).encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def from_files(folder: Path | None = None) -> Iterator[tuple[str, dict | None]]:
    """Every line of every checkpoint file as (place, statement); None for a line that is no statement."""
    for file in sorted((folder or settings.CHECKPOINTS_DIR).glob("*.jsonl")):
        with file.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                yield f"{file.name} line {number}", _statement(line)


def from_rows() -> Iterator[tuple[str, dict]]:
    """The same statements as the database has them."""
    for row in Checkpoint.objects.order_by("pk").iterator():
        yield (
            f"checkpoint row {row.pk}",
            {
                "at": chain.stamp(row.at),
                "seq": row.seq,
                "digest": row.digest,
                "host": row.host,
                "signature": row.signature,
            },
        )


def _statement(line: str) -> dict | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("seq"), int):
        return None
    return found if 0 <= found["seq"] < 2**63 else None


def _append_line(statement: dict) -> None:
    settings.CHECKPOINTS_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = settings.CHECKPOINTS_DIR / f"{settings.WORKER_HOST}.jsonl"
    line = chain.canonical(statement) + "\n"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # A line that a crash cut short must not swallow the next one.
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = "\n" + line
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
