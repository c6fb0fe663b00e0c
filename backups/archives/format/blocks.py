"""One block of an archive: plain bytes of the tar stream, compressed alone, behind a head that tells both sizes.

Layouts: docs/archive-format.md. A codec has three methods: ``pack`` for the smallest block, ``stored`` for one whose
length depends on the length of its data only, so that it can be overwritten later, and ``footer``.
A block comes in parts, which are written one after the other: joining them would copy every byte once more.
Codecs keep no state; threads may share them.
"""

import struct
import zlib
from types import ModuleType
from typing import Protocol

try:
    from isal import isal_zlib
except ImportError:  # the same bytes a little later: zlib is ten times slower
    isal_zlib = None
try:
    import zstandard
except ImportError:
    zstandard = None

WHOLE, PIECE, FOOTER = b"W", b"K", b"F"
Parts = tuple[bytes, ...]

LONGEST = 4 << 20
"""The most plain bytes that the writer puts into one block, as far as it is its choice."""

SAMPLE, WORTH_IT = 16 << 10, 0.985
"""Of long data a sample in the middle is tried first; if it stays above this share, the block is stored."""


class Codec(Protocol):
    """``hops``: there are blocks to hop over; places in the manifest are those of blocks."""

    hops: bool

    def pack(self, data: bytes, kind: bytes) -> Parts: ...
    def stored(self, data: bytes, kind: bytes) -> Parts: ...
    def footer(self, content: bytes) -> bytes: ...


def codec(name: str, *, pure: bool = False) -> Codec:
    """The codec of ``gz``, ``zst`` or ``tar``. ``pure`` uses nothing but the standard library."""
    if name == "gz":
        return Gzip(zlib if pure or isal_zlib is None else isal_zlib)
    if name == "zst":
        if pure or zstandard is None:
            raise ValueError("Archives in zstd need the package zstandard.")
        return Zstd()
    if name == "tar":
        return Plain()
    raise ValueError(f"There is no codec {name!r}.")


class Gzip:
    """A block is one gzip member (RFC 1952) with an extra field."""

    hops = True
    HEAD = struct.Struct("<4sIBBHcsHQQ")
    FOOT = struct.Struct("<4sIBBHcsH48s")
    MAGIC = b"\x1f\x8b\x08\x04"

    def __init__(self, fast: ModuleType):
        self.fast = fast

    def pack(self, data: bytes, kind: bytes) -> Parts:
        if self._shrinks(data):
            body = self.fast.compress(data, 1, -15)
            if len(body) < len(data):
                return self._member(data, kind, body)
        return self.stored(data, kind)

    def stored(self, data: bytes, kind: bytes) -> Parts:
        return self._member(data, kind, zlib.compress(data, 0, -15))

    def footer(self, content: bytes) -> bytes:
        head = self.FOOT.pack(self.MAGIC, 0, 0, 255, 52, b"B", FOOTER, 48, content)
        return head + zlib.compress(b"", 1, -15) + bytes(8)

    def _member(self, data: bytes, kind: bytes, body: bytes) -> Parts:
        size = self.HEAD.size + len(body) + 8
        head = self.HEAD.pack(self.MAGIC, 0, 0, 255, 20, b"B", kind, 16, size, len(data))
        return head, body, struct.pack("<II", self.fast.crc32(data), len(data) & 0xFFFFFFFF)

    def _shrinks(self, data: bytes) -> bool:
        if len(data) <= 8 * SAMPLE:
            return True
        sample = memoryview(data)[len(data) // 2 :][:SAMPLE]
        return len(self.fast.compress(sample, 1, -15)) < WORTH_IT * SAMPLE


class Zstd:
    """A block is a skippable frame that tells the sizes, and a zstd frame (RFC 8878)."""

    hops = True
    HEAD = struct.Struct("<IIcsHQQ")
    FOOT = struct.Struct("<IIcsH48s")
    SKIPPABLE, FRAME = 0x184D2A5B, 0xFD2FB528
    RAW_BLOCK = 128 << 10

    def pack(self, data: bytes, kind: bytes) -> Parts:
        # A compressor must not be used by two threads at once, and is cheap to make.
        frame = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data)
        return self._framed(data, kind, frame)

    def stored(self, data: bytes, kind: bytes) -> Parts:
        """A frame of raw blocks: single segment, content size of 4 bytes, no checksum."""
        parts = [struct.pack("<IBI", self.FRAME, 0xA0, len(data))]
        for start in range(0, len(data), self.RAW_BLOCK):
            piece = data[start : start + self.RAW_BLOCK]
            last = start + len(piece) == len(data)
            parts += (((len(piece) << 3) | last).to_bytes(3, "little"), piece)
        return self._framed(data, kind, b"".join(parts))

    def footer(self, content: bytes) -> bytes:
        return self.FOOT.pack(self.SKIPPABLE, 52, b"B", FOOTER, 48, content)

    def _framed(self, data: bytes, kind: bytes, frame: bytes) -> Parts:
        size = self.HEAD.size + len(frame)
        return self.HEAD.pack(self.SKIPPABLE, 20, b"B", kind, 16, size, len(data)), frame


class Plain:
    """No blocks: the bytes of the tar as they are. The footer is an entry, which the writer makes."""

    hops = False

    def pack(self, data: bytes, kind: bytes) -> Parts:
        return (data,)

    stored = pack

    def footer(self, content: bytes) -> bytes:
        return b""
