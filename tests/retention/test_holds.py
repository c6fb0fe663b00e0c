"""Holds: placed, released, ended, derived; and that nothing held is deleted."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.access import Denied
from backups.approvals.models import ApprovalRequest
from backups.approvals.services import file_request, withdraw
from backups.audit.models import AuditEntry
from backups.retention import steps
from backups.retention.copies import RetentionError
from backups.retention.deleting import IsHeld, queue_delete
from backups.retention.holds import holds_on, place_hold, record_ended, release_hold
from backups.retention.models import Hold
from tests.turns import work

from .conftest import WHY, looked

WHILE = timedelta(days=7)

pytestmark = pytest.mark.db


@pytest.fixture(params=["snapshot", "archive"])
def copy(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def delete(cast):
    return lambda copy: queue_delete(actor=cast["administrator"], copy=copy, reason=WHY)


def restore_of(copy, actor, risk: str = "R2") -> ApprovalRequest:
    return file_request(
        actor=actor,
        kind="restore_indices",
        title="Restore 2 indices",
        risk=risk,
        risk_reason="Replaces 2 indices",
        text="{}",
        template="t.html",
        summary={},
        source=f"{copy._meta.model_name}:{copy.pk}",
        subject="restore",
        reason="Analysts miss the events of Monday.",
        key=f"restore:{copy.pk}",
    )


def test_a_hold_keeps_it(copy, hold, delete):
    placed = hold(copy)

    assert [held.key for held in holds_on(copy)] == [f"hold:{placed.pk}"]
    with pytest.raises(IsHeld, match="Hold by .*, until") as refused:
        delete(copy)
    assert refused.value.held[0].reason == "Legal hold, case INC-4402."
    entry = AuditEntry.objects.get(action="hold.placed")
    assert (entry.object_name, entry.reason) == (str(copy), "Legal hold, case INC-4402.")


def test_a_hold_that_is_over_keeps_nothing(snapshot, hold, delete):
    hold(snapshot)
    Hold.objects.update(until=timezone.now())

    assert holds_on(snapshot) == []
    assert work(delete(snapshot)).state == "succeeded"


def test_the_end_of_a_hold_is_written_down_once(snapshot, hold):
    hold(snapshot)
    record_ended()
    assert not AuditEntry.objects.filter(action="hold.ended").exists()

    Hold.objects.update(until=timezone.now())
    record_ended()
    record_ended()

    assert AuditEntry.objects.filter(action="hold.ended").count() == 1


def test_an_approver_releases_it_with_a_reason(copy, hold, cast, delete):
    placed = hold(copy)
    release_hold(placed, actor=cast["approver"], reason="The case INC-4402 was closed.")

    assert holds_on(copy) == []
    assert AuditEntry.objects.get(action="hold.released").reason == "The case INC-4402 was closed."
    with pytest.raises(RetentionError, match="released it before"):
        release_hold(placed, actor=cast["approver"], reason="The case INC-4402 was closed.")


@pytest.mark.parametrize("who", ["viewer", "operator", "auditor", "administrator"])
def test_nobody_else_releases_it(snapshot, hold, cast, who):
    with pytest.raises(Denied):
        release_hold(hold(snapshot), actor=cast[who], reason="The case INC-4402 was closed.")


@pytest.mark.parametrize("who", ["viewer", "auditor"])
def test_who_may_not_place_one(snapshot, hold, who):
    with pytest.raises(Denied):
        hold(snapshot, who)


@pytest.mark.parametrize(
    ("reason", "until", "field"),
    [
        ("short", WHILE, "reason"),
        (WHY, -WHILE, "until"),
        (WHY, timedelta(0), "until"),
        (WHY, timedelta(days=40_000), "until"),
    ],
)
def test_what_a_hold_needs(snapshot, cast, reason, until, field):
    with pytest.raises(RetentionError) as refused:
        place_hold(actor=cast["operator"], copy=snapshot, reason=reason, until=timezone.now() + until)

    assert refused.value.field == field


def test_a_request_holds_what_it_needs_until_it_is_closed(copy, cast, delete):
    request = restore_of(copy, cast["operator"])

    held = holds_on(copy)
    assert [(each.key, each.until, each.works) for each in held] == [(f"request:{request.pk}", None, False)]
    with pytest.raises(IsHeld, match=f"{request.number} by .*, until it is over"):
        delete(copy)
    withdraw(request, actor=cast["operator"])
    assert holds_on(copy) == []


def test_a_request_for_another_copy_holds_nothing(make_snapshot, cast):
    first, second = make_snapshot("a"), make_snapshot("b")
    restore_of(first, cast["operator"])

    assert holds_on(second) == []


def test_a_hold_that_comes_before_the_deletion_begins_wins(copy, hold, delete):
    run = delete(copy)
    hold(copy)

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "is held since: Hold by" in run.error
    copy.refresh_from_db()
    assert copy.state == "verified"


def test_a_hold_between_the_look_and_its_commit_wins(snapshot, hold, delete, monkeypatch):
    """The turn of the look is void, and the next one sees the hold."""
    run, seen = delete(snapshot), steps.uuid_of

    def hold_meanwhile(copy):
        monkeypatch.setattr(steps, "uuid_of", seen)
        hold(copy)
        return seen(copy)

    monkeypatch.setattr(steps, "uuid_of", hold_meanwhile)
    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "is held since: Hold by" in run.error


def test_a_hold_that_comes_later_is_told_so(copy, hold, delete, location):
    (location.directory / "cybersift_restore.py").touch()
    run = delete(copy)
    looked(run)

    with pytest.raises(RetentionError, match="Too late"):
        hold(copy)
    assert work(run).state == "succeeded"
