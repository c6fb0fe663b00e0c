"""What time does: silence ends a request, and so does work that does not begin; its run ends too."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.approvals import voting
from backups.approvals.admission import REFUSED, admission, close_unstarted, request_of
from backups.approvals.expiring import expire_due
from backups.approvals.models import ApprovalRequest, RequestState
from backups.approvals.services import withdraw
from backups.audit.models import AuditEntry
from backups.runs import Done, Kind, Step, advance
from backups.runs.models import Effect, Run, RunState
from backups.worker import kinds

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def ago(seconds: float = 1):
    return timezone.now() - timedelta(seconds=seconds)


def look(turn):
    """The first turn of a run that needs a request."""
    request = request_of(turn.run)
    found = admission(turn.run, request.digest)
    assert found.state == REFUSED
    if found.closes:
        turn.write(lambda a: close_unstarted(a, request, found.closes, found.why))
    return Done(RunState.FAILED, Effect.NONE, error=found.why)


MAKE = {"make": Kind("make", "Make", (Step("Look", look),))}


def test_what_is_not_due_stays(ask, approved):
    ask()
    approved()
    assert expire_due() == 0
    assert set(ApprovalRequest.objects.values_list("state", flat=True)) == {"pending", "approved"}


@pytest.mark.parametrize(
    ("votes", "ending"),
    [(0, "Nobody decided in time."), (1, "Too few people approved in time.")],
    ids=["none", "one"],
)
def test_silence_ends_it_once_with_its_entry(ask, approve, votes, ending):
    request = ask(risk="R3")
    for _ in range(votes):
        approve(request)
    ApprovalRequest.objects.update(expires_at=ago())

    assert [expire_due(), expire_due()] == [1, 0]

    request.refresh_from_db()
    assert (request.state, request.ending, request.run) == (RequestState.EXPIRED, ending, None)
    assert AuditEntry.objects.get(action="request.expired").actor is None


def test_what_did_not_begin_in_time_ends_and_wakes_its_run(approved, django_capture_on_commit_callbacks):
    request = approved()
    Run.objects.update(next_at=timezone.now() + timedelta(minutes=4))  # it waits for a busy target
    ApprovalRequest.objects.update(start_before=ago())

    with django_capture_on_commit_callbacks(execute=True):
        assert expire_due() == 1
    advance(request.run_id, MAKE)

    run = Run.objects.get()
    assert ApprovalRequest.objects.get().state == RequestState.EXPIRED
    assert (run.state, run.effect) == (RunState.FAILED, Effect.NONE)
    assert "Work did not begin in time" in run.error


def test_its_run_may_be_the_first_to_notice(approved):
    request = approved()
    ApprovalRequest.objects.update(start_before=ago())

    advance(request.run_id, MAKE)

    assert ApprovalRequest.objects.get().state == RequestState.EXPIRED
    assert expire_due() == 0
    assert AuditEntry.objects.filter(action="request.expired").count() == 1


@pytest.mark.parametrize("end", ["withdrawn", "rejected"])
def test_the_run_of_a_request_that_ended_does_nothing(approved, cast, end, django_capture_on_commit_callbacks):
    request = approved()
    Run.objects.update(next_at=timezone.now() + timedelta(minutes=4))
    with django_capture_on_commit_callbacks(execute=True):
        if end == "withdrawn":
            withdraw(request, actor=cast["operator"])
        else:
            voting.reject(request, actor=cast["approver2"], digest=request.digest, comment="Not now, please")

    advance(request.run_id, MAKE)

    run = Run.objects.get()
    assert (run.state, run.effect) == (RunState.FAILED, Effect.NONE)
    assert f"{request.number}: {end}" in run.error


def test_what_began_is_not_ended_by_time(approved):
    approved()
    ApprovalRequest.objects.update(state=RequestState.STARTED, ended_at=ago(), start_before=ago())
    assert expire_due() == 0


def test_the_ticker_does_it(ask):
    job = next(periodic for periodic in kinds.PERIODIC if periodic.name == "requests")
    request = ask()
    ApprovalRequest.objects.update(expires_at=ago())
    job.work()
    request.refresh_from_db()
    assert (job.seconds, request.state) == (5, RequestState.EXPIRED)
