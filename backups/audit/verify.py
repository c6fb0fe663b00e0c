"""Checks the ledger: numbers, links, times, digests, MACs, columns, head, triggers and checkpoints. Reads only."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from . import checkpoints, keys, triggers
from .entries import Stamp, begin_after, check_entries, is_unreadable, mac_is_right
from .models import AuditEntry, AuditHead
from .parallel import check_entries_at_once
from .statements import Statements
from .verdict import Verdict

__all__ = ["Verdict", "checking", "mac_is_right", "verify"]

PART = 500


def verify(since: int = 0, limit: int | None = None, *, processes: int = 1, copies: Iterable[Path] = ()) -> Verdict:
    """Check entries from ``since`` + 1 on (0: all), ``limit`` of them at most, and everything that vouches for
    them. What was checked up to ``since`` is trusted, as long as the newest checkpoint before it still agrees.

    ``processes`` share a long log between them. ``copies`` are files of checkpoints that were kept elsewhere.
    """
    verdict = Verdict(since=since, seq=since)
    if processes > 1 and limit is None:
        check_entries_at_once(verdict, processes)
    for _ in checking(verdict, limit, copies):
        pass
    return verdict


def checking(verdict: Verdict, limit: int | None = None, copies: Iterable[Path] = ()) -> Iterator[None]:
    """The same in parts: fills in the verdict, and comes back after every fraction of a second of work."""
    keys.mac_key(), keys.public_key()  # without them there is no check at all, and that is no fault of the log
    try:
        yield from _checking(verdict, limit, copies)
    except Exception as error:
        if not is_unreadable(error):
            raise
        verdict.fail(f"The database holds what the console never wrote, and it cannot be read: {error}")


def _checking(verdict: Verdict, limit: int | None, copies: Iterable[Path]) -> Iterator[None]:
    _check_start(verdict)
    if verdict.intact:
        yield from check_entries(verdict, limit)
    for check in (_check_count, _check_head, _check_triggers):
        if verdict.intact:
            check(verdict)
    if verdict.intact:
        yield from _check_checkpoints(verdict, Statements(verdict.since, verdict.seq, copies))


def _check_start(verdict: Verdict) -> None:
    forged = AuditEntry.objects.filter(seq__lt=1).values_list("seq", flat=True).first()
    if forged is not None:
        verdict.fail(f"There is an entry {forged}, but the log begins with entry 1.")
    elif verdict.seq == verdict.since:
        begin_after(verdict)


def _check_count(verdict: Verdict) -> None:
    """Entries are read by number. Where the primary key was taken off, a second one of a number can hide."""
    first = max(verdict.since, 1)
    there = AuditEntry.objects.filter(seq__gte=first, seq__lte=verdict.seq).count()
    if there > max(0, verdict.seq - first + 1):
        verdict.fail(f"There are {there:,} entries with the numbers {first:,} to {verdict.seq:,}.")


def _check_head(verdict: Verdict) -> None:
    found = AuditHead.objects.filter(pk=1).values_list("seq", "digest", Stamp("at")).first()
    if found is None:
        verdict.fail("The head of the chain is missing.")
        return
    seq, digest, at = found
    entry = AuditEntry.objects.filter(seq=seq).values_list("digest", Stamp("at")).first()
    # Entries may have been added since the rows were read; then the head is ahead, and that is well.
    if seq < verdict.seq or (seq == verdict.seq and digest != verdict.head_digest):
        verdict.fail(f"The head says entry {seq}, but the last entry is {verdict.seq}.", seq)
    elif seq and (entry is None or entry[0] != digest):
        verdict.fail(f"The head says entry {seq}, which is missing.", verdict.seq + 1)
    elif seq and entry[1] != at:
        verdict.fail(f"The head says that entry {seq} was written at {at}, but its own text says {entry[1]}.", seq)


def _check_triggers(verdict: Verdict) -> None:
    missing, foreign = triggers.missing(), triggers.foreign()
    if missing:
        verdict.fail(f"The triggers that protect the log are not in place: {', '.join(missing)}.")
    elif foreign:
        verdict.fail(f"What the console did not put there changes how the log is kept: {', '.join(foreign)}.")


def _check_checkpoints(verdict: Verdict, statements: Statements) -> Iterator[None]:
    """The signed statements that concern these entries must agree with them, and each row of this host must have its
    line in the file. An unreadable line is noted, not fatal: a crash can cut one short, before there is a row."""
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
    if verdict.intact:
        verdict.proven_until, verdict.proven_at = statements.proven_until, statements.proven_at
        if not verdict.proven_at:
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
