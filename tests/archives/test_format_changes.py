"""Trees that change while they are read. What changes them is the writer's own call of ``progress``, which comes
after each piece: no clock decides when."""

import errno
import os
import random
import socket
from pathlib import Path

import pytest

from backups.archives.format import packing
from backups.archives.format.blocks import codec
from backups.archives.format.packing import RECENT, SMALL, Packed, Root, pack, read_small
from backups.archives.format.trees import FIRST_FILES
from backups.gateways.filetree import Owners

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


def written_while(tmp_path: Path, tree: Path, change, codec_name: str = "gz", *, times: int = 1) -> Archive:
    """The archive of the tree; ``change()`` is called after each of the first ``times`` pieces."""
    calls = []

    def progress(_count: int, _files: int) -> None:
        if len(calls) < times:
            calls.append(change())

    return write(tmp_path, tree, codec_name, progress=progress)


def rewrite(file: Path, data: bytes) -> None:
    """New content and an mtime that certainly differs, however coarse the clock of the file system is."""
    file.write_bytes(data)
    facts = file.stat()
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1_000_000_000))


def packed(tree: Path, *names: bytes) -> Packed:
    root = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return pack(Root(root), [(b"", b"files/tree", list(names), False)], codec("tar"), Owners())
    finally:
        os.close(root)


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


def test_a_big_file_that_vanishes_is_told(tmp_path, tree):
    (tree / "b-big").write_bytes(bytes(SMALL) + b"x")

    archive = written_while(tmp_path, tree, (tree / "b-big").unlink)

    assert archive.errors == {"files/tree/b-big": {"path": "files/tree/b-big", "why": "vanished", "errno": 2}}
    assert archive.manifest["counts"]["skipped"] == 1 and "files/tree/b-big" not in archive.names


def test_a_small_file_that_vanishes_is_told(tree):
    (step,), errors, rest, _ = packed(tree, b"b", b"gone", b"c")

    assert errors == [(b"files/tree/gone", "vanished", 2)] and not rest
    assert (step.files, step.bytes, step.asides) == (2, 10, [])


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(str(path))


MAKERS = [lambda path: path.symlink_to("c"), os.mkfifo, Path.mkdir, make_socket]


@pytest.mark.parametrize("make", MAKERS, ids=["link", "FIFO", "directory", "socket"])
def test_what_becomes_another_thing_is_not_taken(tmp_path, tree, make):
    (tree / "b-big").write_bytes(bytes(SMALL) + b"x")

    def change() -> None:
        (tree / "b-big").unlink()
        make(tree / "b-big")

    archive = written_while(tmp_path, tree, change)
    small = packed(tree, b"b-big")

    assert archive.errors["files/tree/b-big"]["why"] == "became something else"
    assert small.steps == [] and len(small.errors) == 1
    assert small.errors[0][1] in ("became something else", "a FIFO")


@pytest.mark.parametrize("size", [5, SMALL + 1])
def test_when_the_first_name_of_a_file_is_lost_the_others_have_its_content(tmp_path, tree, size):
    """The third is no link to the second: when a name was lost, nothing says any more that it is the same file."""
    (tree / "b").write_bytes(b"l" * size)
    (tree / "later").mkdir()
    for name in ("later/second", "later/third"):
        (tree / name).hardlink_to(tree / "b")

    archive = written_while(tmp_path, tree, (tree / "b").unlink)

    for name in ("second", "third"):
        assert archive.files[f"files/tree/later/{name}"]["type"] == "f"
        assert archive.content(f"files/tree/later/{name}") == b"l" * size


@pytest.mark.parametrize("size", [5, SMALL + 1])
def test_a_new_file_with_the_inode_of_one_that_is_gone_is_no_link_to_it(tmp_path, tree, size):
    """The names in ``z`` are seen only when those in ``a`` are packed and gone."""
    (tree / "a").mkdir()
    (tree / "a/1").write_bytes(b"o" * size)
    (tree / "a/2").hardlink_to(tree / "a/1")
    (tree / "m").mkdir()
    for number in range(6 * FIRST_FILES):  # more than may wait to be packed
        (tree / f"m/{number}").touch()
    (tree / "z").mkdir()
    old = (tree / "a/1").stat()

    def change() -> None:
        for name in ("a/1", "a/2"):
            (tree / name).unlink()
        with_inode(old.st_ino, tree / "a", b"n" * size).rename(tree / "z/1")
        (tree / "z/2").hardlink_to(tree / "z/1")
        os.utime(tree / "z/1", ns=(old.st_atime_ns, old.st_mtime_ns))

    calls = []

    def progress(_count: int, files: int) -> None:
        if files > 4 and not calls:
            calls.append(change())

    archive = write(tmp_path, tree, progress=progress)

    assert archive.files["files/tree/a/2"]["target"] == "files/tree/a/1"
    assert archive.content("files/tree/z/1") == archive.content("files/tree/z/2") == b"n" * size
    assert archive.files["files/tree/z/2"]["target"] == "files/tree/z/1"


def with_inode(number: int, folder: Path, data: bytes) -> Path:
    """A new file that has this inode, where the file system gives inodes again."""
    for each in range(1000):
        path = folder / f"new{each}"
        path.write_bytes(data)
        if path.stat().st_ino == number:
            return path
    pytest.skip("this file system gives every file a new inode")


@pytest.mark.parametrize("size", [5, SMALL + 1])
def test_a_first_name_that_has_become_another_file_gets_no_links(tmp_path, tree, size):
    """It was seen together with the second name, and is read later."""
    (tree / "b").write_bytes(b"o" * size)
    (tree / "later").mkdir()
    (tree / "later/second").hardlink_to(tree / "b")
    (tmp_path / "new").write_bytes(b"n" * size)

    archive = written_while(tmp_path, tree, lambda: (tmp_path / "new").replace(tree / "b"))

    assert archive.content("files/tree/b") == b"n" * size
    assert archive.content("files/tree/later/second") == b"o" * size


def test_a_small_file_that_is_written_to_all_the_time_is_marked(tree):
    """``read`` stands between the file and the reader and writes to the file after each time that it is read."""
    grown = iter(range(6, 100))

    def read(descriptor: int, size: int) -> bytes:
        data = os.read(descriptor, size)
        rewrite(tree / "b", b"g" * next(grown))
        return data

    with (tree / "b").open("rb") as file:
        data, _, changed = read_small(file.fileno(), (tree / "b").stat(), read)

    assert changed and data == b"g" * 6


@pytest.mark.parametrize("content", [b"", b"sm", b"small and grown", b"LLAMS"])
def test_a_small_file_that_is_written_to_once_is_taken_as_it_is_then(tree, content):
    writes = iter([content])

    def read(descriptor: int, size: int) -> bytes:
        data = os.read(descriptor, size)
        for new in writes:
            rewrite(tree / "b", new)
        return data

    with (tree / "b").open("rb") as file:
        data, facts, changed = read_small(file.fileno(), (tree / "b").stat(), read)

    assert (data, facts.st_size, changed) == (content, len(content), False)


def test_a_small_file_that_becomes_a_big_one_is_left_to_others(tree):
    def read(descriptor: int, size: int) -> bytes:
        os.truncate(tree / "b", SMALL + 1)
        return os.read(descriptor, size)

    with (tree / "b").open("rb") as file:
        assert read_small(file.fileno(), (tree / "b").stat(), read)[1].st_size > SMALL


@pytest.mark.parametrize("age", [0, RECENT * 2])
def test_what_is_longer_than_the_first_read_is_read_whole_whether_it_is_recent_or_not(tree, monkeypatch, age):
    monkeypatch.setattr(packing, "FIRST", 3)
    monkeypatch.setattr(packing, "RECENT", -age)

    (step,), *_ = packed(tree, b"b", b"c")

    assert b"".join(step.block)[512:517] == b"small" and b"".join(step.block)[1536:1541] == b"other"


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
