"""Somebody who owns the database and knows the code: a superuser on PostgreSQL, on SQLite who can write the file.

How much more he holds is what the guards of the log differ by. ``Attacker(MAC_KEY)`` also has everything before it.
"""

import base64
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection
from django.db.models import F

from backups.audit import chain, checkpoints, keys, triggers
from backups.audit.models import AuditEntry, AuditHead, Checkpoint

DATABASE, MAC_KEY, SIGNING_KEY, CHECKPOINT_FILE = range(4)


def files() -> list[Path]:
    return sorted(settings.CHECKPOINTS_DIR.glob("*.jsonl"))


def signed(statement: dict, key: Ed25519PrivateKey) -> dict:
    fields = {name: statement[name] for name in ("at", "seq", "digest", "host")}
    return fields | {"signature": base64.b64encode(key.sign(chain.canonical(fields).encode())).decode()}


class Attacker:
    """Every method leaves the triggers as they were, so that they do not give him away."""

    def __init__(self, holds: int = DATABASE) -> None:
        self.own_key = Ed25519PrivateKey.generate()
        self.mac_key = keys.mac_key() if holds >= MAC_KEY else b"a guess"
        self.writes_file = holds >= CHECKPOINT_FILE

    def __enter__(self) -> "Attacker":
        connection.check_constraints()  # PostgreSQL alters no table with constraints still to be checked
        triggers.remove()
        return self

    def __exit__(self, *raised) -> None:
        connection.check_constraints()
        triggers.install()

    def sql(self, statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    def edit(self, seq: int, **columns) -> None:
        AuditEntry.objects.filter(seq=seq).update(**columns)

    def delete(self, seq: int) -> None:
        AuditEntry.objects.filter(seq=seq).delete()

    def close_the_gap(self, after: int) -> None:
        for seq in AuditEntry.objects.filter(seq__gt=after).order_by("seq").values_list("seq", flat=True):
            AuditEntry.objects.filter(seq=seq).update(seq=F("seq") - 1)

    def hash_again(self, first: int) -> None:
        """Write the chain anew from one entry on: texts, links, digests, MACs and the head."""
        before = AuditEntry.objects.filter(seq=first - 1).values_list("digest", flat=True).first() or chain.FIRST
        row = None
        for row in AuditEntry.objects.filter(seq__gte=first).order_by("seq"):
            said = json.loads(row.text) | {"prev": before, "seq": row.seq, "reason": row.reason, "at": row.at}
            row.text, row.prev = chain.canonical(said), before
            row.digest = before = chain.digest_of(row.text)
            row.mac = chain.mac_of(row.digest, self.mac_key)
            row.save()
        AuditHead.objects.update(seq=row.seq, digest=row.digest, at=row.at)

    def append(self, reason: str) -> None:
        row = AuditEntry.objects.order_by("-seq").first()
        row.seq, row.reason = row.seq + 1, reason
        row.save(force_insert=True)
        self.hash_again(row.seq)

    def cut(self, after: int) -> None:
        AuditEntry.objects.filter(seq__gt=after).delete()
        last = AuditEntry.objects.get(seq=after)
        AuditHead.objects.update(seq=after, digest=last.digest, at=last.at)

    def wipe(self) -> None:
        AuditEntry.objects.all().delete()
        Checkpoint.objects.all().delete()
        AuditHead.objects.update(seq=0, digest=chain.FIRST, at=None)
        if self.writes_file:
            files()[0].unlink()

    def cut_checkpoint_rows(self, after: int) -> None:
        Checkpoint.objects.filter(seq__gt=after).delete()

    def cut_checkpoint_lines(self, after: int) -> None:
        if self.writes_file:
            lines = files()[0].read_text().splitlines(keepends=True)
            files()[0].write_text("".join(line for line in lines if json.loads(line)["seq"] <= after))

    def sign_again(self, key: Ed25519PrivateKey) -> None:
        """Make every checkpoint vouch for what is there now, in the database and in the file where he can."""
        statements = []
        for row in Checkpoint.objects.order_by("pk"):
            digest = AuditEntry.objects.get(seq=row.seq).digest
            statements.append(signed(checkpoints.statement_of(row) | {"digest": digest}, key))
            row.digest, row.signature = digest, statements[-1]["signature"]
            row.save()
        if self.writes_file:
            files()[0].write_text("".join(chain.canonical(statement) + "\n" for statement in statements))
