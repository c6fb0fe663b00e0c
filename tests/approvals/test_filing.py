"""Filing a request: it works with its entry, it refuses, and it is safe twice."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from backups.access import Denied
from backups.access.models import User
from backups.approvals.models import ApprovalRequest, RequestState, Review, digest_of
from backups.approvals.services import ApprovalError, holds, withdraw
from backups.audit.models import AuditEntry
from backups.runs.models import Run

from .conftest import REASON, TEXT

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def entry(action: str) -> AuditEntry:
    return AuditEntry.objects.get(action=action)


def test_it_is_frozen_with_its_digest_and_rules(ask, cast, settings):
    request = ask(risk="R2", ticket=" INC-4471 ", source="snapshot:12", params={"plan": 3}, host="node-01")

    request.refresh_from_db()
    assert (request.state, request.needed, request.digest) == (RequestState.PENDING, 1, digest_of(TEXT))
    assert (request.requester, request.reason, request.ticket) == (cast["operator"], REASON, "INC-4471")
    assert request.document == {"indices": ["logs-auth"]}
    assert request.policy == {"needed": 1, "expires_after": 24 * 3600, "start_within": 3600}
    assert request.expires_at - request.requested_at == timedelta(hours=24)
    assert request.run is None and not Run.objects.exists()


def test_what_cannot_be_undone_needs_two_and_expires_sooner(ask):
    request = ask(risk="R3")

    assert request.needed == 2
    assert request.expires_at - request.requested_at == timedelta(hours=4)


def test_it_leaves_an_entry_with_reason_and_digest(ask, cast):
    request = ask()

    found = entry("request.filed")
    assert (found.actor, found.object_id, found.reason) == (cast["operator"], str(request.pk), REASON)
    assert json.loads(found.text)["change"] == {"digest": request.digest, "risk": "R1", "needed": 1}


def test_scratch_needs_nobody_and_its_run_is_queued(ask, cast):
    request = ask(risk="R0", params={"plan": 3}, host="node-01")

    request.refresh_from_db()
    run = Run.objects.get()
    assert (request.state, request.needed, request.run) == (RequestState.APPROVED, 0, run)
    assert request.start_before - request.approved_at == timedelta(hours=1)
    assert (run.kind, run.key, run.actor, run.host) == ("make", f"request:{request.pk}", cast["operator"], "node-01")
    assert run.params == {"plan": 3, "request": request.pk}
    assert (run.subject, run.reason) == ("nightly", REASON)
    order = list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))
    assert order == ["request.filed", "run.queued", "request.approved"]


def test_the_same_key_twice_is_one_request(ask):
    ask(key="form:1")

    with pytest.raises(ApprovalError, match="already sent"):
        ask(key="form:1")
    assert ApprovalRequest.objects.count() == AuditEntry.objects.filter(action="request.filed").count() == 1


@pytest.mark.parametrize("who", ["viewer", "approver", "auditor"])
def test_only_those_who_may_ask_ask(ask, who):
    with pytest.raises(Denied):
        ask(who)


@pytest.mark.parametrize("reason", ["", "too short", " " * 40, "nineteen characters"])
def test_a_reason_says_something(ask, reason):
    with pytest.raises(ApprovalError, match="20 characters") as refused:
        ask(reason=reason)
    assert refused.value.field == "reason"


def deactivate(*people):
    User.objects.filter(pk__in=[person.pk for person in people]).update(is_active=False)


def test_without_enough_people_it_is_refused_at_once(ask, cast):
    deactivate(cast["approver2"])

    with pytest.raises(ApprovalError, match="besides you: 1") as refused:
        ask(risk="R3")
    assert "break the glass" not in str(refused.value)
    with pytest.raises(ApprovalError, match="you may break the glass"):
        ask("administrator", risk="R3")
    assert ask(risk="R1").needed == 1
    assert not AuditEntry.objects.filter(action="request.filed").count() > 1


def test_the_one_who_asks_is_nobody_of_those_who_approve(ask, cast):
    cast["operator"].groups.add(*cast["approver"].groups.all())
    deactivate(cast["approver"], cast["approver2"])

    with pytest.raises(ApprovalError, match="besides you: 0"):
        ask()


def test_glass_is_broken_by_administrators_loudly(ask, cast):
    with pytest.raises(Denied):
        ask(break_glass=True, risk="R2")

    request = ask("administrator", break_glass=True, risk="R2")

    request.refresh_from_db()
    assert (request.state, request.needed, request.review) == (RequestState.APPROVED, 0, Review.DUE)
    assert request.review_due_at - request.requested_at == timedelta(hours=24)
    assert entry("request.glass_broken").severity == 3
    assert request.run is not None


def test_there_is_no_glass_before_what_needs_nobody(ask):
    with pytest.raises(ApprovalError, match="no glass"):
        ask("administrator", break_glass=True, risk="R0")


def test_who_was_not_reviewed_in_time_breaks_no_more_glass(ask):
    request = ask("administrator", break_glass=True, risk="R2")
    ask("administrator", break_glass=True, risk="R2")
    ApprovalRequest.objects.filter(pk=request.pk).update(review_due_at=timezone.now())

    with pytest.raises(ApprovalError, match="overdue"):
        ask("administrator", break_glass=True, risk="R2")


def test_a_new_form_takes_the_place_of_one_that_is_over(ask, cast):
    first = ask()
    with pytest.raises(ApprovalError, match="still open"):
        ask(earlier=first)

    withdraw(first, actor=cast["operator"])
    first.refresh_from_db()
    assert ask(earlier=first).earlier == first


def test_it_holds_its_source_until_its_run_is_over(ask, approved):
    request = ask(source="snapshot:12")
    assert holds("snapshot:12") == [request]
    assert holds("snapshot:1") == []

    started = approved(source="snapshot:13")
    now = timezone.now()
    ApprovalRequest.objects.filter(pk=started.pk).update(state=RequestState.STARTED, ended_at=now)
    assert holds("snapshot:13") == [started]
    Run.objects.filter(pk=started.run_id).update(state="succeeded", ended_at=now)
    assert holds("snapshot:13") == []


def test_a_text_that_is_no_json_is_a_fault_of_the_program(ask):
    with pytest.raises(ValueError):
        ask(text="{")
    assert not ApprovalRequest.objects.exists()
