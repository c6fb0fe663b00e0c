"""Checks the ledger: numbers, links, times, digests, MACs, columns, head, triggers and checkpoints. Reads only."""

import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from . import chain, checkpoints, keys, triggers
from .models import AuditEntry, AuditHead
from .statements import Statements

CHUNK = 5000
PART = 500
COLUMNS = (
    *("seq", "at", "action", "outcome", "severity", "actor_id", "actor_name", "object_type", "object_id"),
    *("object_name", "reason", "run", "text", "prev", "digest", "mac"),
)


@dataclass
class Verdict:
    """``problem`` is empty when everything agrees. ``proven_until`` is the newest entry that a signed
    checkpoint in a file covers: what came later could be cut off unnoticed."""

    since: int
    seq: int = 0
    head_digest: str = chain.FIRST
    head_at: datetime | None = None
    problem: str = ""
    first_bad: int | None = None
    proven_until: int = 0
    checkpoints: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.problem

    def fail(self, problem: str, seq: int | None = None) -> "Verdict":
        """Keep the first problem; later ones follow from it. ``seq`` leads to an entry: numbers begin with 1."""
        if not self.problem:
            self.problem, self.first_bad = problem, seq if seq and seq > 0 else None
        return self


def verify(since: int = 0, limit: int | None = None) -> Verdict:
    """Check entries from ``since`` + 1 on (0: all), ``limit`` of them at most, and everything that vouches for
    them. What was checked up to ``since`` is trusted, as long as the newest checkpoint before it still agrees."""
    verdict = Verdict(since=since, seq=since)
    for _ in checking(verdict, limit):
        pass
    return verdict


def checking(verdict: Verdict, limit: int | None = None) -> Iterator[None]:
    """The same in parts: fills in the verdict, and comes back after every fraction of a second of work."""
    _check_start(verdict)
    if verdict.intact:
        yield from _check_entries(verdict, limit)
    if verdict.intact:
        _check_head(verdict)
        _check_triggers(verdict)
        yield from _check_checkpoints(verdict)


def _check_start(verdict: Verdict) -> None:
    forged = AuditEntry.objects.filter(seq__lt=1).values_list("seq", flat=True).first()
    if forged is not None:
        verdict.fail(f"There is an entry {forged}, but the log begins with entry 1.")
    elif verdict.since:
        start = AuditEntry.objects.filter(seq=verdict.since).values("digest", "at").first()
        if start is None:
            verdict.fail(f"Entry {verdict.since} is missing.", verdict.since)
        else:
            verdict.head_digest, verdict.head_at = start["digest"], start["at"]


def _check_entries(verdict: Verdict, limit: int | None) -> Iterator[None]:
    while True:
        size = CHUNK if limit is None else min(CHUNK, verdict.since + limit - verdict.seq)
        rows = AuditEntry.objects.filter(seq__gt=verdict.seq).order_by("seq").values(*COLUMNS)[:size]
        for row in rows:
            problem = _problem(row, verdict)
            if problem:
                verdict.fail(f"Entry {verdict.seq + 1}: {problem}", verdict.seq + 1)
                return
            verdict.seq, verdict.head_digest, verdict.head_at = row["seq"], row["digest"], row["at"]
        yield
        if len(rows) < CHUNK:
            return


def _problem(row: dict, before: Verdict) -> str:
    """What is wrong with this row, coming after what ``before`` has seen; empty when nothing is."""
    if row["seq"] != before.seq + 1:
        return f"is missing; the next one found is {row['seq']}."
    if row["prev"] != before.head_digest:
        return "does not link to the entry before it."
    if not row["text"].isascii() or chain.digest_of(row["text"]) != row["digest"]:
        return "was changed: its text does not have the stored digest."
    if not mac_is_right(row["digest"], row["mac"]):
        return "was not written by this console: its MAC is wrong."
    if before.head_at and row["at"] < before.head_at:
        return "is older than the entry before it."
    return _columns_problem(row)


def mac_is_right(digest: str, mac: str) -> bool:
    return hmac.compare_digest(chain.mac_of(digest, keys.mac_key()).encode(), mac.encode())


def _columns_problem(row: dict) -> str:
    try:
        text = json.loads(row["text"])
        expected = {
            "seq": text["seq"],
            "at": text["at"],
            "prev": text["prev"],
            "action": text["action"],
            "outcome": text["outcome"],
            "severity": text["severity"],
            "actor_id": text["actor"]["id"],
            "actor_name": text["actor"]["name"],
            "object_type": text["object"]["type"],
            "object_id": text["object"]["id"],
            "object_name": text["object"]["name"],
            "reason": text["reason"],
            "run": text["run"],
        }
    except (ValueError, KeyError, TypeError):
        return "has a text that is not an entry."
    shown = row | {"at": chain.stamp(row["at"])}
    differing = [name for name, value in expected.items() if shown[name] != value]
    return f"was changed: {', '.join(differing)} differ from its text." if differing else ""


def _check_head(verdict: Verdict) -> None:
    head = AuditHead.objects.filter(pk=1).first()
    if head is None:
        verdict.fail("The head of the chain is missing.")
    # Entries may have been added since the rows were read; then the head is ahead, and that is well.
    elif head.seq < verdict.seq or (head.seq == verdict.seq and head.digest != verdict.head_digest):
        verdict.fail(f"The head says entry {head.seq}, but the last entry is {verdict.seq}.", head.seq)
    elif not AuditEntry.objects.filter(seq=head.seq, digest=head.digest).exists() and head.seq:
        verdict.fail(f"The head says entry {head.seq}, which is missing.", verdict.seq + 1)


def _check_triggers(verdict: Verdict) -> None:
    missing = triggers.missing()
    if missing:
        verdict.fail(f"The triggers that protect the log are not in place: {', '.join(missing)}.")


def _check_checkpoints(verdict: Verdict) -> Iterator[None]:
    """The signed statements that concern these entries must agree with them, and each row of this host must have its
    line in the file. An unreadable line is noted, not fatal: a crash can cut one short, before there is a row."""
    statements = Statements(verdict.since, verdict.seq)
    reading = iter(statements)
    while part := list(islice(reading, PART)):
        digests = dict(
            AuditEntry.objects.filter(seq__in={s["seq"] for _, s in part if s}).values_list("seq", "digest")
        )
        for place, statement in part:
            _check_checkpoint(verdict, place, statement, digests)
        yield
    if statements.missing:
        verdict.fail(f"Checkpoint lines are missing from the file: the first is that of {statements.missing[0]}.")
    if statements.late:
        verdict.notes.append(f"The file ends before {statements.late[0]}; the next checkpoint brings its line.")
    verdict.proven_until = statements.proven_until if verdict.intact else 0
    if verdict.intact and not verdict.proven_until:
        verdict.notes.append("No checkpoint file was found: a cut at the end would not show.")


def _check_checkpoint(verdict: Verdict, place: str, statement: dict | None, digests: dict[int, str]) -> None:
    if statement is None:
        verdict.notes.append(f"{place} cannot be read.")
    elif not checkpoints.signed_by(statement, keys.public_key()):
        verdict.fail(f"{place} was not signed with this console's key.", statement["seq"])
    elif statement["seq"] and statement["seq"] not in digests:
        verdict.fail(f"Entry {statement['seq']} was cut off: {place} vouches for it.", statement["seq"])
    elif statement["seq"] and statement["digest"] != digests[statement["seq"]]:
        verdict.fail(f"Entry {statement['seq']} is not the one that {place} vouches for.", statement["seq"])
    else:
        verdict.checkpoints += 1
