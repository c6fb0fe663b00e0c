"""Folders of an archive over live ones: as a whole, and entry by entry."""

import errno
import os

import pytest

from backups.restores.archives import folders
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


def assert_as_found(tree, as_found, run):
    assert [line for name in ("models", "params") for line in differences(as_found / name, tree / name)] == []
    assert sorted(path.name for path in tree.iterdir()) == ["models", "nifi", "params"]
    assert not run.locks.exists()
    assert set(SafetyCopy.objects.values_list("state", flat=True)) <= {"removed"}


def test_nobody_gets_a_program_of_somebody_else_without_approval(tree, planned_tools, sent, tmp_path):
    plan = planned_tools(to=str(tmp_path / "scratch"))
    assert "Everything will belong to the worker" in str(plan.document["checks"])

    run = work(sent(plan))

    assert (run.state, run.error) == (RunState.SUCCEEDED, "")
    tool, folder = (tmp_path / "scratch/params" / name for name in ("tool", "shared"))
    assert (tool.stat().st_mode & 0o7777, tool.stat().st_uid) == (0o755, os.geteuid())
    assert (folder.stat().st_mode & 0o7777, folder.stat().st_uid) == (0o775, os.geteuid())


def test_where_it_came_from_it_is_as_it_was(tree, planned_tools, sent, tmp_path):
    as_packed = copied(tree / "params", tmp_path / "as-packed")
    for name in ("tool", "p1.json"):
        (tree / "params" / name).unlink()

    run = work(sent(planned_tools(remove=True)))

    assert (run.state, run.error) == (RunState.SUCCEEDED, "")
    assert differences(as_packed, tree / "params") == []


@pytest.fixture
def planned_tools(tree, request):
    """``planned`` of params with a setuid program and a setgid folder of others, as far as root may make them."""
    tool, folder = tree / "params/tool", tree / "params/shared"
    tool.write_text("#!/bin/sh")
    folder.mkdir()
    for path, mode in ((tool, 0o4755), (folder, 0o2775)):
        if os.geteuid() == 0:
            os.chown(path, 4321, 4321)
        path.chmod(mode)
    planned = request.getfixturevalue("planned")
    return lambda **options: planned(folders=("params",), **options)


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_cancel_at_any_step_leaves_everything_as_it_was(tree, archive, planned, sent, tmp_path, remove, step, cast):
    harm(tree)
    as_found = copied(tree, tmp_path / "as-found")
    run = sent(planned(remove=remove))
    turn_by_turn(run, lambda run: run.step >= step)

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert (run.state, run.effect) == (RunState.CANCELLED, Effect.NONE), run.error
    assert_as_found(tree, as_found, run)


@pytest.mark.parametrize("remove", [False, True])
def test_a_cancel_before_the_exchange_is_written_down_takes_it_back(
    tree, archive, planned, sent, tmp_path, remove, cast, dies_exchanged
):
    harm(tree)
    as_found = copied(tree, tmp_path / "as-found")
    run = sent(planned(remove=remove))
    dies_exchanged(run)
    assert not (tree / "params/p3.json").is_symlink()

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert (run.state, run.effect) == (RunState.CANCELLED, Effect.ROLLED_BACK), run.error
    assert_as_found(tree, as_found, run)


@pytest.mark.parametrize("remove", [False, True])
def test_a_cancel_while_it_is_verified_is_too_late(tree, archive, planned, sent, remove, cast):
    harm(tree)
    run = sent(planned(folders=("params",), remove=remove))
    turn_by_turn(run, lambda run: run.step == 4)
    (tree / "params/since.json").write_text("written by a service")

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert (run.state, run.effect, run.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    assert (tree / "params/since.json").read_text() == "written by a service"
    assert (tree / "params/p2.json").read_text() != '{"rate": 1000}'
    assert SafetyCopy.objects.get().state == "kept"
    assert run.log.filter(text__startswith="It is too late to cancel").exists()
    assert [path.name for path in tree.iterdir() if ".restore-" in path.name] == []


def test_a_disk_that_fails_while_it_is_verified_is_left_to_people(tree, archive, planned, sent, monkeypatch):
    def fails(*_):
        raise OSError(errno.EIO, "Input/output error", "params/p1.json")

    harm(tree)
    run = sent(planned(folders=("params",), remove=True))
    turn_by_turn(run, lambda run: run.step == 4)
    (tree / "params/since.json").write_text("written by a service")
    monkeypatch.setattr(folders, "differing", fails)

    work(run)

    assert (run.state, run.effect) == (RunState.PARTIAL, Effect.APPLIED)
    assert "could not be verified" in run.error
    assert run.log.filter(text="It could not be read again: Input/output error.").exists()
    assert (tree / "params/since.json").exists()
    assert SafetyCopy.objects.get().state == "kept"


def test_the_way_back_brings_modes_owners_and_times(tree, archive, planned, sent, tmp_path, cast, dies_exchanged):
    harm(tree)
    os.chown(tree / "params/more", 4321, 4321)
    os.setxattr(tree / "params/more", "user.why", b"because")
    (tree / "params/more").chmod(0o711)
    as_found = copied(tree, tmp_path / "as-found")
    run = sent(planned(remove=True, only=("params/*",)))
    dies_exchanged(run)
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
