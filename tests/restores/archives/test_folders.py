"""Folders of an archive over live ones: as a whole, and entry by entry."""

import os

import pytest

from backups.retention.models import SafetyCopy
from backups.runs import request_cancel
from backups.runs.models import Effect, RunState
from tests.turns import work

from .conftest import copied, differences, turn_by_turn

pytestmark = pytest.mark.db


def harm(tree):
    """What a person would like to take back."""
    (tree / "models/detector/weights.bin").write_bytes(b"overwritten")
    (tree / "params/p1.json").unlink(missing_ok=True)
    (tree / "params/p2.json").write_text('{"rate": 1000}')
    (tree / "params/new.json").write_text("{}")
    (tree / "params/more").mkdir(exist_ok=True)
    (tree / "params/more/new.json").write_text("{}")
    (tree / "params/p3.json").unlink(missing_ok=True)
    (tree / "params/p3.json").symlink_to("p4.json")


def test_a_whole_folder_is_exchanged_and_the_old_one_kept(tree, archive, planned, sent, tmp_path):
    before = copied(tree / "params", tmp_path / "as-packed")
    harm(tree)
    live = copied(tree / "params", tmp_path / "as-found")
    plan = planned(folders=("params",), remove=True)

    run = work(sent(plan))

    assert (run.state, run.effect, run.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    assert plan.document["folders"][0]["way"] == "swap"
    assert differences(before, tree / "params") == []
    (copy,) = SafetyCopy.objects.all()
    assert (copy.state, copy.of) == ("kept", str(tree / "params"))
    assert differences(live, copy.name) == []
    assert not run.locks.exists()
    assert sorted(p.name for p in tree.iterdir()) == sorted(
        ["models", "nifi", "params", copy.name.rpartition("/")[2]]
    )


@pytest.mark.parametrize("remove", [False, True])
def test_entry_by_entry_leaves_what_the_patterns_leave_out(tree, archive, planned, sent, remove):
    harm(tree)
    (tree / "models/more").mkdir()
    (tree / "models/more/new.bin").write_bytes(b"new")
    (tree / "models/cache/more.tmp").write_bytes(b"not in any archive")
    plan = planned(remove=remove)

    run = work(sent(plan))

    assert (run.state, run.effect, run.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    ways = {folder["name"]: folder["way"] for folder in plan.document["folders"]}
    assert ways == {"models": "entries", "params": "swap" if remove else "entries"}
    assert (tree / "models/cache/more.tmp").exists()
    assert (tree / "models/detector/weights.bin").stat().st_size == 3 << 20
    assert not (tree / "params/p3.json").is_symlink()
    assert (tree / "params/new.json").exists() is not remove
    assert (tree / "params/more/new.json").exists() is not remove
    assert (tree / "models/more").exists() is not remove
    assert [p.name for p in tree.iterdir() if ".restore" in p.name] == []


def test_only_what_was_asked_for_is_touched(tree, archive, planned, sent):
    harm(tree)
    plan = planned(only=("params/p1.json",))

    run = work(sent(plan))

    assert run.state == RunState.SUCCEEDED, run.error
    assert (tree / "params/p1.json").exists()
    assert (tree / "params/p2.json").read_text() == '{"rate": 1000}'
    assert (tree / "models/detector/weights.bin").read_bytes() == b"overwritten"
    assert plan.risk == "R1"


def test_an_empty_place_needs_nobody(tree, archive, planned, sent, tmp_path):
    plan = planned(to=str(tmp_path / "scratch"))
    assert (plan.risk, plan.blocked) == ("R0", 0)

    run = work(sent(plan))

    assert (run.state, run.error) == (RunState.SUCCEEDED, "")
    assert differences(tree / "params", tmp_path / "scratch/params") == []
    assert not SafetyCopy.objects.exists()
    assert sorted(p.name for p in (tmp_path / "scratch").iterdir()) == ["models", "params"]


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_cancel_at_any_step_leaves_everything_as_it_was(tree, archive, planned, sent, tmp_path, remove, step, cast):
    harm(tree)
    as_found = copied(tree, tmp_path / "as-found")
    run = sent(planned(remove=remove))
    turn_by_turn(run, lambda run: run.step >= step)

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert run.state == RunState.CANCELLED, run.error
    assert run.effect == (Effect.ROLLED_BACK if step > 3 else Effect.NONE)
    assert [line for name in ("models", "params") for line in differences(as_found / name, tree / name)] == []
    assert sorted(path.name for path in tree.iterdir()) == ["models", "nifi", "params"]
    assert not run.locks.exists()
    assert set(SafetyCopy.objects.values_list("state", flat=True)) <= {"removed"}


def test_the_way_back_brings_modes_owners_and_times(tree, archive, planned, sent, tmp_path, cast):
    harm(tree)
    os.chown(tree / "params/more", 4321, 4321)
    os.setxattr(tree / "params/more", "user.why", b"because")
    (tree / "params/more").chmod(0o711)
    as_found = copied(tree, tmp_path / "as-found")
    run = sent(planned(remove=True, only=("params/*",)))
    turn_by_turn(run, lambda run: run.step == 4)
    assert not (tree / "params/more").exists()

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert differences(as_found / "params", tree / "params") == []
    assert os.getxattr(tree / "params/more", "user.why") == b"because"


def test_what_cannot_be_read_again_leaves_nothing_beside(tree, archive, planned, sent):
    harm(tree)
    run = turn_by_turn(sent(planned()), lambda run: run.step == 4)
    archive.path.rename(archive.path.with_name("away"))

    work(run)

    assert (run.state, run.effect) == (RunState.PARTIAL, Effect.APPLIED)
    assert "could not be verified" in run.error
    assert [path.name for path in tree.iterdir() if ".restore-" in path.name] == []
