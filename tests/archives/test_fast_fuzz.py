"""Whatever bytes come, the fast reader answers as the portable one does: nothing but its own errors comes out.

``FUZZ=5000`` in the environment makes as many examples of each, other ones each time.
"""

import os
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archives import cybersift_restore as reader
from backups.archives.format import fast
from backups.archives.format.writer import ArchiveWriter

from .killing import tree_of
from .making import Item, Maker, Redis, sample
from .reading import ABOUT
from .restoring import archive_file

EXAMPLES = int(os.environ.get("FUZZ", "50"))
FUZZ = settings(
    max_examples=EXAMPLES, deadline=None, derandomize="FUZZ" not in os.environ, database=None, print_blob=True
)
FEW = settings(FUZZ, max_examples=max(4, EXAMPLES // 50))
MEMORY = 768 << 20
"""Bytes that a reading may take, of address space: several of the biggest blocks that there may be."""
HANGS = 60
"""Seconds: each of these archives is read in some hundredths of one."""
CODECS = ("gz", "tar", "zst")
OPTIONS = st.sampled_from([{}, {}, {"only": ("*a*",)}, {"only": ("models/hard",)}, {"source": "models"}, {"jobs": 1}])

pytestmark = pytest.mark.timeout(300 + EXAMPLES)


# ---- What is asked of an archive -----------------------------------------------------------------------------


@contextmanager
def bounds() -> Iterator[None]:
    """Neither memory nor time without an end."""
    before, pages = resource.getrlimit(resource.RLIMIT_AS), int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    ring = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, ring)
        resource.setrlimit(resource.RLIMIT_AS, before)


def hangs(*_) -> None:
    raise AssertionError("it hangs")


def answers_of(path: str, place: Path, options: reader.Options, verify: Callable, extract: Callable) -> list:
    """What a reader says of an archive, and what is there after it; nothing ever beside its target."""
    place.mkdir()
    answers, began = [], place.stat().st_mtime_ns
    try:
        with reader.open_archive(path) as archive:
            found = verify(archive)
            answers += [found.members, found.bytes, found.unread, found.damaged]
            answers.append(vars(extract(archive, str(place / "to"), options)))
    except reader.NoSpace:  # there is more or less of it at any moment
        answers.append(reader.NoSpace)
    except reader.ArchiveError as error:
        answers += [type(error), str(error).replace(str(place), "")]
    there = [each.name for each in place.iterdir()]
    assert there in ([], ["to"])
    return [*answers, there, timeless(tree_of(place / "to"), began) if there else {}]


def timeless(tree: dict, began: int) -> dict:
    """Without the times of what was made a moment ago, of which an archive says none."""
    return {
        name: (*facts[:2], time if not began <= time <= began + (HANGS << 30) else None, *facts[3:])
        for name, facts in tree.items()
        for time in facts[2:3]
    }


def agree(data: bytes, options: dict) -> None:
    """Both readers do."""
    chosen = reader.Options(**options)
    with tempfile.TemporaryDirectory() as folder:
        path = archive_file(Path(folder), data)
        portable = answers_of(path, Path(folder, "portable"), chosen, reader.verify, reader.extract)
        with bounds():
            quick = answers_of(path, Path(folder, "fast"), chosen, fast.verify, fast.extract)
        assert quick == portable
        assert sorted(each.name for each in Path(folder).iterdir()) == ["backup.tar.gz", "fast", "portable"]
        assert Path(path).read_bytes() == data


# ---- Lies about entries --------------------------------------------------------------------------------------

PATHS = st.sampled_from(
    [
        *(item.path for item in sample()),
        *("files", "files/new", "files/models/a.bin/below", "files/models/link/below", "redis/main/dump.rdb"),
        *("files/../out", "/out", "files/./a", "files//a", "files/a/", "..", "", "files/a\0b", "BACKUP/header.json"),
        *("files/" + "n" * 256, "files/" + "d/" * 900 + "e", "files/" + "long/" * 900),
        *("files/ü", "files/\udcc3\udcbc"),
    ]
)
NUMBERS = st.sampled_from(
    [0, 1, -1, 10, 511, 512, 513, 4095, 4096, 0o7777777, 1 << 31, (1 << 32) - 1, 1 << 33, 8 << 30, (1 << 63) - 1]
    + [1 << 63, 10**18, -(10**18), 8_589_934_591_999_999_999, 8_589_934_592_000_000_000, 10**20, 1.5, True, None, "1"]
) | st.integers(0, 4096)
TEXTS = st.sampled_from(["", "root", "r" * 31, "r" * 32, "r" * 300, "ü", "a\nb", 'a"b', "a\0", "\udc80", None, 1])
DIGESTS = st.sampled_from(["0" * 64, "A" * 64, " " * 64, "0" * 63, "", None])
TYPES = st.sampled_from(["f", "d", "l", "h", "", "x", None])
LIES = st.fixed_dictionaries(
    {},
    optional={
        "path": PATHS,
        "type": TYPES,
        "size": NUMBERS,
        "mode": NUMBERS,
        "uid": NUMBERS,
        "gid": NUMBERS,
        "uname": TEXTS,
        "gname": TEXTS,
        "mtime": NUMBERS,
        "sha256": DIGESTS,
        "at": NUMBERS,
        "target": PATHS,
        "sparse": st.booleans(),
        "changed": st.booleans(),
        "xattrs": st.sampled_from([{}, {"user.a": "YQ=="}, {"user.a": "?"}, {"": ""}, {"security.x": "YQ=="}, []]),
    },
)
FIELDS = st.dictionaries(
    st.sampled_from([0, 1, 100, 108, 116, 124, 135, 136, 148, 156, 157, 257, 263, 265, 297, 345, 500]),
    st.binary(max_size=12) | st.sampled_from([b"77777777777\0", b"\x80" + bytes(10) + b"\1", b"\xff" * 12]),
    max_size=2,
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(0, 2000) | st.sampled_from([1 << 32, (1 << 33) - 1]),
        "kind": st.sampled_from([b"0", b"\0", b"1", b"2", b"3", b"5", b"7", b"L", b"K", b"x", b"g", b"S"]),
        "mode": st.sampled_from([0, 0o4755, 0o7777]),
        "mtime": st.sampled_from([0, 1, 0o77777777777]),
        "name": st.sampled_from([b"files/models/a.bin", b"../a", b"", b"n" * 100]),
        "link": st.sampled_from([b"", b"a.bin", b"/etc"]),
        "raw": FIELDS,
    },
)
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.one_of(
            st.tuples(st.sampled_from(["gone from the tar", "gone from the manifest", "alone", "twice", "short"])),
            st.tuples(st.just("swapped with"), st.integers(0, 30)),
            st.tuples(st.just("said"), LIES),
            st.tuples(st.just("stored"), HEADERS),
        ),
    ),
    min_size=1,
    max_size=4,
)


def changed(items: list[Item], changes: list) -> list[Item]:
    for number, (what, *how) in changes:
        number %= len(items)
        item = items[number]
        if what == "gone from the tar":
            item.in_tar = False
        elif what == "gone from the manifest":
            item.in_manifest = False
        elif what == "alone":
            item.alone = True
        elif what == "twice":
            items.insert(number, item)
        elif what == "short":
            item.extra = item.extra | {"size": len(item.data) - 1}
        elif what == "swapped with":
            other = how[0] % len(items)
            items[number], items[other] = items[other], items[number]
        elif what == "said":
            item.extra = item.extra | how[0]
        else:
            item.header = item.header | how[0]
    return items


@pytest.mark.parametrize("codec", CODECS)
@FUZZ
@given(CHANGES, OPTIONS)
def test_any_lies_about_entries(codec, changes, options):
    agree(Maker(codec=codec, redis=[Redis()]).bytes_of(changed(sample(), changes)), options)


# ---- Any manifest, with the digest that it should have ---------------------------------------------------------


def manifest_of(codec: str) -> bytes:
    """Of the sample, as it is."""
    data = Maker(codec=codec, redis=[Redis()]).bytes_of(sample())
    with tempfile.TemporaryDirectory() as folder, reader.open_archive(archive_file(Path(folder), data)) as archive:
        pieces = [archive._unpack(block) for block in archive.codec.blocks(
            archive.source, archive.footer.at, archive.footer.at + archive.footer.size)]  # fmt: skip
    stream = reader.Stream(pieces)
    return stream.read(reader.next_entry(stream).size)


MANIFESTS = {codec: manifest_of(codec) for codec in CODECS}
SNIPPETS = st.sampled_from(
    [
        *(b"", b"\n", b",\n", b"],\n", b"]}", b"{}", b"null", b'"', b"\\u0000", b"\\udcff", b"0", b"-", b"9" * 19),
        *(b"f", b'"f"', b'"d"', b"../", b"\xff", b" ", b'"at": 1}', b'"xattrs": {"user.a": "YQ=="}, '),
        *(b"9" * 400, b"[" * 3000),
    ]
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["a line gone", "a line twice", "lines swapped", "put in", "instead"]),
        st.integers(0, 5000),
        st.integers(0, 40),
        SNIPPETS | st.binary(max_size=4),
    ),
    min_size=1,
    max_size=3,
)


def edited(text: bytes, edits: list) -> bytes:
    for what, at, other, snippet in edits:
        lines = text.splitlines(keepends=True) or [b""]
        number, second = at % len(lines), other % len(lines)
        if what == "a line gone":
            del lines[number]
        elif what == "a line twice":
            lines.insert(second, lines[number])
        elif what == "lines swapped":
            lines[number], lines[second] = lines[second], lines[number]
        text = b"".join(lines)
        at %= len(text) + 1
        if what == "put in":
            text = text[:at] + snippet + text[at:]
        elif what == "instead":
            text = text[:at] + snippet + text[at + max(len(snippet), other) :]
    return text


@pytest.mark.parametrize("codec", CODECS)
@FUZZ
@given(EDITS, OPTIONS)
def test_any_edit_of_the_manifest(codec, edits, options):
    maker = Maker(codec=codec, redis=[Redis()], manifest=edited(MANIFESTS[codec], edits) or b" ")

    agree(maker.bytes_of(sample()), options)


# ---- Any bytes -------------------------------------------------------------------------------------------------


def written(codec: str) -> bytes:
    """By the writer itself: small files, a big one, links, holes and attributes."""
    with tempfile.TemporaryDirectory() as folder:
        tree, path = Path(folder, "models"), Path(folder, "out")
        (tree / "deep/er").mkdir(parents=True)
        for number in range(30):
            (tree / f"deep/er/{number}.json").write_text(f'{{"rate": {number}}}')
        (tree / "a.bin").write_bytes(bytes(range(256)) * 5000)
        (tree / "hard").hardlink_to(tree / "a.bin")
        (tree / "link").symlink_to("deep")
        with (tree / "holes").open("wb") as file:
            file.seek(1 << 20)
            file.write(b"end")
        os.setxattr(tree / "hard", "user.colour", b"blue")
        with ArchiveWriter(path, ABOUT, codec_name=codec, jobs=1) as writer:
            writer.add_tree("models", tree)
            writer.finish()
        return path.read_bytes()


WHOLE = {codec: [Maker(codec=codec).bytes_of(sample()), written(codec)] for codec in CODECS}
SIZES = st.sampled_from(
    [0, 1, 27, 28, 32, 40, 511, 512, 65535, 1 << 20, 64 << 20, (64 << 20) + 1, 1 << 40, (1 << 64) - 1]
)
PLACES = st.integers(0, 1 << 16) | st.integers(-700, -1)
DAMAGES = st.lists(
    st.one_of(
        st.tuples(st.just("a bit"), PLACES, st.integers(0, 7)),
        st.tuples(st.just("cut"), PLACES),
        st.tuples(st.just("gone"), PLACES, st.integers(1, 2000)),
        st.tuples(st.just("twice"), PLACES, st.integers(1, 2000)),
        st.tuples(st.just("instead"), PLACES, st.binary(min_size=1, max_size=64)),
        st.tuples(st.just("a size in a block's head"), st.integers(0, 30), st.integers(0, 1), SIZES),
        st.tuples(st.just("a block gone"), st.integers(0, 30)),
        st.tuples(st.just("a block twice"), st.integers(0, 30)),
        st.tuples(st.just("a block's kind"), st.integers(0, 30), st.sampled_from([b"W", b"K", b"F", b"\0"])),
        st.tuples(st.just("a size in the footer"), st.integers(0, 1), SIZES),
    ),
    min_size=1,
    max_size=4,
)
HEADS = {"gz": (12, 16), "zst": (8, 12)}
"""Where a block has its letter, and its two sizes."""


def blocks_of(data: bytes, codec: str) -> list[tuple[int, int]]:
    """Begin and end of each: by their marks, or the sectors of a tar."""
    if codec == "tar":
        return [(at, at + 512) for at in range(0, max(len(data), 1), 512)]
    mark = data[:8]
    starts, at = [], data.find(mark)
    while at >= 0:
        starts.append(at)
        at = data.find(mark, at + 1)
    return list(zip(starts, [*starts[1:], len(data)], strict=True)) or [(0, len(data))]


def damaged(data: bytes, codec: str, damages: list) -> bytes:
    for what, where, *how in damages:
        out = bytearray(data)
        if what in ("a bit", "cut", "gone", "twice", "instead"):
            damage_bytes(out, what, where % max(len(out), 1), *how)
        elif what == "a size in the footer":
            place = len(out) - {"gz": 58, "zst": 48, "tar": 1536}[codec] + 8 * where
            out[place : place + 8] = how[0].to_bytes(8, "little")
        else:
            blocks = blocks_of(data, codec)
            damage_block(out, codec, what, blocks[where % len(blocks)], *how)
        data = bytes(out)
    return data


def damage_bytes(out: bytearray, what: str, at: int, how=0) -> None:
    if what == "a bit":
        out[at : at + 1] = bytes(each ^ 1 << how for each in out[at : at + 1])
    elif what == "cut":
        del out[at:]
    elif what == "gone":
        del out[at : at + how]
    elif what == "twice":
        out[at:at] = out[at : at + how]
    else:
        out[at : at + len(how)] = how


def damage_block(out: bytearray, codec: str, what: str, block: tuple[int, int], which=0, value=b"") -> None:
    begin, end = block
    if what == "a block gone":
        del out[begin:end]
    elif what == "a block twice":
        out[begin:begin] = out[begin:end]
    elif codec in HEADS and what == "a size in a block's head":
        place = begin + HEADS[codec][1] + 8 * which
        out[place : place + 8] = value.to_bytes(8, "little")
    elif codec in HEADS:
        place = begin + HEADS[codec][0] + 1
        out[place : place + 1] = which


@pytest.mark.parametrize("which", [0, 1], ids=["by hand", "by the writer"])
@pytest.mark.parametrize("codec", CODECS)
@FUZZ
@given(DAMAGES, OPTIONS)
def test_any_damage(codec, which, damages, options):
    agree(damaged(WHOLE[codec][which], codec, damages), options)


# ---- With helpers ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def helpers():
    """Also for the least archive."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "FEW_ENTRIES", 0)
        patch.setattr(fast, "FEW_BYTES", 0)
        yield


@pytest.mark.parametrize("codec", CODECS)
@FEW
@given(CHANGES, DAMAGES | st.just([]), OPTIONS)
def test_by_helper_processes(helpers, codec, changes, damages, options):
    data = Maker(codec=codec, redis=[Redis()]).bytes_of(changed(sample(), changes))

    agree(damaged(data, codec, damages), options)
