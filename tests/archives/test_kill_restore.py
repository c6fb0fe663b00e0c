"""Killed at any moment: the target is byte for byte the old tree or the new one, and the next start clears up."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader

from .killing import KILLS, die_at, kill_at_random, own_names, seconds_of, tree_of
from .making import Item, Maker, sample
from .restoring import PROGRAM, archive_file, extract

NEW = [item for item in sample() if "long/" not in item.path]
"""Every directory of it is an entry: the times of others are not in an archive."""


TIMED = ("mine/b", "mine", "c", "link", "files/models/a.bin", "files/models/deep", "files/models")


def make_old(folder: Path) -> None:
    """Something of every kind, with times, modes and attributes of its own, and names that the new tree has too."""
    (folder / "files/models/deep").mkdir(parents=True)
    (folder / "mine").mkdir()
    for name in ("files/models/a.bin", "mine/b", "c"):
        (folder / name).write_text(f"old {name}")
    (folder / "link").symlink_to("mine/b")
    os.setxattr(folder / "c", "user.colour", b"red")
    (folder / "mine/b").chmod(0o640)
    (folder / "mine").chmod(0o750)
    for number, name in enumerate(TIMED):
        os.utime(folder / name, ns=(0, 1_500_000_000_000_000_000 + number), follow_symlinks=False)


@pytest.fixture
def path(tmp_path) -> str:
    return archive_file(tmp_path, Maker().bytes_of(NEW))


@pytest.fixture(params=["directory", "mount point"])
def to(request, tmp_path):
    folder = tmp_path / "place/to"
    folder.mkdir(parents=True)
    if request.param == "directory":
        yield folder
        return
    done = subprocess.run(["mount", "-t", "tmpfs", "tests", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def old(to) -> dict:
    make_old(to)
    return tree_of(to)


@pytest.fixture
def new(path, tmp_path) -> dict:
    extract(path, tmp_path / "undisturbed")
    return tree_of(tmp_path / "undisturbed")


def kept_of(to: Path) -> list[Path]:
    return sorted([*to.parent.glob("to.before-*"), *to.glob(".before-*")])


def is_whole(to: Path, old: dict, new: dict) -> bool:
    """After the next start: which of the two it is, whole, with the other one kept, and nothing else left."""
    reader.recover(str(to))
    assert own_names(to.parent) == own_names(to) == []
    now, kept = tree_of(to), kept_of(to)
    assert now in (old, new)
    assert [tree_of(each) for each in kept] == ([old] if now == new else [])
    return now == new


def again(to: Path) -> None:
    """Empty, as it was made."""
    for each in [*to.iterdir(), *to.parent.glob("to.*")]:
        shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
def test_killed_at_each_step_of_a_replacement(exchange, path, to, old, new):
    seen, step = [], 0
    while die_at(step, do="extract", to=str(to), archive=path, exchange=exchange):
        seen.append(is_whole(to, old, new))
        again(to)
        make_old(to)
        step += 1

    assert is_whole(to, old, new)
    assert seen == sorted(seen), "from some step on it is the new one"
    assert {*seen} == {True, False}
    assert len(seen) > 8


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
def test_killed_at_each_step_of_the_way_back(exchange, path, to, old, new):
    extract(path, to, replace=True)
    step, now = 0, new
    while die_at(step, do="undo", to=str(to), archive=path, exchange=exchange):
        reader.recover(str(to))
        now = tree_of(to)
        (kept,) = kept_of(to)
        assert (now, tree_of(kept)) in ((old, new), (new, old))
        assert own_names(to.parent) == own_names(to) == []
        if now == old:  # the other way, for the next one
            reader.undo(str(to))
        step += 1

    assert tree_of(to) == old
    assert step > 5


def test_the_next_extraction_finishes_what_was_interrupted(path, to, old, new):
    """Without ``recover``, at each step from the journal on."""
    step = 0
    while die_at(step, do="extract", to=str(to), archive=path, exchange=False):
        waiting = [*to.parent.glob("to.restore.json"), *to.glob(".restore.json")]
        done = extract(path, to, replace=True, clean=True)
        assert done.recovered == bool(waiting)
        assert tree_of(to) == new
        assert own_names(to.parent) == own_names(to) == []
        assert old in [tree_of(kept) for kept in kept_of(to)]
        again(to)
        make_old(to)
        step += 1
    assert step > 8


@pytest.fixture
def many(tmp_path) -> str:
    items = [Item("files/m", "d"), *(Item(f"files/m/{number}", data=b"%d" % number * 50) for number in range(1500))]
    return archive_file(tmp_path, Maker(per_block=100).bytes_of(items), "many.tar.gz")


def test_killed_at_random_moments(many, to, old, tmp_path):
    chance, command = random.Random(7), [sys.executable, str(PROGRAM), "extract", many, "--replace", "--to"]
    longest = seconds_of([*command, str(tmp_path / "undisturbed")])
    new = tree_of(tmp_path / "undisturbed")
    for _ in range(KILLS):
        kill_at_random([*command, str(to)], longest, chance)
        is_whole(to, old, new)
        again(to)
        make_old(to)


def test_killed_at_random_moments_into_nothing(many, tmp_path):
    chance, to = random.Random(8), tmp_path / "place/to"
    to.parent.mkdir()
    command = [sys.executable, str(PROGRAM), "extract", many, "--to", str(to)]
    longest = seconds_of(command)
    new = tree_of(to)
    for _ in range(KILLS):
        shutil.rmtree(to, ignore_errors=True)
        kill_at_random(command, longest, chance)
        reader.recover(str(to))
        assert own_names(to.parent) == []
        assert not to.exists() or tree_of(to) == new
