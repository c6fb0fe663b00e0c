"""Deleting what is held: asked for, decided by two others, and carried out only as it was shown."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from backups.access import Denied
from backups.approvals import admission
from backups.approvals.models import ApprovalRequest, digest_of
from backups.approvals.services import withdraw
from backups.audit import act
from backups.audit.checkpoints import make_checkpoint
from backups.audit.models import AuditEntry
from backups.retention.asking import ask_delete, open_request
from backups.retention.copies import RetentionError
from backups.retention.deleting import queue_delete
from backups.retention.holds import holds_on
from backups.retention.models import Hold
from backups.runs.models import Run
from tests.turns import work

from .conftest import WHY
from .test_holds import restore_of


@pytest.fixture(params=["snapshot", "archive"])
def copy(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def _looked_at(location):
    (location.directory / "cybersift_restore.py").touch()


@pytest.fixture
def ask(cast):
    return lambda copy, who="operator", **options: ask_delete(actor=cast[who], copy=copy, reason=WHY, **options)


def test_two_others_agree_and_it_is_deleted(copy, hold, ask, agree):
    placed = hold(copy)
    request = ask(copy, ticket="INC-4402")

    assert (request.risk, request.needed, request.state) == ("R3", 2, "pending")
    document = request.document
    assert (document["what"], document["name"], document["last_good"]) == (copy._meta.model_name, copy.name, False)
    assert [each["key"] for each in document["holds"]] == [f"hold:{placed.pk}"]
    assert digest_of(request.text) == request.digest
    run = work(agree(request))

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    copy.refresh_from_db()
    request.refresh_from_db()
    assert (copy.state, request.state) == ("deleted", "started")
    assert AuditEntry.objects.filter(run=run.pk, action="request.started").exists()


def test_what_nothing_holds_needs_no_request(copy, ask):
    with pytest.raises(RetentionError, match="Nothing holds"):
        ask(copy)


@pytest.mark.parametrize("who", ["viewer", "approver", "auditor"])
def test_who_may_not_ask(snapshot, hold, ask, who):
    hold(snapshot)
    with pytest.raises(Denied):
        ask(snapshot, who)


def test_it_is_asked_for_once(copy, hold, ask, cast):
    hold(copy)
    request = ask(copy)
    with pytest.raises(RetentionError, match=f"{request.number} asks for this already"):
        ask(copy, "administrator")
    withdraw(request, actor=cast["operator"])

    assert open_request(copy) is None
    assert ask(copy).pk != request.pk


def test_the_same_form_asks_once(snapshot, hold, ask, cast):
    hold(snapshot)
    withdraw(ask(snapshot, form_key="f-1"), actor=cast["operator"])
    with pytest.raises(RetentionError, match="already sent"):
        ask(snapshot, form_key="f-1")


def test_the_last_good_one_needs_its_name_here_too(make_snapshot, hold, ask, agree):
    only = make_snapshot()
    hold(only)
    with pytest.raises(RetentionError, match="last good"):
        ask(only)

    request = ask(only, typed_name=only.name)
    assert request.document["last_good"] is True
    assert work(agree(request)).state == "succeeded"


def test_a_request_to_delete_holds_nothing(snapshot, hold, ask, cast):
    placed = hold(snapshot)
    ask(snapshot)
    Hold.objects.filter(pk=placed.pk).update(until=timezone.now())

    assert holds_on(snapshot) == []
    assert work(queue_delete(actor=cast["administrator"], copy=snapshot, reason=WHY)).state == "succeeded"


def test_a_hold_that_nobody_agreed_to_ends_it(copy, hold, ask, agree):
    hold(copy)
    run = agree(ask(copy))
    hold(copy, "approver")

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "is held since" in run.error
    copy.refresh_from_db()
    assert copy.state == "verified"


def test_a_hold_that_ended_meanwhile_is_no_matter(copy, hold, ask, agree):
    hold(copy)
    run = agree(ask(copy))
    Hold.objects.update(until=timezone.now())

    assert work(run).state == "succeeded"


def test_other_params_than_were_agreed_to(copy, hold, ask, agree):
    hold(copy)
    run = agree(ask(copy))
    document = json.loads(run.params["document"])
    document["holds"].append({"key": "hold:99"})
    Run.objects.filter(pk=run.pk).update(params=run.params | {"document": json.dumps(document)})

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert ApprovalRequest.objects.get().state == "invalidated"


def test_it_waits_for_the_checkpoint(snapshot, hold, ask, agree, monkeypatch):
    monkeypatch.setattr("tests.retention.conftest.make_checkpoint", lambda: None)
    hold(snapshot)
    run = agree(ask(snapshot))
    looks = iter(range(3))
    work(run, lambda run: next(looks, None) is None)
    assert not AuditEntry.objects.filter(action="credential.used", run=run.pk).exists()
    monkeypatch.undo()
    make_checkpoint()

    assert work(run).state == "succeeded"


def test_withdrawn_before_its_run_began(copy, hold, ask, agree, cast):
    hold(copy)
    request = ask(copy)
    run = agree(request)
    withdraw(request, actor=cast["operator"])

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")


def test_too_late_to_begin(snapshot, hold, ask, agree):
    hold(snapshot)
    run = agree(ask(snapshot))
    ApprovalRequest.objects.update(start_before=timezone.now() - timedelta(minutes=1))

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert ApprovalRequest.objects.get().state == "expired"


def test_what_is_restored_from_at_this_moment_cannot_be_asked_for(copy, cast, ask):
    request = restore_of(copy, cast["operator"], risk="R0")  # needs nobody, so its run is queued
    with act(None) as a:
        admission.begin(a, request)
    with pytest.raises(RetentionError, match="is being restored from"):
        ask(copy)
