"""Keeps an eye on the chain: the worker checks the new entries every few minutes and all of them once a day.

What a look found is a ``Verification`` row, which the log page shows. Nothing protects these rows, so none of them
can keep a look from happening: when and where to look, a process knows by itself (``Watch``). A row can only make
it look further back, where another process found something wrong.
"""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError

from backups import clock

from .acts import AuditError, act
from .models import AuditEntry, AuditHead, Outcome, Verification
from .verify import Verdict, checking

EVERY = timedelta(minutes=5)
WHOLE_EVERY = timedelta(days=1)
KEPT = timedelta(days=90)
SLICE = 20_000
WORK_SECONDS = 1.0

log = logging.getLogger(__name__)


class Watch:
    """The looks of one process, by a clock that nobody sets: everything first, then what is new.

    A look takes SLICE entries at most; a check of everything is many looks, one right after the other. A look that
    takes longer than ``work_seconds`` is put aside and taken up by the next call, so that the ticker, which does
    this between other things, is never held up. Where something is wrong, the next looks begin at the same place,
    until it is well again.
    """

    def __init__(self, *, work_seconds: float = WORK_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self.work_seconds, self.clock = work_seconds, clock
        self.looked_at = self.whole_at = float("-inf")
        self.position = 0
        self.in_the_middle = False
        self._verdict: Verdict | None = None
        self._work: Iterator[None] = iter(())

    def due(self) -> bool:
        """Whether it is time for a look, or the last one stopped in the middle."""
        return self.in_the_middle or self.clock() - self.looked_at >= EVERY.total_seconds()

    def look(self) -> Verification | None:
        """Begin or go on with a look; gives what it found when it is over."""
        if self._verdict is None:
            start = self._start()
            self._verdict = Verdict(since=start, seq=start)
            self._work = checking(self._verdict, SLICE)
        try:
            self.in_the_middle = self._goes_on()
        except BaseException:
            self._verdict = None  # a generator that raised is over: the same look again, next time
            raise
        return None if self.in_the_middle else self._finish()

    def _start(self) -> int:
        """The entry after which this look begins."""
        if self.clock() - self.whole_at >= WHOLE_EVERY.total_seconds():
            return 0
        last = newest()
        if last is not None and last.problem:
            return min(self.position, max(0, last.since, (last.first_bad or 0) - SLICE))
        return self.position

    def _goes_on(self) -> bool:
        end = self.clock() + self.work_seconds
        return any(self.clock() >= end for _ in self._work)

    def _finish(self) -> Verification:
        verdict, self._verdict = self._verdict, None
        self.looked_at = self.clock()
        if verdict.since == 0:
            self.whole_at = self.looked_at
        self.position = verdict.seq if verdict.intact else max(verdict.since, (verdict.first_bad or 0) - SLICE)
        self.in_the_middle = verdict.intact and verdict.seq - verdict.since == SLICE
        return remember(verdict)


def remember(verdict: Verdict) -> Verification:
    """Keep what a look found. An entry is written when the chain breaks and when it is well again, not every time."""
    try:
        _tell(verdict)
    except (AuditError, DatabaseError, ObjectDoesNotExist, TypeError, ValueError):
        # A chain that is broken at its head takes no entry; that must not hide the finding.
        log.exception("the audit log takes no entry about its own state")
    return Verification.objects.create(
        at=clock.now(),
        since=verdict.since,
        seq=verdict.seq,
        problem=verdict.problem,
        first_bad=verdict.first_bad,
    )


def remove_old_verifications() -> int:
    """Delete rows that only say that all was well a long time ago. The ticker calls this."""
    return Verification.objects.filter(at__lt=clock.now() - KEPT, problem="").delete()[0]


def newest() -> Verification | None:
    """What the last look found, whatever the clock said then."""
    return Verification.objects.order_by("-pk").first()


def _tell(verdict: Verdict) -> None:
    """Write the entry, unless the last one says the same. The head is locked first, so that of several hosts one
    writes it."""
    if not verdict.intact:
        log.error("the audit log does not verify: %s", verdict.problem)
    with act(None) as a:
        AuditHead.objects.select_for_update().get(pk=1)
        told = AuditEntry.objects.filter(action__in=("log.broken", "log.verified")).order_by("-seq").first()
        known_broken = told is not None and told.action == "log.broken"
        if verdict.intact and known_broken:
            a.record("log.verified")
        elif not verdict.intact and not known_broken:
            change = {"problem": verdict.problem, "first_bad": verdict.first_bad}
            a.record("log.broken", outcome=Outcome.FAILURE, change=change)
