"""A restore that is taken back: what was there comes back, and what is there now is kept in turn."""

from pathlib import Path

import pytest

from backups.retention.models import SafetyCopy
from backups.runs import request_cancel
from backups.runs.models import Effect, RunState
from tests.turns import work

from .conftest import copied, differences, turn_by_turn
from .test_folders import harm

pytestmark = pytest.mark.db


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
def test_a_cancelled_undo_leaves_the_restored_folders(
    tree, archive, planned, sent, undo_of, tmp_path, cast, remove, dies_exchanged
):
    harm(tree)
    run = work(sent(planned(remove=remove)))
    restored = copied(tree, tmp_path / "restored")
    undone = sent(undo_of(run))
    dies_exchanged(undone)
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


def test_what_was_kept_stays_where_an_undo_is_not_proven(tree, archive, planned, sent, undo_of):
    """A service writes a new file over one that came back, before that was looked at."""
    harm(tree)
    run = work(sent(planned(folders=("params",))))
    copy = SafetyCopy.objects.get(run=run)
    undone = sent(undo_of(run))
    turn_by_turn(undone, lambda run: run.step == 4)
    (tree / "params/written").write_text("by a service")
    (tree / "params/written").rename(tree / "params/p2.json")

    work(undone)

    assert (undone.state, undone.effect) == (RunState.PARTIAL, Effect.APPLIED)
    copy.refresh_from_db()
    assert (copy.state, Path(copy.name).exists()) == ("kept", True)


EMPTIED = {
    "all files of a folder were missing": (
        lambda params: [file.unlink() for file in params.iterdir()],
        {"folders": ("params",)},
    ),
    "an empty folder that was removed": (
        lambda params: (params / "spool").mkdir(mode=0o700),
        {"folders": ("params",), "remove": True, "only": ("params/spool",)},
    ),
    "a file, and an empty folder that was removed": (
        lambda params: ((params / "spool/deep").mkdir(parents=True), (params / "p1.json").write_text("harm")),
        {"folders": ("params",), "remove": True, "only": ("params/p1.json", "params/spool", "params/spool/*")},
    ),
}


@pytest.mark.parametrize(("change", "options"), EMPTIED.values(), ids=EMPTIED)
def test_empty_folders_are_there_again_and_go_again(tree, archive, planned, sent, undo_of, tmp_path, change, options):
    change(tree / "params")
    as_found = copied(tree / "params", tmp_path / "as-found")
    run = work(sent(planned(**options)))
    restored = copied(tree / "params", tmp_path / "restored")
    assert differences(as_found, restored) != []

    undone = work(sent(undo_of(run)))

    assert (undone.state, undone.effect, undone.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    assert differences(as_found, tree / "params") == []

    again = work(sent(undo_of(undone)))

    assert (again.state, again.error) == (RunState.SUCCEEDED, "")
    named = [line for line in differences(restored, tree / "params") if not line.startswith(".d..t....")]
    assert named == []  # but for the time of a folder that something was made in
