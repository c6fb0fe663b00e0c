"""What ends the writing of an archive leaves nothing behind, and never touches another file."""

import errno
import os
import random
import resource
from contextlib import contextmanager

import pytest

from backups.archives.format.batches import Helper
from backups.archives.format.errors import ArchiveError, Cancelled, HelperDied, TargetExists, WriteFailed
from backups.archives.format.packing import Root
from backups.archives.format.writer import ArchiveWriter, RedisFacts

from .reading import ABOUT


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    for name, size in (("big", 9 << 20), ("small", 2000), ("zbig", 2 << 20)):
        (root / name).write_bytes(random.Random(size).randbytes(size))
    return root


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "archives"
    folder.mkdir()
    return folder


def archive(path, tree, between=lambda: None, **options) -> None:
    """An archive of the tree; ``between`` is called before its end."""
    with ArchiveWriter(path, ABOUT, **({"jobs": 1} | options)) as writer:
        writer.add_tree("tree", tree)
        between()
        writer.finish()


def left_in(place) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_while_it_is_written_it_has_no_name_but_a_hidden_one(place, tree):
    with ArchiveWriter(place / "out", ABOUT, jobs=1) as writer:
        assert left_in(place) == [f".out.partial-{os.getpid()}"]
        writer.add_tree("tree", tree)
        writer.finish()

    assert left_in(place) == ["out"]
    assert (place / "out").stat().st_mode & 0o777 == 0o600


def test_an_error_of_the_caller_leaves_nothing(place, tree):
    with pytest.raises(KeyError):
        archive(place / "out", tree, between=lambda: {}["nothing"])

    assert left_in(place) == []


def test_an_error_in_the_progress_of_the_caller_is_not_taken_for_one_of_a_file(place, tree):
    def progress(*_) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        archive(place / "out", tree, progress=progress)

    assert left_in(place) == []


def test_a_stream_that_breaks_leaves_nothing(place):
    def chunks():
        yield b"REDIS"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError), ArchiveWriter(place / "out", ABOUT, jobs=1) as writer:
        writer.add_redis("main", chunks(), lambda: None)

    assert left_in(place) == []


def test_a_stream_that_is_not_as_long_as_announced_is_no_archive(place):
    facts = RedisFacts({}, {}, 10, "7", "rdb", True, meta={})

    with pytest.raises(ArchiveError, match="4 bytes"), ArchiveWriter(place / "out", ABOUT, jobs=1) as writer:
        writer.add_redis("main", [b"four"], lambda: facts, size=5)

    assert left_in(place) == []


def test_a_file_that_exists_is_refused_at_once(place):
    (place / "out").write_text("precious")

    with pytest.raises(TargetExists, match="exists already"):
        ArchiveWriter(place / "out", ABOUT, jobs=1)

    assert left_in(place) == ["out"] and (place / "out").read_text() == "precious"


def test_a_file_that_came_meanwhile_is_not_overwritten(place, tree):
    with pytest.raises(TargetExists):
        archive(place / "out", tree, between=lambda: (place / "out").write_text("precious"))

    assert left_in(place) == ["out"] and (place / "out").read_text() == "precious"


def test_where_hard_links_are_not_to_be_had_the_name_is_still_never_taken_twice(place, tree, monkeypatch):
    def link(*_):
        raise PermissionError(errno.EPERM, "not on this file system")

    monkeypatch.setattr(os, "link", link)
    archive(place / "out", tree)
    with pytest.raises(TargetExists):
        archive(place / "other", tree, between=lambda: (place / "other").write_text("precious"))

    assert left_in(place) == ["other", "out"] and (place / "other").read_text() == "precious"


def test_another_writer_of_this_process_is_left_alone(place):
    with ArchiveWriter(place / "out", ABOUT, jobs=1) as first:
        with pytest.raises(WriteFailed):
            ArchiveWriter(place / "out", ABOUT, jobs=1)
        first.finish()

    assert left_in(place) == ["out"]


@contextmanager
def files_of_at_most(size: int):
    """No file of this process may grow beyond it: like a disk that is full, but for the number of the error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("size", [100, 1_000_000, 10_000_000])
def test_a_disk_that_is_full_is_named_and_nothing_is_left(place, tree, size, jobs):
    with pytest.raises(WriteFailed) as caught, files_of_at_most(size):
        archive(place / "out", tree, jobs=jobs)

    assert (caught.value.path, caught.value.errno) == (str(place / "out"), errno.EFBIG)
    assert str(place / "out") in str(caught.value)
    assert left_in(place) == []


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WriteFailed) as caught:
        ArchiveWriter(tmp_path / "none/out", ABOUT, jobs=1)

    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("calls", [0, 1, 2, 4, 6, 9])
def test_a_cancelled_archive_leaves_nothing(place, tree, calls, jobs):
    left = iter(range(calls))

    with pytest.raises(Cancelled):
        archive(place / "out", tree, jobs=jobs, cancelled=lambda: next(left, None) is None)

    assert left_in(place) == []


def test_a_root_that_is_not_there_is_an_error_of_the_manifest(place, tmp_path):
    with ArchiveWriter(place / "out", ABOUT, jobs=1) as writer:
        writer.add_tree("tree", tmp_path / "none")

        assert writer.finish().counts.skipped == 1


def test_an_archive_does_not_hold_itself(tree):
    with ArchiveWriter(tree / "out", ABOUT, jobs=1) as writer:
        writer.add_tree("tree", tree)
        counts = writer.finish().counts

    assert (counts.files, counts.skipped) == (3, 1)


def test_a_helper_that_is_killed_ends_the_archive(tree):
    root = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    helper = Helper(Root(root), "gz", False)
    sections = [(b"", b"files/tree", [b"small"], False)]
    try:
        assert helper.ask(sections).result().steps[0].files == 1
        helper._process.kill()
        with pytest.raises(HelperDied, match="-9"):
            helper.ask(sections).result()
    finally:
        helper.close()
        os.close(root)
