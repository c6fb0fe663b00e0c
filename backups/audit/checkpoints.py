"""Checkpoints: signed statements of where the chain stood, kept in a file outside the database as well.

One line of JSON each in ``checkpoints/<host>.jsonl``: at, seq, digest, host, signature. The signature is Ed25519
(base64) over the canonical text of the other four, so that anyone with the public key can check it. Made every
CHECKPOINT_SECONDS even when nothing happened (a missing one is the alarm), and at once after grave entries.
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.db.models import QuerySet

from backups import clock

from . import chain, keys
from .actions import GRAVE
from .models import AuditEntry, AuditHead, Checkpoint
from .timeline import is_fresh

LONGEST_LINE = 4096


def newest() -> Checkpoint | None:
    """The one that was made last, whatever the clock said then."""
    return Checkpoint.objects.order_by("-pk").first()


def checkpoint_due() -> bool:
    """Whether the last checkpoint is old or from the future, or a grave entry came after it."""
    last = newest()
    if last is None or not is_fresh(last.at, timedelta(seconds=settings.CHECKPOINT_SECONDS)):
        return True
    return AuditEntry.objects.filter(seq__gt=last.seq, severity=GRAVE).exists()


def make_checkpoint() -> Checkpoint:
    """Sign the head as it is now. The file comes first: a row without its line would prove less than it says.

    A file that was copied before its database lacks the lines of some rows at its end; they are written first.
    """
    head = AuditHead.objects.get(pk=1)
    at = clock.now()
    fields = {
        "at": chain.stamp(at),
        "seq": head.seq,
        "digest": head.digest,
        "host": settings.WORKER_HOST,
    }
    signature = base64.b64encode(keys.signing_key().sign(chain.canonical(fields).encode())).decode()
    late = [statement_of(row) for row in rows_after_file()]
    _append_lines([*late, fields | {"signature": signature}])
    return Checkpoint.objects.create(**(fields | {"at": at}), signature=signature)


def signed_by(statement: dict, public_key: Ed25519PublicKey) -> bool:
    """Whether this statement (at, seq, digest, host, signature) was signed with our key."""
    fields = {name: statement.get(name) for name in ("at", "seq", "digest", "host")}
    try:
        signature = base64.b64decode(str(statement.get("signature")), validate=True)
        public_key.verify(signature, chain.canonical(fields).encode())
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def from_files() -> Iterator[tuple[str, dict | None]]:
    """Every line of every checkpoint file as (place, statement); None for a line that is no statement."""
    for file in sorted(settings.CHECKPOINTS_DIR.glob("*.jsonl")):
        yield from _lines_of(file, file.name)


def from_copies(files: Iterable[Path]) -> Iterator[tuple[str, dict | None]]:
    """The same of files that were kept elsewhere."""
    for file in files:
        yield from _lines_of(file, str(file))


def statement_of(row: Checkpoint) -> dict:
    """The same statement as the database has it."""
    fields = {name: getattr(row, name) for name in ("seq", "digest", "host", "signature")}
    return fields | {"at": chain.stamp(row.at)}


def rows_after_file() -> QuerySet[Checkpoint]:
    """Rows of this host that were made after the last line of its file: so it is where the file was copied a moment
    before the database. None where the file is missing or its end cannot be trusted."""
    mine = Checkpoint.objects.filter(host=settings.WORKER_HOST)
    last = _last_line()
    if last is None or not signed_by(last, keys.public_key()):
        return mine.none()
    row = mine.filter(signature=last["signature"]).order_by("-pk").first()
    return mine.filter(pk__gt=row.pk).order_by("pk") if row else mine.none()


def _own_file() -> Path:
    return settings.CHECKPOINTS_DIR / f"{settings.WORKER_HOST}.jsonl"


def _last_line() -> dict | None:
    """The statement at the end of this host's file; None where it ends with anything else."""
    try:
        with _own_file().open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_LINE))
            end = file.read()
    except OSError:
        return None
    return _statement(end.splitlines()[-1].decode(errors="replace")) if end.endswith(b"\n") else None


def _lines_of(file: Path, name: str) -> Iterator[tuple[str, dict | None]]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            yield f"{name} line {number}", _statement(line)


def _statement(line: str) -> dict | None:
    try:
        found = json.loads(line)
        datetime.fromisoformat(found["at"])
        return found if isinstance(found["seq"], int) and 0 <= found["seq"] < 2**63 else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _append_lines(statements: list[dict]) -> None:
    settings.CHECKPOINTS_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = "".join(chain.canonical(statement) + "\n" for statement in statements)
    descriptor = os.open(_own_file(), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # A line that a crash cut short must not swallow the next one.
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = "\n" + text
        rest = text.encode()
        while rest:  # a disk that fills up takes a part first, and says so with the next one
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
