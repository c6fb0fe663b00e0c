"""A restore that is taken back: what was there comes back, and what is there now is kept in turn."""

import pytest

from backups.restores.archives import services as archive_services
from backups.restores.models import RestorePlan
from backups.retention.models import SafetyCopy
from backups.runs import request_cancel
from backups.runs.models import Effect, RunState
from tests.turns import work

from .conftest import copied, differences, turn_by_turn
from .test_folders import harm

pytestmark = pytest.mark.db


@pytest.fixture
def undo_of(cast):
    def make(run) -> RestorePlan:
        planning = work(archive_services.queue_undo(run.request.plan, actor=cast["operator"]))
        return RestorePlan.objects.get(pk=planning.result["plan"])

    return make


def folders_differ(one, other) -> list[str]:
    return [line for name in ("models", "params") for line in differences(one / name, other / name)]


@pytest.mark.parametrize("remove", [False, True])
def test_what_was_replaced_comes_back_and_can_be_replaced_again(
    tree, archive, planned, sent, undo_of, tmp_path, remove
):
    harm(tree)
    as_found = copied(tree, tmp_path / "as-found")
    run = work(sent(planned(remove=remove)))
    restored = copied(tree, tmp_path / "restored")
    plan = undo_of(run)
    assert (plan.blocked, plan.risk, plan.undoes_id) == (0, "R2", run.pk)
    assert "Nothing newer drops out" in plan.document["consequence"]

    undone = work(sent(plan))

    assert (undone.state, undone.effect, undone.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    assert folders_differ(as_found, tree) == []
    assert set(SafetyCopy.objects.filter(run=run).values_list("state", flat=True)) == {"used"}
    assert not undone.locks.exists()

    again = work(sent(undo_of(undone)))

    assert (again.state, again.error) == (RunState.SUCCEEDED, "")
    assert folders_differ(restored, tree) == []


def test_what_it_loses_is_said_first(tree, archive, planned, sent, undo_of):
    harm(tree)
    run = work(sent(planned(folders=("params",), remove=True)))
    (tree / "params/p9.json").write_text("written after the restore")

    plan = undo_of(run)

    assert "1 file that was written since drop out" in plan.document["consequence"]
    (row,) = [row for row in plan.document["rows"] if row["path"] == "params/p9.json"]
    assert row["note"].startswith("Written since the restore")


def test_a_copy_that_somebody_has_changed_is_not_put_back(tree, archive, planned, sent, undo_of):
    run = work(sent(planned(folders=("params",), remove=True))) if harm(tree) is None else None
    copy = SafetyCopy.objects.get(run=run)
    with open(f"{copy.name}/p2.json", "a") as file:  # noqa: PTH123
        file.write("x")

    plan = undo_of(run)

    assert plan.blocked
    assert "not any more what it was" in str(plan.document["checks"])


@pytest.mark.parametrize("remove", [False, True])
def test_a_cancelled_undo_leaves_the_restored_folders(tree, archive, planned, sent, undo_of, tmp_path, cast, remove):
    harm(tree)
    run = work(sent(planned(remove=remove)))
    restored = copied(tree, tmp_path / "restored")
    undone = sent(undo_of(run))
    turn_by_turn(undone, lambda run: run.step == 4)
    assert folders_differ(restored, tree) != []

    request_cancel(undone, actor=cast["operator"])
    work(undone)

    assert (undone.state, undone.effect) == (RunState.CANCELLED, Effect.ROLLED_BACK)
    assert folders_differ(restored, tree) == []
    assert set(SafetyCopy.objects.filter(run=run).values_list("state", flat=True)) == {"kept"}


def test_a_folder_that_was_not_there_goes_away_again(tree, archive, planned, sent, undo_of):
    (tree / "params").rename(tree / "lost")
    run = work(sent(planned(folders=("params",))))
    assert (tree / "params/p1.json").exists()

    undone = work(sent(undo_of(run)))

    assert (undone.state, undone.error) == (RunState.SUCCEEDED, "")
    assert not (tree / "params").exists()
