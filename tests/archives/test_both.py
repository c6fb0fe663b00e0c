"""The writer and the reader, which were made apart from the same page: what one writes the other brings back."""

import errno
import os
import stat
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader
from backups.archives.format.writer import ArchiveWriter

from .reading import ABOUT
from .restoring import archive_file, extract, verify
from .test_format_writer import CODECS, FACTS, contents, tree

__all__ = ["tree"]  # the fixture

HOW = (("gz", False, 2), ("zst", False, 2), ("tar", False, 2), ("gz", True, 1), ("tar", True, 2))


@pytest.fixture
def odd_tree(tree) -> Path:
    """With holes, attributes, an ACL and modes on top."""
    with (tree / "holes").open("wb") as file:
        file.truncate(40 << 20)
        file.seek(20 << 20)
        file.write(b"in the middle" * 1000)
    (tree / "private").write_text("0600")
    (tree / "private").chmod(0o600)
    (tree / "many").chmod(0o750)
    os.utime(tree / "many", ns=(0, 1_600_000_000_987_654_321))
    os.setxattr(tree / "private", "user.origin", b"a\0b")
    acl = bytes.fromhex("0200000001000600ffffffff020004000100000004000400ffffffff10000600ffffffff20000000ffffffff")
    try:
        os.setxattr(tree / "private", "system.posix_acl_access", acl)
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP, error  # noqa: PT017 - a file system without ACLs
    return tree


def written(tmp_path: Path, tree: Path, codec: str = "gz", **options) -> str:
    path = tmp_path / f"out.{codec}"
    with ArchiveWriter(path, ABOUT, codec_name=codec, **options) as writer:
        writer.add_tree("tree", tree)
        writer.add_redis("main", [b"REDIS0010", b"x" * 100_000], lambda: FACTS)
        writer.finish()
    return str(path)


def dress(root: Path) -> dict[str, tuple]:
    """Of everything below a directory what is not content: mode, time, attributes, blocks on the disk, links."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(folder, name)
            facts = path.lstat()
            attributes = {} if path.is_symlink() else {each: os.getxattr(path, each) for each in os.listxattr(path)}
            links = facts.st_nlink if stat.S_ISREG(facts.st_mode) else 0
            time = None if path.is_symlink() else facts.st_mtime_ns
            found[str(path.relative_to(root))] = (oct(facts.st_mode), time, attributes, links)
    return found


@pytest.mark.parametrize(("codec", "pure", "jobs"), HOW)
def test_a_tree_comes_back_as_it_was(tmp_path, odd_tree, codec, pure, jobs):
    path, to = written(tmp_path, odd_tree, codec, pure=pure, jobs=jobs), tmp_path / "back"

    assert not verify(path).damaged
    extract(path, to)

    back = to / "files" / "tree"
    assert contents(back) == contents(odd_tree)
    assert dress(back) == dress(odd_tree)
    assert (back / "holes").stat().st_blocks * 512 < 10 << 20
    assert (back / "second").samefile(back / "many/001")
    assert (to / "redis/main/dump.rdb").read_bytes() == b"REDIS0010" + b"x" * 100_000


@pytest.mark.parametrize("codec", CODECS)
def test_each_byte_of_the_archive_counts(tmp_path, tree, codec):
    """One flipped bit in each of 60 places: it is said, or the byte meant nothing."""
    path = Path(written(tmp_path, tree, codec))
    whole = path.read_bytes()
    said = 0
    for number in range(60):
        at = len(whole) * number // 60
        broken = archive_file(tmp_path, whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :], "broken")
        try:
            said += bool(verify(broken).damaged)
        except reader.ArchiveError:
            said += 1
    # In a gzip header some bytes mean nothing (time, operating system), and in a tar those of its own headers.
    assert said >= 58


def test_a_foreign_one_is_told_from_ours(tmp_path, tree):
    ours = written(tmp_path, tree)
    with reader.open_archive(ours) as archive:
        assert isinstance(archive, reader.Archive)
        assert len(archive.manifest.members) > 150
