"""Several people and workers at one request at the same time: threads with database connections of their own.

A race is run many times over, because it is lost seldom: TIMES requests on PostgreSQL, where two transactions really
run beside each other, and fewer on SQLite, which has one writer at a time.
"""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from backups.accounts.services import deactivate
from backups.approvals import moves, voting
from backups.approvals.admission import begin
from backups.approvals.errors import ApprovalError, NotAdmitted
from backups.approvals.expiring import expire_due
from backups.approvals.models import ApprovalRequest, RequestState, Vote
from backups.approvals.services import withdraw
from backups.audit import act, checkpoints
from backups.audit.models import AuditEntry
from backups.audit.verify import verify
from backups.runs.engine import Stay, Turn, claim, commit
from backups.runs.models import Run
from tests.runs.test_races import at_once

from .conftest import filed

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

WHY = "The target is in use at the moment"


def times(most: int) -> int:
    return most if connection.vendor == "postgresql" else max(2, most // 10)


def count(action: str) -> int:
    return AuditEntry.objects.filter(action=action).count()


def race(*works) -> list:
    """What each of these returned or raised, started together."""
    return at_once(lambda number: works[number](), len(works))


def start(request: ApprovalRequest) -> None:
    with act(None) as a:
        begin(a, request)


def ready(cast) -> ApprovalRequest:
    """Approved, not begun."""
    request = filed(cast["operator"])
    return voting.approve(request, actor=cast["approver"], digest=request.digest)


def test_two_votes_at_once_are_a_quorum(cast):
    """Without the lock neither sees the other: all votes are there, and the request waits for ever."""
    pairs = times(100)
    for _ in range(pairs):
        request = filed(cast["operator"], risk="R3")
        votes = [
            lambda who=who, request=request: voting.approve(request, actor=cast[who], digest=request.digest)
            for who in ("approver", "approver2")
        ]
        assert all(isinstance(one, ApprovalRequest) for one in race(*votes))
    assert ApprovalRequest.objects.filter(state=RequestState.APPROVED).count() == pairs
    assert Run.objects.count() == count("request.approved") == pairs
    assert Vote.objects.count() == count("request.voted") == 2 * pairs
    assert verify().problem == ""


def test_one_vote_is_enough_once(cast):
    """Quorum 1, and two who approve: one of them queues the run, and the other comes too late."""
    for _ in range(times(15)):
        request = filed(cast["operator"])
        answers = race(
            *(
                lambda who=who, request=request: voting.approve(request, actor=cast[who], digest=request.digest)
                for who in ("approver", "approver2")
            )
        )
        assert sum(isinstance(answer, ApprovalError) for answer in answers) == 1, answers
        assert Run.objects.filter(key=f"request:{request.pk}").count() == request.votes.count() == 1


def test_the_same_vote_many_times_at_once_counts_once(cast):
    request = filed(cast["operator"], risk="R3")
    answers = at_once(lambda number: voting.approve(request, actor=cast["approver"], digest=request.digest))
    assert sum(isinstance(answer, ApprovalRequest) for answer in answers) == 1, answers
    assert Vote.objects.count() == count("request.voted") == 1


def test_a_vote_or_a_withdrawal(cast):
    for _ in range(times(15)):
        request = filed(cast["operator"])
        vote, back = race(
            lambda request=request: voting.approve(request, actor=cast["approver"], digest=request.digest),
            lambda request=request: withdraw(request, actor=cast["operator"]),
        )
        request.refresh_from_db()
        assert back is None  # what was approved and has not begun is withdrawn as well
        assert request.state == RequestState.CANCELLED
        assert isinstance(vote, ApprovalRequest if request.run else ApprovalError)


def test_an_approval_or_a_rejection(cast):
    for _ in range(times(15)):
        request = filed(cast["operator"])
        race(
            lambda request=request: voting.approve(request, actor=cast["approver"], digest=request.digest),
            lambda request=request: voting.reject(
                request, actor=cast["approver2"], digest=request.digest, comment=WHY
            ),
        )
        request.refresh_from_db()
        assert request.state == RequestState.REJECTED  # until work begins one rejection ends it, whoever came first


def test_a_start_or_the_end_of_its_time(cast):
    for _ in range(times(15)):
        request = ready(cast)
        soon = timezone.now() + timedelta(milliseconds=15)
        ApprovalRequest.objects.filter(pk=request.pk).update(start_before=soon)

        def sweep():
            while not expire_due() and ApprovalRequest.objects.filter(pk=request.pk, state="approved").exists():  # noqa: B023
                pass

        began, _ = race(lambda request=request: start(request), sweep)
        request.refresh_from_db()
        assert request.state == (RequestState.STARTED if began is None else RequestState.EXPIRED), began
    assert count("request.started") == ApprovalRequest.objects.filter(state=RequestState.STARTED).count()
    assert count("request.expired") == ApprovalRequest.objects.filter(state=RequestState.EXPIRED).count()


def test_two_starts_are_one(cast):
    for _ in range(times(10)):
        request = ready(cast)
        assert race(*[lambda request=request: start(request)] * 3) == [None] * 3  # the second finds that it began
    assert count("request.started") == ApprovalRequest.objects.count()


def test_a_start_or_a_withdrawal(cast):
    for _ in range(times(15)):
        request = ready(cast)
        began, back = race(
            lambda request=request: start(request), lambda request=request: withdraw(request, actor=cast["operator"])
        )
        request.refresh_from_db()
        assert (began is None) is (request.state == RequestState.STARTED)
        assert isinstance(began, NotAdmitted) or isinstance(back, ApprovalError), (began, back)


ENDS = {
    "reject": lambda cast, one: voting.reject(one, actor=cast["approver2"], digest=one.digest, comment=WHY),
    "withdraw": lambda cast, one: withdraw(one, actor=cast["operator"]),
    "expire": lambda cast, one: expire_due(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_turn_that_begins_and_who_ends_it_do_not_wait_for_each_other_for_ever(cast, end):
    """The turn has its run and wants the request, when somebody has the request: SQLite has one of them at a time."""
    request = ready(cast)
    if end is ENDS["expire"]:
        ApprovalRequest.objects.filter(pk=request.pk).update(start_before=timezone.now())
    both = threading.Barrier(2 if connection.vendor == "postgresql" else 1, timeout=30)

    def turn():
        turn = Turn(claim(request.run_id))
        turn.write(lambda a: both.wait())
        turn.write(lambda a: begin(a, request))
        commit(turn, Stay())

    def person():
        with act(None):
            moves.lock(request)
            both.wait()
            end(cast, request)

    answers = race(turn, person)

    assert not any(isinstance(answer, OperationalError) for answer in answers), answers
    request.refresh_from_db()
    began = request.state == RequestState.STARTED
    assert isinstance(answers[began], (NotAdmitted, ApprovalError)) and answers[not began] is None, answers


def test_nothing_begins_with_a_vote_of_somebody_who_has_left(cast):
    """Whichever comes first: what begins after the entry of the deactivation is not carried by that vote."""
    for _ in range(times(10)):
        request = ready(cast)
        checkpoints.make_checkpoint()
        race(
            lambda request=request: start(request),
            lambda: deactivate(cast["approver"], actor=cast["administrator"]),
        )
        began = AuditEntry.objects.filter(action="request.started", object_id=str(request.pk)).first()
        left = AuditEntry.objects.filter(action="person.deactivated").last()
        if began is None:
            with pytest.raises(NotAdmitted, match="deactivated"):
                start(request)
        else:
            assert request.pk and left is not None
        type(cast["approver"]).objects.filter(pk=cast["approver"].pk).update(is_active=True)


def test_many_hosts_expire_a_request_once(cast):
    request = filed(cast["operator"])
    ApprovalRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert sum(at_once(lambda number: expire_due())) == 1
    assert count("request.expired") == 1
    request.refresh_from_db()
    assert (request.state, request.ending) == (RequestState.EXPIRED, "Nobody decided in time.")


def test_a_form_sent_many_times_at_once_is_one_request(cast):
    answers = at_once(lambda number: filed(cast["operator"], key="form:1", risk="R0"))
    assert sum(isinstance(answer, ApprovalRequest) for answer in answers) == 1, answers
    assert ApprovalRequest.objects.count() == Run.objects.count() == 1
