"""The moves of a request from state to state: conditional UPDATEs, each inside somebody's act.

The row is locked before its votes are counted: without that, two votes at the same moment do not see each other, and
a request stays pending with all of its approvals.
"""

from datetime import datetime, timedelta

from django.db import transaction

from backups import clock
from backups.audit.acts import Act
from backups.runs import doorbell, queue_run
from backups.runs.models import Run

from .errors import ApprovalError
from .models import TRANSITIONS, ApprovalRequest, RequestState
from .rules import OVER


def lock(request: ApprovalRequest) -> ApprovalRequest:
    """The request as it is now; nobody else moves it until this act is over. (SQLite has one writer at a time.)"""
    return ApprovalRequest.objects.select_for_update(of=("self",)).select_related("requester").get(pk=request.pk)


def approve(a: Act, request: ApprovalRequest, now: datetime) -> None:
    """It has all that it needs: queue its run, which has until ``start_before`` to begin."""
    run = queue_run(
        request.kind,
        actor=request.requester,
        subject=request.subject,
        subject_url=request.subject_url,
        params=request.params | {"request": request.pk},
        key=f"request:{request.pk}",
        reason=request.reason,
        host=request.host,
    )
    within = timedelta(seconds=request.policy["start_within"])
    _move(request, RequestState.APPROVED, approved_at=now, start_before=now + within, run=run)
    a.record("request.approved", request, change={"needed": request.needed}, run=run.pk)


def start(request: ApprovalRequest, now: datetime) -> None:
    """Its run begins, if it is still in time."""
    _move(request, RequestState.STARTED, only={"start_before__gt": now}, ended_at=now)


def close(request: ApprovalRequest, state: str, why: str, only: dict | None = None) -> None:
    """It ends without being carried out. A run that waits for it is woken, to see that and end."""
    _move(request, state, only=only, ending=why, ended_at=clock.now())
    if run := request.run_id:
        # Not before the commit: a turn locks its run and then the request, and the other way around the two would
        # wait for each other. Without this the run sees it a little later.
        transaction.on_commit(lambda: _wake(run), robust=True)


def _wake(run: int) -> None:
    if Run.objects.active().filter(pk=run).update(next_at=None):
        doorbell.ring(run)


def _move(request: ApprovalRequest, state: str, only: dict | None = None, **columns) -> None:
    """From any state that leads there. Raises ApprovalError when it is in none of these (any more)."""
    before = [one for one, following in TRANSITIONS.items() if state in following]
    rows = ApprovalRequest.objects.filter(pk=request.pk, state__in=before, **(only or {}))
    if not rows.update(state=state, **columns):
        raise ApprovalError(OVER)
    for name, value in (columns | {"state": state}).items():
        setattr(request, name, value)
