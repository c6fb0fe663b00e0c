"""Blocks: what goes in comes out, other programs read them, and their lengths are as the format says."""

import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.archives.format import blocks
from backups.archives.format.blocks import PIECE, WHOLE, codec

from .reading import gz_blocks, zst_blocks

READERS = {"gz": gz_blocks, "zst": zst_blocks}
FOOTER = bytes(range(48))
REPEATED = st.builds(lambda piece, times: piece * times, st.binary(max_size=50), st.integers(0, 5000))
DATA = st.one_of(st.binary(max_size=2000), REPEATED)


@pytest.mark.parametrize(("name", "pure"), [("gz", False), ("gz", True), ("zst", False)])
@given(data=DATA, kind=st.sampled_from([WHOLE, PIECE]))
def test_blocks_give_back_what_went_in(name, pure, data, kind):
    own = codec(name, pure=pure)
    made = b"".join((*own.pack(data, kind), *own.stored(data, kind), own.footer(FOOTER)))

    found = READERS[name](made)

    assert [(block.kind, block.plain) for block in found] == [(kind.decode(), data)] * 2
    assert found[0].size <= found[1].size + 20


@pytest.mark.parametrize("name", ["gz", "zst", "tar"])
@given(size=st.integers(0, 300_000), fill=st.binary(min_size=1, max_size=9))
def test_the_length_of_a_stored_block_depends_on_the_length_of_its_data_only(name, size, fill):
    own = codec(name)
    data = (fill * size)[:size]

    assert len(b"".join(own.stored(data, PIECE))) == len(b"".join(own.stored(bytes(size), PIECE)))


@pytest.mark.parametrize("size", [600_000, 4 << 20])
def test_what_does_not_shrink_is_stored(size):
    noise = random.Random(7).randbytes(size)

    block = b"".join(codec("gz").pack(noise, PIECE))

    assert len(block) < size + 32 + 8 + 5 * (size // 16_000 + 2)
    assert zlib.decompress(block, 31) == noise


def test_without_isal_zlib_does_the_same(monkeypatch):
    monkeypatch.setattr(blocks, "isal_zlib", None)

    assert codec("gz").fast is zlib


def test_the_footer_of_gzip_is_an_empty_member():
    footer = codec("gz").footer(FOOTER)

    assert len(footer) == 74 and zlib.decompress(footer, 31) == b"" and footer[16:64] == FOOTER


def test_the_footer_of_zstd_is_a_skippable_frame():
    assert codec("zst").footer(FOOTER) == struct.pack("<IIccH", 0x184D2A5B, 52, b"B", b"F", 48) + FOOTER


def test_a_codec_must_be_known_and_zstd_needs_its_package():
    with pytest.raises(ValueError, match="no codec"):
        codec("xz")
    with pytest.raises(ValueError, match="need the package zstandard"):
        codec("zst", pure=True)
