"""Trees that change while they are read. What changes them is the writer's own call of ``progress``, which comes
after each piece: no clock decides when."""

import errno
import os
import random
from pathlib import Path

import pytest

from backups.archives.format.packing import SMALL, read_small

from .reading import Archive, write

PIECE = 4 << 20


@pytest.fixture
def tree(tmp_path) -> Path:
    """A big file of two pieces, and what is walked together with it and read after it."""
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a-big").write_bytes(random.Random(1).randbytes(PIECE + 1000))
    (root / "b").write_bytes(b"small")
    (root / "c").write_bytes(b"other")
    return root


def written_while(tmp_path: Path, tree: Path, change, codec: str = "gz", *, times: int = 1) -> Archive:
    """The archive of the tree; ``change()`` is called after each of the first ``times`` pieces."""
    calls = []

    def progress(_count: int, _files: int) -> None:
        if len(calls) < times:
            calls.append(change())

    return write(tmp_path, tree, codec, progress=progress)


def rewrite(file: Path, data: bytes) -> None:
    """New content and an mtime that certainly differs, however coarse the clock of the file system is."""
    file.write_bytes(data)
    facts = file.stat()
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1_000_000_000))


@pytest.mark.parametrize("content", [b"", b"sm", b"small and grown", b"LLAMS"])
def test_a_small_file_that_changed_since_the_walk_is_taken_as_it_is_now(tmp_path, tree, content):
    archive = written_while(tmp_path, tree, lambda: rewrite(tree / "b", content))

    assert archive.content("files/tree/b") == content
    assert "changed" not in archive.files["files/tree/b"]


@pytest.mark.parametrize("size", [20_000, SMALL + 1])
def test_a_small_file_that_has_become_big_comes_after_its_tree(tmp_path, tree, size):
    archive = written_while(tmp_path, tree, lambda: rewrite(tree / "b", b"x" * size))

    assert archive.names[-3:] == ["files/tree/c", "files/tree/b", "BACKUP/manifest.json"]


@pytest.mark.parametrize("size", [0, 500, PIECE, PIECE + 5000])
@pytest.mark.parametrize("codec", ["gz", "zst", "tar"])
def test_a_big_file_that_changes_once_is_read_again(tmp_path, tree, codec, size):
    archive = written_while(tmp_path, tree, lambda: rewrite(tree / "a-big", b"n" * size), codec)

    assert archive.content("files/tree/a-big") == b"n" * size
    assert "changed" not in archive.files["files/tree/a-big"]
    assert archive.manifest["counts"]["changed"] == 0


@pytest.mark.parametrize("codec", ["gz", "zst", "tar"])
def test_a_big_file_that_shrinks_twice_is_marked_and_has_what_could_be_read(tmp_path, tree, codec):
    """Twice in the first pass over its two pieces, and once between the two of the second pass."""
    sizes = iter([PIECE + 900, PIECE + 800, PIECE + 300])

    archive = written_while(tmp_path, tree, lambda: rewrite(tree / "a-big", b"n" * next(sizes)), codec, times=3)

    entry = archive.files["files/tree/a-big"]
    assert (entry["size"], entry["changed"]) == (PIECE + 300, True)
    assert archive.manifest["counts"]["changed"] == 1


def test_a_big_file_that_grows_all_the_time_is_marked_and_has_its_first_size(tmp_path, tree):
    sizes = iter(range(PIECE + 2000, PIECE + 99_000, 1000))

    archive = written_while(tmp_path, tree, lambda: rewrite(tree / "a-big", b"g" * next(sizes)), times=90)

    assert archive.files["files/tree/a-big"]["changed"] is True
    assert set(archive.content("files/tree/a-big")) == {ord("g")}


def test_a_file_with_holes_that_shrinks_keeps_the_length_of_its_map(tmp_path, tree):
    mib = iter((18, 17, 1))

    def shrink() -> None:
        os.truncate(tree / "a-big", next(mib) << 20)
        os.utime(tree / "a-big", (1, 1))

    os.truncate(tree / "a-big", 20 << 20)

    archive = written_while(tmp_path, tree, shrink, times=3)

    entry = archive.files["files/tree/a-big"]
    assert (entry["sparse"], entry["changed"], entry["size"]) == (True, True, 17 << 20)
    assert len(archive.content("files/tree/a-big")) == 17 << 20


@pytest.mark.parametrize("name", ["b", "b-big"])
def test_what_vanishes_is_told(tmp_path, tree, name):
    (tree / "b-big").write_bytes(bytes(SMALL) + b"x")

    archive = written_while(tmp_path, tree, (tree / name).unlink)

    assert archive.errors == {f"files/tree/{name}": {"path": f"files/tree/{name}", "why": "vanished", "errno": 2}}
    assert archive.manifest["counts"]["skipped"] == 1 and f"files/tree/{name}" not in archive.names


@pytest.mark.parametrize("name", ["b", "b-big"])
@pytest.mark.parametrize("make", [lambda path: path.symlink_to("c"), os.mkfifo], ids=["link", "FIFO"])
def test_what_becomes_a_link_or_a_fifo_is_not_read(tmp_path, tree, name, make):
    (tree / "b-big").write_bytes(bytes(SMALL) + b"x")

    def change() -> None:
        (tree / name).unlink()
        make(tree / name)

    archive = written_while(tmp_path, tree, change)

    assert archive.errors[f"files/tree/{name}"]["why"] == "became something else"


@pytest.mark.parametrize("size", [5, SMALL + 1])
def test_when_the_first_name_of_a_file_is_lost_the_second_has_its_content(tmp_path, tree, size):
    (tree / "b").write_bytes(b"l" * size)
    (tree / "later").mkdir()
    for name in ("later/second", "later/third"):
        (tree / name).hardlink_to(tree / "b")

    archive = written_while(tmp_path, tree, (tree / "b").unlink)

    assert archive.files["files/tree/later/second"]["type"] == "f"
    assert archive.files["files/tree/later/third"]["target"] == "files/tree/later/second"
    assert archive.content("files/tree/later/third") == b"l" * size


def test_a_small_file_that_is_written_to_all_the_time_is_marked(tree):
    """``read`` stands between the file and the reader and writes to the file after each time that it is read."""
    grown = iter(range(6, 100))

    def read(descriptor: int, size: int) -> bytes:
        data = os.read(descriptor, size)
        rewrite(tree / "b", b"g" * next(grown))
        return data

    folder, facts = os.open(tree, os.O_RDONLY | os.O_DIRECTORY), (tree / "b").stat()
    small = read_small(folder, b"b", (facts.st_size, facts.st_mtime_ns), read)
    os.close(folder)

    assert small.changed and small.data == b"g" * 6


def test_what_cannot_be_read_is_told_with_the_number_of_the_error(tmp_path):
    """This process's memory is a regular file that answers the first read with an input/output error."""
    archive = write(tmp_path, Path("/proc/self"), add={"include": ["/mem", "/comm"], "exclude": ["*/"]})

    assert archive.errors["files/tree/mem"]["errno"] == errno.EIO
    assert archive.files["files/tree/comm"]["type"] == "f"


@pytest.mark.parametrize("codec", ["gz", "zst", "tar"])
def test_a_big_file_that_cannot_be_read_to_its_end_leaves_no_trace_but_an_error(tmp_path, tree, codec):
    def break_reading() -> None:
        """Put a descriptor that is for writing only in the place of the writer's own."""
        for own in Path("/proc/self/fd").iterdir():
            if own.is_symlink() and own.readlink() == tree / "a-big":
                other = os.open(tree / "a-big", os.O_WRONLY)
                os.dup2(other, int(own.name))
                os.close(other)

    archive = written_while(tmp_path, tree, break_reading, codec)

    assert archive.errors["files/tree/a-big"]["errno"] == errno.EBADF
    assert archive.names[1:4] == ["files/tree", "files/tree/b", "files/tree/c"]
