"""Keeps an eye on the chain: the worker checks the new entries every few minutes and all of them once a day.

What a look found is a ``Verification`` row, which the log page shows. A look takes SLICE entries at most, so that
the ticker, which does this between other things, is never held up; a check of everything is many looks, one after
the other. Where something is wrong, the next looks begin at the same place, until it is well again.
"""

import logging
from datetime import timedelta

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError
from django.utils import timezone

from .acts import act
from .models import AuditEntry, AuditHead, Outcome, Verification
from .verify import Verdict, verify

EVERY = timedelta(minutes=5)
WHOLE_EVERY = timedelta(days=1)
KEPT = timedelta(days=90)
SLICE = 20_000

log = logging.getLogger(__name__)


def verification_due() -> bool:
    """Whether it is time for a look, or the last one stopped in the middle."""
    last = newest()
    return last is None or _stopped_in_the_middle(last) or last.at <= timezone.now() - EVERY


def verify_and_remember() -> Verification:
    """One look, from where the last one ended; the ticker calls this when it is due."""
    return remember(verify(_next_start(), SLICE))


def remember(verdict: Verdict) -> Verification:
    """Keep what a look found. An entry is written when the chain breaks and when it is well again, not every time."""
    row = Verification.objects.create(
        at=timezone.now(),
        since=verdict.since,
        seq=verdict.seq,
        problem=verdict.problem,
        first_bad=verdict.first_bad,
    )
    try:
        _tell(verdict)
    except (DatabaseError, ObjectDoesNotExist):
        # A chain that is broken at its head takes no entry; that must not hide the finding.
        log.exception("the audit log takes no entry about its own state")
    return row


def remove_old_verifications() -> int:
    """Delete rows that only say that all was well a long time ago. The ticker calls this."""
    return Verification.objects.filter(at__lt=timezone.now() - KEPT, problem="").delete()[0]


def newest() -> Verification | None:
    return Verification.objects.order_by("-at", "-pk").first()


def _next_start() -> int:
    """The entry after which the next look begins."""
    last = newest()
    if last is None:
        return 0
    if last.problem:
        return max(last.since, (last.first_bad or 0) - SLICE)
    if _stopped_in_the_middle(last):
        return last.seq
    lately = Verification.objects.filter(at__gt=timezone.now() - WHOLE_EVERY)
    return last.seq if lately.filter(since=0, problem="").exists() else 0


def _stopped_in_the_middle(last: Verification) -> bool:
    return last.problem == "" and last.seq - last.since == SLICE


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
