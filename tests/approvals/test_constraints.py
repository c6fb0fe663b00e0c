"""What the database itself refuses, whatever writes into it."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.approvals import triggers
from backups.approvals.models import OPEN, TRANSITIONS, ApprovalRequest, Mail, RequestState, Vote
from backups.audit.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.db]

NOW = timezone.now()

# what somebody writes into the row of a pending request | the constraint that refuses it
ROWS = [
    ({"state": "waved", "ended_at": NOW}, "request_state_is_known"),
    ({"risk": "R9"}, "request_(risk_is_known|needs_enough_votes)"),
    ({"digest": "abc"}, "request_has_a_digest"),
    ({"needed": 0}, "request_needs_enough_votes"),
    ({"risk": "R2", "needed": 0}, "request_needs_enough_votes"),
    ({"risk": "R3", "needed": 1}, "request_needs_enough_votes"),
    ({"state": "approved"}, "request_approved_has_run"),
    ({"state": "approved", "approved_at": NOW, "start_before": NOW}, "request_approved_has_run"),
    ({"state": "started", "ended_at": NOW}, "request_approved_has_run"),
    ({"state": "rejected"}, "request_ended_when_closed"),
    ({"ended_at": NOW}, "request_ended_when_closed"),
    ({"break_glass": True}, "request_break_glass_is_reviewed"),
    ({"review": "due"}, "request_break_glass_is_reviewed"),
    ({"review": "waived", "break_glass": True}, "request_review_is_known"),
]


@pytest.mark.parametrize(("columns", "constraint"), ROWS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_request_that_cannot_be(thawed, ask, columns, constraint):
    request = ask()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ApprovalRequest.objects.filter(pk=request.pk).update(**columns)


def test_nobody_reviews_their_own(ask, cast):
    request = ask("administrator", break_glass=True, risk="R2")
    with pytest.raises(IntegrityError, match="request_reviewed_by_another"), transaction.atomic():
        ApprovalRequest.objects.filter(pk=request.pk).update(review="accepted", reviewed_by=cast["administrator"])


def test_a_run_belongs_to_one_request(ask):
    first, second = ask(risk="R0"), ask(risk="R0")
    first.refresh_from_db()
    with pytest.raises(IntegrityError), transaction.atomic():
        ApprovalRequest.objects.filter(pk=second.pk).update(run=first.run)


@pytest.mark.parametrize(
    "columns",
    [
        *(
            {"text": "{}"},
            {"digest": "0" * 64},
            {"kind": "delete"},
            {"params": {"plan": 4}},
            {"reason": "Another one"},
        ),
        *(
            {"risk": "R0", "needed": 0},
            {"needed": 0},
            {"break_glass": True, "review": "due"},
            {"source": "snapshot:9"},
        ),
        {"policy": {"start_within": 9_000_000}},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_a_request_is_frozen(ask, columns):
    request = ask(params={"plan": 3})
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        ApprovalRequest.objects.filter(pk=request.pk).update(**columns)


def test_nobody_becomes_the_requester_of_another(ask, cast):
    request = ask()
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        ApprovalRequest.objects.filter(pk=request.pk).update(requester=cast["administrator"])


MOVES = [(before, after) for before in RequestState.values for after in RequestState.values if before != after]


@pytest.mark.parametrize(("before", "after"), MOVES, ids="-".join)
def test_states_follow_the_table_of_transitions(ask, before, after):
    """A row in any state, and every way out of it."""
    filed, first = ask(risk="R0"), ApprovalRequest.objects
    filed.refresh_from_db()
    columns = {field.attname: getattr(filed, field.attname) for field in filed._meta.concrete_fields}
    first.filter(pk=filed.pk).update(run=None, state="cancelled", ended_at=NOW)
    end = {"ended_at": None if before in OPEN else NOW}
    row = first.create(**(columns | {"id": None, "key": "another", "state": before} | end))

    def go():
        first.filter(pk=row.pk).update(state=after, ended_at=None if after in OPEN else NOW)

    if after in TRANSITIONS.get(before, ()):
        go()
    else:
        with pytest.raises(IntegrityError, match="from this state"), transaction.atomic():
            go()


@pytest.mark.parametrize("columns", [{"approves": False, "comment": "No"}, {"digest": "0" * 64}, {"at": NOW}])
def test_a_vote_stays_as_it_was_cast(ask, approve, columns):
    approve(ask())
    with pytest.raises(IntegrityError, match="stays"), transaction.atomic():
        Vote.objects.update(**columns)


def test_triggers_are_put_back(ask, thawed):
    triggers.install()
    triggers.install()
    request = ask()
    with pytest.raises(IntegrityError, match="frozen"), transaction.atomic():
        ApprovalRequest.objects.filter(pk=request.pk).update(text="{}")


def vote(request, person, **columns):
    given = {"requester": request.requester, "approves": True, "digest": request.digest, "at": NOW}
    return Vote.objects.create(request=request, person=person, **(given | columns))


@pytest.mark.parametrize(
    ("who", "columns", "constraint"),
    [
        ("operator", {}, "vote_not_on_own_request"),
        ("approver", {"digest": ""}, "vote_has_a_digest"),
        ("approver", {"approves": False}, "vote_against_says_why"),
    ],
)
def test_a_vote_that_cannot_be(ask, cast, who, columns, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        vote(ask(), cast[who], **columns)


def test_a_person_approves_once_and_rejects_once(ask, cast):
    request = ask()
    vote(request, cast["approver"])
    vote(request, cast["approver"], approves=False, comment="No")
    for again in ({}, {"approves": False, "comment": "No"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            vote(request, cast["approver"], **again)


def test_people_requests_and_votes_stay(ask, approve, cast):
    request = approve(ask(risk="R3"))
    for kept in (cast["approver"], cast["operator"], request):
        with pytest.raises(Exception, match="protected"):
            kept.delete()


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [({"about": "weather"}, "mail_subject_is_known"), ({"sent_at": NOW, "next_at": NOW}, "mail_sent_once")],
)
def test_a_letter_that_cannot_be(ask, cast, columns, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Mail.objects.create(**({"request": ask(), "person": cast["approver"], "about": "filed"} | columns))


def test_what_is_refused_below_leaves_no_entry(ask, cast, monkeypatch):
    """Where a guard of the console fails, the table still refuses, and with it the entry of the vote."""
    from backups.approvals import rules, voting

    monkeypatch.setattr(rules, "WHO", {})
    request = ask()
    with pytest.raises(IntegrityError, match="vote_not_on_own_request"), transaction.atomic():
        voting.approve(request, actor=cast["operator"], digest=request.digest)
    assert not AuditEntry.objects.filter(action="request.voted").exists()
