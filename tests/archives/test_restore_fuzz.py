"""Whatever bytes come, the reader reads them or says why not: nothing but its own errors comes out."""

import contextlib
import gzip
import random
import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archives import cybersift_restore as reader

from .making import Item, Maker, Redis, member, pax, sample, ustar
from .restoring import archive_file, extract, picture

QUICK = settings(max_examples=150, deadline=None)


@QUICK
@given(st.binary(min_size=512, max_size=512))
def test_any_sector_as_a_header(raw):
    with contextlib.suppress(reader.Damaged):
        reader.parse_header(raw)


@QUICK
@given(st.dictionaries(st.sampled_from([0, 100, 108, 116, 124, 136, 156, 157, 257, 345]), st.binary(max_size=12)))
def test_any_fields_with_a_right_checksum(fields):
    stream = reader.Stream([ustar(b"a", raw=fields), bytes(2048)])

    with contextlib.suppress(reader.Damaged):
        header = reader.next_entry(stream, foreign=True)
        assert header is None or min(header.size, header.mode, header.uid, header.gid) >= 0


KEYS = st.sampled_from([b"path", b"linkpath", b"size", b"uid", b"gid", b"SCHILY.xattr.user.a", b"GNU.sparse.major",
                        b"GNU.sparse.minor", b"GNU.sparse.name", b"GNU.sparse.realsize"])  # fmt: skip


@QUICK
@given(st.dictionaries(KEYS, st.binary(max_size=20) | st.just(b"1") | st.just(b"0")))
def test_any_pax_records(records):
    stream = reader.Stream([pax(records) + ustar(b"a") + bytes(1024)])

    with contextlib.suppress(reader.Damaged):
        reader.next_entry(stream, foreign=True)


@QUICK
@given(st.binary(max_size=600))
def test_any_text_as_pax_records(data):
    with contextlib.suppress(reader.Damaged):
        dict(reader.pax_records(data))


@QUICK
@given(st.binary(max_size=1200), st.integers(0, 4000), st.integers(0, 4000))
def test_any_map_of_a_sparse_file(data, stored, real):
    areas = reader.SparseMap(len(data), real, lambda place, piece: None)

    with contextlib.suppress(reader.Damaged):
        areas.write(memoryview(data[:700]))
        areas.write(memoryview(data[700:]))
        areas.finish()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
FIELDS = st.sampled_from(["path", "type", "size", "mode", "uid", "gid", "uname", "mtime", "sha256", "at", "target",
                          "xattrs", "sparse"])  # fmt: skip


@QUICK
@given(st.dictionaries(FIELDS, VALUES, max_size=4))
def test_any_values_in_the_manifest(changes):
    data = Maker(redis=[Redis()]).bytes_of([Item("files/a", data=b"x", extra=changes)])

    extracted_or_refused(data)


@pytest.mark.parametrize("codec", ["gz", "tar", "zst", "foreign tar", "foreign gz", "foreign zst"])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_change_of_a_whole_archive(codec, seed):
    """Pieces are changed, taken out, doubled and moved; most changes are at places that mean something."""
    data = bytearray(ARCHIVES[codec])
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        at = chance.choice([chance.randrange(len(data)), max(0, len(data) - chance.randint(1, 80))])
        size = chance.choice([1, 1, 4, 8, 64, 512])
        new = chance.choice(
            [bytes(size), b"\xff" * size, chance.randbytes(size), b"", bytes(data[at : at + size]) * 2]
        )
        data[at : at + size] = new

    extracted_or_refused(bytes(data))


ARCHIVES = {codec: Maker(codec=codec, redis=[Redis()]).bytes_of(sample()) for codec in ("gz", "tar", "zst")}
FOREIGN = b"".join(member(item) for item in sample()) + bytes(1024)
ARCHIVES.update(
    {"foreign tar": FOREIGN, "foreign gz": gzip.compress(FOREIGN), "foreign zst": zstandard.compress(FOREIGN)}
)


def extracted_or_refused(data: bytes) -> None:
    """Either way nothing is left beside the target."""
    with tempfile.TemporaryDirectory() as folder:
        path = archive_file(Path(folder), data)
        (Path(folder) / "beside").write_text("untouched")
        try:
            extract(path, Path(folder) / "to")
        except reader.ArchiveError:
            assert set(picture(Path(folder))) == {"backup.tar.gz", "beside"}
        assert (Path(folder) / "beside").read_text() == "untouched"
