"""Votes, comments, withdrawing and reviews: each works with its entry, refuses, and is safe twice."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from backups.access import Denied
from backups.access.models import User
from backups.approvals import voting
from backups.approvals.errors import ApprovalError, StalePlan
from backups.approvals.inbox import to_review, waiting_for
from backups.approvals.models import ApprovalRequest, RequestState, Review, Vote
from backups.approvals.services import comment, review, withdraw
from backups.audit.models import AuditEntry
from backups.runs.models import Run

pytestmark = [pytest.mark.django_db, pytest.mark.db]

WHY = "The firewall indices are not part of the report"
NOTE = "Right: the client was without data"


def change_of(action: str) -> dict:
    return json.loads(AuditEntry.objects.get(action=action).text)["change"]


def ago(**delta):
    return timezone.now() - timedelta(**delta)


def count(action: str) -> int:
    return AuditEntry.objects.filter(action=action).count()


@pytest.fixture
def reject(cast):
    return lambda request, who="approver", digest=None, why=WHY: voting.reject(
        request, actor=cast[who], digest=digest or request.digest, comment=why
    )


# --- approve --------------------------------------------------------------------------------------------


def test_the_last_approval_queues_the_run(ask, approve, cast):
    request = ask(risk="R3", params={"plan": 3})

    first = approve(request)
    assert (first.state, first.run) == (RequestState.PENDING, None)
    second = approve(request, "approver2", comment="Looks right")

    run = Run.objects.get()
    assert (second.state, second.run, run.actor) == (RequestState.APPROVED, run, cast["operator"])
    assert run.params == {"plan": 3, "request": request.pk}
    assert second.start_before - second.approved_at == timedelta(hours=1)
    votes = [(vote.person, vote.approves, vote.digest, vote.comment) for vote in request.votes.all()]
    assert votes == [
        (cast["approver"], True, request.digest, ""),
        (cast["approver2"], True, request.digest, "Looks right"),
    ]
    voted = AuditEntry.objects.filter(action="request.voted").order_by("seq")
    said = [json.loads(entry.text)["change"]["approvals"] for entry in voted]
    assert said == ["1 of 2", "2 of 2"]
    assert count("request.approved") == 1


@pytest.mark.parametrize("who", ["viewer", "operator", "auditor", "administrator"])
def test_only_approvers_vote(ask, approve, reject, who):
    request = ask()
    for vote in (approve, reject):
        with pytest.raises(Denied):
            vote(request, who)
    assert not Vote.objects.exists()


def test_nobody_votes_on_what_they_asked_for(ask, approve, reject, cast):
    cast["operator"].groups.add(*cast["approver"].groups.all())
    request = ask()
    for vote in (approve, reject):
        with pytest.raises(Denied, match="someone else decides"):
            vote(request, "operator")


def test_who_was_deactivated_a_moment_ago_does_not_vote(ask, approve, cast):
    """The person of the request was read before; it is read again under the lock."""
    request = ask()
    User.objects.filter(pk=cast["approver"].pk).update(is_active=False)
    with pytest.raises(Denied, match="deactivated"):
        approve(request)


def test_a_vote_is_about_the_plan_that_was_shown(ask, approve, reject):
    request = ask()
    for vote in (approve, reject):
        with pytest.raises(StalePlan, match="not the plan"):
            vote(request, digest="0" * 64)
    assert not Vote.objects.exists() and not count("request.voted")


def test_one_person_is_one_approval(ask, approve):
    request = ask(risk="R3")
    approve(request)
    with pytest.raises(ApprovalError, match="before"):
        approve(request)
    request.refresh_from_db()
    assert (request.state, count("request.voted")) == (RequestState.PENDING, 1)


def test_who_left_in_between_does_not_count(ask, approve, cast):
    request = ask(risk="R3")
    approve(request)
    cast["approver"].groups.clear()
    request = approve(request, "approver2")
    assert request.state == RequestState.PENDING


def test_silence_ends_it_whether_or_not_anybody_wrote_that_down(ask, approve, reject):
    request = ask()
    ApprovalRequest.objects.update(expires_at=ago(seconds=1))
    for vote in (approve, reject):
        with pytest.raises(ApprovalError, match="expired"):
            vote(request)


@pytest.mark.parametrize("state", ["rejected", "expired", "cancelled", "invalidated"])
def test_what_is_closed_stays_closed(ask, approve, reject, cast, state):
    request = ask()
    ApprovalRequest.objects.update(state=state, ended_at=timezone.now())
    with pytest.raises(ApprovalError, match="not pending"):
        approve(request)
    for act in (lambda: reject(request), lambda: withdraw(request, actor=cast["operator"])):
        with pytest.raises(ApprovalError, match="not open"):
            act()
    with pytest.raises(ApprovalError, match="not open"):
        comment(request, actor=cast["operator"], text="Why?")


def test_what_needs_nobody_is_not_voted_on(ask, reject):
    with pytest.raises(ApprovalError, match="no approval"):
        reject(ask(risk="R0"))


# --- reject ---------------------------------------------------------------------------------------------


def test_one_rejection_ends_it_and_says_why(ask, approve, reject):
    request = ask(risk="R3")
    approve(request)
    request = reject(request, "approver2")

    assert (request.state, request.ending) == (RequestState.REJECTED, WHY)
    assert request.ended_at is not None
    entry = AuditEntry.objects.get(action="request.rejected")
    assert (entry.reason, entry.actor.username) == (WHY, "approver2")
    with pytest.raises(ApprovalError):
        reject(request)


def test_it_says_why(ask, reject):
    with pytest.raises(ApprovalError, match="why") as refused:
        reject(ask(), why="  ")
    assert refused.value.field == "comment"


def test_who_approved_may_have_second_thoughts_until_work_begins(ask, approve, reject):
    request = approve(ask())
    request = reject(request)

    assert request.state == RequestState.REJECTED
    assert [vote.approves for vote in request.votes.all()] == [True, False]
    assert Run.objects.get().state == "queued"  # its own first turn ends it


def test_what_has_begun_is_not_rejected_any_more(approved, reject):
    request = approved()
    ApprovalRequest.objects.update(state=RequestState.STARTED, ended_at=timezone.now())
    with pytest.raises(ApprovalError, match="not open"):
        reject(request)


# --- comment, withdraw, review --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asks", "action"), [(False, "request.commented"), (True, "request.change_asked")], ids=["said", "asked"]
)
def test_people_talk_about_it(ask, cast, asks, action):
    request = ask()
    said = comment(request, actor=cast["approver"], text=" Leave out DNS ", asks_change=asks)

    assert (said.text, said.asks_change, said.author) == ("Leave out DNS", asks, cast["approver"])
    assert change_of(action) == {"text": "Leave out DNS"}
    request.refresh_from_db()
    assert request.state == RequestState.PENDING


@pytest.mark.parametrize("who", ["viewer", "auditor"])
def test_not_everybody_talks(ask, cast, who):
    with pytest.raises(Denied):
        comment(ask(), actor=cast[who], text="Hello")


def test_a_comment_says_something(ask, cast):
    with pytest.raises(ApprovalError):
        comment(ask(), actor=cast["approver"], text=" ")


@pytest.mark.parametrize("who", ["operator", "administrator"])
@pytest.mark.parametrize("votes", [0, 1], ids=["pending", "approved"])
def test_it_is_withdrawn_before_work_begins(ask, approve, cast, who, votes):
    request = ask()
    for _ in range(votes):
        approve(request)
    withdraw(request, actor=cast[who])

    request.refresh_from_db()
    assert (request.state, request.ending) == (RequestState.CANCELLED, f"Withdrawn by {cast[who]}.")
    assert AuditEntry.objects.get(action="request.withdrawn").actor == cast[who]
    with pytest.raises(ApprovalError):
        withdraw(request, actor=cast[who])


@pytest.mark.parametrize("who", ["viewer", "approver", "auditor"])
def test_others_do_not_withdraw_it(ask, cast, who):
    with pytest.raises(Denied):
        withdraw(ask(), actor=cast[who])


def broken(ask, cast) -> ApprovalRequest:
    """Broken glass, and withdrawn before it began."""
    request = ask("administrator", break_glass=True, risk="R2")
    withdraw(request, actor=cast["administrator"])
    request.refresh_from_db()
    return request


@pytest.mark.parametrize(("accepted", "found"), [(True, Review.ACCEPTED), (False, Review.VIOLATION)])
@pytest.mark.parametrize("who", ["approver", "auditor"])
def test_broken_glass_is_looked_at_by_another(ask, cast, who, accepted, found):
    request = broken(ask, cast)
    assert list(to_review(cast[who])) == [request]
    review(request, actor=cast[who], accepted=accepted, note=NOTE)

    request.refresh_from_db()
    assert (request.review, request.reviewed_by, request.review_note) == (found, cast[who], NOTE)
    assert change_of("request.reviewed") == {"review": found}
    assert not to_review(cast[who]).exists()
    with pytest.raises(ApprovalError, match="no review"):
        review(request, actor=cast[who], accepted=accepted, note=NOTE)


def test_who_broke_it_does_not_review_it(ask, cast):
    cast["administrator"].groups.add(*cast["approver"].groups.all())
    request = broken(ask, cast)
    assert not to_review(cast["administrator"]).exists()
    with pytest.raises(Denied, match="someone else"):
        review(request, actor=cast["administrator"], accepted=True, note=NOTE)


def test_it_is_reviewed_once_it_has_started_and_with_words(ask, cast):
    request = ask("administrator", break_glass=True, risk="R2")
    with pytest.raises(ApprovalError, match="once it has started"):
        review(request, actor=cast["approver"], accepted=True, note=NOTE)
    with pytest.raises(ApprovalError, match="20 characters"):
        review(request, actor=cast["approver"], accepted=True, note="fine")
    with pytest.raises(Denied):
        review(request, actor=cast["operator"], accepted=True, note=NOTE)


# --- the inbox ------------------------------------------------------------------------------------------


def test_what_waits_for_whom(ask, approve, cast):
    urgent, later = ask(risk="R3"), ask()
    ask(risk="R0")
    assert list(waiting_for(cast["approver"])) == [urgent, later]
    assert not waiting_for(cast["operator"]).exists()

    approve(urgent)
    assert list(waiting_for(cast["approver"])) == [later]
    assert list(waiting_for(cast["approver2"])) == [urgent, later]
    ApprovalRequest.objects.filter(pk=later.pk).update(expires_at=ago(seconds=2))
    assert not waiting_for(cast["approver"]).exists()
