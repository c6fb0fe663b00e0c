"""Room on the file system: what must stay free stays free, and a disk that is really full leaves nothing behind."""

import errno
import random
import subprocess

import pytest

from backups.archives.format import space
from backups.archives.format.errors import NoSpace, WriteFailed
from backups.archives.format.space import Room, space_of
from backups.archives.format.writer import ArchiveWriter

from .reading import ABOUT


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no full disk can be made here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def tree(tmp_path):
    """Small files of 6 MiB and a big one of 6 MiB: one of them does not fit."""
    root = tmp_path / "tree"
    root.mkdir()
    noise = random.Random(5)
    for number in range(96):
        (root / f"small{number:03}").write_bytes(noise.randbytes(64 << 10))
    (root / "z-big").write_bytes(noise.randbytes(6 << 20))
    return root


def archive(path, tree, **options) -> None:
    with ArchiveWriter(path, ABOUT, **options) as writer:
        writer.add_tree("tree", tree)
        writer.finish()


def names_in(place) -> list[str]:
    return [path.name for path in place.iterdir()]


def test_the_room_of_a_file_system_is_told(small_disk):
    assert space_of(small_disk) == (8 << 20, 8 << 20)
    (small_disk / "file").write_bytes(bytes(1 << 20))
    assert space_of(small_disk) == (7 << 20, 7 << 20)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("codec_name", ["gz", "zst", "tar"])
@pytest.mark.parametrize("taken", [0, 5 << 20, (8 << 20) - 4096])
def test_a_disk_that_is_full_leaves_nothing(small_disk, tree, codec_name, jobs, taken):
    if taken:
        (small_disk / "taken").write_bytes(bytes(taken))

    with pytest.raises(WriteFailed) as caught:
        archive(small_disk / "out", tree, codec_name=codec_name, jobs=jobs)

    assert caught.value.errno == errno.ENOSPC
    assert names_in(small_disk) == ["taken"] * bool(taken)
    assert space_of(small_disk).usable == (8 << 20) - taken


def test_what_must_stay_free_is_looked_at_before_anything_is_written(small_disk, tree):
    (small_disk / "taken").write_bytes(bytes(1 << 20))

    with pytest.raises(NoSpace, match=r"must stay free") as caught:
        archive(small_disk / "out", tree, keep_free=7 << 20)

    assert caught.value.keep_free == 7 << 20 and caught.value.usable < 7 << 20
    assert names_in(small_disk) == ["taken"]


def test_what_must_stay_free_is_looked_at_while_it_is_written(small_disk, tree, monkeypatch):
    monkeypatch.setattr(space, "EVERY", 1 << 20)

    with pytest.raises(NoSpace):
        archive(small_disk / "out", tree, keep_free=4 << 20)

    assert names_in(small_disk) == []


def test_it_is_asked_once_in_64_mib(tmp_path, monkeypatch):
    asked, room = [], Room(tmp_path, 1)
    monkeypatch.setattr(space, "space_of", lambda directory: asked.append(directory) or space.Space(10, 10))

    for written in range(0, (128 << 20) + 1, 1 << 20):
        room.check(written)

    assert len(asked) == 3


def test_who_asks_for_nothing_is_not_refused(small_disk):
    Room(small_disk / "none", 0).check(0)
