"""A backup that is killed: nothing has the archive's name unless it is whole."""

import json
import random
import sys
from pathlib import Path

import pytest

from .killing import KILLS, die_at, kill_at_random, seconds_of
from .restoring import verify


@pytest.fixture
def tree(tmp_path) -> Path:
    folder, noise = tmp_path / "tree", random.Random(1)
    folder.mkdir()
    for number in range(300):
        (folder / f"{number}").write_bytes(noise.randbytes(5000))
    (folder / "big").write_bytes(noise.randbytes(9 << 20))
    return folder


@pytest.fixture
def place(tmp_path) -> Path:
    (tmp_path / "archives").mkdir()
    return tmp_path / "archives"


def is_whole_or_not_there(place: Path) -> bool:
    """Whether it is there. What else there is has a hidden name; all of it is removed."""
    names = sorted(path.name for path in place.iterdir())
    there = "out.tar.gz" in names
    assert all(name.startswith(".out.tar.gz.partial-") for name in names if name != "out.tar.gz")
    assert not there or verify(str(place / "out.tar.gz")).damaged == []
    for path in place.iterdir():
        path.unlink()
    return there


def test_killed_at_each_step(tree, place):
    seen = []
    while die_at(len(seen), do="write", to=str(tree), archive=str(place / "out.tar.gz")):
        seen.append(is_whole_or_not_there(place))

    assert is_whole_or_not_there(place)
    assert seen == sorted(seen) and {*seen} == {True, False}


def test_killed_at_random_moments(tree, place):
    chance, spec = (
        random.Random(7),
        {"step": -1, "do": "write", "to": str(tree), "archive": str(place / "out.tar.gz")},
    )
    command = [sys.executable, "-m", "tests.archives.dying", json.dumps(spec)]
    longest = seconds_of(command)
    assert is_whole_or_not_there(place)
    for _ in range(KILLS):
        killed = kill_at_random(command, longest, chance)
        assert is_whole_or_not_there(place) or killed
