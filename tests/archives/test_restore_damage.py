"""Archives of the console that are cut, changed or put together with intent: refused, and nothing was done."""

import json
import random
import struct
import zlib

import pytest
from isal import isal_zlib

from backups.archives import cybersift_restore as reader

from .making import HEAD, Item, Maker, Redis, gzip_block, manifest_text, sample, ustar
from .restoring import archive_file, extract, is_refused, picture, verify

pytestmark = pytest.mark.usefixtures("hands")

CODECS = ("gz", "tar", "zst")


@pytest.fixture
def field(tmp_path):
    """A place with a target and something beside it; ``refuse(data)`` checks that all of it stays as it is."""
    (tmp_path / "in").mkdir()
    (tmp_path / "field/to").mkdir(parents=True)
    (tmp_path / "field/beside").write_text("untouched")

    class Field:
        to = tmp_path / "field/to"

        def refuse(self, data: bytes) -> str:
            before = picture(tmp_path / "field")
            why = is_refused(archive_file(tmp_path / "in", data), self.to)
            assert picture(tmp_path / "field") == before
            assert [path.name for path in tmp_path.iterdir()] in (["in", "field"], ["field", "in"])
            return why

    return Field()


# ---- Names and kinds ---------------------------------------------------------------------------------------

HOSTILE = {
    "dotdot": ([Item("files/../../beside", data=b"evil")], "unsafe"),
    "dotdot at the end": ([Item("files/a/..", "d")], "unsafe"),
    "absolute": ([Item("/etc/evil", data=b"evil")], "not below files"),
    "absolute below": ([Item("files//etc/evil", data=b"evil")], "unsafe"),
    "dot": ([Item("files/./a")], "unsafe"),
    "empty": ([Item("")], "not below files"),
    "the top alone": ([Item("files/", "d")], "unsafe"),
    "NUL": ([Item("files/a\0b")], "unsafe"),
    "too long": ([Item("files/" + "a" * 256)], "too long"),
    "too long in all": ([Item("files" + "/abcdefgh" * 460)], "too long"),
    "half a character": ([Item("files/\ud800", in_tar=False)], "no text"),
    "written in two ways": ([Item("files/\udcc3\udca9", in_tar=False)], "two ways"),
    "outside of files": ([Item("BACKUP/header.json")], "not below files"),
    "through a link": ([Item("files/l", "l", target=".."), Item("files/l/beside", data=b"evil")], "no directory"),
    "over a link": ([Item("files/l", "l", target="../beside"), Item("files/l", data=b"evil")], "twice"),
    "link to nothing": ([Item("files/l", "l", extra={"target": ""})], "to nothing"),
    "hard link outside": ([Item("files/h", "h", target="../beside")], "no file that came before"),
    "hard link absolute": ([Item("files/h", "h", target="/etc/passwd")], "no file that came before"),
    "hard link through a link": (
        [Item("files/s", "l", target="../beside"), Item("files/h", "h", target="files/s")], "no file that came",
    ),
    "hard link to a later file": ([Item("files/h", "h", target="files/z"), Item("files/z")], "no file that came"),
    "hard link to itself": ([Item("files/h", "h", target="files/h")], "no file that came before"),
    "device": ([Item("files/dev", "c")], "kind"),
    "FIFO": ([Item("files/pipe", "p")], "kind"),
    "twice": ([Item("files/a", data=b"1"), Item("files/a", data=b"2")], "twice"),
    "file and directory": ([Item("files/a/b"), Item("files/a")], "file and a directory"),
    "below a file": ([Item("files/a"), Item("files/a/b")], "no directory"),
    "negative size": ([Item("files/a", extra={"size": -1})], "negative"),
    "size that is no number": ([Item("files/a", extra={"size": "1"})], "without size"),
    "size that is a boolean": ([Item("files/a", data=b"x", extra={"size": True})], "without size"),
    "absurd size": ([Item("files/a", extra={"size": 1 << 63})], "without size"),
    "absurd number": ([Item("files/a", extra={"mtime": 10**30})], "cannot be read"),
    "absurd mode": ([Item("files/a", extra={"mode": 0o100644})], "cannot be"),
    "absurd owner": ([Item("files/a", extra={"uid": 1 << 32})], "cannot be"),
    "no digest": ([Item("files/a", extra={"sha256": None})], "without sha256"),
    "attributes that are none": ([Item("files/a", extra={"xattrs": {"user.a": "?"}})], "base64"),
}  # fmt: skip


@pytest.mark.parametrize("codec", ["gz", "tar"])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_manifests_are_refused(case, codec, field):
    items, why = HOSTILE[case]

    assert why in field.refuse(Maker(codec=codec).bytes_of(items))


# ---- The tar and the manifest do not agree -----------------------------------------------------------------

A, B = Item("files/a", data=b"aaaa"), Item("files/b", data=b"bbbb")
DISAGREE = {
    "more in the tar": ([A, Item("files/x", in_manifest=False)], "does not name"),
    "more in the tar, before": ([Item("files/x", in_manifest=False), A], "files/x"),
    "more in the manifest": ([A, Item("files/x", in_tar=False)], "too early"),
    "more in the manifest, before": ([Item("files/x", in_tar=False), A], "files/a"),
    "another name": ([Item("files/a", header={"name": b"files/z"})], "files/z"),
    "another kind": ([Item("files/a", header={"kind": b"5"})], "another kind"),
    "a device": ([Item("files/a", header={"kind": b"3"})], "another kind"),
    "a FIFO": ([Item("files/a", header={"kind": b"6"})], "another kind"),
    "a contiguous file": ([Item("files/a", header={"kind": b"7"})], "another kind"),
    "GNU's long name": ([Item("files/a", header={"kind": b"L"})], "kind of tar header"),
    "global headers": ([Item("files/a", header={"kind": b"g"})], "kind of tar header"),
    "another target": ([Item("files/l", "l", target="a", header={"link": b"/etc"})], "something else"),
    "another file": ([A, B, Item("files/h", "h", target="files/a", header={"link": b"files/b"})], "something else"),
    "other content": ([Item("files/a", data=b"aaaa", extra={"sha256": "0" * 64})], "checksum"),
    "a smaller size": ([Item("files/a", data=b"a" * 600, header={"size": 4})], "4 bytes"),
    "a bigger size": ([Item("files/a", data=b"a", header={"size": 512})], "512 bytes"),
    "a size beyond the block": ([Item("files/a", data=b"a", size=4096, header={"size": 4096})], "too early"),
    "a size in base 256": (
        [Item("files/a", data=b"a", header={"raw": {124: b"\x80" + bytes(2) + b"\xff" * 9}})], "absurd",
    ),
    "a negative size": ([Item("files/a", header={"raw": {124: b"\xff" * 12}})], "negative"),
    "a size of letters": ([Item("files/a", header={"raw": {124: b"0000000000x\0"}})], "octal"),
    "sparse in the manifest only": ([Item("files/a", extra={"sparse": True})], "sparse"),
    "sparse in the tar only": (
        [Item("files/a", holes=[(0, b"x" * 512)], size=512, extra={"sparse": False})], "sparse",
    ),
    "a sparse file that lies": (
        [Item("files/a", holes=[(0, b"x" * 512)], size=512, extra={"size": 1 << 40})], "the manifest says",
    ),
    "a sparse file beyond its end": ([Item("files/a", holes=[(4096, b"x" * 512)], size=512)], "map"),
    "a sparse file that goes back": ([Item("files/a", holes=[(4096, b"x"), (0, b"y")], size=9000)], "map"),
    "a directory with content": ([Item("files/a", "d", data=b"x" * 512)], "512 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("codec", ["gz", "tar"])
@pytest.mark.parametrize("case", DISAGREE)
def test_tar_and_manifest_that_do_not_agree_are_refused(case, codec, field):
    items, why = DISAGREE[case]

    said = field.refuse(Maker(codec=codec).bytes_of(items))

    assert why in said or (codec == "tar" and case.startswith(("more", "a smaller", "a bigger")))


def test_verify_names_what_is_damaged_and_goes_on(tmp_path):
    items = [Item(f"files/{n}", data=b"x", alone=True, extra={"sha256": "0" * 64} if n in (2, 5) else {})
             for n in range(8)]  # fmt: skip

    found = verify(archive_file(tmp_path, Maker().bytes_of(items)))

    assert [path for path, _ in found.damaged] == ["files/2", "files/5"]
    assert found.members == 7


def test_verify_counts_what_shares_a_block_with_damage(tmp_path):
    items = [Item("files/a", extra={"sha256": "0" * 64}), Item("files/b"), Item("files/c")]

    assert verify(archive_file(tmp_path, Maker().bytes_of(items))).unread == 2


def test_swapped_members_are_refused(field):
    """Two blocks of the same size change their places; every checksum of gzip is right."""
    maker = Maker(per_block=1)
    data = maker.bytes_of([A, B])
    first, second, end = maker.block_at[1:4]

    assert end - second == second - first
    assert "files/b" in field.refuse(data[:first] + data[second:end] + data[first:second] + data[end:])


def test_a_block_that_comes_twice_is_refused(field):
    maker = Maker(per_block=1)
    data = maker.bytes_of([A, B])
    first, second, end = maker.block_at[1:4]

    assert field.refuse(data[:first] + data[first:second] * 2 + data[end:])


def test_a_header_is_read_up_to_8_mib(field):
    header = {**HEAD, "codec": "gz", "pad": "x" * (8 << 20)}

    assert "bytes of it" in field.refuse(Maker(header=header).bytes_of([A]))


def test_the_header_of_another_backup_is_refused(field):
    assert "backup_id" in field.refuse(Maker(header={**HEAD, "backup_id": "another"}).bytes_of([A]))


def test_a_newer_format_is_refused(field):
    assert "format 2" in field.refuse(Maker(head={**HEAD, "schema": 2}).bytes_of([A]))


def test_redis_data_is_checked_like_files(field):
    server = Redis()
    lying = Redis(meta=b'{"server": "0.0.0"}')
    lying.items = server.items

    assert "meta.json" in field.refuse(Maker(redis=[lying]).bytes_of([A]))
    assert "unknown place" in field.refuse(Maker(redis=[Redis(name="../../beside")]).bytes_of([A]))


# ---- Blocks that lie ---------------------------------------------------------------------------------------


def with_block(block: bytes) -> bytes:
    """An archive whose one block of files is replaced by another, offsets put right."""
    maker = Maker()
    data = maker.bytes_of([A])
    start, end = maker.block_at[1:3]
    offset = end - start - len(block)
    at = len(data) - 74 + 16
    (manifest_at,) = struct.unpack_from("<Q", data, at)
    return data[:start] + block + data[end:at] + struct.pack("<Q", manifest_at - offset) + data[at + 8 :]


BLOCKS = {
    "inflates to more": (gzip_block(ustar(b"files/a", size=4) + bytes(1 << 20), announced=1024), "announces"),
    "inflates to less": (gzip_block(ustar(b"files/a", size=4) + b"aaaa" + bytes(508), announced=2048), "announces"),
    "announces too much": (gzip_block(b"x", announced=(64 << 20) + 1), "more than"),
    "of another kind": (gzip_block(b"x", kind=b"X"), "no block"),
    "no deflate": (gzip_block(bytes(512))[:32] + b"\xff" * 20, "inflated"),
}  # fmt: skip


@pytest.mark.parametrize("case", BLOCKS)
def test_blocks_that_lie_are_refused(case, field):
    block, why = BLOCKS[case]
    if case == "no deflate":
        block = block[:16] + struct.pack("<Q", len(block)) + block[24:]

    assert why in field.refuse(with_block(block))


@pytest.mark.parametrize("inflater", [zlib, isal_zlib])
def test_a_bomb_is_not_inflated(inflater, field, monkeypatch):
    """A block that announces 1 KiB and holds 40 MiB: what comes out of the inflater is a byte more than announced."""
    sizes = []

    class Watched:
        def __init__(self, bits):
            self.inner = real(bits)

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def decompress(self, data, limit):
            plain = self.inner.decompress(data, limit)
            sizes.append(len(plain))
            return plain

    real = inflater.decompressobj
    monkeypatch.setattr(inflater, "decompressobj", Watched)
    monkeypatch.setattr(reader, "INFLATER", inflater)
    bomb = gzip_block(bytes(40 << 20), announced=1 << 20)

    assert "announces" in field.refuse(with_block(bomb))
    assert max(sizes) == (1 << 20) + 1


# ---- Manifests that are none -------------------------------------------------------------------------------

GOOD = manifest_text(HEAD, [], [], [])
MANIFESTS = {
    "nothing": b"{}",
    "no JSON": GOOD.replace(b'"files": [', b'"files": [\n{"path"'),
    "a list": GOOD.replace(b'"files": [', b'"files": [\n[1]'),
    "nested without end": GOOD.replace(b'"files": [', b'"files": [\n' + b'{"a":' * 100_000),
    "a line without end": GOOD.replace(b'"files": [', b'"files": [\n' + b" " * ((2 << 20) + 1)),
    "not a number": GOOD.replace(b'"files": [', b'"files": [\n{"path": NaN}'),
    "a long number": GOOD.replace(b'"files": [', b'"files": [\n{"path": ' + b"9" * 100_000 + b"}"),
    "cut": GOOD[:-3],
    "more behind it": GOOD + b"\n{}",
    "no UTF-8": GOOD.replace(b'"files": [', b'"files": [\n{"path": "\xff"}'),
    "a comma too much": GOOD.replace(b'"files": [', b'"files": [\n{},'),
    "lists in another order": GOOD.replace(b'"redis"', b'"errors"', 1),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifests_that_are_none_are_refused(case, field):
    assert "anifest" in field.refuse(Maker(manifest=MANIFESTS[case]).bytes_of([]))


COUNTS = {"files": 0, "bytes": 0, "changed": 0, "skipped": 0}
HEADS = [
    {"backup_id": None}, {"backup_id": 5}, {"backup_id": "a" * 41}, {"backup_id": "\ud800"}, {"host": None},
    {"host": ["a"]}, {"host": "a\0b"}, {"host": "a" * 256}, {"created": None}, {"created": "yesterday"},
    {"created": "2023-02-30T00:00:00Z"}, {"created": "2023-11-14T22:13:20"}, {"created": "0001-01-01T00:00:00Z"},
    {"created": "2023-11-14T22:13:60Z"}, {"created": "9999-12-31T23:59:59Z"}, {"counts": None}, {"counts": [1]},
    {"counts": {}}, *({"counts": COUNTS | {key: bad}} for key in COUNTS for bad in ("x", -1, 1.5, True, 1 << 63)),
]  # fmt: skip


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_a_first_line_that_does_not_say_what_is_used_is_refused(head, field):
    assert "anifest" in field.refuse(Maker(head=HEAD | head).bytes_of([A]))


ERRORS = [
    {}, {"path": "files/x"}, {"why": "a FIFO"}, {"path": 5, "why": "a FIFO"}, {"path": "files/x", "why": ["a FIFO"]},
    {"path": "files/\ud800", "why": "a FIFO"}, {"path": "files/x", "why": "\udcff"},
    {"path": "files/x", "why": "a" * 1001}, {"path": "files/x", "why": "a FIFO", "errno": "2"},
]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_errors_that_say_nothing_are_refused(error, field):
    assert "anifest" in field.refuse(Maker(errors=[error]).bytes_of([A]))


REDIS = [
    {"name": None}, {"name": 5}, {"name": "other"}, {"name": "a/b", "path": "redis/a/b/dump.rdb"}, {"keys": None},
    {"keys": 1}, {"keys": {"0": "1"}}, {"keys": {"zero": 1}}, {"keys": {"0": -1}}, {"keys": {"٠": 1}},
    {"keys": {"0": (1 << 63) - 1, "1": 1}}, {"expires": None}, {"expires": [0]}, {"rdb_version": "11"},
    {"server": None}, {"server": "\ud800"}, {"mode": 1}, {"consistent": None}, {"consistent": 1},
]  # fmt: skip


@pytest.mark.parametrize("extra", REDIS, ids=str)
def test_redis_data_of_which_the_manifest_does_not_say_what_is_used_is_refused(extra, field):
    assert "anifest" in field.refuse(Maker(redis=[Redis(extra=extra)]).bytes_of([A]))


def test_more_redis_servers_than_can_be_are_refused(field):
    servers = [Redis(f"r{number}") for number in range(reader.MAX_REDIS + 1)]

    assert "more Redis servers" in field.refuse(Maker(redis=servers).bytes_of([A]))
    with reader.open_archive(archive_file(field.to, Maker(redis=servers[1:]).bytes_of([A]))) as archive:
        assert len(archive.manifest.redis) == reader.MAX_REDIS


def test_entries_must_stand_where_the_manifest_says(field):
    late = Item("files/a", data=b"x", extra={"at": 1 << 40})

    assert "behind the manifest" in field.refuse(Maker().bytes_of([late]))
    assert "place in the manifest" in field.refuse(Maker(per_block=1).bytes_of([A, Item("files/b", extra={"at": 1})]))
    assert field.refuse(Maker().bytes_of([Item("files/a", data=b"x", extra={"at": 7})]))


# ---- Cuts and flips ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
def test_cut_archives_are_refused(codec, field):
    maker = Maker(codec=codec, redis=[Redis()])
    data = maker.bytes_of(sample())
    chosen = random.Random(20).sample(range(len(data)), 20)

    for end in [*chosen, *maker.block_at, len(data) - 1]:
        field.refuse(data[:end])


@pytest.mark.parametrize("codec", CODECS)
def test_flipped_bits_are_refused_or_change_nothing(codec, field, tmp_path):
    data = Maker(codec=codec, redis=[Redis()]).bytes_of(sample())
    extract(archive_file(tmp_path / "in", data), tmp_path / "right")
    right = picture(tmp_path / "right")
    chosen = random.Random(40).sample(range(len(data) * 8), 40)

    for number, bit in enumerate(chosen):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path = archive_file(tmp_path / "in", bytes(flipped))
        before = picture(tmp_path / "field")
        try:
            extract(path, tmp_path / f"out{number}")
        except reader.ArchiveError:
            assert not (tmp_path / f"out{number}").exists()
        else:
            assert picture(tmp_path / f"out{number}") == right
        assert picture(tmp_path / "field") == before


def test_something_behind_the_footer_makes_it_no_archive(field):
    field.refuse(Maker().bytes_of([A]) + b"x")


def test_the_manifest_is_held_against_the_footer(field):
    data = Maker(codec="tar").bytes_of([A])
    changed = data.replace(json.dumps("root").encode(), json.dumps("toor").encode(), 1)

    assert changed != data
    assert "manifest fails its checksum" in field.refuse(changed)
