"""Archives that are encrypted while they are made: the same archive inside, and never a nonce used twice, although
the writer changes its mind about what it has written."""

import errno
import hashlib
import itertools
import os
import random
import tarfile
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader
from backups.archives.format.age import held
from backups.archives.format.age.opening import AgeFile, AgeSource
from backups.archives.format.age.sealing import SealedOutput
from backups.archives.format.errors import TargetExists, WriteFailed
from backups.archives.format.writer import ArchiveWriter, RedisFacts, Written

from ..reading import ABOUT, Archive
from ..restoring import run, verify
from ..test_format_changes import PIECE, rewrite
from ..test_format_faults import files_of_at_most, left_in
from .making import Recorder, age_program, new_identity, opened, sealed, secret_text

ME = new_identity()
FACTS = RedisFacts({"0": 1}, {}, 10, "7.0.15", "rdb", True, meta={"role": "master"})
CODECS = pytest.mark.parametrize("codec", ["gz", "zst", "tar"])


@pytest.fixture
def tree(tmp_path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a-big").write_bytes(random.Random(1).randbytes(PIECE + 1000))
    (root / "b").write_bytes(b"small")
    (root / "c-big").write_bytes(random.Random(2).randbytes(3 * PIECE))
    return root


@pytest.fixture
def place(tmp_path) -> Path:
    folder = tmp_path / "archives"
    folder.mkdir()
    return folder


def encrypted(place: Path, tree: Path, codec: str, *, redis=(), **options) -> tuple[Archive, Written]:
    """The archive of the tree and of a Redis server, checked in every way: its one use of each nonce, its digest, the
    archive inside by the tests' reader and by the portable one."""
    path, recorder = place / f"out.{codec}.age", Recorder()
    settings = {"jobs": 1, "recipients": [ME.recipient], "make_cipher": recorder} | options
    with ArchiveWriter(path, ABOUT, codec_name=codec, **settings) as writer:
        writer.add_tree("tree", tree)
        if redis:
            writer.add_redis("main", redis, lambda: FACTS)
        written = writer.finish()
    plain = place / "plain"
    plain.write_bytes(opened(path, ME))
    assert plain.read_bytes() == opened(path, file_key=writer.file_key)
    assert recorder.most == 1
    assert (written.encrypted, written.size) == (True, path.stat().st_size)
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert left_in(place) == sorted([path.name, "plain"])
    archive = Archive(plain, codec)
    archive.check(codec)
    with path.open("rb") as file:
        found = reader.verify(reader.opened(AgeSource(AgeFile(file, identities=[ME]))))
    assert found.damaged == verify(str(plain)).damaged == []
    assert found.members >= len(archive.files)
    return archive, written


def written(path: Path, tree: Path, **options) -> Written:
    with ArchiveWriter(path, ABOUT, **({"jobs": 1, "recipients": [ME.recipient]} | options)) as writer:
        writer.add_tree("tree", tree)
        return writer.finish()


@CODECS
def test_what_is_inside_is_the_archive(place, tree, codec):
    archive, _ = encrypted(place, tree, codec)

    assert archive.content("files/tree/a-big") == (tree / "a-big").read_bytes()
    assert archive.content("files/tree/c-big") == (tree / "c-big").read_bytes()


@CODECS
@pytest.mark.parametrize(("name", "size"), [("a-big", 500), ("c-big", 0), ("c-big", 4 * PIECE)])
def test_a_big_file_that_changes_once_is_read_again(place, tree, codec, name, size):
    changes = iter([lambda: rewrite(tree / name, b"n" * size)])
    skipped = iter(range(2 if name == "c-big" else 0))

    def progress(*_) -> None:
        if next(skipped, None) is None:
            next(changes, lambda: None)()

    archive, _ = encrypted(place, tree, codec, progress=progress)

    assert archive.content(f"files/tree/{name}") == b"n" * size
    assert archive.manifest["counts"]["changed"] == 0


@CODECS
def test_a_big_file_that_shrinks_twice_has_its_header_replaced(place, tree, codec):
    """After each of the three pieces of the first pass, and after the first of the second."""
    sizes = iter([3 * PIECE - 100, 3 * PIECE - 200, 3 * PIECE - 300, PIECE + 300])

    def progress(*_) -> None:
        if (size := next(sizes, None)) is not None:
            rewrite(tree / "c-big", b"n" * size)

    for other in ("a-big", "b"):
        (tree / other).unlink()
    archive, _ = encrypted(place, tree, codec, progress=progress)

    entry = archive.files["files/tree/c-big"]
    assert (entry["changed"], entry["size"]) == (True, PIECE + 300)
    assert archive.content("files/tree/c-big")[PIECE:] == b"n" * 300


@CODECS
@pytest.mark.parametrize("size", [10, 3 * PIECE + 17])
def test_a_redis_stream_of_unknown_size(place, tree, codec, size):
    data = random.Random(size).randbytes(size)
    chunks = [data[at : at + 100_000] for at in range(0, size, 100_000)] or [b""]

    archive, _ = encrypted(place, tree, codec, redis=chunks)

    assert archive.content("redis/main/dump.rdb") == data


@CODECS
def test_a_big_file_that_cannot_be_read_to_its_end_leaves_no_trace_but_an_error(place, tree, codec):
    def break_reading(*_) -> None:
        for own in Path("/proc/self/fd").iterdir():
            if own.is_symlink() and own.readlink() == tree / "c-big":
                other = os.open(tree / "c-big", os.O_WRONLY)
                os.dup2(other, int(own.name))
                os.close(other)

    archive, _ = encrypted(place, tree, codec, progress=break_reading)

    assert archive.errors["files/tree/c-big"]["errno"] == errno.EBADF
    assert "files/tree/c-big" not in archive.names


def test_with_several_helpers_and_many_files(place, tree):
    for number in range(2500):
        (tree / f"s{number}").write_bytes(random.Random(number).randbytes(number))

    archive, written = encrypted(place, tree, "gz", jobs=2)

    assert written.counts.files == 2503
    assert archive.content("files/tree/s2400") == (tree / "s2400").read_bytes()


def test_only_what_is_held_can_be_changed(place):
    output = SealedOutput(place / "out.age", [ME.recipient])
    output.write(b"12345")
    for change in (lambda: output.overwrite(0, b"x"), lambda: output.rewind(0)):
        with pytest.raises(ValueError, match="cannot be changed|can be changed now"):
            change()
    output.hold()
    output.write(b"67890")
    for change in (lambda: output.overwrite(4, b"x"), lambda: output.overwrite(9, b"xx"), lambda: output.rewind(6)):
        with pytest.raises(ValueError, match="be changed"):
            change()
    output.overwrite(6, b"ab")
    output.hold()
    output.settle()
    output.hold()
    output.write(bytes(held.MEMORY))
    output.write(b"more")
    output.rewind(10)
    output.write(b"end")
    output.finish()

    assert opened(place / "out.age", ME) == b"123456ab90end"


def test_memory_that_is_lent_may_be_used_again_at_once(place):
    output, lent = SealedOutput(place / "out.age", [ME.recipient]), bytearray(3 << 20)
    for letter in b"abcdefgh":
        lent[:] = bytes([letter]) * len(lent)
        output.write(memoryview(lent))
    output.finish()

    assert opened(place / "out.age", ME) == b"".join(bytes([letter]) * len(lent) for letter in b"abcdefgh")


def test_what_waits_on_the_disk_is_not_plain(place, tree, monkeypatch):
    """``made`` keeps the file without a name that is otherwise gone when it has been read."""
    kept, make = [], held.tempfile.TemporaryFile

    def made(**options):
        file = make(**options)
        kept.append(open(f"/proc/self/fd/{file.fileno()}", "rb"))  # noqa: SIM115, PTH123
        return file

    (tree / "c-big").write_bytes(b"all the same and easy to find " * (4 * PIECE // 30))
    monkeypatch.setattr(held.tempfile, "TemporaryFile", made)
    written(place / "out.tar.age", tree, codec_name="tar")
    waited = kept[-1].read()
    kept[-1].close()

    assert len(waited) > PIECE and b"easy to find" not in waited


def test_a_plain_archive_has_neither_key_nor_digest(place, tree):
    with ArchiveWriter(place / "out", ABOUT, jobs=1) as writer:
        written = writer.finish()

    assert (writer.file_key, written.encrypted, written.sha256) == (None, False, None)


def test_without_a_recipient_there_is_no_archive(place):
    with pytest.raises(ValueError, match="needs a recipient"):
        ArchiveWriter(place / "out.age", ABOUT, recipients=[])

    assert left_in(place) == []


def test_a_name_that_is_taken_is_refused(place):
    (place / "out.age").write_text("precious")

    with pytest.raises(TargetExists):
        ArchiveWriter(place / "out.age", ABOUT, recipients=[ME.recipient])

    assert left_in(place) == ["out.age"]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("size", [100, 1_000_000, 9_000_000, 15_000_000])
def test_a_disk_that_is_full_is_named_and_nothing_is_left(place, tree, size, jobs):
    with pytest.raises(WriteFailed) as caught, files_of_at_most(size):
        written(place / "out.age", tree, jobs=jobs)

    assert caught.value.errno == errno.EFBIG
    assert left_in(place) == []


@pytest.mark.parametrize("calls", [1, 3, 5])
def test_an_error_of_the_caller_leaves_nothing(place, tree, calls):
    left = itertools.count()

    def progress(*_) -> None:
        if next(left) == calls:
            raise KeyError

    with pytest.raises(KeyError):
        written(place / "out.age", tree, progress=progress)

    assert left_in(place) == []


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_foreign_tar_that_is_encrypted_is_read(tmp_path, tree, mode):
    with tarfile.open(tmp_path / "foreign", mode) as tar:
        tar.add(tree, "tree")
    path = tmp_path / "foreign.age"
    path.write_bytes(sealed((tmp_path / "foreign").read_bytes(), ME))
    with path.open("rb") as file:
        found = reader.verify(reader.opened(AgeSource(AgeFile(file, identities=[ME]))))

    assert (found.members, found.bytes) == (4, sum(each.stat().st_size for each in tree.iterdir()))


def test_the_portable_reader_verifies_and_extracts_it(place, tree, tmp_path):
    age_program()
    path, key = place / "out.tar.gz.age", tmp_path / "key.txt"
    key.write_text(secret_text(ME) + "\n")
    written(path, tree)

    done = run("verify", str(path), "--identity", str(key))
    assert done.returncode == 0, done.stderr
    done = run("extract", str(path), "--identity", str(key), "--to", str(tmp_path / "to"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "to/files/tree/c-big").read_bytes() == (tree / "c-big").read_bytes()
