"""The plan of the way back: of a restore in place, and of one that was taken back before."""

import pytest

from backups.approvals import voting
from backups.approvals.models import RequestState
from backups.audit import checkpoints
from backups.restores import reading, services
from backups.restores.indices.asked import REPLICAS, Asked, Mode
from backups.runs import request_cancel
from tests import turns

pytestmark = pytest.mark.django_db


def test_the_way_back_of_a_restore_in_place_brings_back_what_was_there(restores, cast):
    plan = restores.plan(
        Mode.IN_PLACE,
        settings={REPLICAS: 3},
        resets=("index.lifecycle.name",),
        partial=True,
        global_state=False,
    )
    request = restores.ask(plan)
    assert restores.carry_out(request).state == "succeeded"

    back = restores.planned(services.queue_undo(plan_of(request), actor=cast["operator"]))

    asked = Asked.of(back.options)
    known = {"aliases": True, "freed": frozenset({"events-1"}), "least": "R2"}
    assert asked == Asked(("events-1",), Mode.IN_PLACE, asked.token, **known)
    (call,) = [call for call in back.document["calls"] if call["purpose"] == "restore"]
    assert not {"index_settings", "ignore_index_settings"} & call["body"].keys()
    assert (call["body"]["include_aliases"], call["body"]["partial"]) == (True, False)


def test_the_way_back_needs_the_approvals_that_the_restore_had(restores, fake, cast):
    fake.repositories["nightly"].snapshots["nightly-1"].global_state = True
    request = restores.ask(restores.plan(Mode.IN_PLACE, global_state=True))
    assert restores.carry_out(request).state == "succeeded"

    back = restores.planned(services.queue_undo(plan_of(request), actor=cast["operator"]))

    assert (request.risk, back.risk) == ("R3", "R3")
    assert back.risk_reason == "It replaces 1 live index. It takes back a restore of risk R3."
    assert restores.ask(back).needed == 2
    again = restores.planned(services.queue_again(back, actor=cast["operator"]))
    assert again.risk == "R3"


def test_what_a_way_back_keeps_has_its_own_replicas(restores, fake, cast):
    request = restores.ask(restores.plan(Mode.SWAP))
    first = restores.carry_out(request)
    fake.indices["events-1"].replicas = "2"
    back = restores.ask(restores.planned(services.queue_undo(plan_of(request), actor=cast["operator"])))

    second = restores.carry_out(back)

    assert (first.state, second.state) == ("succeeded", "succeeded")
    assert [run.safety_copies.get().facts["replicas"] for run in (first, second)] == ["0", "2"]


def test_what_was_taken_back_once_is_not_taken_back_again(restores, cast):
    request = restores.ask(restores.plan(Mode.SWAP))
    assert restores.carry_out(request).state == "succeeded"
    first, second = (
        restores.ask(restores.planned(services.queue_undo(plan_of(request), actor=cast["operator"])))
        for _ in range(2)
    )
    late = services.queue_undo(plan_of(request), actor=cast["operator"])
    assert restores.carry_out(first).state == "succeeded"

    run = restores.carry_out(second)
    made = restores.planned(late)

    assert (run.state, run.effect) == ("failed", "none")
    assert run.error.startswith("The plan is out of date")
    assert any("used up or gone" in line.text for line in run.log.all())
    second.refresh_from_db()
    assert second.state == RequestState.INVALIDATED
    assert made.blocked == 1
    assert [line["text"] for line in made.document["checks"] if line["state"] == "fail"] == [
        "The safety copies are used up or gone"
    ]


def test_a_restore_that_was_cancelled_has_nothing_to_roll_back(restores, cast):
    """Its safety snapshot is whole, and is kept until its time is over; nothing took the place of what it holds."""
    request = restores.ask(restores.plan(Mode.IN_PLACE))
    voting.approve(request, actor=cast["approver"], digest=request.digest)
    checkpoints.make_checkpoint()
    run = turns.work(plan_of(request).request.run, until=lambda run: run.step == 2)
    request_cancel(run, actor=cast["operator"])
    turns.work(run)
    assert (run.state, run.effect, run.safety_copies.get().state) == ("cancelled", "none", "kept")

    with pytest.raises(services.RestoreError, match="nothing to roll back"):
        services.queue_undo(plan_of(request), actor=cast["operator"])
    assert reading.way_back(run) == []


def plan_of(request):
    request.refresh_from_db()
    return request.plan
