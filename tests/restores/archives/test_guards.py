"""What a restore from an archive refuses, leaves alone, and finds out at the last moment."""

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from backups import clock
from backups.approvals.models import RequestState
from backups.archives.format.age import bech32
from backups.archives.format.age.keys import Identity
from backups.archives.format.errors import Cancelled
from backups.archives.models import ArchiveRecipient
from backups.gateways import nifi
from backups.restores.archives import room
from backups.restores.archives.plan import make_plan
from backups.restores.beginning import check_again
from backups.restores.models import TargetLock
from backups.restores.services import keep_plan
from backups.restores.targets import path_target
from backups.retention import safety_copies
from backups.retention.models import SafetyCopy
from backups.runs import Kind, Step, advance, request_cancel
from backups.runs.models import Effect, Level, Run, RunState
from tests.turns import work

from .conftest import copied, differences, turn_by_turn
from .test_folders import harm
from .test_plan import ASKED, FOUND

pytestmark = pytest.mark.db


def fails(plan) -> str:
    return " | ".join(f"{line['text']}: {line['sub']}" for line in plan.document["checks"] if line["state"] == "fail")


def test_what_is_the_consoles_own_is_never_touched(tree, archive, planned, sent, settings):
    own = tree / "params/console"
    own.mkdir()
    settings.CHECKPOINTS_DIR = own / "checkpoints"
    settings.CHECKPOINTS_DIR.mkdir()
    settings.SAFETY_DIR = tree / "params/safety"
    settings.SAFETY_DIR.mkdir()
    for place in (settings.CHECKPOINTS_DIR, settings.SAFETY_DIR):
        (place / "kept").write_text("as it was")
    (settings.CHECKPOINTS_DIR / "kept").write_text("newer")
    (tree / "params/p1.json").unlink()
    inodes = [place.stat().st_ino for place in (settings.CHECKPOINTS_DIR, settings.SAFETY_DIR)]
    plan = planned(folders=("params",), remove=True)
    assert plan.document["folders"][0]["way"] == "entries"

    run = work(sent(plan))

    assert run.state == RunState.SUCCEEDED, run.error
    assert (tree / "params/p1.json").exists()
    assert (settings.CHECKPOINTS_DIR / "kept").read_text() == "newer"
    assert [place.stat().st_ino for place in (settings.CHECKPOINTS_DIR, settings.SAFETY_DIR)] == inodes


def test_a_folder_inside_the_consoles_own_is_refused(tree, archive, planned, settings):
    settings.RUN_LOGS_DIR = tree

    plan = planned(folders=("params",))

    assert "which is the console's own" in fails(plan)


@pytest.fixture
def flow(tree, profile, cast):
    profile.sources = [{"name": "nifi", "path": str(tree / "nifi"), "include": [], "exclude": []}]
    profile.save()
    (tree / "nifi/nifi.properties").write_text("a=1")
    return tree / "nifi/flow.json.gz"


@pytest.fixture
def running_nifi(tmp_path, monkeypatch):
    """Something that looks like one in the list of processes."""
    folder = tmp_path / "proc/4711"
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(b"java\0-cp\0.\0org.apache.nifi.NiFi\0")
    monkeypatch.setattr(nifi.running, "__defaults__", (folder.parent,))


def test_a_flow_that_a_running_nifi_would_overwrite_is_blocked(flow, archive, planned, sent, running_nifi):
    flow.write_bytes(b"another one")
    (flow.parent / "nifi.properties").write_text("a=2")

    plan = planned(folders=("nifi",), remove=True)
    assert "1 file is blocked: nifi" in fails(plan)
    assert "process 4711" in str(plan.document["rows"])

    rest = planned(folders=("nifi",), skip=frozenset({"nifi/flow.json.gz"}))
    run = work(sent(rest))

    assert run.state == RunState.SUCCEEDED, run.error
    assert flow.read_bytes() == b"another one"
    assert (flow.parent / "nifi.properties").read_text() == "a=1"


STALE = {
    "another folder has the name": lambda tree, archive: (
        (tree / "params").rename(tree / "moved"),
        copied(tree / "moved", tree / "params"),
    ),
    "the archive is gone": lambda tree, archive: archive.path.unlink(),
    "the archive is another one": lambda tree, archive: archive.path.write_bytes(b"not an archive any more"),
}


@pytest.mark.parametrize("change", STALE.values(), ids=STALE)
def test_what_changed_since_the_plan_makes_it_stale(tree, archive, planned, sent, change):
    harm(tree)
    run = sent(planned(folders=("params",), remove=True))
    change(tree, archive)

    work(run)

    assert (run.state, run.effect) == (RunState.FAILED, Effect.NONE)
    assert "out of date" in run.error
    run.request.refresh_from_db()
    assert run.request.state == RequestState.INVALIDATED
    assert not (tree / "params/p1.json").exists()


def test_a_restore_of_a_folder_above_is_waited_for(tree, archive, planned, sent, settings):
    harm(tree)
    run = sent(planned(folders=("params",), remove=True))
    other = TargetLock.objects.create(
        target=path_target(settings.WORKER_HOST, str(tree)), run=archive.made_by.run, taken_at=clock.now()
    )

    turn_by_turn(run, lambda run: "waits_for" in run.result)
    assert not (tree / "params/p1.json").exists()
    other.delete()
    work(run)

    assert run.state == RunState.SUCCEEDED, run.error


def test_a_damaged_block_changes_nothing_and_names_no_file(tree, archive, planned, sent, tmp_path):
    harm(tree)
    as_found = copied(tree / "models", tmp_path / "as-found")
    run = sent(planned(remove=True))
    turn_by_turn(run, lambda run: run.step == 2)
    data = bytearray(archive.path.read_bytes())
    data[len(data) // 3] ^= 1
    archive.path.write_bytes(bytes(data))

    work(run)

    assert (run.state, run.effect) == (RunState.FAILED, Effect.NONE)
    assert "damaged" in run.error and "weights" not in run.error
    assert differences(as_found, tree / "models") == []
    assert sorted(path.name for path in tree.iterdir()) == ["models", "nifi", "params"]


def test_a_way_back_that_somebody_is_in_names_no_file(tree, archive, planned, sent, cast, dies_exchanged):
    """A service has written a new file over one that was restored, and is not to lose it."""
    harm(tree)
    run = sent(planned(folders=("params",)))
    dies_exchanged(run)
    (tree / "params/written").write_text("newer")
    (tree / "params/written").rename(tree / "params/p2.json")

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert (run.state, run.effect) == (RunState.FAILED, Effect.UNKNOWN)
    assert "Somebody else has moved something" in run.error
    assert "p2.json" not in run.error + str(list(run.log.exclude(level=Level.NAME).values_list("text")))
    assert (tree / "params/p2.json").read_text() == "newer"


def test_a_cancel_while_everything_is_compared_again_changes_nothing(tree, archive, planned, sent):
    (tree / "params/p1.json").unlink()
    run = sent(planned(folders=("params",)))

    def cancelled(job):
        raise Cancelled("cancelled")

    advance(run.pk, {run.kind: Kind(run.kind, "Restore", (Step("Check", check_again(cancelled)),))})

    run.refresh_from_db()
    assert (run.state, run.effect, run.error) == (RunState.CANCELLED, Effect.NONE, "")
    assert run.request.state == RequestState.CANCELLED


def test_a_file_that_somebody_writes_to_meanwhile_is_not_called_restored(tree, archive, planned, sent):
    harm(tree)
    run = sent(planned(remove=True))
    turn_by_turn(run, lambda run: run.step == 4)
    (tree / "params/p7.json").write_text("written by somebody else")

    work(run)

    assert (run.state, run.effect) == (RunState.PARTIAL, Effect.APPLIED)
    assert "1 of 121 entries" in run.error and "p7" not in run.error
    named = run.log.get(level="name")
    assert "files/params/p7.json" in named.text


@pytest.fixture
def key(profile) -> Identity:
    """Of whom archives of the profile are for."""
    key = Identity(os.urandom(32))
    profile.recipients.add(ArchiveRecipient.objects.create(name="Safe", key=str(key.recipient)))
    return key


def test_an_encrypted_archive_is_opened_with_a_key_of_this_host(tree, key, archive, planned, sent, settings):
    assert archive.encrypted
    harm(tree)
    assert "Name a file with its key" in fails(planned())
    assert "cannot be read" in fails(planned(identity="no-such-key"))
    assert "without a path" in fails(planned(identity="../keys/secrets.pem"))
    settings.IDENTITIES_DIR.mkdir()
    words = bech32.encode("age-secret-key-", key.secret).upper()
    (settings.IDENTITIES_DIR / "safe.txt").write_text(f"# from the safe\n{words}\n")

    run = work(sent(planned(identity="safe.txt", remove=True)))

    assert run.state == RunState.SUCCEEDED, run.error
    assert (tree / "params/p1.json").exists()


@pytest.mark.parametrize("remove", [False, True])
def test_a_safety_copy_goes_when_its_time_is_over(tree, archive, planned, sent, remove):
    harm(tree)
    work(sent(planned(folders=("params",), remove=remove)))
    copy = SafetyCopy.objects.get()
    assert Path(copy.name).is_dir()
    SafetyCopy.objects.update(keep_until=clock.now() - timedelta(seconds=1))

    safety_copies.queue_expired()
    run = work(Run.objects.latest("pk"))

    assert run.state == RunState.SUCCEEDED, run.error
    copy.refresh_from_db()
    assert copy.state == "removed"
    assert not Path(copy.name).exists()


@pytest.fixture
def mounted(tree):
    """The folder is a file system of its own."""
    folder = tree / "params"
    kept = copied(folder, tree / "aside")
    if subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    subprocess.run(["cp", "-a", f"{kept}/.", str(folder)], check=True)
    subprocess.run(["rm", "-r", str(kept)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_mount_point_is_restored_entry_by_entry_inside(mounted, tree, archive, planned, sent):
    harm(tree)
    plan = planned(folders=("params",), remove=True)
    assert (plan.document["folders"][0]["way"], plan.document["folders"][0]["inside"]) == ("entries", True)

    run = work(sent(plan))

    assert (run.state, run.error) == (RunState.SUCCEEDED, "")
    assert (tree / "params/p1.json").exists()
    assert not (tree / "params/new.json").exists()
    (copy,) = SafetyCopy.objects.all()
    assert Path(copy.name).parent == tree / "params"


def test_a_disk_that_is_full_is_named():
    """In the middle of a real restore: tests/faults/full_disk.py."""
    with pytest.raises(room.Full) as full, room.needed_at("/srv/safety"):
        Path("/dev/full").write_bytes(b"x")
    assert str(full.value).startswith("The disk of /srv/safety is full. Make room there")
    assert "No space left" in full.value.detail

    with pytest.raises(IsADirectoryError), room.needed_at("/srv/safety"):
        Path("/").write_text("x")


def test_a_title_that_no_column_can_hold_is_cut(archive, cast):
    made = make_plan(ASKED, FOUND)._replace(title="x" * 301)

    assert keep_plan(made, actor=cast["operator"], archive=archive).title == "x" * 300
