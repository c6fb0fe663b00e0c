"""Trees with things in them that the reader would refuse: they are left out and named, and the archive is whole."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader
from backups.archives.format import limits, sparse
from backups.archives.format.errors import ArchiveError, UnreadableFile
from backups.archives.format.packing import SMALL
from backups.archives.format.writer import ArchiveWriter

from .reading import ABOUT, Archive
from .restoring import extract, verify
from .test_format_writer import FACTS

pytestmark = pytest.mark.usefixtures("hands")

LATE = 100_000_000_000 * 10**9
"""In the year 5138."""


@pytest.fixture
def tree():
    """In memory, where files have any time and as many attributes as there is room for; files of all sorts of ways
    into an archive."""
    root = Path(tempfile.mkdtemp(dir="/dev/shm"))
    (root / "folder").mkdir()
    (root / "file").write_bytes(b"small")
    (root / "big").write_bytes(b"b" * (SMALL + 1))
    (root / "first").write_bytes(b"linked")
    (root / "second").hardlink_to(root / "first")
    (root / "zlink").symlink_to("file")
    yield root
    shutil.rmtree(root)


def packed(tmp_path: Path, tree: Path, codec: str = "gz", **options) -> Archive:
    """The archive of the tree, which both readers open, verify and extract to ``tmp_path / "back"``."""
    path = tmp_path / "out"
    with ArchiveWriter(path, ABOUT, codec_name=codec, jobs=1, **options) as writer:
        writer.add_tree("tree", tree)
        writer.finish()
    assert not verify(str(path)).damaged
    extract(str(path), tmp_path / "back")
    return Archive(path, codec)


def test_the_limits_are_those_of_the_reader():
    assert (limits.MOST_PATH, limits.MOST_PIECES) == (reader.MAX_PATH, reader.MAX_HOLES)
    assert (limits.MOST_TIME, limits.MOST_REDIS) == (reader.MAX_NUMBER, reader.MAX_REDIS)


@pytest.mark.parametrize("codec", ["gz", "zst", "tar"])
@pytest.mark.parametrize("late", [LATE, -LATE])
def test_a_time_beyond_what_can_be_written_is_moved_and_named(tmp_path, tree, codec, late):
    names = ["", "folder", "file", "big", "first", "second", "zlink"]
    for name in names:
        os.utime(tree / name, ns=(0, late), follow_symlinks=False)
    assert (tree / "file").stat().st_mtime_ns == late

    archive = packed(tmp_path, tree, codec)

    paths = {f"files/tree/{name}".rstrip("/") for name in names}
    assert set(archive.errors) == paths and len(archive.manifest["errors"]) == len(paths)
    assert {error["why"] for error in archive.errors.values()} == {
        "its time, which is not between the years 1678 and 2262"
    }
    assert set(archive.files) == paths
    nearest = limits.MOST_TIME if late > 0 else -limits.MOST_TIME
    assert {entry["mtime"] for entry in archive.files.values()} == {nearest}
    assert (tmp_path / "back/files/tree/file").read_bytes() == b"small"


@pytest.mark.parametrize("name", ["folder", "file", "big", "first"])
def test_attributes_that_find_no_room_are_named(tmp_path, tree, name):
    """2.6 MB of them: more than a line of the manifest, or the headers of an entry, may have."""
    for number in range(40):
        try:
            os.setxattr(tree / name, f"user.{number:02}", b"x" * 65_000)
        except OSError as error:
            assert error.errno in (errno.EOPNOTSUPP, errno.ENOSPC), error  # noqa: PT017 - an older kernel
            pytest.skip("files in memory have no attributes here")

    archive = packed(tmp_path, tree)

    kept = archive.files[f"files/tree/{name}"]["xattrs"]
    assert 10 < len(kept) < 20 and min(kept) == "user.00"
    (error,) = archive.manifest["errors"]
    assert (error["path"], error["errno"]) == (f"files/tree/{name}", errno.E2BIG)
    assert error["why"].startswith(f"{40 - len(kept)} of its extended attributes")
    with pytest.raises(UnreadableFile):
        packed(tmp_path / "back", tree, unreadable="fail")


def test_names_of_attributes_count_as_the_manifest_writes_them():
    """A byte of a name that is no UTF-8 is six in JSON."""
    many = {b"user." + b"\xff" * 245 + b"%05d" % number: b"" for number in range(4000)}

    _, kept, lost = limits.within(0, many)

    assert 0 < len(kept) < 1000 and lost[0][1] == errno.E2BIG


def deepen(root: Path, depth: int) -> None:
    """Directories in each other, with a file and a link in each; the deepest has a path that no call takes."""
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        for name in ("f" * 200, "l" * 200):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
        os.mkdir("d" * 200, dir_fd=descriptor)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)


@pytest.mark.parametrize("unreadable", ["mark", "fail"])
def test_a_path_that_is_too_long_is_named_and_not_entered(tmp_path, tree, unreadable):
    deepen(tree / "folder", 60)
    if unreadable == "fail":
        with pytest.raises(UnreadableFile):
            packed(tmp_path, tree, unreadable="fail")
        return

    archive = packed(tmp_path, tree)

    longest = max(archive.files, key=len)
    assert 3800 < len(longest) <= reader.MAX_PATH
    assert {len(path.split("/")) for path in archive.errors} == {len(longest.split("/")) + 1}
    assert {path[-1] for path in archive.errors} == {"d", "f", "l"}
    assert {error["errno"] for error in archive.errors.values()} == {errno.ENAMETOOLONG}


@pytest.mark.parametrize("length", [4094, 4095, 4096])
def test_the_longest_path_is_taken_and_the_next_one_is_not(tmp_path, tree, length):
    """``files/tree`` and 15 directories of 255 bytes, each with its slash, have 3850; the last one has the rest."""
    descriptor = os.open(tree, os.O_RDONLY)
    for name in ["d" * 255] * 15 + ["e" * (length - 3851 - 4), "f" * 3]:
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)

    archive = packed(tmp_path, tree)

    assert bool(archive.errors) == (length > reader.MAX_PATH)
    assert length in {len(path) for path in [*archive.files, *archive.errors]}


def test_a_file_with_too_many_holes_is_stored_without_them(tmp_path, monkeypatch):
    (tree := tmp_path / "tree").mkdir()
    monkeypatch.setattr(sparse, "MOST_PIECES", 10)
    monkeypatch.setattr(reader, "MAX_HOLES", 10)
    for name, pieces in (("few", 9), ("many", 10)):
        with (tree / name).open("wb") as file:
            for number in range(pieces):
                file.seek(number * (1 << 20))
                file.write(b"x" * 4096)
            file.truncate(pieces << 20)

    archive = packed(tmp_path, tree)

    assert "sparse" in archive.files["files/tree/few"] and "sparse" not in archive.files["files/tree/many"]
    for name in ("few", "many"):
        assert (tmp_path / "back/files/tree" / name).read_bytes() == (tree / name).read_bytes()
    assert not archive.errors


def test_the_name_of_a_source_is_a_name_that_a_directory_can_have(tmp_path, tree):
    with ArchiveWriter(tmp_path / "out", ABOUT) as writer, pytest.raises(ValueError, match="cannot be the name"):
        writer.add_tree("é" * 128, tree)


def test_more_redis_servers_than_the_reader_takes_are_refused(tmp_path):
    with ArchiveWriter(tmp_path / "out", ABOUT, codec_name="tar", jobs=1) as writer:
        for number in range(limits.MOST_REDIS):
            writer.add_redis(f"r{number}", [b"REDIS"], lambda: FACTS)
        with pytest.raises(ArchiveError, match="100 Redis servers"):
            writer.add_redis("more", [b"REDIS"], lambda: FACTS)
