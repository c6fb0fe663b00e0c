#!/usr/bin/env python3
"""Lists, verifies and extracts archives of the backup console, with nothing but Python 3.8 or later.

This one file is the reader of the format that docs/archive-format.md describes: the console imports it, and it runs
as it is on a host without the console. Whatever an archive says, nothing is written outside of the directory asked
for, nothing is believed that its checksums do not cover, and no more is inflated than was announced.

For other programs: ``open_archive``, then ``verify``, ``extract`` or the archive's ``manifest``. Every failure that
has to do with the archive or the target is an ``ArchiveError``.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import collections
import contextlib
import errno
import fcntl
import fnmatch
import functools
import gzip
import hashlib
import importlib
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Iterable, Iterator, NamedTuple

try:
    import ctypes
except ImportError:  # a Python built without libffi: there are slower ways for all that it is used for
    ctypes = None  # type: ignore[assignment]

SCHEMA = 1
SECTOR = 512
ZEROS = bytes(SECTOR)
PIECE = 1 << 20
"""Bytes that are read at once where nothing else says how many."""
MAX_PLAIN = 64 << 20
"""No block may announce more plain data than this."""
MAX_LINE = 2 << 20
"""Bytes in one line of the manifest: two names of 4,095 bytes, all escaped, and 1 MiB of extended attributes."""
MAX_PAX = 1 << 20
"""Bytes of the extra headers of one entry."""
MAX_META = 64 << 20
"""Bytes of the entries whose size the manifest does not have: header.json and meta.json."""
MAX_EXTRA_HEADERS = 8
MAX_HOLES = 1 << 21
"""Pieces in the map of a sparse file."""
MAX_NUMBER = (1 << 63) - 1
MAX_PATH, MAX_NAME = 4095, 255
RATIO = 1100
"""Plain bytes for one byte of a foreign archive; deflate itself ends at 1,032."""
PER_FILE = 4096
"""Bytes that a file takes on the disk beside its content, at most, as a rule."""
RESERVE = 0.05
"""The part of the free space that an extraction leaves alone."""
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
HEADER, MANIFEST, FOOTER = "BACKUP/header.json", "BACKUP/manifest.json", "BACKUP/footer"


# ---- Errors ------------------------------------------------------------------------------------------------


class ArchiveError(Exception):
    """Why it was not done, in a sentence for people. ``code`` is what the program then exits with."""

    code = 3


class Damaged(ArchiveError):
    """The archive is damaged, unfinished, hostile or not one: what it holds cannot be believed."""

    code = 1


class Unavailable(ArchiveError):
    """It cannot be done here: no such file, no right to it, a program that is missing."""

    code = 3


class TargetNotEmpty(ArchiveError):
    """The target is something else than an empty directory or nothing."""

    code = 4


class NoSpace(ArchiveError):
    """The file system of the target has too few bytes or inodes left."""

    code = 5


class Locked(ArchiveError):
    """Another extraction to the same target is running."""

    code = 6


# ---- Names -------------------------------------------------------------------------------------------------


def decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def encoded(name: str) -> bytes:
    """The bytes of a name; ``Damaged`` where it has halves of characters that no file name gave."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Damaged(f"a name is no text: {name!a:.80}") from None


def printable(text: str) -> str:
    """The text with everything escaped that could move a terminal's cursor or that is no character."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def check_name(name: str) -> None:
    """Refuses what is not a plain path below the target: ``Damaged``."""
    raw = encoded(name)
    if not name.isascii() and decoded(raw) != name:
        raise Damaged(f"a name is written in two ways: {name!a:.80}")
    parts = raw.split(b"/")
    if len(raw) > MAX_PATH or any(len(part) > MAX_NAME for part in parts):
        raise Damaged(f"a name is too long: {name!a:.80}")
    if b"\0" in raw or any(part in (b"", b".", b"..") for part in parts):
        raise Damaged(f"an unsafe name: {name!a:.80}")


def parent_of(path: str) -> str:
    return path.rpartition("/")[0]


class Names:
    """All names of one archive: none comes twice, and nothing but a directory has others below it."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}
        self.parents: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Takes the next entry in the order of the archive; ``Damaged`` when it does not go with those before."""
        path = entry.path
        check_name(path)
        if path in self.kinds:
            raise Damaged(f"{printable(path)} comes twice")
        if entry.type != "d" and path in self.parents:
            raise Damaged(f"{printable(path)} is a file and a directory")
        self._add_parents(path)
        self._check_link(entry)
        self.kinds[path] = entry.type

    def _add_parents(self, path: str) -> None:
        parent = parent_of(path)
        while parent and parent not in self.parents:
            if self.kinds.get(parent, "d") != "d":
                raise Damaged(f"{printable(parent)} is no directory, but {printable(path)} is below it")
            self.parents.add(parent)
            parent = parent_of(parent)

    def _check_link(self, entry: Entry) -> None:
        if entry.type == "l":
            raw = encoded(entry.target)
            if not 0 < len(raw) <= MAX_PATH or b"\0" in raw:
                raise Damaged(f"{printable(entry.path)} is a symbolic link to nothing")
        elif entry.type == "h" and self.kinds.get(entry.target) != "f":
            raise Damaged(f"{printable(entry.path)} is a hard link to no file that came before: {entry.target!a:.80}")


class Entry:
    """One thing in an archive: a line of the manifest, or what the headers of a foreign tar say.

    ``size`` is None where nobody knows it beforehand, ``mtime`` (nanoseconds) and ``sha256`` where nobody ever does.
    """

    __slots__ = ("path", "type", "size", "mode", "uid", "gid", "uname", "gname", "mtime", "sha256", "at", "target",
                 "xattrs", "sparse", "changed")  # fmt: skip

    def __init__(self, path: str, type: str, **known: Any) -> None:  # noqa: A002 - the manifest's own word
        self.path, self.type = path, type
        self.size: int | None = known.get("size")
        self.mode: int = known.get("mode", 0o600)
        self.uid: int | None = known.get("uid")
        self.gid: int | None = known.get("gid")
        self.uname: str = known.get("uname", "")
        self.gname: str = known.get("gname", "")
        self.mtime: int | None = known.get("mtime")
        self.sha256: str | None = known.get("sha256")
        self.at: int = known.get("at", 0)
        self.target: str = known.get("target", "")
        self.xattrs: dict[str, bytes] = known.get("xattrs", {})
        self.sparse: bool = known.get("sparse", False)
        self.changed: bool = known.get("changed", False)

    @property
    def shown(self) -> str:
        """The path that patterns are compared with: without the ``files/`` that all files have in common."""
        return self.path[6:] if self.path.startswith("files/") else self.path

    def as_json(self) -> dict[str, Any]:
        """What the manifest says of it, without attributes' values."""
        known = {key: getattr(self, key) for key in self.__slots__ if key != "xattrs"}
        return {key: value for key, value in known.items() if value not in (None, "") and value is not False}


# ---- The file and its blocks -------------------------------------------------------------------------------


class Source:
    """The bytes of an archive, read from any place by several threads at once."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.size = os.fstat(file.fileno()).st_size

    def read(self, at: int, count: int) -> bytes:
        """Exactly ``count`` bytes; ``Damaged`` where the file has fewer."""
        parts, end = [], at + count
        while at < end:
            try:
                part = os.pread(self.file.fileno(), end - at, at)
            except OSError as error:
                raise Unavailable(f"The archive cannot be read at byte {at:,}: {error.strerror}") from None
            if not part:
                raise Damaged(f"the file ends at byte {self.size:,}, in the middle of something")
            parts.append(part)
            at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Block(NamedTuple):
    """A piece of the file that is inflated alone: where it begins, its bytes there, its plain bytes."""

    at: int
    size: int
    plain: int


class FooterData(NamedTuple):
    """Where the manifest's blocks begin, how many bytes they have, and the digest of its text."""

    at: int
    size: int
    sha256: bytes


BLOCK_FIELD = struct.Struct("<c1sHQQ")
FOOTER_FIELD = struct.Struct("<2sHQQ32s")
FOOTER_BODY = struct.Struct("<QQ32s")


class Codec:
    """How blocks are told from each other: each begins with ``start`` and a field that has its sizes."""

    start = b""
    footer_start = b""
    footer_end = b""

    @property
    def head(self) -> int:
        return len(self.start) + BLOCK_FIELD.size

    def is_ours(self, source: Source) -> bool:
        """Whether the first block is one of the format, finished or not."""
        return source.size >= self.head and source.read(0, len(self.start) + 1) == self.start + b"B"

    def footer(self, source: Source) -> tuple[FooterData, int] | None:
        """The footer and where it begins; None where the file does not end with one."""
        size = len(self.footer_start) + FOOTER_FIELD.size + len(self.footer_end)
        if source.size < size:
            return None
        raw = source.read(source.size - size, size)
        field = raw[len(self.footer_start) : len(self.footer_start) + FOOTER_FIELD.size]
        if not raw.startswith(self.footer_start + b"BF\x30\x00") or not raw.endswith(self.footer_end):
            return None
        return FooterData(*FOOTER_FIELD.unpack(field)[2:]), source.size - size

    def blocks(self, source: Source, start: int, end: int) -> Iterator[Block]:
        """Hops from block to block without inflating; ``Damaged`` unless they fill the place exactly."""
        while start < end:
            block = self._block(source.read(start, min(self.head, end - start)), start)
            if block.size > end - start:
                raise Damaged(f"the block at {start:,} reaches into the next one")
            yield block
            start += block.size

    def _block(self, head: bytes, at: int) -> Block:
        if len(head) < self.head or not head.startswith(self.start):
            raise Damaged(f"no block begins at {at:,}")
        mark, kind, length, size, plain = BLOCK_FIELD.unpack_from(head, len(self.start))
        if mark != b"B" or kind not in (b"W", b"K") or length != 16:
            raise Damaged(f"no block begins at {at:,}")
        if plain > MAX_PLAIN:
            raise Damaged(f"the block at {at:,} announces {plain:,} bytes, more than {MAX_PLAIN:,}")
        if not self.head < size <= plain + plain // 16 + 65536:
            raise Damaged(f"the block at {at:,} has an impossible size")
        return Block(at, size, plain)

    def unpack(self, raw: bytes, block: Block) -> bytes:
        """The plain bytes of a block, exactly as many as it announces; else ``Damaged``."""
        raise NotImplementedError


class GzipBlocks(Codec):
    """A block is a gzip member (RFC 1952) with its sizes in an extra field."""

    start = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + b"\x14\x00"
    footer_start = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + b"\x34\x00"
    footer_end = b"\x03\x00" + bytes(8)

    def unpack(self, raw: bytes, block: Block) -> bytes:
        inflater = zlib.decompressobj(-15)
        try:
            plain = inflater.decompress(memoryview(raw)[self.head : -8], block.plain + 1)
        except zlib.error as error:
            raise Damaged(f"the block at {block.at:,} cannot be inflated: {error}") from None
        crc, length = struct.unpack("<II", raw[-8:])
        if len(plain) != block.plain or length != block.plain or not inflater.eof or inflater.unused_data:
            raise Damaged(f"the block at {block.at:,} does not hold the {block.plain:,} bytes that it announces")
        if zlib.crc32(plain) != crc:
            raise Damaged(f"the block at {block.at:,} fails its checksum")
        return plain


class ZstdBlocks(Codec):
    """A block is a skippable frame with the sizes, and one zstd frame (RFC 8878)."""

    start = struct.pack("<II", 0x184D2A5B, 20)
    footer_start = struct.pack("<II", 0x184D2A5B, 52)

    def __init__(self) -> None:
        self.inflate: Callable[[bytes, int], bytes] | None = None

    def unpack(self, raw: bytes, block: Block) -> bytes:
        self.inflate = self.inflate or zstd_inflate()
        plain = self.inflate(raw[self.head :], block.plain)
        if len(plain) != block.plain:
            raise Damaged(f"the block at {block.at:,} does not hold the {block.plain:,} bytes that it announces")
        return plain


class PlainTar(Codec):
    """No blocks: the tar itself, with the footer in a last entry. Pieces of it stand for blocks."""

    def is_ours(self, source: Source) -> bool:
        return source.size >= SECTOR and source.read(0, 100).rstrip(b"\0") == HEADER.encode()

    def footer(self, source: Source) -> tuple[FooterData, int] | None:
        if source.size < 4 * SECTOR:
            return None
        raw = source.read(source.size - 4 * SECTOR, 4 * SECTOR)
        try:
            header = parse_header(raw[:SECTOR])
        except Damaged:
            return None
        if header.path != FOOTER.encode() or header.size != FOOTER_BODY.size or any(raw[SECTOR + FOOTER_BODY.size :]):
            return None
        return FooterData(*FOOTER_BODY.unpack_from(raw, SECTOR)), source.size - 4 * SECTOR

    def blocks(self, source: Source, start: int, end: int) -> Iterator[Block]:
        for at in range(start, end, PIECE):
            size = min(PIECE, end - at)
            yield Block(at, size, size)

    def unpack(self, raw: bytes, block: Block) -> bytes:
        return raw


def codec_of(source: Source) -> Codec:
    """By what the file begins with, not by its name."""
    begin = source.read(0, min(4, source.size))
    if begin.startswith(b"\x1f\x8b"):
        return GzipBlocks()
    if begin == ZstdBlocks.start[:4] or begin == b"\x28\xb5\x2f\xfd":
        return ZstdBlocks()
    return PlainTar()


# ---- zstd: from wherever it can be had ---------------------------------------------------------------------

NO_ZSTD = (
    "This archive is compressed with zstd. Install the program zstd or the Python package zstandard, then try again."
)


def zstd_module() -> Any:
    """Python's own module (3.14), else the package zstandard, else None."""
    for name in ("compression.zstd", "zstandard"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    return None


def zstd_inflate() -> Callable[[bytes, int], bytes]:
    """A function that makes of one frame at most one byte more than its second argument.

    ``Unavailable`` where nothing here can inflate zstd.
    """
    module = zstd_module()
    if module is not None:
        return functools.partial(_inflate_by_module, module)
    if shutil.which("zstd"):
        return _inflate_by_program
    raise Unavailable(NO_ZSTD)


def _inflate_by_module(module: Any, frame: bytes, limit: int) -> bytes:
    try:
        if hasattr(module, "ZstdFile"):  # Python's own
            return module.ZstdDecompressor().decompress(frame, limit + 1)
        return module.ZstdDecompressor(max_window_size=1 << 27).stream_reader(frame).read(limit + 1)
    except module.ZstdError as error:
        raise Damaged(f"a block cannot be inflated: {error}") from None


def _inflate_by_program(frame: bytes, limit: int) -> bytes:
    with tempfile.TemporaryFile() as given:
        given.write(frame)
        given.seek(0)
        command = ["zstd", "-dcq", "--memory=128MB"]
        with subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
            plain = program.stdout.read(limit + 1)
            if len(plain) > limit:
                program.kill()
    if program.returncode:
        raise Damaged("a block cannot be inflated")
    return plain


# ---- The tar: bytes into headers ---------------------------------------------------------------------------


class Stream:
    """Plain bytes that come in pieces, read in order. What is missing at the end is ``Damaged``."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = iter(source)
        self._piece = memoryview(b"")

    def pieces(self, count: int) -> Iterator[memoryview]:
        """The next ``count`` bytes in pieces as they come, none of them copied."""
        while count:
            if not self._fill():
                raise Damaged("the data ends too early")
            piece = self._piece[:count]
            self._piece = self._piece[len(piece) :]
            count -= len(piece)
            yield piece

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes at once: for headers, of which the size was checked."""
        if count <= len(self._piece):
            data = bytes(self._piece[:count])
            self._piece = self._piece[count:]
            return data
        return b"".join(self.pieces(count))

    def at_end(self) -> bool:
        return not self._fill()

    def drain(self) -> None:
        """Reads on to the end and forgets it."""
        while self._fill():
            self._piece = memoryview(b"")

    def _fill(self) -> bool:
        while not self._piece:
            piece = next(self._source, None)
            if piece is None:
                return False
            self._piece = memoryview(piece)
        return True


class TarHeader:
    """What the headers of one entry say together. ``size`` is what the tar stores; ``real`` the size of it if it
    is sparse, else None."""

    __slots__ = ("path", "kind", "size", "mode", "uid", "gid", "mtime", "link", "real", "xattrs")

    def __init__(self, path: bytes, kind: bytes, size: int, mode: int, uid: int, gid: int, mtime: int, link: bytes):
        self.path, self.kind, self.size, self.link = path, kind, size, link
        self.mode, self.uid, self.gid, self.mtime = mode, uid, gid, mtime
        self.real: int | None = None
        self.xattrs: dict[str, bytes] = {}


def parse_header(raw: bytes) -> TarHeader:
    """One sector (POSIX.1-1988 ustar, and GNU's numbers); ``Damaged`` unless all of it is right."""
    if len(raw) != SECTOR:
        raise Damaged("half a tar header")
    if number(raw[148:156]) != sum(raw[:148]) + 8 * 0x20 + sum(raw[156:]):
        raise Damaged("a tar header fails its checksum")
    path = until_nul(raw[:100])
    if raw[257:263] == b"ustar\0" and raw[345]:
        path = until_nul(raw[345:500]) + b"/" + path
    mode, uid, gid, size, mtime = (
        number(raw[a:b]) for a, b in ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148))
    )
    if min(mode, uid, gid, size) < 0:
        raise Damaged("a tar header has a negative number")
    return TarHeader(path, raw[156:157], size, mode, uid, gid, mtime, until_nul(raw[157:257]))


OCTAL = re.compile(b"[0-7]*")
DECIMAL = re.compile(b"[0-9]{1,20}")
SHA256 = re.compile("[0-9a-f]{64}")


def until_nul(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


@functools.lru_cache(maxsize=4096)  # modes, owners and times are the same in many headers
def number(field: bytes) -> int:
    """Octal digits between blanks and NULs, or GNU's base 256 where the first bit is set."""
    if field[0] in (0x80, 0xFF):
        value = int.from_bytes(field[1:], "big") - (256 ** (len(field) - 1) if field[0] == 0xFF else 0)
    else:
        digits = until_nul(field).strip(b" ")
        if not OCTAL.fullmatch(digits):
            raise Damaged("a number in a tar header has other characters than octal digits")
        value = int(digits or b"0", 8)
    if abs(value) > MAX_NUMBER:
        raise Damaged("a number in a tar header is absurd")
    return value


def decimal(text: bytes) -> int:
    """A number of a pax record or of a sparse file's map; a writer that fills it in later puts zeros before it."""
    if not DECIMAL.fullmatch(text) or int(text) > MAX_NUMBER:
        raise Damaged(f"no number: {text!r:.40}")
    return int(text)


def next_entry(stream: Stream, foreign: bool = False) -> TarHeader | None:
    """The next entry with its extra headers applied; None at the zeros that end a tar.

    Global pax headers and GNU's long names are read in ``foreign`` archives only: ours have none.
    """
    pax: dict[bytes, bytes] = {}
    for _ in range(MAX_EXTRA_HEADERS):
        raw = stream.read(SECTOR)
        if raw == ZEROS and not pax:
            return None
        header = parse_header(raw)
        if header.kind not in b"xgLK":
            return apply_pax(header, pax)
        if header.kind != b"x" and not foreign:
            raise Damaged(f"a kind of tar header that archives of the console do not have: {header.kind!r}")
        pax.update(_extra(stream, header))
    raise Damaged("a tar entry with too many extra headers")


def _extra(stream: Stream, header: TarHeader) -> dict[bytes, bytes]:
    """The records that an extra header brings for the entry behind it."""
    if header.size > MAX_PAX:
        raise Damaged(f"an extra tar header of {header.size:,} bytes")
    data = stream.read(header.size)
    skip_padding(stream, header.size)
    if header.kind == b"L":
        return {b"path": until_nul(data)}
    if header.kind == b"K":
        return {b"linkpath": until_nul(data)}
    records = dict(pax_records(data))
    return records if header.kind == b"x" else {}  # a global header holds comments, in all archives seen so far


def pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """``<length> <key>=<value>\\n`` (POSIX.1-2001), the length counting itself."""
    at = 0
    while at < len(data):
        blank = data.find(b" ", at, at + 20)
        length = decimal(data[at:blank]) if blank > 0 else 0
        record = data[blank + 1 : at + length]
        key, equals, value = record[:-1].partition(b"=")
        if at + length > len(data) or not record.endswith(b"\n") or not key or not equals:
            raise Damaged("a pax record is broken")
        yield key, value
        at += length


def apply_pax(header: TarHeader, pax: dict[bytes, bytes]) -> TarHeader:
    """The header with what its pax records say instead."""
    header.path = pax.get(b"path", header.path)
    header.link = pax.get(b"linkpath", header.link)
    for key in ("size", "uid", "gid"):
        if key.encode() in pax:
            setattr(header, key, decimal(pax[key.encode()]))
    for key, value in pax.items():
        if key.startswith(b"SCHILY.xattr."):
            header.xattrs[decoded(key[13:])] = value
    if any(key.startswith(b"GNU.sparse.") for key in pax):
        _apply_sparse(header, pax)
    return header


def _apply_sparse(header: TarHeader, pax: dict[bytes, bytes]) -> None:
    if (pax.get(b"GNU.sparse.major"), pax.get(b"GNU.sparse.minor")) != (b"1", b"0"):
        raise Damaged("a sparse file in another format than GNU's 1.0")
    header.path = pax.get(b"GNU.sparse.name", header.path)
    header.real = decimal(pax.get(b"GNU.sparse.realsize", b""))


def skip_padding(stream: Stream, size: int, strict: bool = False) -> None:
    """Reads on to the next whole sector; what stands there is zeros in our archives."""
    padding = stream.read(-size % SECTOR)
    if strict and any(padding):
        raise Damaged("the padding of the tar is not zeros")


class SparseMap:
    """Takes what a tar stores of a sparse file (GNU 1.0: a map, then the data) and gives data with its place.

    ``put`` is called as put(place, data).
    """

    def __init__(self, stored: int, real: int, put: Callable[[int, memoryview], None]) -> None:
        self.stored, self.real, self.put = stored, real, put
        self.text: bytes | None = b""
        self.areas: collections.deque[tuple[int, int]] = collections.deque()

    def write(self, piece: memoryview) -> None:
        """The next stored bytes."""
        if self.text is not None:
            self.text += piece
            piece = self._read_map()
        while piece:
            place, size = self.areas.popleft()  # the sizes of all areas are what is stored: it cannot be empty here
            part = piece[:size]
            self.put(place, part)
            piece = piece[len(part) :]
            if len(part) < size:
                self.areas.appendleft((place + len(part), size - len(part)))

    def finish(self) -> None:
        if self.text is not None:
            raise Damaged("the map of a sparse file is cut")

    def _read_map(self) -> memoryview:
        """What follows the map, or nothing while the map is not complete."""
        text = self.text or b""
        first, newline, _ = text.partition(b"\n")
        if not newline:
            if len(text) > SECTOR:
                raise Damaged("a sparse file without a map")
            return memoryview(b"")
        count = decimal(first)
        if count > MAX_HOLES:
            raise Damaged("a sparse file in too many pieces")
        lines = text.split(b"\n", 2 * count + 1)
        used = len(text) - len(lines[-1])
        used += -used % SECTOR
        if len(lines) < 2 * count + 2 or len(text) < used:
            return memoryview(b"")
        self.text = None
        self._set_areas([decimal(line) for line in lines[1:-1]], self.stored - used)
        return memoryview(text)[used:]

    def _set_areas(self, numbers: list[int], data: int) -> None:
        end = 0
        for place, size in itertools.zip_longest(numbers[::2], numbers[1::2]):
            if place < end or place + size > self.real:
                raise Damaged("the map of a sparse file is wrong")
            end = place + size
            if size:
                self.areas.append((place, size))
        if sum(size for _, size in self.areas) != data:
            raise Damaged("the map of a sparse file does not fit its data")


# ---- The manifest ------------------------------------------------------------------------------------------


class Manifest:
    """What an archive says of itself: ``head`` (the first line), ``entries``, ``redis`` and ``errors`` as they stand.

    ``members`` are the entries of the tar in its order: the files, then two for each Redis server.
    """

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.head = self._read_head(next(lines, b""))
        self.entries: list[Entry] = []
        self.redis: list[dict] = []
        self.errors: list[dict] = []
        self.members: list[Entry] = []
        self._names = Names()
        for key, take in (("files", self._take_file), ("redis", self._take_redis), ("errors", self.errors.append)):
            self._read_list(lines, key, take)
        if next(lines, None) is not None:
            raise Damaged("the manifest goes on behind its end")

    @staticmethod
    def _read_head(line: bytes) -> dict:
        if not line.endswith(b","):
            raise Damaged("the manifest does not begin as one")
        head = parse_line(line[:-1] + b"}")
        if head.get("schema") != SCHEMA:
            raise Damaged(f"the archive has format {head.get('schema')!a:.20}, this program reads format {SCHEMA}")
        return head

    @staticmethod
    def _read_list(lines: Iterator[bytes], key: str, take: Callable[[dict], None]) -> None:
        """The lines from ``"key": [`` to ``],`` or, of the last list, to ``]}``."""
        end, more = (b"]}" if key == "errors" else b"],"), False
        if next(lines, b"") != b'"%s": [' % key.encode():
            raise Damaged(f"the manifest has no list of {key} where it belongs")
        for line in lines:
            if line == end and not more:
                return
            more = line.endswith(b",")
            take(parse_line(line[:-1] if more else line))
        raise Damaged(f"the manifest's list of {key} does not end")

    def _take_file(self, record: dict) -> None:
        entry = entry_of(record)
        if not entry.path.startswith("files/"):
            raise Damaged(f"an entry that is not below files/: {entry.path!a:.80}")
        self.entries.append(entry)
        self._add(entry)

    def _take_redis(self, record: dict) -> None:
        path = text_of(record, "path")
        if not re.fullmatch(r"redis/[^/]+/dump\.rdb", path):
            raise Damaged(f"Redis data at an unknown place: {path!a:.80}")
        at, meta = natural_of(record, "at"), path[: -len("dump.rdb")] + "meta.json"
        self.redis.append(record)
        self._add(Entry(path, "f", size=natural_of(record, "size"), sha256=digest_of(record, "sha256"), at=at))
        self._add(Entry(meta, "f", sha256=digest_of(record, "meta_sha256"), at=at))

    def _add(self, entry: Entry) -> None:
        self._names.add(entry)
        if entry.at < (self.members[-1].at if self.members else 1):
            raise Damaged(f"{printable(entry.path)} is not where its place in the manifest says")
        self.members.append(entry)


def parse_line(line: bytes) -> dict:
    """One object of JSON; ``Damaged`` for anything else, also for what would cost much to read."""
    try:
        record = json.loads(line.decode("utf-8"), parse_int=_short_int, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Damaged(f"a line of JSON cannot be read: {line!r:.60}") from None
    if not isinstance(record, dict):
        raise Damaged("a line of the manifest is no object")
    return record


def _short_int(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("a number that is too long")
    return int(digits)


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def entry_of(record: dict) -> Entry:
    """A line of the list of files, every value of the right kind."""
    kind = text_of(record, "type")
    if kind not in ("f", "d", "l", "h"):
        raise Damaged(f"an entry of a kind that archives do not have: {kind!a:.20}")
    known: dict[str, Any] = {key: natural_of(record, key) for key in ("uid", "gid", "mode", "at")}
    if known["mode"] > 0o7777 or max(known["uid"], known["gid"]) > 0xFFFFFFFE:
        raise Damaged("a mode or an owner that cannot be")
    known.update(uname=text_of(record, "uname"), gname=text_of(record, "gname"), mtime=integer_of(record, "mtime"))
    if kind == "f":
        known.update(size=natural_of(record, "size"), sha256=digest_of(record, "sha256"))
        known.update(sparse=record.get("sparse") is True, changed=record.get("changed") is True)
    elif kind != "d":
        known["target"] = text_of(record, "target")
    known["xattrs"] = attributes(record.get("xattrs", {}))
    return Entry(text_of(record, "path"), kind, **known)


def text_of(record: dict, key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise Damaged(f"an entry of the manifest without {key}")
    return value


def integer_of(record: dict, key: str) -> int:
    value = record.get(key)
    if type(value) is not int or abs(value) > MAX_NUMBER:
        raise Damaged(f"an entry of the manifest without {key}")
    return value


def natural_of(record: dict, key: str) -> int:
    value = integer_of(record, key)
    if value < 0:
        raise Damaged(f"an entry of the manifest with a negative {key}")
    return value


def digest_of(record: dict, key: str) -> str:
    value = text_of(record, key)
    if not SHA256.fullmatch(value):
        raise Damaged(f"an entry of the manifest without {key}")
    return value


def attributes(values: Any) -> dict[str, bytes]:
    """Extended attributes: names with base64 of their values."""
    if not isinstance(values, dict):
        raise Damaged("extended attributes that are none")
    try:
        return {name: base64.b64decode(value, validate=True) for name, value in values.items() if encoded(name)}
    except (binascii.Error, TypeError, ValueError):
        raise Damaged("extended attributes that are no base64") from None


def lines_of(pieces: Iterable[memoryview], digest: Any) -> Iterator[bytes]:
    """The lines without their ends, while ``digest`` takes all bytes."""
    rest = b""
    for piece in pieces:
        digest.update(piece)
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        if len(rest) > MAX_LINE or any(len(line) > MAX_LINE for line in lines):
            raise Damaged(f"a line of the manifest has more than {MAX_LINE:,} bytes")
        yield from lines
    if rest:
        yield rest


# ---- An archive of the console -----------------------------------------------------------------------------


class Extent(NamedTuple):
    """A part of the file that begins with an entry, and the entries in it: whole, and nothing else."""

    start: int
    end: int
    members: list[Entry]


class Archive:
    """An archive with a footer. Opening it reads the footer and the manifest and nothing else."""

    has_checksums = True

    def __init__(self, source: Source, codec: Codec, footer: FooterData, footer_at: int) -> None:
        self.source, self.codec, self.footer = source, codec, footer
        if footer.at + footer.size != footer_at:
            raise Damaged("the footer does not fit the file: something is missing or too much")
        self.manifest = self._read_manifest()
        self.extents = list(self._extents())

    def _read_manifest(self) -> Manifest:
        blocks = self.codec.blocks(self.source, self.footer.at, self.footer.at + self.footer.size)
        stream = Stream(map(self._unpack, blocks))
        header = next_entry(stream)
        if header is None or header.path != MANIFEST.encode() or header.kind != b"0":
            raise Damaged("the footer does not lead to a manifest")
        sha256 = hashlib.sha256()
        try:
            manifest = Manifest(lines_of(stream.pieces(header.size), sha256))
        except Damaged as error:
            raise Damaged(f"The manifest: {error}") from None
        if sha256.digest() != self.footer.sha256:
            raise Damaged("the manifest fails its checksum")
        skip_padding(stream, header.size, strict=True)
        self._check_end(stream)
        return manifest

    def _check_end(self, stream: Stream) -> None:
        """Behind the manifest are two sectors of zeros; of a plain tar, they follow the footer instead."""
        if not isinstance(self.codec, PlainTar) and any(stream.read(2 * SECTOR)):
            raise Damaged("the tar goes on behind the manifest")
        if not stream.at_end():
            raise Damaged("there is something behind the manifest")

    def _extents(self) -> Iterator[Extent]:
        """The whole file up to the manifest, cut where the manifest says that entries begin."""
        groups = [(at, list(members)) for at, members in itertools.groupby(self.manifest.members, lambda m: m.at)]
        groups.insert(0, (0, [Entry(HEADER, "f")]))
        ends = [at for at, _ in groups[1:]] + [self.footer.at]
        for (start, members), end in zip(groups, ends):
            if start >= end:
                raise Damaged(f"{printable(members[0].path)} would begin behind the manifest")
            yield Extent(start, end, members)

    def _unpack(self, block: Block) -> bytes:
        return self.codec.unpack(self.source.read(block.at, block.size), block)

    def read(self, extents: Iterable[Extent], jobs: int) -> Iterator[tuple[Extent, Stream]]:
        """Each extent with its plain bytes, which ``jobs`` threads inflate ahead. Errors come out of the stream."""
        with ThreadPoolExecutor(jobs) as pool:
            coming = ahead(self._inflating(extents, pool), jobs + 1)
            for _, group in itertools.groupby(coming, lambda pair: pair[0].start):
                first = next(group)
                yield first[0], Stream(future.result() for _, future in itertools.chain([first], group))

    def _inflating(self, extents: Iterable[Extent], pool: ThreadPoolExecutor) -> Iterator[tuple[Extent, Future]]:
        for extent in extents:
            try:
                for block in self.codec.blocks(self.source, extent.start, extent.end):
                    yield extent, pool.submit(self._unpack, block)
            except Damaged as error:  # it is this extent's, and the next one begins at a known place
                failed: Future = Future()
                failed.set_exception(error)
                yield extent, failed

    def stored(self, extent: Extent) -> int:
        """Its plain bytes, by the sizes that its blocks announce."""
        return sum(block.plain for block in self.codec.blocks(self.source, extent.start, extent.end))


def ahead(items: Iterator[Any], count: int) -> Iterator[Any]:
    """The same items, ``count`` of them taken before they are asked for."""
    waiting: collections.deque[Any] = collections.deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting


class Sink:
    """Where the content of one entry goes. This one keeps nothing; verifying uses it."""

    def write(self, piece: memoryview) -> None:
        pass

    def put(self, place: int, piece: memoryview) -> None:
        """Data of a sparse file, which belongs at ``place``."""

    def finish(self) -> None:
        """All is there and its checksum is right."""

    def close(self) -> None:
        """In any case, at last."""


class Kept(Sink):
    """Keeps what it is given: for entries that the reader itself reads."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, piece: memoryview) -> None:
        self.data += piece


def read_member(stream: Stream, member: Entry, sink: Sink) -> int:
    """Reads the next entry, which must be ``member``; gives its content to ``sink``, and returns the bytes read."""
    header = next_entry(stream)
    if header is None:
        raise Damaged("the tar ends before it")
    check_agreement(header, member)
    sha256 = hashlib.sha256()
    pour(stream, header, sink, sha256)
    skip_padding(stream, header.size, strict=True)
    if member.sha256 is not None and sha256.hexdigest() != member.sha256:
        raise Damaged("it fails its checksum")
    sink.finish()
    return header.size


def pour(stream: Stream, header: TarHeader, sink: Sink, sha256: Any = None) -> None:
    """The content behind ``header`` into the sink, and into the digest as the tar stores it."""
    sparse = SparseMap(header.size, header.real, sink.put) if header.real is not None else None
    write = sparse.write if sparse else sink.write
    for piece in stream.pieces(header.size):
        if sha256 is not None:
            sha256.update(piece)
        write(piece)
    if sparse:
        sparse.finish()


TYPES = {b"0": "f", b"5": "d", b"2": "l", b"1": "h"}


def check_agreement(header: TarHeader, member: Entry) -> None:
    """The tar has what the manifest says; what other programs would unpack is the same that this one does."""
    path = header.path[:-1] if header.kind == b"5" and header.path.endswith(b"/") else header.path
    if path != encoded(member.path):
        raise Damaged(f"the tar has {printable(decoded(path)):.120} in its place")
    if TYPES.get(header.kind) != member.type:
        raise Damaged("the tar has something of another kind in its place")
    if header.link != encoded(member.target) and member.type in "lh":
        raise Damaged("the tar has a link to something else in its place")
    if (header.real is not None) != member.sparse:
        raise Damaged("the tar and the manifest do not agree whether it is sparse")
    size = header.size if header.real is None else header.real
    if size > MAX_META if member.type == "f" and member.size is None else size != (member.size or 0):
        raise Damaged(f"the tar has {size:,} bytes of it, the manifest says {member.size or 0:,}")


def check_header(data: bytes, manifest: Manifest) -> None:
    """The header at the start is of the same backup as the manifest at the end."""
    header = parse_line(data)
    for key in ("schema", "tool", "version", "backup_id", "created", "host"):
        if header.get(key) != manifest.head.get(key):
            raise Damaged(f"{key} is not the same as in the manifest")


def read_extent(
    archive: Archive, extent: Extent, stream: Stream, sink_of: Callable[[Entry], Sink], done: Callable[[int], None]
) -> None:
    """Reads an extent to its end. ``Damaged`` names the first entry that is not as it should be."""
    member = extent.members[0]
    try:
        for member in extent.members:
            sink = Kept() if member.path == HEADER else sink_of(member)
            try:
                done(read_member(stream, member, sink))
            finally:
                sink.close()
            if isinstance(sink, Kept):
                check_header(sink.data, archive.manifest)
        if not stream.at_end():
            raise Damaged("the tar has something behind it that the manifest does not name")
    except Damaged as error:
        raise MemberDamaged(member, extent, str(error)) from None


class MemberDamaged(Damaged):
    """One entry is damaged; those behind it in the same extent could not be read."""

    def __init__(self, member: Entry, extent: Extent, why: str) -> None:
        super().__init__(f"{printable(member.path)}: {why}")
        self.member, self.why = member, why
        self.unread = len(extent.members) - 1 - extent.members.index(member)


# ---- Verify ------------------------------------------------------------------------------------------------


class Verified:
    """What ``verify`` found: entries and bytes that are right, and those that are not, with the reason."""

    def __init__(self) -> None:
        self.members = self.bytes = self.unread = 0
        self.damaged: list[tuple[str, str]] = []


Progress = Callable[[int], None]
"""Called with the number of bytes that were just done."""


def no_progress(count: int) -> None:
    pass


def verify(archive: Archive | Foreign, jobs: int = 2, progress: Progress = no_progress) -> Verified:
    """Reads all of it and holds everything against its checksum. Goes on behind damage, to name all of it."""
    found = Verified()

    def done(count: int) -> None:
        found.members += 1
        found.bytes += count
        progress(count)

    if isinstance(archive, Foreign):
        for _, header, stream in archive.walk():
            pour(stream, header, Sink())
            done(header.size)
        return found
    with contextlib.closing(archive.read(archive.extents, jobs)) as parts:
        for extent, stream in parts:
            try:
                read_extent(archive, extent, stream, lambda member: Sink(), done)
            except MemberDamaged as error:
                found.damaged.append((error.member.path, error.why))
                found.unread += error.unread
    return found


# ---- Foreign archives --------------------------------------------------------------------------------------


class Foreign:
    """A tar that the console did not write. It has no checksums, and is read from its beginning every time.

    ``max_bytes`` and ``max_members`` limit what it may unpack to.
    """

    has_checksums = False

    def __init__(self, source: Source, codec: Codec, max_bytes: int, max_members: int) -> None:
        self.source, self.codec = source, codec
        self.max_bytes, self.max_members = max_bytes, max_members

    def walk(self) -> Iterator[tuple[Entry, TarHeader, Stream]]:
        """Every entry in order, checked against those before. Its content must be taken by ``pour``."""
        stream, names, total = Stream(self._pieces()), Names(), 0
        while True:
            header = next_entry(stream, foreign=True)
            if header is None:
                break
            entry = foreign_entry(header)
            if entry is not None:
                names.add(entry)
                total += max(entry.size or 0, header.size)
                self._check_limits(len(names.kinds), total)
                yield entry, header, stream
            skip_padding(stream, header.size)
        stream.drain()  # what compresses it has a checksum at the end

    def _check_limits(self, members: int, total: int) -> None:
        if members > self.max_members:
            raise Damaged(f"more than {self.max_members:,} entries; --max-members allows more")
        if total > self.max_bytes:
            raise Damaged(f"more than {self.max_bytes:,} bytes; --max-bytes allows more")

    def _pieces(self) -> Iterator[bytes]:
        """The plain tar. ``Damaged`` where it does not inflate, or to more than any honest file does."""
        limit, total = RATIO * self.source.size + PIECE, 0
        errors = (EOFError, OSError, zlib.error, *([zstd_module().ZstdError] if zstd_module() else []))
        try:
            with self._reader() as reader:
                for piece in iter(lambda: reader.read(PIECE), b""):
                    total += len(piece)
                    if total > limit:
                        raise Damaged(f"it inflates to more than {RATIO:,} times its size")
                    yield piece
        except errors as error:
            raise Damaged(f"it cannot be inflated: {error}") from None

    def _reader(self) -> Any:
        self.source.file.seek(0)
        if isinstance(self.codec, GzipBlocks):
            return gzip.GzipFile(fileobj=self.source.file)
        if isinstance(self.codec, ZstdBlocks):
            return zstd_stream(self.source.file)
        return contextlib.nullcontext(self.source.file)


@contextlib.contextmanager
def zstd_stream(file: Any) -> Iterator[Any]:
    """Something to read the plain bytes of all frames from."""
    module = zstd_module()
    if module is not None and hasattr(module, "ZstdFile"):  # Python's own
        yield module.ZstdFile(file)
    elif module is not None:
        yield module.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
            file, read_across_frames=True, closefd=False
        )
    elif shutil.which("zstd"):
        command = ["zstd", "-dcq", "--memory=128MB"]
        with subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
            yield program.stdout
            program.stdout.close()
        if program.returncode > 0:
            raise EOFError("the program zstd failed")
    else:
        raise Unavailable(NO_ZSTD)


def without_dots(path: str) -> str:
    """``tar c .`` begins all names with ``./``."""
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path


def foreign_entry(header: TarHeader) -> Entry | None:
    """What the headers say; None for the top directory itself. ``Damaged`` for devices, FIFOs and the like."""
    path = without_dots(decoded(header.path))
    kind = TYPES.get(header.kind, "")
    if header.kind == b"\0":  # before POSIX, a directory was a file with a slash
        kind = "d" if path.endswith("/") else "f"
    if kind == "d":
        path = path[:-1] if path.endswith("/") else path
        if path in ("", "."):
            return None
    if not kind:
        raise Damaged(f"{printable(path)} is of a kind that is not extracted: {header.kind!r}")
    if kind != "f" and header.size:
        raise Damaged(f"{printable(path)} has content, but is no file")
    target = without_dots(decoded(header.link)) if kind == "h" else decoded(header.link)
    size = (header.size if header.real is None else header.real) if kind == "f" else None
    mtime = header.mtime * 10**9
    return Entry(
        path,
        kind,
        size=size,
        mode=header.mode & 0o7777,
        uid=header.uid,
        gid=header.gid,
        mtime=mtime if abs(mtime) <= MAX_NUMBER else None,
        target=target,
        xattrs=header.xattrs,
        sparse=header.real is not None,
    )


# ---- Opening -----------------------------------------------------------------------------------------------

AGE = b"age-encryption.org/v1\n"
MAX_BYTES = 1 << 40
MAX_MEMBERS = 10_000_000


@contextlib.contextmanager
def open_archive(
    path: str,
    identity: str | None = None,
    scratch: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_members: int = MAX_MEMBERS,
) -> Iterator[Archive | Foreign]:
    """The archive at ``path``, of either kind, for as long as the context lasts.

    One that is encrypted is decrypted with the ``identity`` file to a file without a name in the directory
    ``scratch``. ``Damaged`` where the file is not finished or its manifest cannot be believed.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unavailable(f"{printable(path)} is no file.")
            encrypted = os.pread(file.fileno(), len(AGE), 0) == AGE
        except OSError as error:
            raise Unavailable(f"{printable(path)} cannot be read: {error.strerror}") from None
        if encrypted:
            file = stack.enter_context(decrypt(file, identity, scratch))
        yield opened(Source(file), max_bytes, max_members)


def opened(source: Source, max_bytes: int = MAX_BYTES, max_members: int = MAX_MEMBERS) -> Archive | Foreign:
    codec = codec_of(source)
    footer = codec.footer(source)
    if footer is not None:
        return Archive(source, codec, *footer)
    if codec.is_ours(source):
        raise Damaged("The archive has no footer: it was not finished, or its end is missing.")
    if source.size < SECTOR and isinstance(codec, PlainTar):
        raise Damaged("The file is no archive.")
    return Foreign(source, codec, max_bytes, max_members)


def decrypt(file: Any, identity: str | None, scratch: str | None) -> Any:
    """The plain archive in a file that has no name and is gone when it is closed (0600), by the program age."""
    if identity is None:
        raise Unavailable("The archive is encrypted with age. Name the file with the key: --identity FILE.")
    if not shutil.which("age"):
        raise Unavailable("The archive is encrypted. Install the program age (age-encryption.org), then try again.")
    try:
        plain = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - the caller closes it
    except OSError as error:
        where = printable(scratch or tempfile.gettempdir())
        raise Unavailable(f"There is no place in {where} for the decrypted archive: {error.strerror}") from None
    space = os.fstatvfs(plain.fileno())
    if os.fstat(file.fileno()).st_size > space.f_bavail * space.f_frsize * (1 - RESERVE):
        plain.close()
        raise NoSpace("There is no room for the decrypted archive.")
    command = ["age", "--decrypt", "--identity", identity]
    done = subprocess.run(command, stdin=file, stdout=plain, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        plain.close()
        raise Unavailable(
            f"age could not decrypt the archive: {printable(done.stderr.decode(errors='replace'))[:300]}"
        )
    return plain


# ---- Linux: calls that Python does not have ----------------------------------------------------------------

NO_REPLACE, EXCHANGE = 1, 2
OPENAT2 = 437
BENEATH = 0x08 | 0x04 | 0x02
"""RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS of openat2(2)."""
NOT_HERE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
"""What old kernels, some file systems and some containers answer to newer calls."""


def c_library() -> Any:
    return ctypes.CDLL(None, use_errno=True) if ctypes is not None else None


LIBC = c_library()


def c_call(name: str, *arguments: Any) -> int:
    """Calls a function of the C library; ``OSError`` with its errno, ENOSYS where there is no such function."""
    function = getattr(LIBC, name, None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    result = function(*arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def open_beneath(root: int, path: bytes) -> int:
    """A descriptor of the directory ``path`` below ``root``, reached without following any link; ``OSError`` else."""
    if LIBC is not None:
        how = struct.pack("=QQQ", DIRECTORY, 0, BENEATH)
        try:
            return c_call(
                "syscall",
                OPENAT2,
                root,
                ctypes.c_char_p(path or b"."),
                ctypes.c_char_p(how),
                ctypes.c_size_t(len(how)),
            )
        except OSError as error:
            if error.errno not in NOT_HERE:
                raise
    return walk_beneath(root, path)


def walk_beneath(root: int, path: bytes) -> int:
    """The same without openat2 (Linux 5.6): one component after the other, none of them a link."""
    descriptor = os.open(b".", DIRECTORY, dir_fd=root)
    for part in path.split(b"/") if path else ():
        try:
            below = os.open(part, DIRECTORY, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def rename(directory: int, old: str, new: str, flags: int) -> bool:
    """renameat2(2) within a directory. False where it cannot be had, and nothing was renamed."""
    return rename_at(Spot(directory, old), Spot(directory, new), flags)


class Spot(NamedTuple):
    """A name in a directory of which there is a descriptor."""

    directory: int
    name: str


def rename_at(old: Spot, new: Spot, flags: int) -> bool:
    """renameat2(2), between directories too."""
    try:
        c_call("renameat2", old.directory, os.fsencode(old.name), new.directory, os.fsencode(new.name), flags)
    except OSError as error:
        if error.errno in NOT_HERE:
            return False
        raise
    return True


def sync_file_system(descriptor: int) -> None:
    """Everything that was written to the file system is on the disk when this returns."""
    try:
        c_call("syncfs", descriptor)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        os.sync()


# ---- Writing below one directory, and nowhere else ---------------------------------------------------------


class Tree:
    """A directory in which entries are made. Nothing that is there is ever replaced, and no link is ever followed.

    Files are 0600 and directories 0700 until ``settle`` or ``dress`` gives them what the archive says.
    """

    OPEN = 64
    """Directories that are kept open."""

    def __init__(self, root: int, options: Options) -> None:
        self.root, self.options = root, options
        self.made: set[bytes] = set()
        self.undressed = 0
        self._open: collections.OrderedDict[bytes, int] = collections.OrderedDict()

    def directory(self, path: bytes) -> int:
        """A descriptor of the directory, which is made with its parents. Good until two others were asked for."""
        self._make(path)
        descriptor = self._open.get(path)
        if descriptor is None:
            descriptor = self._open[path] = open_beneath(self.root, path)
            if len(self._open) > self.OPEN:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(path)
        return descriptor

    def _make(self, path: bytes) -> None:
        missing = []
        while path and path not in self.made:
            missing.append(path)
            path = path.rpartition(b"/")[0]
        for each in reversed(missing):
            above, _, name = each.rpartition(b"/")
            os.mkdir(name, 0o700, dir_fd=self.directory(above))
            self.made.add(each)

    def create(self, path: bytes) -> int:
        """A descriptor of a new file."""
        above, _, name = path.rpartition(b"/")
        return os.open(name, NEW_FILE, 0o600, dir_fd=self.directory(above))

    def link(self, path: bytes, target: bytes) -> None:
        """``path`` becomes another name of the file ``target``, which was made before."""
        above, _, name = path.rpartition(b"/")
        target_above, _, target_name = target.rpartition(b"/")
        directory = self.directory(above)
        source = self.directory(target_above)
        os.link(target_name, name, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False)

    def symlink(self, entry: Entry) -> None:
        above, _, name = encoded(entry.path).rpartition(b"/")
        directory = self.directory(above)
        os.symlink(encoded(entry.target), name, dir_fd=directory)
        if self.options.owner and entry.uid is not None:
            os.chown(name, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False)
        if entry.mtime is not None:
            os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=directory, follow_symlinks=False)

    def dress(self, descriptor: int, entry: Entry) -> None:
        """Owner, attributes, mode and times of what is complete.

        In this order: a new owner takes away setuid, user attributes need the right to write, and a mode changes
        the mask of an ACL.
        """
        if self.options.owner and entry.uid is not None:
            os.fchown(descriptor, entry.uid, entry.gid)
        self._attributes(descriptor, entry, "user.")
        os.fchmod(descriptor, entry.mode & (0o7777 if self.options.special else 0o777))
        self._attributes(descriptor, entry, "system.posix_acl_")
        if entry.mtime is not None:
            os.utime(descriptor, ns=(entry.mtime, entry.mtime))

    def _attributes(self, descriptor: int, entry: Entry, prefix: str) -> None:
        for name, value in entry.xattrs.items():
            if name.startswith(prefix):
                try:
                    os.setxattr(descriptor, encoded(name), value)
                except (OSError, ValueError):  # file systems differ in what they can keep: it is counted and said
                    self.undressed += 1

    def settle(self, directories: dict[bytes, Entry]) -> None:
        """What the archive says of directories, deepest first; 0755 for those of which it says nothing."""
        for path in sorted(self.made, key=lambda made: made.count(b"/"), reverse=True):
            descriptor = self.directory(path)
            entry = directories.get(path)
            if entry is None:
                os.fchmod(descriptor, 0o755)
            else:
                self.dress(descriptor, entry)

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])


class NewFile(Sink):
    """A file of the tree that is being written; it gets its mode and the rest when its checksum was right."""

    def __init__(self, tree: Tree, entry: Entry, content: Entry) -> None:
        self.tree, self.entry = tree, entry
        self.real = content.size if content.sparse else None
        self.descriptor = tree.create(encoded(entry.path))

    def write(self, piece: memoryview) -> None:
        while piece:
            piece = piece[os.write(self.descriptor, piece) :]

    def put(self, place: int, piece: memoryview) -> None:
        os.lseek(self.descriptor, place, os.SEEK_SET)
        self.write(piece)

    def finish(self) -> None:
        if self.real is not None:
            os.ftruncate(self.descriptor, self.real)
        self.tree.dress(self.descriptor, self.entry)

    def close(self) -> None:
        os.close(self.descriptor)


def remove_tree(parent: int, name: str) -> None:
    """Removes a directory and all below it, whatever its depth and modes, and follows no link."""
    os.chmod(name, 0o700, dir_fd=parent)
    root = os.open(name, DIRECTORY, dir_fd=parent)
    try:
        found, waiting = [], [b""]
        while waiting:
            path = waiting.pop()
            found.append(path)
            waiting.extend(_empty_of_files(root, path))
        for path in reversed(found[1:]):
            _in_parent(root, path, os.rmdir)
    finally:
        os.close(root)
    os.rmdir(name, dir_fd=parent)


def _empty_of_files(root: int, path: bytes) -> list[bytes]:
    """Removes all that is no directory from one directory; gives the directories in it, which can then be entered."""
    descriptor, below = open_beneath(root, path), []
    try:
        with os.scandir(descriptor) as entries:
            found = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in found:
            if is_directory:
                os.chmod(name, 0o700, dir_fd=descriptor)
                below.append(path + b"/" + name if path else name)
            else:
                os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    return below


def _in_parent(root: int, path: bytes, do: Callable[..., None]) -> None:
    above, _, name = path.rpartition(b"/")
    descriptor = open_beneath(root, above)
    try:
        do(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


# ---- The target --------------------------------------------------------------------------------------------


class Target:
    """Where an extraction goes: a name beside which it is staged, and that nothing or an empty directory has.

    With ``replaces`` the directory may have something in it. What cannot be renamed itself, a mount point, is staged
    ``inside``, and its entries are exchanged one by one. ``base`` and ``prefix``: where all other names are, and how
    they begin.
    """

    def __init__(self, path: str, replaces: bool = False, inside: bool = False) -> None:
        self.path, self.replaces, self.kept = os.path.abspath(path), replaces, ""
        above, self.name = os.path.split(self.path)
        if not self.name:
            raise TargetNotEmpty("The target is the root of the file system.")
        try:
            self.parent = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(f"{printable(above)} cannot be opened: {error.strerror}") from None
        self.base, self.prefix, self.journalled = self.parent, self.name, False
        self.inside = replaces and (inside or is_mount_point(self.parent, self.name) or self._has_journal_inside())
        if self.inside:
            self.base, self.prefix = self._open(), ""

    def _open(self) -> int:
        try:
            return os.open(self.name, DIRECTORY, dir_fd=self.parent)
        except OSError as error:
            os.close(self.parent)
            raise Unavailable(f"{printable(self.path)} cannot be opened: {error.strerror}") from None

    def _has_journal_inside(self) -> bool:
        try:
            os.stat(f"{self.name}/{JOURNAL}", dir_fd=self.parent, follow_symlinks=False)
        except OSError:
            return False
        return True

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in {self.parent, self.base}:
            os.close(descriptor)

    def existing(self) -> os.stat_result | None:
        """What is known of the directory; None where nothing is there. ``TargetNotEmpty`` for what may not be
        replaced, ``Unavailable`` for a mount point, which cannot be renamed."""
        try:
            found = os.stat(self.name, dir_fd=self.parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISDIR(found.st_mode):
            raise TargetNotEmpty(f"The target {printable(self.path)} is no directory.")
        if not self.replaces and found.st_dev != os.fstat(self.parent).st_dev:
            raise Unavailable(
                f"{printable(self.path)} is a mount point: extract to a new directory in it, or use --replace."
            )
        if not self.replaces and not self.is_empty():
            raise TargetNotEmpty(f"The target is not empty: {printable(self.path)}")
        return found

    def is_empty(self) -> bool:
        descriptor = os.open(self.name, DIRECTORY, dir_fd=self.parent)
        try:
            return not os.listdir(descriptor)
        finally:
            os.close(descriptor)

    def leftovers(self) -> list[str]:
        """Names of stages that killed extractions to it left, or that a running one uses."""
        return self.names(".restore-")

    def names(self, word: str) -> list[str]:
        """What has a name of ours with an id at its end; the older first, as ids are times."""
        pattern = re.compile(re.escape(self.prefix + word) + r"[0-9a-f]{16}")
        return sorted(name for name in os.listdir(self.base) if pattern.fullmatch(name))

    def clean(self) -> None:
        """Removes the leftovers. Only under the lock, and when no journal names them: then nobody needs them."""
        for name in self.leftovers():
            remove_tree(self.base, name)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other extractions away from this target; ``Locked`` when one is running."""
        name = self.prefix + ".restore-lock"
        descriptor = self._locked(name)
        try:
            yield
        finally:
            os.unlink(name, dir_fd=self.base)
            os.close(descriptor)

    def _locked(self, name: str) -> int:
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(name, flags, 0o600, dir_fd=self.base)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is(descriptor, name):
                    return descriptor
            except BlockingIOError:
                os.close(descriptor)
                raise Locked(f"Another extraction to {printable(self.path)} is running.") from None
            os.close(descriptor)  # whoever had it removed the name in between: a new one is needed

    def _is(self, descriptor: int, name: str) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(name, dir_fd=self.base, follow_symlinks=False))
        except FileNotFoundError:
            return False

    def check_space(self, size: int, files: int) -> None:
        """``NoSpace`` unless the file system has room for so many bytes and files, and keeps its reserve."""
        space = os.fstatvfs(self.base)
        usable, needed = self.usable(), size + PER_FILE * files
        if needed > usable:
            raise NoSpace(f"{needed:,} bytes are needed beside {printable(self.path)}, {usable:,} can be had.")
        if space.f_files and files > space.f_favail * (1 - RESERVE):  # some file systems do not count inodes
            raise NoSpace(f"{files:,} files are to be made beside {printable(self.path)}; too few inodes are left.")

    def usable(self) -> int:
        """Bytes that an extraction may take."""
        space = os.fstatvfs(self.base)
        return int(space.f_bavail * space.f_frsize * (1 - RESERVE))

    @contextlib.contextmanager
    def stage(self) -> Iterator[tuple[str, int]]:
        """A new directory (0700) beside the target, and its descriptor. Removed if the block does not end well,
        unless a journal needs it."""
        name = f"{self.prefix}.restore-{new_id()}"
        os.mkdir(name, 0o700, dir_fd=self.base)
        try:
            descriptor = os.open(name, DIRECTORY, dir_fd=self.base)
            try:
                yield name, descriptor
            finally:
                os.close(descriptor)
        except BaseException:
            if not self.journalled:
                with contextlib.suppress(FileNotFoundError):  # it may have become the target
                    remove_tree(self.base, name)
            raise

    def replace(self, stage: str, existing: os.stat_result | None) -> None:
        """The stage gets the target's name, in one step; the empty directory that had it is removed."""
        try:
            if not rename(self.parent, stage, self.name, NO_REPLACE if existing is None else EXCHANGE):
                # rename(2) replaces an empty directory, and only an empty one.
                os.rename(stage, self.name, src_dir_fd=self.parent, dst_dir_fd=self.parent)
            elif existing is not None:
                self._remove_exchanged(stage)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            raise TargetNotEmpty(f"Meanwhile, the target got something in it: {printable(self.path)}") from None
        os.fsync(self.parent)

    def _remove_exchanged(self, stage: str) -> None:
        try:
            os.rmdir(stage, dir_fd=self.parent)
        except OSError:  # somebody has put something into it: it gets its name back
            rename(self.parent, stage, self.name, EXCHANGE)
            raise


# ---- Extract -----------------------------------------------------------------------------------------------


class Options(NamedTuple):
    """How to extract.

    ``only``: patterns (fnmatch) of paths, all of them where there are none; a directory's name stands for all below
    it. ``owner`` and ``special`` (setuid, setgid, sticky) need root. ``clean``: first remove leftovers.
    ``replace``: the target may have something in it, which is kept under another name. ``exchange``: False to do
    without RENAME_EXCHANGE, as where it cannot be had.
    """

    only: tuple[str, ...] = ()
    owner: bool = False
    special: bool = False
    clean: bool = False
    dry_run: bool = False
    jobs: int = 2
    replace: bool = False
    exchange: bool = True


class Extracted:
    """What ``extract`` did, or would do. ``undressed``: attributes that the file system did not take. ``kept``: where
    what was replaced is now; ``recovered``: that an earlier replacement was finished first."""

    kept = ""
    recovered = False

    def __init__(self, entries: int, size: int, leftovers: list[str], undressed: int = 0) -> None:
        self.entries, self.bytes, self.leftovers, self.undressed = entries, size, leftovers, undressed


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a path or a directory above it fits one of the patterns; everything does where there are none."""
    expressions = [re.compile(fnmatch.translate(pattern.rstrip("/"))) for pattern in patterns]

    def matches(path: str) -> bool:
        while path:
            if any(expression.match(path) for expression in expressions):
                return True
            path = parent_of(path)
        return not expressions

    return matches


class Plan:
    """What of an archive is made. ``writes``: where content is in the archive -> the entry that is made of it;
    ``read``: the entries of the tar that have to be read for that."""

    def __init__(self, only: Iterable[str] = ()) -> None:
        self.matches = matcher(only)
        self.writes: dict[str, Entry] = {}
        self.directories: dict[bytes, Entry] = {}
        self.symlinks: list[Entry] = []
        self.links: list[Entry] = []
        self.read: set[str] = set()

    def add(self, entry: Entry) -> bool:
        """Takes the next entry of the archive if it is wanted."""
        if not self.matches(entry.shown):
            return False
        self.read.add(entry.path)
        if entry.type == "d":
            self.directories[encoded(entry.path)] = entry
        elif entry.type == "l":
            self.symlinks.append(entry)
        elif entry.type == "f" or entry.target not in self.writes:
            # Of hard links whose file itself is not wanted, the first gets the content.
            self.writes[entry.target or entry.path] = entry
            self.read.add(entry.target or entry.path)
        else:
            self.links.append(entry)
        return True

    def add_parents(self, members: Iterable[Entry]) -> None:
        """The directories above what is wanted are made as they were, too."""
        wanted = itertools.chain(self.writes.values(), self.symlinks, self.links, list(self.directories.values()))
        needed: set[str] = set()
        for entry in wanted:
            path = parent_of(entry.path)
            while path and path not in needed:
                needed.add(path)
                path = parent_of(path)
        self.directories.update((encoded(m.path), m) for m in members if m.type == "d" and m.path in needed)

    def __len__(self) -> int:
        return len(self.writes) + len(self.directories) + len(self.symlinks) + len(self.links)


def plan_of(archive: Archive, options: Options) -> Plan:
    plan = Plan(options.only)
    for member in archive.manifest.members:
        plan.add(member)
    if options.only and not len(plan):
        raise Unavailable("Nothing in the archive has such a name.")
    plan.add_parents(archive.manifest.members)
    return plan


def wanted_extents(archive: Archive, plan: Plan) -> list[Extent]:
    """The parts of the file that have to be read: with the first one, which says whose archive it is."""
    rest = archive.extents[1:]
    return archive.extents[:1] + [e for e in rest if any(member.path in plan.read for member in e.members)]


def size_of(archive: Archive, plan: Plan) -> int:
    """Bytes that the content takes on the disk: of a sparse file not more than the archive has of it."""
    total = 0
    for extent in wanted_extents(archive, plan)[1:]:
        for member in extent.members:
            if member.path in plan.writes:
                size = member.size or 0
                total += min(size, archive.stored(extent)) if member.sparse else size
    return total


DEFAULTS = Options()


def extract(
    archive: Archive | Foreign, to: str, options: Options = DEFAULTS, progress: Progress = no_progress
) -> Extracted:
    """Extracts into ``to``, an empty directory or one that does not exist; all of it, or nothing.

    With ``options.replace`` whatever directory it is gets replaced, and is kept. An ``ArchiveError`` says why not;
    then the target is as it was.
    """
    if (options.owner or options.special) and os.geteuid() != 0:
        raise Unavailable("Only root can give files to others or make them setuid.")
    try:
        return _extract(archive, to, options, progress)
    except CannotRename:  # a mount point of which nobody said so
        return _extract(archive, to, options, progress, inside=True)


def _extract(
    archive: Archive | Foreign, to: str, options: Options, progress: Progress, inside: bool = False
) -> Extracted:
    work = _extract_ours if isinstance(archive, Archive) else _extract_foreign
    with Target(to, options.replace, inside) as target, explained(f"extracted to {printable(to)}"):
        if options.dry_run:
            return work(archive, target, options, progress)
        with target.lock():
            recovered = finish_journal(target, options.exchange)
            if options.clean:
                target.clean()
            done = work(archive, target, options, progress)
            done.kept, done.recovered = target.kept, recovered
            return done


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """What the system refuses becomes an ``ArchiveError``."""
    try:
        yield
    except OSError as error:
        kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else Unavailable
        raise kind(f"It could not be {what}: {error.strerror or error}") from None


def _extract_ours(archive: Archive, target: Target, options: Options, progress: Progress) -> Extracted:
    existing, leftovers, plan = target.existing(), target.leftovers(), plan_of(archive, options)
    size, undressed = size_of(archive, plan), 0
    if options.replace and options.only:
        refuse_parts(archive, plan)
    target.check_space(size, len(plan))
    if not options.dry_run:
        with target.stage() as (stage, root):
            undressed = _fill(archive, plan, root, options, progress)
            _finish(target, stage, root, existing, options)
    return Extracted(len(plan), size, leftovers, undressed)


def _fill(archive: Archive, plan: Plan, root: int, options: Options, progress: Progress) -> int:
    """Writes all that is planned; gives the number of attributes that could not be kept."""
    tree = Tree(root, options)

    def sink_of(member: Entry) -> Sink:
        entry = plan.writes.get(member.path)
        return Sink() if entry is None else NewFile(tree, entry, content=member)

    with contextlib.closing(tree):
        with contextlib.closing(archive.read(wanted_extents(archive, plan), options.jobs)) as parts:
            for extent, stream in parts:
                read_extent(archive, extent, stream, sink_of, progress)
        _links_and_directories(tree, plan)
    return tree.undressed


def _links_and_directories(tree: Tree, plan: Plan) -> None:
    """What is made when all files are there: before, a link could be in the way of a name."""
    for path in plan.directories:
        tree.directory(path)
    for entry in plan.links:
        tree.link(encoded(entry.path), encoded(plan.writes[entry.target].path))
    for entry in plan.symlinks:
        tree.symlink(entry)
    tree.settle(plan.directories)


def _finish(target: Target, stage: str, root: int, existing: os.stat_result | None, options: Options) -> None:
    if existing is not None and not target.inside:
        if os.geteuid() == 0:
            os.fchown(root, existing.st_uid, existing.st_gid)
        os.fchmod(root, stat.S_IMODE(existing.st_mode))
    sync_file_system(root)
    if target.inside or (target.replaces and existing is not None and not target.is_empty()):
        put_in_place(target, stage, stage.replace(".restore-", ".before-"), options.exchange)
    else:
        target.replace(stage, existing)


def _extract_foreign(archive: Foreign, target: Target, options: Options, progress: Progress) -> Extracted:
    if options.replace and options.only:
        raise Unavailable("Of a tar without checksums only all of it can replace something: leave out --only.")
    existing, leftovers, plan = target.existing(), target.leftovers(), Plan(options.only)
    if options.dry_run:
        size = _read_foreign(archive, plan, target.usable(), lambda entry: Sink(), progress)
        return Extracted(len(plan), size, leftovers)
    with target.stage() as (stage, root):
        tree = Tree(root, options)
        with contextlib.closing(tree):
            new_file = functools.partial(_new_file, tree)
            size = _read_foreign(archive, plan, target.usable(), new_file, progress)
            _links_and_directories(tree, plan)
        _finish(target, stage, root, existing, options)
    return Extracted(len(plan), size, leftovers, tree.undressed)


def _new_file(tree: Tree, entry: Entry) -> Sink:
    return NewFile(tree, entry, content=entry)


def _read_foreign(
    archive: Foreign, plan: Plan, room: int, sink_of: Callable[[Entry], Sink], progress: Progress
) -> int:
    """One pass over the stream, which plans while it reads; gives the bytes of what is wanted."""
    size = 0
    for entry, header, stream in archive.walk():
        wanted = plan.add(entry)
        size += header.size * wanted
        if size + PER_FILE * len(plan) > room:
            raise NoSpace(f"The archive needs more than the {room:,} bytes that can be had beside the target.")
        if entry.type == "h" and plan.writes.get(entry.target) is entry:  # its content is not read again
            raise Unavailable(f"{printable(entry.path)} is the same file as {printable(entry.target)}: ask for both.")
        sink = sink_of(entry) if wanted and entry.type == "f" else Sink()
        try:
            pour(stream, header, sink)
            sink.finish()
        finally:
            sink.close()
        progress(header.size)
    if not len(plan):
        raise Unavailable("Nothing in the archive has such a name.")
    return size


# ---- Replacing a directory, and the way back ---------------------------------------------------------------

JOURNAL = ".restore.json"
"""Behind the target's name; or in the target, where that is a mount point."""
MAX_JOURNAL = 64 << 20
MOUNT_ROOT = 0x2000
"""STATX_ATTR_MOUNT_ROOT of statx(2), since Linux 5.8."""
AT_SYMLINK_NOFOLLOW = 0x100


class CannotRename(Unavailable):
    """The target itself cannot be renamed; nothing was changed."""


def new_id() -> str:
    """16 hexadecimal digits: nanoseconds since 1970, so that the newest comes last."""
    return f"{time.time_ns():016x}"


def is_mount_point(directory: int, name: str) -> bool:
    """Whether something is mounted there: another file system, or a part of the same one."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return found.st_dev != os.fstat(directory).st_dev or is_mount_root(directory, name)


def is_mount_root(directory: int, name: str) -> bool:
    """What statx(2) says; False where it says nothing, and a rename then fails with EBUSY."""
    if LIBC is None:
        return False
    answer = ctypes.create_string_buffer(256)
    try:
        c_call("statx", directory, os.fsencode(name), AT_SYMLINK_NOFOLLOW, 0, answer)
    except OSError:
        return False
    attributes, known = struct.unpack_from("=Q", answer, 8)[0], struct.unpack_from("=Q", answer, 56)[0]
    return bool(attributes & known & MOUNT_ROOT)


def inode(spot: Spot) -> int | None:
    try:
        return os.stat(spot.name, dir_fd=spot.directory, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None


class Place:
    """One name that gets something else: what is at ``new`` comes to ``live``, and what was there goes to ``kept``.

    ``old`` and ``young`` are the inodes of the two, None for nothing. Where they are tells how far it is: so it can
    be gone on with after a crash at any moment, and nothing is moved that is not known.
    """

    STEPS = 3
    """Two renames at most, and a look at what they did."""

    def __init__(self, new: Spot, live: Spot, kept: Spot, old: int | None, young: int | None) -> None:
        self.new, self.live, self.kept, self.old, self.young = new, live, kept, old, young

    def now(self) -> tuple[int | None, int | None, int | None]:
        return inode(self.new), inode(self.live), inode(self.kept)

    def is_untouched(self) -> bool:
        return self.now() == (self.young, self.old, None)

    def settle(self, exchange: bool) -> None:
        """Does what is left to do; ``Unavailable`` when somebody else has moved something."""
        for _ in range(self.STEPS):
            if self.now() == (None, self.young, self.old):
                return
            self._step(self.now(), exchange)

    def _step(self, now: tuple[int | None, int | None, int | None], exchange: bool) -> None:
        if self.old is not None and now == (self.young, self.old, None):
            if not (exchange and self.young is not None and rename_at(self.new, self.live, EXCHANGE)):
                move(self.live, self.kept)
        elif now == (self.young, None, self.old):
            move(self.new, self.live)
        elif now == (self.old, self.young, None):
            move(self.new, self.kept)
        else:
            raise Unavailable(
                f"{printable(self.live.name)} was to be replaced by {printable(self.new.name)}, but something else "
                "is there now. Nothing was removed: look at both, and move by hand what belongs there."
            )
        for directory in {self.new.directory, self.live.directory, self.kept.directory}:
            os.fsync(directory)


def move(old: Spot, new: Spot) -> None:
    """Renames to a name that nothing has."""
    if not rename_at(old, new, NO_REPLACE):
        os.rename(old.name, new.name, src_dir_fd=old.directory, dst_dir_fd=new.directory)


def put_in_place(target: Target, new: str, kept: str, exchange: bool) -> None:
    """The directory ``new`` becomes the target, and what was there becomes ``kept``; both are names at its base.

    A journal is written before anything is moved: what a crash interrupts, ``finish_journal`` finishes.
    """
    entries = inside_entries(target, new) if target.inside else {target.name: pair(target.base, target.name, new)}
    target.journalled = True
    try:
        write_journal(target, {"new": new, "kept": kept, "inside": target.inside, "entries": entries})
    except OSError:
        target.journalled = False
        raise
    try:
        settle(target, new, kept, entries, exchange)
    except OSError as error:
        give_up(target, new, kept, entries, error)
    remove_journal(target, new, kept)
    target.kept = kept if any(old is not None for old, _ in entries.values()) else ""


def pair(directory: int, live: str, new: str) -> list[int | None]:
    return [inode(Spot(directory, live)), inode(Spot(directory, new))]


def inside_entries(target: Target, new: str) -> dict[str, list[int | None]]:
    """Every name that is in the mount point or will be, but for ours and ``lost+found``."""
    descriptor = os.open(new, DIRECTORY, dir_fd=target.base)
    try:
        coming = os.listdir(descriptor)
        ours = re.compile(
            r"\.restore-[0-9a-f]{16}|\.before-[0-9a-f]{16}|\.restore-lock|\.restore\.json(\.new)?|lost\+found"
        )
        there = [name for name in os.listdir(target.base) if not ours.fullmatch(name)]
        for name in coming:
            if ours.fullmatch(name):
                raise Unavailable(
                    f"{printable(name)} is a name that the directory of a mount point keeps for itself."
                )
        for name in there:
            if is_mount_point(target.base, name):
                raise Unavailable(
                    f"Something is mounted at {printable(name)} in {printable(target.path)}: unmount it."
                )
        return {name: [inode(Spot(target.base, name)), inode(Spot(descriptor, name))] for name in {*there, *coming}}
    finally:
        os.close(descriptor)


def settle(target: Target, new: str, kept: str, entries: dict[str, list[int | None]], exchange: bool) -> None:
    """Brings every entry to its place."""
    with places_of(target, new, kept, entries) as places:
        for place in places:
            place.settle(exchange)


@contextlib.contextmanager
def places_of(target: Target, new: str, kept: str, entries: dict[str, list[int | None]]) -> Iterator[list[Place]]:
    base = target.base
    if not target.inside:
        (numbers,) = entries.values()
        yield [Place(Spot(base, new), Spot(base, target.name), Spot(base, kept), *numbers)]
        return
    for name in (new, kept):
        with contextlib.suppress(FileExistsError):  # the stage may be gone already, when only the journal is left
            os.mkdir(name, 0o700, dir_fd=base)
    with contextlib.ExitStack() as stack:
        descriptors = []
        for name in (new, kept):
            descriptors.append(os.open(name, DIRECTORY, dir_fd=base))
            stack.callback(os.close, descriptors[-1])
        yield [
            Place(Spot(descriptors[0], name), Spot(base, name), Spot(descriptors[1], name), *numbers)
            for name, numbers in sorted(entries.items())
        ]


def give_up(target: Target, new: str, kept: str, entries: dict[str, list[int | None]], error: OSError) -> None:
    """After a failed step: all as before if nothing was moved, else the journal stays, and what it says is said."""
    with places_of(target, new, kept, entries) as places:
        untouched = all(place.is_untouched() for place in places)
    if not untouched:
        raise Unavailable(
            f"{printable(target.path)} was being replaced: {error.strerror}. What it was is kept, and so is what it "
            "becomes. When the cause is gone, run: cybersift_restore.py recover --to DIR"
        ) from None
    if target.inside:
        os.rmdir(kept, dir_fd=target.base)
    os.unlink(target.prefix + JOURNAL, dir_fd=target.base)
    os.fsync(target.base)
    target.journalled = False
    if error.errno in (errno.EBUSY, errno.EXDEV) and not target.inside:
        raise CannotRename(f"{printable(target.path)} cannot be renamed: {error.strerror}")
    raise error


def write_journal(target: Target, journal: dict[str, Any]) -> None:
    """All of it or nothing is there (0600), and it is on the disk."""
    name = target.prefix + JOURNAL
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name + ".new", flags, 0o600, dir_fd=target.base)
    with open(descriptor, "wb") as file:
        file.write(json.dumps({"journal": 1, **journal}).encode("ascii") + b"\n")
        file.flush()
        os.fsync(descriptor)
    os.rename(name + ".new", name, src_dir_fd=target.base, dst_dir_fd=target.base)
    os.fsync(target.base)


def remove_journal(target: Target, new: str, kept: str) -> None:
    """When all is in its place. In a mount point the stage is left, empty, and what is kept may be nothing."""
    if target.inside:
        for name in (new, kept):
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=target.base)
    os.unlink(target.prefix + JOURNAL, dir_fd=target.base)
    os.fsync(target.base)


def read_journal(target: Target) -> dict[str, Any] | None:
    """What a crash has interrupted; None where nothing was. ``Unavailable`` where it cannot be believed."""
    name = target.prefix + JOURNAL
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name + ".new", dir_fd=target.base)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=target.base)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()):
            raise Unavailable(f"{printable(name)} is no journal of yours: it is not used.")
        text = file.read(MAX_JOURNAL)
    try:
        journal = parse_line(text)
        if not is_journal(target, journal):
            raise Damaged(name)
    except Damaged:
        raise Unavailable(
            f"{printable(name)} is no journal that can be believed: look at it, and remove it."
        ) from None
    return journal


def is_journal(target: Target, journal: dict[str, Any]) -> bool:
    """Whether all names in it are ours, and the numbers are some."""
    prefix, entries = re.escape(target.prefix), journal.get("entries")
    return (
        journal.get("journal") == 1
        and journal.get("inside") is target.inside
        and bool(re.fullmatch(prefix + r"\.(restore|before)-[0-9a-f]{16}", str(journal.get("new"))))
        and bool(re.fullmatch(prefix + r"\.before-[0-9a-f]{16}", str(journal.get("kept"))))
        and isinstance(entries, dict)
        and (target.inside or list(entries) == [target.name])
        and all(is_plain(name) and is_pair(numbers) for name, numbers in entries.items())
    )


def is_plain(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def is_pair(numbers: Any) -> bool:
    return (
        isinstance(numbers, list)
        and len(numbers) == 2
        and all(each is None or type(each) is int for each in numbers)
        and any(each is not None for each in numbers)
    )


def finish_journal(target: Target, exchange: bool = True) -> bool:
    """Finishes the replacement that a crash has interrupted: it was whole and verified when its journal was written.
    Only under the lock. Whether there was one."""
    journal = read_journal(target)
    if journal is None:
        return False
    target.journalled = True
    settle(target, journal["new"], journal["kept"], journal["entries"], exchange)
    remove_journal(target, journal["new"], journal["kept"])
    target.journalled = False
    return True


def refuse_parts(archive: Archive, plan: Plan) -> None:
    """A part of a source in the place of all of it would lose the rest: ``Unavailable``."""
    for member in archive.manifest.members:
        top = "/".join(member.path.split("/")[:2])
        if member.path not in plan.read and any(path == top or path.startswith(top + "/") for path in plan.read):
            raise Unavailable(
                f"With --replace, --only takes whole sources: {printable(member.shown)} would be missing. Extract "
                "the part to an empty directory instead."
            )


class Recovered(NamedTuple):
    """``finished``: an interrupted replacement. ``removed``: the stages of killed extractions."""

    finished: bool
    removed: list[str]


def recover(to: str, exchange: bool = True) -> Recovered:
    """After a crash: finishes what was staged and verified, and removes the rest."""
    with Target(to, replaces=True) as target, explained(f"recovered: {printable(to)}"), target.lock():
        finished, removed = finish_journal(target, exchange), target.leftovers()
        target.clean()
        return Recovered(finished, removed)


class Undone(NamedTuple):
    """``back``: the name of the tree that is the target again. ``kept``: where the one of before is now, or ''."""

    back: str
    kept: str


def undo(to: str, number: str = "", exchange: bool = True) -> Undone:
    """Brings a kept tree back, the newest if no id is given; what is there now is kept in turn."""
    with Target(to, replaces=True) as target, explained(f"undone: {printable(to)}"), target.lock():
        finish_journal(target, exchange)
        kept = [name for name in target.names(".before-") if name.endswith(number)]
        if not kept:
            raise Unavailable(f"Nothing is kept of {printable(target.path)}{' by this id' if number else ''}.")
        target.existing()
        put_in_place(target, kept[-1], f"{target.prefix}.before-{new_id()}", exchange)
        return Undone(kept[-1], target.kept)


# ---- The program -------------------------------------------------------------------------------------------

HELP = """exit codes:
  0  done
  1  the archive is damaged, unfinished or hostile; nothing was extracted
  2  the command line is wrong
  3  it cannot be done here: no such file, no right to it, a program is missing
  4  the target is not empty, and --replace was not asked for
  5  the target has too little space
  6  another extraction to the same target is running

A new target directory is for its owner alone (0700); an existing one keeps its mode. Patterns are those of the
shell, of the path below files/, and a * also stands for slashes; a directory's name stands for all below it.
"""


def parser() -> argparse.ArgumentParser:
    program = argparse.ArgumentParser(
        prog="cybersift_restore.py",
        description="List, verify and extract archives of the backup console.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = program.add_subparsers(dest="command", metavar="|".join(COMMANDS), required=True)
    for name, (run, add, text) in COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=text, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print one JSON object instead of text")
        add(command)
    return program


def _add_archive(command: argparse.ArgumentParser) -> None:
    command.add_argument("archive", metavar="ARCHIVE")
    command.add_argument(
        "--identity",
        metavar="FILE",
        help="the key of an encrypted archive (.age); what is decrypted goes to the target's directory or TMPDIR",
    )
    command.add_argument("--jobs", type=_count, default=min(4, os.cpu_count() or 1), help="threads that inflate")
    command.add_argument("--max-bytes", type=_count, default=MAX_BYTES, help="limit of a tar without checksums")
    command.add_argument("--max-members", type=_count, default=MAX_MEMBERS, help="limit of a tar without checksums")


def _add_list(command: argparse.ArgumentParser) -> None:
    _add_archive(command)
    command.add_argument("--only", metavar="PATTERN", action="append", default=[], help="only paths like this")
    command.add_argument("-l", "--long", action="store_true", help="with mode, owner, size and time (UTC)")


def _add_extract(command: argparse.ArgumentParser) -> None:
    _add_archive(command)
    command.add_argument("--to", metavar="DIR", required=True, help="an empty directory, or one to be made")
    command.add_argument(
        "--replace",
        action="store_true",
        help="DIR may have something in it: all of it is replaced at one stroke, and kept as DIR.before-ID (in a "
        "mount point, DIR/.before-ID); with --only, whole sources alone are taken",
    )
    command.add_argument("--only", metavar="PATTERN", action="append", default=[], help="only paths like this")
    command.add_argument("--dry-run", action="store_true", help="check everything that can be checked; write nothing")
    command.add_argument("--owner", action="store_true", help="restore owners, by number (root)")
    command.add_argument("--preserve-special", action="store_true", help="restore setuid, setgid and sticky (root)")
    command.add_argument("--clean", action="store_true", help="first remove what killed extractions have left")


def _add_recover(command: argparse.ArgumentParser) -> None:
    command.add_argument("--to", metavar="DIR", required=True, help="what was being replaced or extracted to")


def _add_undo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--to", metavar="DIR", required=True, help="what was replaced")
    command.add_argument("--id", type=_id, help="of the kept tree (DIR.before-ID); the newest without it")


def _id(word: str) -> str:
    if not re.fullmatch("[0-9a-f]{16}", word):
        raise argparse.ArgumentTypeError("16 hexadecimal digits, as at the end of DIR.before-ID")
    return word


def _count(word: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", word) or not int(word):
        raise argparse.ArgumentTypeError("a number from 1")
    return int(word)


def main(argv: list[str] | None = None) -> int:
    """Runs the program; gives its exit code."""
    arguments = parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return arguments.run(arguments)
    except ArchiveError as error:
        if arguments.json:
            print(json.dumps({"error": str(error), "code": error.code}))
        print(str(error), file=sys.stderr)
        return error.code


def opened_for(arguments: argparse.Namespace, scratch: str | None = None) -> Any:
    return open_archive(arguments.archive, arguments.identity, scratch, arguments.max_bytes, arguments.max_members)


def run_list(arguments: argparse.Namespace) -> int:
    matches = matcher(arguments.only)
    with opened_for(arguments) as archive:
        entries = [entry for entry in entries_of(archive) if matches(entry.shown)]
        if arguments.json:
            print(json.dumps(listing(archive, entries)))
            return 0
        note(archive)
        for entry in entries:
            print(long_line(entry) if arguments.long else printable(entry.shown))
    return 0


def entries_of(archive: Archive | Foreign) -> Iterator[Entry]:
    """The entries in order: of a foreign tar by reading all of it."""
    if isinstance(archive, Archive):
        yield from archive.manifest.members
        return
    for entry, header, stream in archive.walk():
        pour(stream, header, Sink())
        yield entry


def listing(archive: Archive | Foreign, entries: list[Entry]) -> dict[str, Any]:
    """What ``list --json`` prints: the manifest with the chosen entries, or the same of a foreign tar."""
    known: dict[str, Any] = {"checksums": archive.has_checksums, "entries": [entry.as_json() for entry in entries]}
    if isinstance(archive, Archive):
        manifest = archive.manifest
        known.update(manifest=manifest.head, redis=manifest.redis, errors=manifest.errors)
    return known


def note(archive: Archive | Foreign) -> None:
    """What everybody should know who uses the archive."""
    if not isinstance(archive, Archive):
        print("This tar is not the console's: it is without checksums.", file=sys.stderr)
    elif archive.manifest.errors:
        missing = len(archive.manifest.errors)
        print(f"Asked for, but not in the archive: {missing:,} (list --json names what and why)", file=sys.stderr)


def long_line(entry: Entry) -> str:
    """Like ``ls -l``, with times in UTC."""
    letter = {"f": "-", "d": "d", "l": "l", "h": "-"}[entry.type]
    owner = "-" if entry.uid is None else f"{entry.uname or entry.uid}/{entry.gname or entry.gid}"
    arrow = {"l": " -> ", "h": " link to "}.get(entry.type, "")
    size = "-" if entry.size is None else entry.size
    mode = stat.filemode(entry.mode)[1:]
    name = printable(entry.shown + arrow + entry.target)
    return f"{letter}{mode} {printable(owner):17} {size!s:>14} {moment(entry.mtime)} {name}"


def moment(mtime: int | None) -> str:
    try:
        return (
            time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime((mtime or 0) // 10**9)) if mtime is not None else " " * 19
        )
    except (OverflowError, ValueError, OSError):
        return f"{'?':19}"


def run_verify(arguments: argparse.Namespace) -> int:
    with opened_for(arguments) as archive:
        with progress_of(archive) as progress:
            found = verify(archive, arguments.jobs, progress)
        if arguments.json:
            damaged = [{"path": path, "why": why} for path, why in found.damaged]
            print(
                json.dumps(
                    {
                        "ok": not damaged,
                        "checksums": archive.has_checksums,
                        "entries": found.members,
                        "bytes": found.bytes,
                        "damaged": damaged,
                        "unread": found.unread,
                    }
                )
            )
        else:
            _say_verified(archive, found)
    return Damaged.code if found.damaged else 0


def _say_verified(archive: Archive | Foreign, found: Verified) -> None:
    note(archive)
    for path, why in found.damaged:
        print(f"damaged: {printable(path)}: {why}")
    if found.unread:
        print(f"{found.unread:,} entries that share blocks with damaged ones could not be read")
    print(
        f"{found.members:,} entries, {found.bytes:,} bytes{' are right' if archive.has_checksums else ' can be read'}"
    )


def run_extract(arguments: argparse.Namespace) -> int:
    options = Options(
        tuple(arguments.only),
        arguments.owner,
        arguments.preserve_special,
        arguments.clean,
        arguments.dry_run,
        arguments.jobs,
        arguments.replace,
    )
    scratch = os.path.dirname(os.path.abspath(arguments.to))
    with opened_for(arguments, scratch) as archive:
        with progress_of(archive) as progress:
            done = extract(archive, arguments.to, options, progress)
        if arguments.json:
            print(
                json.dumps({"ok": True, "checksums": archive.has_checksums, "dry_run": options.dry_run, **vars(done)})
            )
        else:
            _say_extracted(archive, options, done)
            _say_kept(arguments.to, done.kept)
    return 0


def _say_extracted(archive: Archive | Foreign, options: Options, done: Extracted) -> None:
    note(archive)
    for name in done.leftovers:
        print(f"left by a killed extraction: {printable(name)} (--clean removes it)", file=sys.stderr)
    if done.undressed:
        print(f"{done.undressed:,} extended attributes could not be kept here", file=sys.stderr)
    if done.recovered:
        print("A replacement that was interrupted has been finished first.", file=sys.stderr)
    verb = "would be extracted" if options.dry_run else "extracted"
    print(f"{done.entries:,} entries, {done.bytes:,} bytes {verb}")


def _say_kept(to: str, kept: str) -> None:
    if kept:
        where = os.path.abspath(to)
        place = os.path.join(where if kept.startswith(".before-") else os.path.dirname(where), kept)
        print(f"What was there is kept as {printable(place)}")
        print(
            f"To go back: {os.path.basename(sys.argv[0])} undo --to {printable(shlex.quote(where))} --id {kept[-16:]}"
        )


def run_recover(arguments: argparse.Namespace) -> int:
    done = recover(arguments.to)
    if arguments.json:
        print(json.dumps({"ok": True, **done._asdict()}))
        return 0
    if done.finished:
        print(f"The replacement of {printable(arguments.to)} is finished.")
    for name in done.removed:
        print(f"removed: {printable(name)}, left by a killed extraction")
    if not done.finished and not done.removed:
        print("There was nothing to do.")
    return 0


def run_undo(arguments: argparse.Namespace) -> int:
    done = undo(arguments.to, arguments.id or "")
    if arguments.json:
        print(json.dumps({"ok": True, **done._asdict()}))
    else:
        print(f"{printable(done.back)} is {printable(arguments.to)} again.")
        _say_kept(arguments.to, done.kept)
    return 0


@contextlib.contextmanager
def progress_of(archive: Archive | Foreign) -> Iterator[Progress]:
    """Says on a terminal how far it is; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    members = archive.manifest.members if isinstance(archive, Archive) else []
    total, done, said = sum(member.size or 0 for member in members), 0, 0.0

    def progress(count: int) -> None:
        nonlocal done, said
        done += count
        if time.monotonic() - said > 0.2:
            said = time.monotonic()
            part = f" ({min(100, done * 100 // total)} %)" if total else ""
            print(f"\r{done:,} bytes{part}", end="\x1b[K", file=sys.stderr, flush=True)

    yield progress
    print("\r", end="\x1b[K", file=sys.stderr, flush=True)


COMMANDS: dict[str, Any] = {
    "list": (run_list, _add_list, "show what is in an archive, by its manifest alone"),
    "verify": (run_verify, _add_archive, "read all of an archive and check every checksum"),
    "extract": (run_extract, _add_extract, "extract all of it, or what is asked for, into an empty or new directory"),
    "recover": (
        run_recover,
        _add_recover,
        "after a crash: finish what was being replaced, remove what else was left",
    ),
    "undo": (run_undo, _add_undo, "put back what extract --replace has replaced"),
}


def end_in_order() -> None:
    """Whoever ends the program gets no traceback, and no stage stays behind."""
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(each, lambda number, frame: sys.exit(128 + number))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # who reads a list may stop in the middle


if __name__ == "__main__":
    end_in_order()
    sys.exit(main())
