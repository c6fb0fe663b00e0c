"""Whether the run of a request may begin: asked again at the last moment."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from backups.access.models import User
from backups.approvals import admission as admissions
from backups.approvals import facts
from backups.approvals.admission import READY, REFUSED, WAIT, Admission, admission, begin, close_unstarted
from backups.approvals.errors import NotAdmitted
from backups.approvals.models import ApprovalRequest, RequestState, Vote, digest_of
from backups.approvals.services import withdraw
from backups.audit import act, checkpoints
from backups.audit.models import AuditEntry, Checkpoint
from backups.runs.models import Run

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def asked(request: ApprovalRequest, digest: str = "") -> Admission:
    return admission(Run.objects.get(pk=request.run_id), digest or request.digest)


def start(request: ApprovalRequest) -> None:
    with act(None) as a:
        begin(a, request)


def deactivate(cast, request, settings):
    User.objects.filter(pk=cast["approver"].pk).update(is_active=False)


def lose_the_role(cast, request, settings):
    cast["approver"].groups.clear()


def deactivate_requester(cast, request, settings):
    User.objects.filter(pk=cast["operator"].pk).update(is_active=False)


def requester_may_not_ask(cast, request, settings):
    cast["operator"].groups.clear()


def stricter_rules(cast, request, settings):
    settings.APPROVALS_NEEDED = {"R0": 0, "R1": 2, "R2": 2, "R3": 3}


def change_the_text(cast, request, settings):
    ApprovalRequest.objects.filter(pk=request.pk).update(text="{}")


def change_text_and_digest(cast, request, settings):
    ApprovalRequest.objects.filter(pk=request.pk).update(text="{}", digest=digest_of("{}"))
    request.refresh_from_db()


def make_it_harmless(cast, request, settings):
    """And take the votes away, which it does not need then."""
    request.votes.all().delete()
    ApprovalRequest.objects.filter(pk=request.pk).update(risk="R0", needed=0)
    request.refresh_from_db()


def say_that_the_glass_was_broken(cast, request, settings):
    request.votes.all().delete()
    ApprovalRequest.objects.filter(pk=request.pk).update(break_glass=True, needed=0, review="due")
    request.refresh_from_db()


def put_in_a_vote_of_the_same_person(cast, request, settings):
    Vote.objects.update(digest="0" * 64)


def too_late(cast, request, settings):
    ApprovalRequest.objects.filter(pk=request.pk).update(start_before=timezone.now())


def put_a_vote_into_the_table(cast, request, settings):
    """Whoever owns the database can write a row, but no entry of the log."""
    request.votes.all().delete()
    Vote.objects.create(
        **{"request": request, "person": cast["approver2"], "requester": cast["operator"], "approves": True},
        **{"digest": request.digest, "at": timezone.now()},
    )


TERMS = "What this request needs to be approved was changed after it was filed."

# what happened in between | what the run hears | how the request ends
CASES = [
    (deactivate, "0 of 1 approvals count now: Ġorġ Borg is deactivated.", "invalidated"),
    (lose_the_role, "0 of 1 approvals count now: Ġorġ Borg is no approver any more.", "invalidated"),
    (deactivate_requester, "Maria Zammit may not ask for this any more.", "invalidated"),
    (requester_may_not_ask, "Maria Zammit may not ask for this any more.", "invalidated"),
    (stricter_rules, "1 of 2 approvals count now. The rules ask for 2 by now, when it was filed 1.", "invalidated"),
    (change_the_text, "The text of this request was changed after it was filed.", "invalidated"),
    (change_text_and_digest, "The text of this request was changed after it was filed.", "invalidated"),
    (make_it_harmless, TERMS, "invalidated"),
    (say_that_the_glass_was_broken, TERMS, "invalidated"),
    (put_in_a_vote_of_the_same_person, "0 of 1 approvals count now: Ġorġ Borg approved another plan.", "invalidated"),
    (put_a_vote_into_the_table, "0 of 1 approvals count now: Ritianne Vella has no vote in the log.", "invalidated"),
    (too_late, "Work did not begin in time after the approval.", "expired"),
]


@pytest.mark.parametrize(("happened", "why", "closes"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_so_any_more_is_refused(thawed, approved, cast, settings, happened, why, closes):
    request = approved(risk="R2")
    assert asked(request) == Admission(READY)

    happened(cast, request, settings)

    assert asked(request) == Admission(REFUSED, why, closes)
    with pytest.raises(NotAdmitted):
        start(request)
    assert ApprovalRequest.objects.get().state == RequestState.APPROVED
    assert not AuditEntry.objects.filter(action="request.started").exists()


def test_entries_that_were_made_with_another_key_say_nothing(approved, monkeypatch):
    """Whoever owns the database can write entries, but has no key for their MAC."""
    request = approved()
    monkeypatch.setattr(facts.keys, "mac_key", lambda: b"another")
    assert facts.logged(request) == facts.Logged()
    assert asked(request).state == REFUSED


def test_a_checkpoint_that_nobody_signed_covers_nothing(ask, approve):
    request = approve(ask(risk="R2"))
    Checkpoint.objects.create(at=timezone.now(), seq=10_000, digest="0" * 64, host="x", signature="AAAA")
    assert asked(request).state == WAIT


def test_another_plan_than_the_frozen_one_is_refused(approved):
    request = approved()
    assert asked(request, "0" * 64) == Admission(
        REFUSED, "What would be done now is not what was frozen in the request.", "invalidated"
    )


def test_looser_rules_do_not_help(ask, approve, settings):
    request = ask(risk="R3")
    settings.APPROVALS_NEEDED = settings.APPROVALS_NEEDED | {"R3": 1}
    assert approve(request).state == RequestState.PENDING


@pytest.mark.parametrize("risk", ["R0", "R1", "R2", "R3"])
def test_what_replaces_waits_for_a_checkpoint(ask, approve, risk):
    request = ask(risk=risk)
    for who in ("approver", "approver2")[: request.needed]:
        request = approve(request, who)

    found = asked(request)
    assert found.state == (READY if risk in ("R0", "R1") else WAIT)
    if found.state == WAIT:
        with pytest.raises(NotAdmitted, match="checkpoint"):
            start(request)
        checkpoints.make_checkpoint()
        assert asked(request) == Admission(READY)


def test_broken_glass_waits_for_a_checkpoint_and_for_no_person(ask, cast):
    request = ask("administrator", break_glass=True, risk="R1")
    request.refresh_from_db()
    assert asked(request).state == WAIT
    checkpoints.make_checkpoint()
    assert asked(request) == Admission(READY)
    start(request)
    assert ApprovalRequest.objects.get().state == RequestState.STARTED


def test_it_begins_once_with_its_entry(approved, cast):
    request = approved(risk="R3")
    start(request)
    start(request)

    request.refresh_from_db()
    assert request.state == RequestState.STARTED
    entry = AuditEntry.objects.get(action="request.started")
    assert (entry.run, entry.actor) == (request.run_id, None)
    assert json.loads(entry.text)["change"] == {"digest": request.digest}
    assert asked(request, "0" * 64) == Admission(READY)  # it began: what it changed is not drift


def test_what_was_withdrawn_is_refused_and_stays_as_it_is(approved, cast):
    request = approved()
    withdraw(request, actor=cast["operator"])

    assert asked(request) == Admission(REFUSED, f"{request.number}: withdrawn. Withdrawn by Maria Zammit.")
    with act(None) as a:
        close_unstarted(a, request, RequestState.INVALIDATED, "The target moved.")
    assert ApprovalRequest.objects.get().state == RequestState.CANCELLED
    assert not AuditEntry.objects.filter(action="request.invalidated").exists()


@pytest.mark.parametrize("state", ["invalidated", "expired", "cancelled"])
def test_a_run_that_does_not_begin_closes_its_request(approved, state):
    request = approved()
    with act(None) as a:
        close_unstarted(a, request, state, "The target moved.")

    request.refresh_from_db()
    assert (request.state, request.ending) == (state, "The target moved.")
    assert AuditEntry.objects.filter(action=admissions.ACTIONS[state], run=request.run_id).count() == 1


def test_other_runs_belong_to_no_request(approved):
    request = approved()
    other = Run.objects.create(kind="make", key="other", subject="x", params={"request": request.pk})
    assert admission(other, request.digest).state == REFUSED
    with pytest.raises(NotAdmitted, match="no approved request"):
        admissions.require_started(other)


def test_a_credential_is_opened_for_work_that_began(thawed, approved):
    request = approved()
    run = Run.objects.get()
    with pytest.raises(NotAdmitted, match="not been started"):
        admissions.require_started(run)
    start(request)
    assert admissions.require_started(run) == request

    ApprovalRequest.objects.update(text="{}")
    with pytest.raises(NotAdmitted, match="changed"):
        admissions.require_started(run)
    ApprovalRequest.objects.update(text=request.text)
    run.state, run.ended_at = "succeeded", timezone.now() - timedelta(seconds=1)
    with pytest.raises(NotAdmitted, match="over"):
        admissions.require_started(run)


def test_a_state_that_was_written_into_the_table_opens_nothing(thawed, approved, monkeypatch):
    """The entry of a start is what nobody can write who has no key for its MAC."""
    request, now = approved(), timezone.now()
    run = Run.objects.get()
    ApprovalRequest.objects.update(state=RequestState.STARTED, ended_at=now)
    with pytest.raises(NotAdmitted, match="no entry of the start"):
        admissions.require_started(run)

    ApprovalRequest.objects.update(state=RequestState.APPROVED, ended_at=None)
    start(request)
    assert admissions.require_started(run) == request
    monkeypatch.setattr(facts.keys, "mac_key", lambda: b"another")
    with pytest.raises(NotAdmitted, match="no entry of the start"):
        admissions.require_started(run)


def test_the_entry_of_one_start_opens_nothing_for_another_run(thawed, approved):
    request, run = approved(), Run.objects.get()
    start(request)
    other = Run.objects.create(kind="make", key="other", subject="x", params={"request": request.pk})
    ApprovalRequest.objects.update(run=other)

    assert run.pk != other.pk
    with pytest.raises(NotAdmitted, match="no entry of the start"):
        admissions.require_started(other)


def test_who_broke_the_glass_must_be_able_to_at_the_start(ask, cast):
    request = ask("administrator", break_glass=True, risk="R2")
    checkpoints.make_checkpoint()
    assert asked(request).state == READY

    cast["administrator"].groups.set(cast["operator"].groups.all())

    why = f"{cast['administrator']} may not break the glass any more."
    assert asked(request) == Admission(REFUSED, why, "invalidated")
    with pytest.raises(NotAdmitted, match="break the glass"):
        start(request)
