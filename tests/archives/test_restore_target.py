"""Where an extraction goes: all of it or nothing, one at a time, and what is left when it is killed."""

import contextlib
import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader
from deploy.sandbox import unprivileged

from .making import Item, Maker, sample
from .restoring import PROGRAM, archive_file, extract, picture, run

pytestmark = pytest.mark.usefixtures("hands")


@pytest.fixture
def path(tmp_path) -> str:
    (tmp_path / "in").mkdir()
    return archive_file(tmp_path / "in", Maker().bytes_of(sample()))


@pytest.fixture
def place(tmp_path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def test_an_empty_directory_keeps_its_mode(path, place):
    (place / "to").mkdir(mode=0o711)

    extract(path, place / "to")

    assert stat.S_IMODE((place / "to").stat().st_mode) == 0o711
    assert [found.name for found in place.iterdir()] == ["to"]


@pytest.mark.parametrize("kind", ["full", "file", "link", "dangling"])
def test_anything_else_is_not_a_target(kind, path, place):
    to = place / "to"
    if kind == "full":
        to.mkdir()
        (to / "mine").write_text("mine")
    elif kind == "file":
        to.write_text("mine")
    else:
        to.symlink_to(place if kind == "link" else "nowhere")
    before = picture(place)

    with pytest.raises(reader.TargetNotEmpty):
        extract(path, to)
    assert picture(place) == before


def test_a_mount_point_is_said_before_anything_is_read(path):
    with pytest.raises(reader.Unavailable, match="mount point"):
        extract(path, Path("/proc"), dry_run=True)


def test_a_parent_that_is_missing(path, place):
    with pytest.raises(reader.Unavailable, match="cannot be opened"):
        extract(path, place / "missing/to")


def test_a_dry_run_writes_nothing(path, place):
    done = extract(path, place / "to", dry_run=True)

    assert done.entries == 13
    assert list(place.iterdir()) == []


def test_what_somebody_puts_into_the_target_meanwhile_stays(path, place, monkeypatch):
    (place / "to").mkdir()
    settle = reader.sync_file_system

    def somebody(descriptor):
        (place / "to/mine").write_text("mine")
        settle(descriptor)

    monkeypatch.setattr(reader, "sync_file_system", somebody)
    with pytest.raises(reader.TargetNotEmpty, match="Meanwhile"):
        extract(path, place / "to")
    assert set(picture(place)) == {"to", "to/mine"}


def test_a_target_that_appears_meanwhile_stays(path, place, monkeypatch):
    monkeypatch.setattr(reader, "sync_file_system", lambda descriptor: (place / "to").mkdir())

    with pytest.raises(reader.TargetNotEmpty, match="Meanwhile"):
        extract(path, place / "to")
    assert set(picture(place)) == {"to"}


@pytest.mark.parametrize("made", ["to", "to/mine"])
def test_without_renameat2_nothing_is_replaced_either(made, path, place, monkeypatch):
    """rename(2) alone: over an empty directory it may go, over nothing else."""
    monkeypatch.setattr(reader, "LIBC", None)
    monkeypatch.setattr(reader, "sync_file_system", lambda descriptor: (place / made).mkdir(parents=True))

    if made == "to":
        extract(path, place / "to")
        assert (place / "to/files").is_dir()
    else:
        with pytest.raises(reader.TargetNotEmpty, match="Meanwhile"):
            extract(path, place / "to")
        assert set(picture(place)) == {"to", "to/mine"}


def test_a_disk_that_gets_full(path, place, monkeypatch):
    def full(descriptor, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(reader.os, "write", full)
    with pytest.raises(reader.NoSpace):
        extract(path, place / "to")
    assert list(place.iterdir()) == []


def test_two_at_once(path, place):
    with (place / "to.restore-lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(reader.Locked):
            extract(path, place / "to")
    extract(path, place / "to")

    assert [found.name for found in place.iterdir()] == ["to"]


def test_too_little_space(path, place, monkeypatch):
    real = os.fstatvfs(0)
    monkeypatch.setattr(reader.os, "fstatvfs", lambda _: Space(real, f_bavail=10, f_frsize=4096))

    with pytest.raises(reader.NoSpace, match="bytes are needed"):
        extract(path, place / "to")


def test_too_few_inodes(path, place, monkeypatch):
    real = os.fstatvfs(0)
    monkeypatch.setattr(reader.os, "fstatvfs", lambda _: Space(real, f_files=100, f_favail=13))

    with pytest.raises(reader.NoSpace, match="inodes"):
        extract(path, place / "to")
    assert list(place.iterdir()) == []


class Space:
    """What a file system says of itself, with some of it changed."""

    def __init__(self, real, **changed):
        self.__dict__.update({name: getattr(real, name) for name in dir(real) if name.startswith("f_")}, **changed)


def test_a_sparse_file_needs_the_space_of_its_data_only(place, tmp_path):
    item = Item("files/holes", holes=[(0, b"x" * 512), (1 << 50, b"")], size=1 << 50)
    path = archive_file(tmp_path, Maker().bytes_of([item]))

    assert extract(path, place / "to", dry_run=True).bytes < 1 << 20


def test_the_deepest_tree_comes_and_goes(place, tmp_path):
    """2,000 directories in each other: nothing here may call itself once for each."""
    deep = Item("files" + "/a" * 2040, "d")
    path = archive_file(tmp_path, Maker().bytes_of([deep]))

    extract(path, place / "to")
    target = reader.Target(str(place / "to"))
    with target:
        reader.remove_tree(target.parent, "to")

    assert list(place.iterdir()) == []


def killed_in_the_middle(path: str, place: Path) -> None:
    """Starts an extraction and kills it as soon as there are files in its stage."""
    command = [sys.executable, str(PROGRAM), "extract", path, "--to", str(place / "to")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not list(place.glob("to.restore-*/files/*")):
            assert process.poll() is None, "it was done before it could be killed"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@pytest.fixture
def many(tmp_path) -> str:
    items = [Item(f"files/{number}", data=b"%d" % number) for number in range(8000)]
    return archive_file(tmp_path, Maker(per_block=100).bytes_of(items))


def test_a_killed_extraction_leaves_the_target_alone(many, place):
    (place / "to").mkdir()
    killed_in_the_middle(many, place)

    assert picture(place / "to") == {}
    (left,) = place.glob("to.restore-????????????????")
    done = run("extract", many, "--to", str(place / "to"), "--only", "1")

    assert left.name in done.stderr and "--clean" in done.stderr
    assert set(picture(place / "to")) == {"files", "files/1"}
    assert left.exists()


def test_clean_removes_what_was_left_and_nothing_else(path, place):
    left = place / "to.restore-0123456789abcdef"
    (left / "locked").mkdir(parents=True)
    (left / "locked/file").write_text("x")
    (left / "away").symlink_to(place / "other")
    (left / "locked").chmod(0)
    for name in ("other", "to.restore-notes", "other.restore-0123456789abcdef"):
        (place / name).mkdir()
        (place / name / "mine").write_text("mine")

    extract(path, place / "to", clean=True)

    names = {found.name for found in place.iterdir()}
    assert names == {"to", "other", "to.restore-notes", "other.restore-0123456789abcdef"}
    assert (place / "other/mine").read_text() == "mine"


@pytest.fixture
def victim(tmp_path):
    """A directory that nobody is to touch, with a mode that is looked at."""
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o755)
    (folder / "mine").write_text("mine")
    before = picture(folder), folder.stat().st_mode
    yield folder
    assert (picture(folder), folder.stat().st_mode) == before


@pytest.mark.parametrize("kind", ["link", "file", "FIFO"])
def test_what_only_has_the_name_of_a_leftover_is_left_alone(path, place, victim, kind):
    false = place / "to.restore-0000000000000000"
    {"link": lambda: false.symlink_to(victim), "file": false.touch, "FIFO": lambda: os.mkfifo(false)}[kind]()

    assert reader.recover(str(place / "to")).removed == []
    extract(path, place / "to", clean=True)

    assert {each.name for each in place.iterdir()} == {"to", false.name}


def test_a_directory_that_becomes_a_link_while_it_is_removed_leads_nowhere(place, victim, monkeypatch):
    """Between the look at what is in it and the way into it."""
    left, scandir = place / "to.restore-0000000000000000", os.scandir
    (left / "in").mkdir(parents=True)

    @contextlib.contextmanager
    def late(descriptor):
        monkeypatch.setattr(os, "scandir", scandir)
        with scandir(descriptor) as entries:
            found = list(entries)
        (left / "in").rmdir()
        (left / "in").symlink_to(victim)
        yield found

    monkeypatch.setattr(os, "scandir", late)

    with pytest.raises(reader.Unavailable):
        reader.recover(str(place / "to"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to others")
def test_in_a_directory_like_tmp_those_of_others_are_no_leftovers(place):
    place.chmod(0o1777)
    for number, owner in ((1, 0), (2, 1234)):
        left = place / f"to.restore-000000000000000{number}"
        left.mkdir()
        os.chown(left, owner, owner)

    assert reader.recover(str(place / "to")).removed == ["to.restore-0000000000000001"]
    assert [each.name for each in place.iterdir()] == ["to.restore-0000000000000002"]


def test_a_leftover_that_may_not_be_entered_is_removed_by_its_owner_too(place):
    """Root may enter everything."""
    left = place / "to.restore-0000000000000000"
    (left / "locked/in").mkdir(parents=True)
    (left / "locked").chmod(0)
    left.chmod(0)

    done = subprocess.run(
        [*unprivileged.prefix(place), sys.executable, PROGRAM, "recover", "--to", place / "to"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert list(place.iterdir()) == []


def test_a_terminated_extraction_removes_its_stage(many, place):
    command = [sys.executable, str(PROGRAM), "extract", many, "--to", str(place / "to")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not list(place.glob("to.restore-*/files/*")):
            assert process.poll() is None, "it was done before it could be ended"
        process.terminate()

    assert process.returncode == 128 + signal.SIGTERM
    assert list(place.iterdir()) == []
