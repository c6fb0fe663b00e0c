"""Reading ahead: only where a batch had to wait for a disk, and whatever is there by then."""

import os
import resource
from pathlib import Path

import pytest

from backups.archives.format.ahead import Ahead


def blocks_read() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock


def uncached(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.fixture
def root(tmp_path):
    """A tree with a file that is only on the disk."""
    (tmp_path / "cold").write_bytes(os.urandom(300_000))
    for _ in range(2):
        uncached(tmp_path / "cold")
        before = blocks_read()
        (tmp_path / "cold").read_bytes()
    if blocks_read() == before:
        pytest.skip("this file system reads from no disk")
    uncached(tmp_path / "cold")
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


SECTIONS = [(None, b"", [(b"head", "line")], False), (b"", b"files/x", [b"cold"], False)]


def read_by(ahead: Ahead) -> int:
    before = blocks_read()
    ahead.announce(SECTIONS)
    ahead.close()
    return blocks_read() - before


def test_nothing_is_read_ahead_where_everything_was_in_memory(root):
    ahead = Ahead(root)
    ahead.learn(1000)

    assert read_by(ahead) == 0


def test_after_a_batch_that_was_read_from_a_disk_the_next_ones_are_announced(root, tmp_path):
    ahead = Ahead(root)
    (tmp_path / "cold").read_bytes()
    uncached(tmp_path / "cold")
    ahead.learn(1)

    assert read_by(ahead) > 0


def test_it_stops_when_what_is_announced_is_in_memory(root, tmp_path):
    ahead = Ahead(root)
    (tmp_path / "cold").read_bytes()
    ahead.learn(1)
    ahead.learn(1)
    uncached(tmp_path / "cold")

    assert read_by(ahead) == 0


def test_what_is_gone_or_another_thing_is_passed_over(root, tmp_path):
    ahead = Ahead(root)
    (tmp_path / "cold").read_bytes()
    ahead.learn(1)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("cold")
    before = len(list(Path("/proc/self/fd").iterdir()))

    ahead.announce([(b"", b"", [b"pipe", b"none", b"link"], False), (b"none", b"", [b"a"], False)])
    ahead.close()

    assert len(list(Path("/proc/self/fd").iterdir())) == before
