"""A check of a long log by several processes, each of which takes every n-th range of entries.

Python computes on one core per process. What a process finds about a range counts only when the range begins with
the very entry that the one before it ended with.
"""

from collections.abc import Iterable
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

from django.db import connections

from .entries import begin_after, check_entries
from .models import AuditEntry
from .verdict import Verdict

RANGE = 50_000


def check_entries_at_once(verdict: Verdict, processes: int) -> None:
    """Check whole ranges of the entries after ``verdict.since``; the rest, and a short log, is left to the caller.

    Not inside a transaction: the other processes would not see what it has written.
    """
    # Counted, and not taken from a number that somebody may have put into a row.
    there = AuditEntry.objects.filter(seq__gt=verdict.since).count()
    starts = [verdict.since + RANGE * number for number in range(there // RANGE)]
    if len(starts) < 2:
        return
    connections.close_all()  # an open connection must not be shared with a child
    with ExitStack() as stack:
        pipes = [stack.enter_context(_checker(starts[first::processes])) for first in range(processes)]
        for number in range(len(starts)):
            began, part = pipes[number % processes].recv()
            if number and began != (verdict.head_digest, verdict.head_at) and part.intact:
                part.fail(f"Entry {part.since} was changed while the log was checked.", part.since)
            _take(verdict, part)
            if not verdict.intact:
                return


@contextmanager
def _checker(starts: list[int]):
    """The end of a pipe that gives what a child finds about each range. The child ends with its ranges or with us."""
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_check_ranges, args=(starts, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        yield ours
    finally:
        child.terminate()
        child.join()
        ours.close()


def _check_ranges(starts: Iterable[int], found: Connection) -> None:
    for start in starts:
        part = Verdict(since=start, seq=start)
        begin_after(part)
        began = part.head_digest, part.head_at
        for _ in check_entries(part, RANGE):
            pass
        found.send((began, part))


def _take(verdict: Verdict, part: Verdict) -> None:
    verdict.seq, verdict.head_digest, verdict.head_at = part.seq, part.head_digest, part.head_at
    verdict.problem, verdict.first_bad = part.problem, part.first_bad
