"""The fast reader with its helpers: it finds, refuses and writes what the portable one does, and ends in order."""

import os
import random
import signal
import struct
import threading
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader
from backups.archives.format import fast
from backups.archives.format.age.opening import AgeFile, AgeSource
from backups.archives.format.errors import Cancelled
from backups.archives.format.writer import About, ArchiveWriter

from .age.making import new_identity
from .killing import own_names, tree_of
from .making import Item, Maker, Redis, sample
from .restoring import archive_file, picture
from .test_restore_damage import DISAGREE

CODECS = ("gz", "tar", "zst")


@pytest.fixture(autouse=True)
def helpers(monkeypatch):
    """Also for the least archive."""
    monkeypatch.setattr(fast, "FEW_ENTRIES", 0)
    monkeypatch.setattr(fast, "FEW_BYTES", 0)


@pytest.fixture
def tree(tmp_path) -> Path:
    """Many files that are like any other, and one of all that is not."""
    root, noise = tmp_path / "tree", random.Random(5)
    for number in range(40):
        folder = root / f"run{number % 7}" / f"deep{number}"
        folder.mkdir(parents=True)
        for each in range(30):
            (folder / f"trial-{each}.json").write_bytes(noise.randbytes(noise.randrange(900)))
    odd = root / "odd"
    odd.mkdir()
    for name in (b"\xff", "ü".encode(), b'quote"', b"back\\slash", b"new\nline", b"n" * 200, b"empty"):
        (odd / os.fsdecode(name)).touch()
    (odd / "link").symlink_to("empty")
    (odd / "hard").hardlink_to(odd / "empty")
    (odd / "big").write_bytes(noise.randbytes(9 << 20))
    with (odd / "holes").open("wb") as file:
        file.seek(20 << 20)
        file.write(b"end")
    os.setxattr(odd / "empty", "user.colour", b"blue")
    (odd / "empty").chmod(0o640)
    return root


@pytest.fixture(params=CODECS)
def path(request, tree, tmp_path) -> str:
    return written(tree, tmp_path / f"backup.{request.param}", codec_name=request.param)


def written(tree: Path, path: Path, **how) -> str:
    with ArchiveWriter(path, About("tests"), **how) as writer:
        writer.add_tree("t", tree)
        writer.finish()
    return str(path)


def seen(found: reader.Verified) -> tuple:
    return found.members, found.bytes, found.unread, found.damaged


def both(path: str, to: Path) -> list[tuple]:
    """What each reader says of an archive: of its checksums, of extracting it, and what is then there."""
    answers = []
    for number, (verify, extract) in enumerate([(reader.verify, reader.extract), (fast.verify, fast.extract)]):
        place, answer = to / str(number), []
        place.mkdir(parents=True)
        try:
            with reader.open_archive(path) as archive:
                answer.append(seen(verify(archive)))
                answer.append(vars(extract(archive, str(place / "to"))))
        except reader.ArchiveError as error:
            answer.append((type(error), str(error).replace(str(place), "")))
        there = [each.name for each in place.iterdir()]
        answers.append((*answer, there, tree_of(place / "to") if there else {}))
    return answers


def test_both_read_the_same(path, tmp_path):
    portable, quick = both(path, tmp_path / "both")

    assert portable == quick
    assert len(quick[-1]) > 1200


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_owners_and_special_bits(tree, tmp_path):
    odd = tree / "run0/deep0/trial-0.json"
    os.chown(odd, 12, 34)
    odd.chmod(0o4711)
    path = written(tree, tmp_path / "backup.tar.gz")

    for number, extract in enumerate([reader.extract, fast.extract]):
        with reader.open_archive(path) as archive:
            extract(archive, str(tmp_path / f"to{number}"), reader.Options(owner=True, special=True))

    assert tree_of(tmp_path / "to0") == tree_of(tmp_path / "to1")
    facts = (tmp_path / "to1/files/t/run0/deep0/trial-0.json").stat()
    assert (facts.st_mode & 0o7777, facts.st_uid, facts.st_gid) == (0o4711, 12, 34)


@pytest.mark.parametrize(
    "options",
    [{"only": ("t/odd/hard",)}, {"only": ("*.json",)}, {"source": "t"}, {"jobs": 1}],
    ids=["a link alone", "a pattern", "a source", "one job"],
)
def test_parts(options, tree, tmp_path):
    path = written(tree, tmp_path / "backup.tar.gz")

    for number, extract in enumerate([reader.extract, fast.extract]):
        with reader.open_archive(path) as archive:
            extract(archive, str(tmp_path / f"to{number}"), reader.Options(**options))

    assert tree_of(tmp_path / "to0") == tree_of(tmp_path / "to1") != {}


@pytest.mark.parametrize("case", DISAGREE)
def test_both_refuse_the_same_for_the_same_reason(case, tmp_path):
    items, _ = DISAGREE[case]
    portable, quick = both(archive_file(tmp_path, Maker().bytes_of(items)), tmp_path / "both")

    assert portable == quick
    assert quick[-2] == []


@pytest.mark.parametrize("codec", CODECS)
def test_both_find_the_same_damage(codec, tree, tmp_path):
    data = Path(written(tree / "run1", tmp_path / "whole", codec_name=codec)).read_bytes()
    chance = random.Random(7)

    for number in range(8):
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        end = chance.randrange(len(data)) if number % 4 == 3 else len(data)
        portable, quick = both(archive_file(tmp_path, bytes(damaged[:end])), tmp_path / f"both{number}")
        assert portable == quick


def test_a_block_that_lies_of_its_size_is_damage_in_the_same_words(tmp_path):
    maker = Maker()
    data = bytearray(maker.bytes_of(sample()))
    struct.pack_into("<Q", data, maker.block_at[1] + 16, 40)

    portable, quick = both(archive_file(tmp_path, bytes(data)), tmp_path / "both")

    assert portable == quick


def test_entries_before_a_damaged_block_are_good(tmp_path):
    """Of an extent with several blocks."""
    maker = Maker(per_block=1)
    first = [Item("files/0", data=b"x")]
    maker.bytes_of(first)
    at = {"at": maker.block_at[1]}
    data = bytearray(maker.bytes_of([*first, *(Item(f"files/{n}", data=b"x", extra=at) for n in range(1, 4))]))
    data[maker.block_at[3] + 40] ^= 1

    portable, quick = both(archive_file(tmp_path, bytes(data)), tmp_path / "both")

    assert portable == quick
    assert quick[0][:1] == (3,) and quick[0][3][0][0] == "files/2"


def test_all_damage_is_named_in_order(tmp_path):
    items = [Item(f"files/{n}", data=b"x", extra={"sha256": "0" * 64} if n in (2, 5) else {}) for n in range(9)]
    with reader.open_archive(archive_file(tmp_path, Maker(redis=[Redis()]).bytes_of(items))) as archive:
        found = fast.verify(archive)

        assert seen(found) == seen(reader.verify(archive))
    assert [path for path, _ in found.damaged] == ["files/2", "files/5"]


# ---- Helpers that die, and people who change their minds ---------------------------------------------------


def helpers_of_this() -> list[int]:
    return [
        int(number) for number in Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    ]


def test_a_helper_that_is_killed_is_said_and_nothing_is_left(path, tmp_path):
    (tmp_path / "place/to").mkdir(parents=True)

    def kill(count: int) -> None:
        for helper in helpers_of_this():
            os.kill(helper, signal.SIGKILL)

    with reader.open_archive(path) as archive:
        with pytest.raises(fast.HelperDied, match="-9"):
            fast.extract(archive, str(tmp_path / "place/to"), progress=kill)
        with pytest.raises(fast.HelperDied, match="-9"):
            fast.verify(archive, progress=kill)
    assert set(picture(tmp_path / "place")) == {"to"}
    assert helpers_of_this() == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_cancelled_extraction_leaves_the_target_as_it_was(jobs, path, tmp_path):
    (tmp_path / "place/to").mkdir(parents=True)
    told = []

    with reader.open_archive(path) as archive, pytest.raises(Cancelled):
        fast.extract(
            archive, str(tmp_path / "place/to"), reader.Options(jobs=jobs), told.append, lambda: len(told) > 1
        )
    assert set(picture(tmp_path / "place")) == {"to"}
    assert own_names(tmp_path / "place") == []
    assert helpers_of_this() == []


def test_cancelling_a_foreign_tar(tmp_path):
    path = archive_file(tmp_path, b"".join(Maker(codec="tar").bytes_of(sample()).rpartition(b"BACKUP/manifest")[:1]))
    with pytest.raises((Cancelled, reader.Damaged)), reader.open_archive(path) as archive:
        fast.verify(archive, cancelled=lambda: True)


def test_a_full_disk(path, tmp_path):
    """The helpers' own limit of a file's size, which they inherit."""
    import resource

    (tmp_path / "place").mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with reader.open_archive(path) as archive, pytest.raises(reader.Unavailable, match="too large"):
            fast.extract(archive, str(tmp_path / "place/to"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "place").iterdir()) == []


# ---- Encrypted ones, and samples ---------------------------------------------------------------------------


def test_an_encrypted_archive_is_read_without_helpers(tree, tmp_path):
    me = new_identity()
    path = written(tree, tmp_path / "backup.tar.gz.age", recipients=[me.recipient])

    with open(path, "rb") as file:  # noqa: PTH123
        archive = reader.opened(AgeSource(AgeFile(file, identities=[me])))
        assert seen(fast.verify(archive)) == seen(reader.verify(archive))
        fast.extract(archive, str(tmp_path / "to0"))
        reader.extract(archive, str(tmp_path / "to1"))
    assert tree_of(tmp_path / "to0") == tree_of(tmp_path / "to1")


def test_a_sample_is_a_part_of_it(tmp_path):
    data = Maker().bytes_of([Item(f"files/{n}", data=os.urandom(500), alone=True) for n in range(50)])
    with reader.open_archive(archive_file(tmp_path, data)) as archive:
        found = fast.verify(archive, sample=0.2, seed=1)
        again = fast.verify(archive, sample=0.2, seed=1)
        other = fast.verify(archive, sample=0.2, seed=2)
        everything = fast.verify(archive)

    assert seen(found) == seen(again)
    assert 8 < found.members < 15
    assert 0.2 <= found.sampled < 0.3
    assert other.damaged == []
    assert everything.sampled == 1


def test_the_structure_of_what_is_not_in_the_sample_is_looked_at(tmp_path):
    maker = Maker()
    data = bytearray(maker.bytes_of([Item(f"files/{n}", data=os.urandom(500), alone=True) for n in range(20)]))
    for at in maker.block_at[1:21]:
        data[at] ^= 1
    with reader.open_archive(archive_file(tmp_path, bytes(data))) as archive:
        found = fast.verify(archive, sample=0.1, seed=1)

    assert [path for path, _ in found.damaged] == [f"files/{n}" for n in range(20)]
