#!/usr/bin/env python3
"""Lists, verifies and restores archives of the backup console, with nothing but Python 3.8 or later.

This one file is the reader of the format that docs/archive-format.md describes: the console imports it, and it runs
as it is on a host without the console. Whatever an archive says, nothing is written outside of the directory asked
for, nothing is believed that its checksums do not cover, and no more is inflated than was announced.

For other programs: ``open_archive``, then ``verify``, ``extract``, ``restore_redis`` or the archive's ``manifest``;
``undo`` and ``recover`` for what was replaced. Every failure that has to do with the archive or the target is an
``ArchiveError``.
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
import gc
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
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
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
MAX_META, MAX_HEADER = 64 << 20, 8 << 20
"""Bytes of the entries whose size the manifest does not have: meta.json; header.json, which is read as JSON and takes
25 times as much memory then."""
PORTION, FEW_LINES = 128 << 10, 16
"""Bytes of the manifest that are looked at together, and how few lines are not divided further."""
MAX_EXTRA_HEADERS = 8
MAX_HOLES = 1 << 21
"""Pieces in the map of a sparse file."""
MAX_NUMBER = (1 << 63) - 1
MAX_PATH, MAX_NAME = 4095, 255
MAX_UNNAMED = 128 << 20
"""Characters in the names of directories that only entries below them speak of. Our archives name theirs; without an
end to it a short archive of very deep names would take gigabytes of memory."""
MAX_REDIS = 100
"""Redis servers in one archive."""
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
    if text.isprintable():
        return text
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
        self.unnamed = 0

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

    def add_plain(self, kinds: dict[str, str], above: set[str]) -> bool:
        """The same for many files and directories at once. The last part and the length of each name are right, and
        ``above`` are the directories that they are in. False where that cannot be: then nothing was taken, and one
        after the other will show which it is."""
        if not self.kinds.keys().isdisjoint(kinds):
            return False
        parents = self._parents_of(above)
        if parents is None:
            return False
        for each in itertools.chain(parents, self.parents.intersection(kinds)):
            if kinds.get(each, self.kinds.get(each, "d")) != "d":
                return False
        unnamed = self.unnamed + sum(len(each) for each in parents if each not in kinds and each not in self.kinds)
        if unnamed > MAX_UNNAMED:
            return False
        self.unnamed = unnamed
        self.parents |= parents
        self.kinds.update(kinds)
        return True

    def _parents_of(self, above: set[str]) -> set[str] | None:
        """Those directories that are new, and new ones above them; None where one has a bad name."""
        found: set[str] = set()
        for path in above - self.parents:
            try:
                check_name(path)
            except Damaged:
                return None
            while path and path not in self.parents and path not in found:
                found.add(path)
                path = parent_of(path)
        return found

    def _add_parents(self, path: str) -> None:
        parent = parent_of(path)
        while parent and parent not in self.parents:
            kind = self.kinds.get(parent)
            if kind is None:
                self.unnamed += len(parent)
            elif kind != "d":
                raise Damaged(f"{printable(parent)} is no directory, but {printable(path)} is below it")
            if self.unnamed > MAX_UNNAMED:
                raise Damaged("it has too many directories that it does not name")
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
        known = {key: getattr(self, key) for key in Entry.__slots__ if key != "xattrs"}
        return {key: value for key, value in known.items() if value not in (None, "") and value is not False}


class Who(NamedTuple):
    """Mode and owner, which many entries have in common."""

    mode: int
    uid: int
    gid: int
    uname: str
    gname: str


class Line(NamedTuple):
    """An ``Entry`` that is a regular file or a directory and no more: nearly all are. There may be millions, so that
    numbers are made of their digits when somebody asks for them."""

    path: str
    type: str
    size_digits: str
    who: Who
    mtime_digits: str
    digest: str
    at: int

    size = property(lambda self: int(self.size_digits) if self.size_digits else None)
    mode = property(lambda self: self.who.mode)
    uid = property(lambda self: self.who.uid)
    gid = property(lambda self: self.who.gid)
    uname = property(lambda self: self.who.uname)
    gname = property(lambda self: self.who.gname)
    mtime = property(lambda self: int(self.mtime_digits))
    sha256 = property(lambda self: self.digest or None)
    target = ""
    xattrs = property(lambda self: {})
    sparse = changed = False
    shown = property(lambda self: self.path[6:])
    as_json = Entry.as_json


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


def fast_zlib() -> Any:
    """The package isal where it is installed, which inflates three times as fast; else Python's own zlib."""
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


INFLATER = fast_zlib()


class GzipBlocks(Codec):
    """A block is a gzip member (RFC 1952) with its sizes in an extra field."""

    start = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + b"\x14\x00"
    footer_start = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + b"\x34\x00"
    footer_end = b"\x03\x00" + bytes(8)

    def unpack(self, raw: bytes, block: Block) -> bytes:
        inflater = INFLATER.decompressobj(-15)
        try:
            plain = inflater.decompress(memoryview(raw)[self.head : -8], block.plain + 1)
        except INFLATER.error as error:
            raise Damaged(f"the block at {block.at:,} cannot be inflated: {error}") from None
        crc, length = struct.unpack("<II", raw[-8:])
        if len(plain) != block.plain or length != block.plain or not inflater.eof or inflater.unused_data:
            raise Damaged(f"the block at {block.at:,} does not hold the {block.plain:,} bytes that it announces")
        if INFLATER.crc32(plain) != crc:
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

    def left(self) -> int:
        """How many bytes are left of the piece that it is at."""
        return len(self._piece)

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

    LONGEST_LINE = 21
    """A number has at most 20 digits."""

    def __init__(self, stored: int, real: int, put: Callable[[int, memoryview], None]) -> None:
        self.stored, self.real, self.put = stored, real, put
        self.text: bytearray | None = bytearray()
        self.lines = self.found = self.used = 0
        """How many lines the map has, how many of them are there, how many bytes they take; 0 for not known yet."""
        self.areas: collections.deque[tuple[int, int]] = collections.deque()

    def write(self, piece: memoryview) -> None:
        """The next stored bytes."""
        if self.text is not None:
            piece = self._read_map(self.text, piece)
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

    def _read_map(self, text: bytearray, piece: memoryview) -> memoryview:
        """What follows the map, or nothing while the map is not complete."""
        text += piece
        self.found += bytes(piece).count(b"\n")
        if not self.lines:
            self.lines = self._count_lines(text)
        if not self.used and self.lines:
            self.used = self._read_lines(text)
        if not self.used or len(text) < self.used:
            return memoryview(b"")
        self.text = None
        return memoryview(text)[self.used :]

    @staticmethod
    def _count_lines(text: bytearray) -> int:
        """What the first line says; 0 while it is not there."""
        end = text.find(b"\n", 0, SECTOR + 1)
        if end < 0:
            if len(text) > SECTOR:
                raise Damaged("a sparse file without a map")
            return 0
        count = decimal(bytes(text[:end]))
        if count > MAX_HOLES:
            raise Damaged("a sparse file in too many pieces")
        return 2 * count + 1

    def _read_lines(self, text: bytearray) -> int:
        """Where the data begins, when all lines are there; else 0. They are looked at once, however they come."""
        if self.found < self.lines:
            if len(text) > self.lines * self.LONGEST_LINE:
                raise Damaged("the map of a sparse file is wrong")
            return 0
        lines = text.split(b"\n", self.lines)
        used = len(text) - len(lines[-1])
        used += -used % SECTOR
        self._set_areas([decimal(bytes(line)) for line in lines[1:-1]], self.stored - used)
        return used

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


PLAIN_LINE = re.compile(
    r'^\{"path": "(([ !#-\[\]-~]{0,3839})/(?!\.\.?")[ !#-.0-\[\]-~]{1,255})"'
    r', "type": "(?:d"|(f)", "size": (0|[1-9][0-9]{0,17}))'
    r', ("mode": [0-9]{1,4}, "uid": [0-9]{1,10}, "gid": [0-9]{1,10}'
    r', "uname": "[ !#-\[\]-~]*", "gname": "[ !#-\[\]-~]*")'
    r', "mtime": (0|-?[1-8][0-9]{18}|-?[1-9][0-9]{0,17})'
    r'(?(3), "sha256": "([^"]{64})"), "at": (0|[1-9][0-9]{0,17})\}(,?)$',
    re.MULTILINE,
)
"""A file or directory in the form that the writer gives it, with nothing escaped or out of the ordinary. All is right
in what it finds but for what is faster to look at in many lines together: directory, mode and owner, digest."""


class Manifest:
    """What an archive says of itself: ``head`` (the first line), ``entries``, ``redis`` and ``errors`` as they stand.

    ``members`` are the entries of the tar in its order: the files, then two for each Redis server. ``starts`` are the
    places in the file where some of them begin, each with the number of the first one.
    """

    def __init__(self, lines: Lines) -> None:
        self.head = self.read_head(next(lines, b""))
        self.entries: list[Any] = []
        self.redis: list[dict] = []
        self.errors: list[dict] = []
        self.members: list[Any] = []
        self.starts: list[tuple[int, int]] = []
        self._names, self._keys = Names(), 0
        self._read_files(lines)
        self._read_list(lines, "redis", self._take_redis)
        self._read_list(lines, "errors", self._take_error)
        if next(lines, None) is not None:
            raise Damaged("the manifest goes on behind its end")

    @staticmethod
    def read_head(line: bytes) -> dict:
        if not line.endswith(b","):
            raise Damaged("the manifest does not begin as one")
        head = parse_line(line[:-1] + b"}")
        if head.get("schema") != SCHEMA:
            raise Damaged(f"the archive has format {head.get('schema')!a:.20}, this program reads format {SCHEMA}")
        label_of(head, "backup_id", 40)
        label_of(head, "host", MAX_NAME)
        if not is_moment(text_of(head, "created")):
            raise Damaged("the manifest has no time at which the archive was made")
        counts = head.get("counts")
        if not isinstance(counts, dict):
            raise Damaged("the manifest has no counts")
        for key in ("files", "bytes", "changed", "skipped"):
            natural_of(counts, key)
        return head

    def _read_files(self, lines: Lines) -> None:
        self._begin(lines, "files")
        more = ended = False
        while not ended:
            text, ended = lines.until(b"],")
            if text:
                self._take_files(text)
                more = text.rstrip(b"\n").endswith(b",")
            elif not ended:
                raise Damaged("the manifest's list of files does not end")
        if more:
            raise Damaged("the manifest's list of files has a comma too much")

    def _take_files(self, text: bytes) -> None:
        """Whole lines: all at once if they are plain, else in two parts, else one by one."""
        if self._take_plain(text):
            return
        middle = text.rfind(b"\n", 0, len(text) // 2) + 1
        if middle and text.count(b"\n") > FEW_LINES:
            self._take_files(text[:middle])
            self._take_files(text[middle:])
            return
        for line in text[: -1 if text.endswith(b"\n") else None].split(b"\n"):
            self._take_file(parse_line(line[:-1] if line.endswith(b",") else line))

    def _take_plain(self, text: bytes) -> bool:
        """Takes lines that are all plain. False, and nothing is taken, where one is not, or may not be believed."""
        found = PLAIN_LINE.findall(text.decode("ascii")) if text.isascii() else []
        if not found or len(found) != text.count(b"\n"):
            return False
        paths, above, letters, sizes, whos, times, digests, places, _ = zip(*found)
        types = [letter or "d" for letter in letters]
        named, directories = dict(zip(paths, types)), set(above)
        starts, ats = self._starts_of(places)
        try:
            known, hexadecimal = {each: who_of(each) for each in set(whos)}, "".join(digests)
            if bytes.fromhex(hexadecimal).hex() != hexadecimal:
                return False
        except (Damaged, ValueError):
            return False
        below = all(each == "files" or each.startswith("files/") for each in directories)
        if not below or len(named) != len(paths) or not ats or not self._names.add_plain(named, directories):
            return False
        columns = zip(paths, types, sizes, map(known.__getitem__, whos), times, digests, ats)
        lines = list(map(functools.partial(tuple.__new__, Line), columns))
        self.starts += starts
        self.entries += lines
        self.members += lines
        return True

    def _starts_of(self, places: Iterable[str]) -> tuple[list[tuple[int, int]], list[int]]:
        """What such places add to ``starts``, and the place of each; nothing where they are not in order."""
        last, starts, ats = (self.starts[-1][0] if self.starts else 0), [], []
        for digits, same in itertools.groupby(places):
            at = int(digits)
            if at < max(last, 1):
                return [], []
            if at > last:
                starts.append((at, len(self.members) + len(ats)))
            ats += [at] * sum(1 for _ in same)
            last = at
        return starts, ats

    @staticmethod
    def _begin(lines: Iterator[bytes], key: str) -> None:
        if next(lines, b"") != b'"%s": [' % key.encode():
            raise Damaged(f"the manifest has no list of {key} where it belongs")

    def _read_list(self, lines: Iterator[bytes], key: str, take: Callable[[dict], None]) -> None:
        """The lines from ``"key": [`` to ``],`` or, of the last list, to ``]}``."""
        end, more = (b"]}" if key == "errors" else b"],"), False
        self._begin(lines, key)
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
        path, name = text_of(record, "path"), label_of(record, "name", MAX_NAME)
        if path != f"redis/{name}/dump.rdb" or "/" in name:
            raise Damaged(f"Redis data at an unknown place: {path!a:.80}")
        at, meta = natural_of(record, "at"), path[: -len("dump.rdb")] + "meta.json"
        check_redis(record)
        self._keys += sum(record["keys"].values())
        if len(self.redis) == MAX_REDIS or self._keys > MAX_NUMBER:
            raise Damaged("the data of more Redis servers, or with more keys, than can be")
        self.redis.append(record)
        self._add(Entry(path, "f", size=natural_of(record, "size"), sha256=digest_of(record, "sha256"), at=at))
        self._add(Entry(meta, "f", sha256=digest_of(record, "meta_sha256"), at=at))

    def _take_error(self, record: dict) -> None:
        encoded(text_of(record, "path"))
        label_of(record, "why", 1000)
        if "errno" in record:
            integer_of(record, "errno")
        self.errors.append(record)

    def _add(self, entry: Entry) -> None:
        self._names.add(entry)
        last = self.starts[-1][0] if self.starts else 0
        if entry.at < max(last, 1):
            raise Damaged(f"{printable(entry.path)} is not where its place in the manifest says")
        if entry.at > last:
            self.starts.append((entry.at, len(self.members)))
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
    known: dict[str, Any] = owner_of(record)._asdict()
    known.update(at=natural_of(record, "at"), mtime=integer_of(record, "mtime"))
    if kind == "f":
        known.update(size=natural_of(record, "size"), sha256=digest_of(record, "sha256"))
        known.update(sparse=record.get("sparse") is True, changed=record.get("changed") is True)
    elif kind != "d":
        known["target"] = text_of(record, "target")
    known["xattrs"] = attributes(record.get("xattrs", {}))
    return Entry(text_of(record, "path"), kind, **known)


def owner_of(record: dict) -> Who:
    mode, uid, gid = (natural_of(record, key) for key in ("mode", "uid", "gid"))
    if mode > 0o7777 or max(uid, gid) > 0xFFFFFFFE:
        raise Damaged("a mode or an owner that cannot be")
    return Who(mode, uid, gid, text_of(record, "uname"), text_of(record, "gname"))


@functools.lru_cache(maxsize=1024)
def who_of(text: str) -> Who:
    """Of this part of a line."""
    return owner_of(parse_line(b"{%s}" % text.encode("ascii")))


def text_of(record: dict, key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise Damaged(f"an entry of the manifest without {key}")
    return value


def label_of(record: dict, key: str, most: int) -> str:
    """A text of at most so many characters that can be stored anywhere: no halves of characters, no NUL."""
    value = text_of(record, key)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Damaged(f"the manifest has a {key} that is no text: {value!a:.80}") from None
    if len(value) > most or "\0" in value:
        raise Damaged(f"the manifest has a {key} that cannot be: {value!a:.80}")
    return value


MOMENT = re.compile("[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]Z")


def is_moment(text: str) -> bool:
    """A time in UTC, as the writer writes it."""
    try:
        return bool(MOMENT.fullmatch(text) and time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return False


def check_redis(record: dict) -> None:
    """What is told of a Redis server beside where its data is; ``Damaged`` where it is of another kind."""
    for key in ("keys", "expires"):
        numbers = record.get(key)
        if not isinstance(numbers, dict) or not all(re.fullmatch("[0-9]{1,10}", number) for number in numbers):
            raise Damaged(f"Redis data without {key} of each database")
        for number in numbers:
            natural_of(numbers, number)
    natural_of(record, "rdb_version")
    label_of(record, "server", 200)
    label_of(record, "mode", 20)
    if type(record.get("consistent")) is not bool:
        raise Damaged("Redis data of which is not told whether it is consistent")


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


class Lines:
    """The lines of a manifest without their ends, or many of them at once, while ``digest`` takes all bytes."""

    def __init__(self, pieces: Iterable[memoryview], digest: Callable[[memoryview], Any]) -> None:
        self._pieces, self._digest = iter(self._cut(pieces)), digest
        self._text, self._at, self._rest = b"", 0, b""

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> bytes:
        if self._at == len(self._text) and not self._fill():
            raise StopIteration
        begin, end = self._at, self._text.find(b"\n", self._at)
        self._at = end + 1 if end >= 0 else len(self._text)
        return self._text[begin : end if end >= 0 else None]

    def until(self, end: bytes) -> tuple[bytes, bool]:
        """Whole lines with their ends, as many as are at hand, and whether the line ``end`` came behind them, which
        is then passed. Nothing where the text is over."""
        if self._at == len(self._text) and not self._fill():
            return b"", False
        lines, found, self._text = (b"\n" + self._text[self._at :]).partition(b"\n" + end + b"\n")
        self._at = 0
        return (lines[1:] + b"\n" if found and lines else lines[1:]), bool(found)

    def _cut(self, pieces: Iterable[memoryview]) -> Iterator[memoryview]:
        for piece in pieces:
            self._digest(piece)
            for at in range(0, len(piece), PORTION):
                yield piece[at : at + PORTION]

    def _fill(self) -> bool:
        """Gets more lines, at the end of the text also one without an end. Whether there are any."""
        self._text, self._at = b"", 0
        for piece in self._pieces:
            self._rest += piece
            end = self._rest.rfind(b"\n") + 1
            if (self._rest.find(b"\n") if end else len(self._rest)) > MAX_LINE:  # the others are in one piece
                raise Damaged(f"a line of the manifest has more than {MAX_LINE:,} bytes")
            if end:
                self._text, self._rest = self._rest[:end], self._rest[end:]
                return True
        self._text, self._rest = self._rest, b""
        return bool(self._text)


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
        with ThreadPoolExecutor(1) as pool:  # which inflates the next block while the lines of one are read
            coming = ahead((pool.submit(self._unpack, block) for block in blocks), 1)
            return self._manifest_in(Stream(future.result() for future in coming), pool)

    def _manifest_in(self, stream: Stream, pool: ThreadPoolExecutor) -> Manifest:
        header = next_entry(stream)
        if header is None or header.path != MANIFEST.encode() or header.kind != b"0":
            raise Damaged("the footer does not lead to a manifest")
        sha256 = hashlib.sha256()
        try:
            manifest = Manifest(Lines(stream.pieces(header.size), functools.partial(pool.submit, sha256.update)))
        except Damaged as error:
            raise Damaged(f"The manifest: {error}") from None
        if pool.submit(sha256.digest).result() != self.footer.sha256:
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
        members, starts = self.manifest.members, self.manifest.starts
        ends = [*starts, (self.footer.at, len(members))]
        yield self._extent(0, ends[0][0], [Entry(HEADER, "f")])
        for (start, first), (end, behind) in zip(starts, ends[1:]):
            yield self._extent(start, end, members[first:behind])

    @staticmethod
    def _extent(start: int, end: int, members: list[Any]) -> Extent:
        if start >= end:
            raise Damaged(f"{printable(members[0].path)} would begin behind the manifest")
        return Extent(start, end, members)

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
        self.data = bytearray()

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
    most = MAX_HEADER if member.path == HEADER else MAX_META
    if size > most if member.type == "f" and member.size is None else size != (member.size or 0):
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
                check_header(bytes(sink.data), archive.manifest)
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
    """What ``verify`` found: entries and bytes that are right, and those that are not, with the reason. ``sampled``
    is the part of the file that was read for it."""

    sampled = 1.0

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
        self.below = len(encoded(f"files/{options.source}/")) if options.source else 0
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

    def place(self, path: str) -> bytes:
        """Where an entry of the archive is in the tree."""
        return encoded(path)[self.below :]

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
        above, _, name = self.place(entry.path).rpartition(b"/")
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
        if b"" in directories:
            self.dress(self.root, directories[b""])

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])


class NewFile(Sink):
    """A file of the tree that is being written; it gets its mode and the rest when its checksum was right."""

    def __init__(self, tree: Tree, entry: Entry, content: Entry) -> None:
        self.tree, self.entry = tree, entry
        self.real = content.size if content.sparse else None
        self.descriptor = tree.create(tree.place(entry.path))

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


def open_to_empty(parent: int, name: str | bytes) -> int:
    """A descriptor of a directory, which gets the mode 0700 whatever it had. What a link leads to is not touched."""
    try:
        descriptor = os.open(name, DIRECTORY, dir_fd=parent)
    except PermissionError:  # its mode keeps its own owner out; this way of opening asks for no right
        there = os.open(name, os.O_PATH | DIRECTORY, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{there}", 0o700)
            descriptor = os.open(f"/proc/self/fd/{there}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            os.close(there)
    os.fchmod(descriptor, 0o700)
    return descriptor


def remove_tree(parent: int, name: str) -> None:
    """Removes a directory and all below it, whatever its depth and modes, and follows no link."""
    root = open_to_empty(parent, name)
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
                os.close(open_to_empty(descriptor, name))
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
        """Whether there is one that may be ours: the tree may be of somebody who wants to stop us."""
        try:
            return may_be_journal(os.stat(f"{self.name}/{JOURNAL}", dir_fd=self.parent, follow_symlinks=False))
        except OSError:
            return False

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
        """Directories that have a name of ours with an id at its end; the older first, as ids are times."""
        pattern = re.compile(re.escape(self.prefix + word) + r"[0-9a-f]{16}")
        return sorted(name for name in os.listdir(self.base) if pattern.fullmatch(name) and self._may_be_ours(name))

    def _may_be_ours(self, name: str) -> bool:
        """No link, and nobody else's where others can make names but not take ours, as in /tmp. Elsewhere the owner
        tells nothing: what is kept may be of anybody."""
        try:
            found = os.stat(name, dir_fd=self.base, follow_symlinks=False)
        except FileNotFoundError:
            return False
        shared = os.fstat(self.base).st_mode & stat.S_ISVTX
        return stat.S_ISDIR(found.st_mode) and (not shared or found.st_uid in (0, os.geteuid()))

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
    without RENAME_EXCHANGE, as where it cannot be had. ``source``: the target becomes this directory of ``files/``
    itself, with its owner (if ``owner``), mode and time; nothing else is extracted.
    """

    only: tuple[str, ...] = ()
    owner: bool = False
    special: bool = False
    clean: bool = False
    dry_run: bool = False
    jobs: int = 2
    replace: bool = False
    exchange: bool = True
    source: str = ""


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
    if not expressions:
        return lambda path: True

    def matches(path: str) -> bool:
        while path:
            if any(expression.match(path) for expression in expressions):
                return True
            path = parent_of(path)
        return False

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

    def add_lines(self, lines: Iterable[Line]) -> None:
        """The same for many, all of which are wanted."""
        lines = list(lines)
        self.read.update(line.path for line in lines)
        self.writes.update((line.path, line) for line in lines if line.type == "f")
        self.directories.update((encoded(line.path), line) for line in lines if line.type == "d")

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
    plan, top = Plan(options.only), f"files/{options.source}"
    if options.source and not any(member.path == top and member.type == "d" for member in archive.manifest.members):
        raise Unavailable(f"The archive has no source that is a directory called {printable(options.source)}.")
    members = archive.manifest.members
    if not options.source and not options.only and all(type(member) is Line for member in members):
        plan.add_lines(members)
        return plan
    for member in members:
        if not options.source or member.path == top or member.path.startswith(top + "/"):
            plan.add(member)
    if options.only and not len(plan):
        raise Unavailable("Nothing in the archive has such a name.")
    plan.add_parents(members)
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


def fill(archive: Archive, plan: Plan, root: int, options: Options, progress: Progress) -> int:
    """Writes all that is planned; gives the number of attributes that could not be kept."""
    tree = Tree(root, options)

    def sink_of(member: Entry) -> Sink:
        entry = plan.writes.get(member.path)
        return Sink() if entry is None else NewFile(tree, entry, content=member)

    with contextlib.closing(tree):
        with contextlib.closing(archive.read(wanted_extents(archive, plan), options.jobs)) as parts:
            for extent, stream in parts:
                read_extent(archive, extent, stream, sink_of, progress)
        links_and_directories(tree, plan)
    return tree.undressed


Fill = Callable[[Archive, Plan, int, Options, Progress], int]
"""What writes the files, as ``fill`` does: the console has a faster one."""


def extract(
    archive: Archive | Foreign,
    to: str,
    options: Options = DEFAULTS,
    progress: Progress = no_progress,
    fill: Fill = fill,
) -> Extracted:
    """Extracts into ``to``, an empty directory or one that does not exist; all of it, or nothing.

    With ``options.replace`` whatever directory it is gets replaced, and is kept. An ``ArchiveError`` says why not;
    then the target is as it was.
    """
    if (options.owner or options.special) and os.geteuid() != 0:
        raise Unavailable("Only root can give files to others or make them setuid.")
    try:
        return _extract(archive, to, options, progress, fill)
    except CannotRename:  # a mount point of which nobody said so
        return _extract(archive, to, options, progress, fill, inside=True)


def _extract(
    archive: Archive | Foreign, to: str, options: Options, progress: Progress, fill: Fill, inside: bool = False
) -> Extracted:
    ours = isinstance(archive, Archive)
    work: Any = functools.partial(_extract_ours, fill=fill) if ours else _extract_foreign
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


def _extract_ours(archive: Archive, target: Target, options: Options, progress: Progress, fill: Fill) -> Extracted:
    existing, leftovers, plan = target.existing(), target.leftovers(), plan_of(archive, options)
    size, undressed = size_of(archive, plan), 0
    if options.replace and options.only:
        refuse_parts(archive, plan)
    target.check_space(size, len(plan))
    if not options.dry_run:
        with target.stage() as (stage, root):
            undressed = fill(archive, plan, root, options, progress)
            _finish(target, stage, root, existing, options)
    return Extracted(len(plan), size, leftovers, undressed)


def links_and_directories(tree: Tree, plan: Plan) -> None:
    """What is made when all files are there: before, a link could be in the way of a name."""
    directories = {tree.place(entry.path): entry for entry in plan.directories.values()}
    for path in directories:
        tree.directory(path)
    for entry in plan.links:
        tree.link(tree.place(entry.path), tree.place(plan.writes[entry.target].path))
    for entry in plan.symlinks:
        tree.symlink(entry)
    tree.settle(directories)


def _finish(target: Target, stage: str, root: int, existing: os.stat_result | None, options: Options) -> None:
    if existing is not None and not target.inside and not options.source:
        if os.geteuid() == 0:
            os.fchown(root, existing.st_uid, existing.st_gid)
        os.fchmod(root, stat.S_IMODE(existing.st_mode))
    sync_file_system(root)
    if target.inside or (target.replaces and existing is not None and not target.is_empty()):
        put_in_place(target, stage, f"{target.prefix}.before-{stage[-16:]}", options.exchange)
    else:
        target.replace(stage, existing)


def _extract_foreign(archive: Foreign, target: Target, options: Options, progress: Progress) -> Extracted:
    if options.source:
        raise Unavailable("A tar without checksums has no sources: leave out --source.")
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
            links_and_directories(tree, plan)
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
    except OSError:  # whoever uses the name is told
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
        if not may_be_journal(os.fstat(descriptor)):
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


def may_be_journal(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_uid in (0, os.geteuid())


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
    made = [*plan.writes.values(), *plan.directories.values(), *plan.symlinks, *plan.links]
    paths = {entry.path for entry in made}
    tops = {source_of(path) for path in paths}
    for member in archive.manifest.members:
        if member.path not in paths and source_of(member.path) in tops:
            raise Unavailable(
                f"With --replace, --only takes whole sources: {printable(member.shown)} would be missing. Extract "
                "the part to an empty directory instead."
            )


def source_of(path: str) -> str:
    return "/".join(path.split("/", 2)[:2])


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


# ---- RDB: keys as Redis wrote them -------------------------------------------------------------------------

RDB_POLYNOMIAL = 0x95AC9329AC4BC9B5
"""CRC-64 of Redis ("Jones"), reflected; begin and end with 0."""
RDB_TAPS = [bit + 1 for bit in range(64) if RDB_POLYNOMIAL >> bit & 1]
RDB_OLDEST, RDB_END, RDB_BIG, RDB_LARGEST = 5, 0xFF, 256 << 10, 4 << 30
FIRST_OF_VALKEY = 22
"""From this type on, the numbers of Valkey mean other things than those of Redis."""
RDB_FRAME = 11
"""Bytes of a payload of RESTORE beside the value: its type, a version, a checksum."""


def crc64(data: Any, crc: int = 0) -> int:
    """The checksum of ``data`` behind something whose checksum is ``crc``."""
    if len(data) <= 8192:
        return _crc_by_table(bytes(data), crc)
    view = memoryview(data)
    for at in range(0, len(view), PIECE):
        crc = _crc_of_piece(bytes(view[at : at + PIECE]), crc)
    return crc


def _crc_of_piece(piece: bytes, crc: int) -> int:
    """Long pieces are made shorter first, with whole numbers of many bits instead of a table.

    The polynomial squared is itself with its bits twice as far apart, so it also divides lanes of 2, 4, 8 … bits:
    each lane is added to those behind it that the taps name, until 64 are left, which have the same checksum.
    """
    if crc and len(piece) > 8192:
        head = int.from_bytes(piece[:8], "little") ^ crc
        piece, crc = head.to_bytes(8, "little") + piece[8:], 0
    while len(piece) > 8192:
        width = 1 << ((len(piece) >> 8).bit_length() - 1)
        piece = bytes(-len(piece) % width) + piece
        lanes = [int.from_bytes(piece[at : at + width], "little") for at in range(0, len(piece), width)]
        for place in range(len(lanes) - 64):
            lane = lanes[place]
            for tap in RDB_TAPS:
                lanes[place + tap] ^= lane
        piece = b"".join(lane.to_bytes(width, "little") for lane in lanes[-64:])
    return _crc_by_table(piece, crc)


def _crc_by_table(data: bytes, crc: int) -> int:
    single, double = crc_tables()
    if len(data) % 2:
        crc, data = crc >> 8 ^ single[(crc ^ data[0]) & 0xFF], data[1:]
    for pair in struct.unpack(f"<{len(data) // 2}H", data):
        crc = crc >> 16 ^ double[(crc ^ pair) & 0xFFFF]
    return crc


@functools.lru_cache(maxsize=1)
def crc_tables() -> tuple[list[int], list[int]]:
    """What one byte does, and what two do at once."""
    single = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (RDB_POLYNOMIAL if value & 1 else 0)
        single.append(value)
    once = [value >> 8 ^ single[value & 0xFF] for value in range(65536)]
    return single, [value >> 8 ^ single[value & 0xFF] for value in once]


class MoreNeeded(Exception):
    """The buffer ends before the value does: so many bytes are missing, or nobody knows how many (0)."""

    def __init__(self, count: int = 0) -> None:
        super().__init__(count)
        self.count = count


# Readers of RDB take the data and a place, and give the place behind; at the end of the data they raise IndexError or
# give a place beyond it.


def rdb_length(data: Any, at: int) -> tuple[int, int]:
    """A length, or another number that is stored as one."""
    first = data[at]
    if first < 0x40:
        return first, at + 1
    if first < 0x80:
        return (first & 0x3F) << 8 | data[at + 1], at + 2
    if first in (0x80, 0x81):
        end = at + (5 if first == 0x80 else 9)
        if end > len(data):
            raise MoreNeeded
        return int.from_bytes(data[at + 1 : end], "big"), end
    raise Damaged(f"the RDB data has a length that begins with {first:#x}")


RDB_INTEGERS = {0xC0: 1, 0xC1: 2, 0xC2: 4}


def rdb_skip(data: Any, at: int, count: int = 1) -> int:
    """Strings, packed or not."""
    for _ in range(count):
        first = data[at]
        if first < 0x40:
            at += first + 1
        elif first in RDB_INTEGERS:
            at += 1 + RDB_INTEGERS[first]
        elif first == 0xC3:
            size, at = rdb_length(data, at + 1)
            at = rdb_length(data, at)[1] + size
        else:
            size, at = rdb_length(data, at)
            at += size
    return at


def rdb_skip_lengths(data: Any, at: int, count: int) -> int:
    for _ in range(count):
        at = rdb_length(data, at)[1]
    return at


def rdb_string(data: Any, at: int) -> tuple[bytes, int]:
    """What a string is: for names, not for values."""
    end = rdb_skip(data, at)
    if end > len(data):
        raise MoreNeeded(end - len(data))
    first = data[at]
    if first in RDB_INTEGERS:
        return b"%d" % int.from_bytes(data[at + 1 : end], "little", signed=True), end
    if first == 0xC3:
        at = rdb_length(data, at + 1)[1]
        size, at = rdb_length(data, at)
        return lzf(bytes(data[at:end]), size), end
    return bytes(data[rdb_length(data, at)[1] : end]), end


def lzf(packed: bytes, size: int) -> bytes:
    """A byte below 32: that many and one bytes follow as they are. Any other: a copy of what came before."""
    out, at = bytearray(), 0
    try:
        while at < len(packed) and len(out) <= size:
            control = packed[at]
            if control < 32:
                out += packed[at + 1 : at + control + 2]
                at += control + 2
                continue
            count, at = (control >> 5) + 2, at + 1
            if count == 9:
                count, at = count + packed[at], at + 1
            begin, at = len(out) - ((control & 0x1F) << 8) - packed[at] - 1, at + 1
            if begin < 0:
                break
            for place in range(begin, begin + count):  # it may run into what it writes
                out.append(out[place])
    except IndexError:
        out.clear()
    if len(out) != size:
        raise Damaged("a compressed string of the RDB data cannot be unpacked")
    return bytes(out)


Skip = Callable[[Any, int], int]


def strings_each(each: int, behind: int = 0, before: int = 0) -> Skip:
    """A count, then for each of them ``before`` bytes, so many strings, and ``behind`` bytes."""

    def skip(data: Any, at: int) -> int:
        count, at = rdb_length(data, at)
        if not behind and not before:
            return rdb_skip(data, at, each * count)
        for _ in range(count):
            at = rdb_skip(data, at + before, each) + behind
        return at

    return skip


def skip_text_scores(data: Any, at: int) -> int:
    count, at = rdb_length(data, at)
    for _ in range(count):
        at = rdb_skip(data, at)
        at += 1 if data[at] >= 253 else data[at] + 1  # from 253: not a number, and the infinities
    return at


def skip_hash_with_times(data: Any, at: int) -> int:
    count, at = rdb_length(data, at + 8)
    for _ in range(count):
        at = rdb_skip(data, rdb_length(data, at)[1], 2)
    return at


def stream_kind(numbers: int, of_groups: int, of_consumers: int) -> Skip:
    """Each version of streams has added numbers: to the stream, to its groups, times to a consumer."""

    def skip(data: Any, at: int) -> int:
        nodes, at = rdb_length(data, at)
        at = rdb_skip_lengths(data, rdb_skip(data, at, 2 * nodes), numbers)
        groups, at = rdb_length(data, at)
        for _ in range(groups):
            at = rdb_skip_lengths(data, rdb_skip(data, at), of_groups)
            pending, at = rdb_length(data, at)
            for _ in range(pending):
                at = rdb_length(data, at + 24)[1]  # an id of 16 bytes and a time
            at = consumers(data, at)
        return at

    def consumers(data: Any, at: int) -> int:
        count, at = rdb_length(data, at)
        for _ in range(count):
            pending, at = rdb_length(data, rdb_skip(data, at) + 8 * of_consumers)
            at += 16 * pending
        return at

    return skip


def skip_module(data: Any, at: int) -> int:
    """An id, then parts that say what they are, until the one that is the end."""
    at = rdb_length(data, at)[1]
    while True:
        part, at = rdb_length(data, at)
        if part == 0:
            return at
        if part in (1, 2):
            at = rdb_length(data, at)[1]
        elif part in (3, 4):
            at += 4 if part == 3 else 8
        elif part == 5:
            at = rdb_skip(data, at)
        else:
            raise Damaged("a value of a module in the RDB data cannot be read")


MODULE_VALUE = 7
RDB_KINDS: dict[int, tuple[str, int, Skip]] = {
    0: ("string", 6, rdb_skip),
    1: ("list", 6, strings_each(1)),
    2: ("set", 6, strings_each(1)),
    3: ("sorted set (text scores)", 6, skip_text_scores),
    4: ("hash", 6, strings_each(2)),
    5: ("sorted set", 8, strings_each(1, behind=8)),
    MODULE_VALUE: ("value of a module", 8, skip_module),
    9: ("hash (zipmap)", 6, rdb_skip),
    10: ("list (ziplist)", 6, rdb_skip),
    11: ("set (integers)", 6, rdb_skip),
    12: ("sorted set (ziplist)", 6, rdb_skip),
    13: ("hash (ziplist)", 6, rdb_skip),
    14: ("list (quicklist)", 7, strings_each(1)),
    15: ("stream", 9, stream_kind(3, 2, 1)),
    16: ("hash (listpack)", 10, rdb_skip),
    17: ("sorted set (listpack)", 10, rdb_skip),
    18: ("list (quicklist 2)", 10, strings_each(1, before=1)),
    19: ("stream (2)", 10, stream_kind(8, 3, 1)),
    20: ("set (listpack)", 11, rdb_skip),
    21: ("stream (3)", 11, stream_kind(8, 3, 2)),
    22: ("hash with expiring fields (early)", 12, skip_hash_with_times),
    23: ("hash with expiring fields (early listpack)", 12, rdb_skip),
    24: ("hash with expiring fields", 12, skip_hash_with_times),
    25: ("hash with expiring fields (listpack)", 12, lambda data, at: rdb_skip(data, at + 8)),
}
"""Name, the lowest RDB version that knows it, and where one ends (``rdbLoadObject`` in Redis's rdb.c)."""


class RedisKey(NamedTuple):
    """``expires``: milliseconds since 1970, or None. ``value``: its bytes in the file, which are those of RESTORE; a
    view of a big one is good until the next key is asked for."""

    database: int
    name: bytes
    type: int
    expires: int | None
    value: Any


class Rdb:
    """The keys of RDB data that comes in pieces, without decoding a value. ``Damaged`` for what is no RDB; the
    checksum is looked at last. Memory: some MB, or a quarter more than the biggest value."""

    def __init__(self, pieces: Iterable[Any]) -> None:
        self.version = self.memory = self.module_notes = self.biggest = 0
        self.functions: list[bytes] = []
        self._pieces, self._data, self._at, self._crc = iter(pieces), bytearray(), 0, 0
        self._database, self._kinds = 0, RDB_KINDS

    def __iter__(self) -> Iterator[RedisKey]:
        self._begin()
        while True:
            try:
                key = self._item()
            except MoreNeeded as short:
                self._refill(short.count)
                continue
            except (IndexError, struct.error):
                self._refill(0)
                continue
            if key is None:
                continue
            if key.type == RDB_END:
                return self._finish()
            yield key
            if isinstance(key.value, memoryview):
                key.value.release()  # else the buffer could not grow

    def _begin(self) -> None:
        while len(self._data) < 9:
            self._refill(9)
        magic = re.fullmatch(rb"(?:REDIS(\d{4})|VALKEY(\d{3}))", self._data[:9])
        if not magic:
            raise Damaged("the RDB data does not begin with REDIS and a version")
        self.version, self._at = int(magic[1] or magic[2]), 9
        if magic[2]:
            self._kinds = {kind: of for kind, of in RDB_KINDS.items() if kind < FIRST_OF_VALKEY}
        if self.version < RDB_OLDEST:
            raise Damaged(f"the RDB data is of version {self.version}, of a Redis before 2.6")

    def _item(self) -> RedisKey | None:
        """A key with what stands before it; None for another record. ``_at`` moves when it is whole."""
        data, at, expires = self._data, self._at, None
        code = data[at]
        while code in (0xFC, 0xFD, 0xF8, 0xF9):  # expiry, and two that say how often it was used
            if code == 0xFC:
                expires, at = struct.unpack_from("<q", data, at + 1)[0], at + 9
            elif code == 0xFD:
                expires, at = struct.unpack_from("<i", data, at + 1)[0] * 1000, at + 5
            else:
                at = rdb_length(data, at + 1)[1] if code == 0xF8 else at + 2
            code = data[at]
        if code in self._kinds:
            return self._key(code, at + 1, expires)
        if code == RDB_END:
            self._at = at + 1
            return RedisKey(0, b"", RDB_END, None, b"")
        if code not in RDB_RECORDS:
            raise Damaged(f"the RDB data (version {self.version}) has something unknown, of type {code}")
        RDB_RECORDS[code](self, at + 1)
        return None

    def _key(self, kind: int, at: int, expires: int | None) -> RedisKey:
        name, begin = rdb_string(self._data, at)
        end = self._move(self._kinds[kind][2](self._data, begin))
        size = end - begin
        self.biggest = max(self.biggest, size)
        value = bytes(self._data[begin:end]) if size <= RDB_BIG else memoryview(self._data)[begin:end]
        return RedisKey(self._database, name, kind, expires, value)

    def _move(self, at: int) -> int:
        if at > len(self._data):
            raise MoreNeeded(at - len(self._data))
        self._at = at
        return at

    def _select(self, at: int) -> None:
        database, at = rdb_length(self._data, at)
        self._move(at)
        self._database = database

    def _note(self, at: int) -> None:
        name, at = rdb_string(self._data, at)
        value, at = rdb_string(self._data, at)
        self._move(at)
        if name == b"used-mem" and DECIMAL.fullmatch(value):
            self.memory = int(value)

    def _function(self, at: int) -> None:
        source, at = rdb_string(self._data, at)
        self._move(at)
        self.functions.append(source)

    def _module_note(self, at: int) -> None:
        self._move(skip_module(self._data, at))
        self.module_notes += 1

    def _refill(self, count: int) -> None:
        """Forgets what is done, and reads what is missing; where nobody knows how much, a quarter more."""
        rest = len(self._data) - self._at
        if rest + count > RDB_LARGEST:
            raise Damaged("a value of the RDB data would be larger than 4 GiB")
        self._forget()
        wanted = rest + (count or max(rest // 4, 1))
        while len(self._data) < wanted:
            piece = next(self._pieces, None)
            if piece is None:
                raise Damaged("the RDB data ends too early: its end mark is missing")
            self._data += piece

    def _forget(self) -> None:
        with memoryview(self._data) as view:
            self._crc = crc64(view[: self._at], self._crc)
        del self._data[: self._at]
        self._at = 0

    def _finish(self) -> None:
        self._forget()
        while len(self._data) < 8:
            self._refill(8 - len(self._data))
        written = int.from_bytes(self._data[:8], "little")
        if written and written != self._crc:  # zeros: the server was told not to reckon one
            raise Damaged("the RDB data fails its checksum")
        if len(self._data) > 8 or next(self._pieces, None) is not None:
            raise Damaged("the RDB data goes on behind its end")


RDB_RECORDS: dict[int, Callable[[Rdb, int], Any]] = {
    0xFE: Rdb._select,
    0xFB: lambda rdb, at: rdb._move(rdb_skip_lengths(rdb._data, at, 2)),
    0xFA: Rdb._note,
    0xF5: Rdb._function,
    0xF4: lambda rdb, at: rdb._move(rdb_skip_lengths(rdb._data, at, 3)),
    0xF7: Rdb._module_note,
}


def redis_record(archive: Archive | Foreign, name: str) -> dict[str, Any]:
    """What the manifest says of the Redis data by this name, or of the only one there is."""
    if not isinstance(archive, Archive):
        raise Unavailable("This tar is not the console's: its Redis data has no checksum, and is not restored.")
    found = [record for record in archive.manifest.redis if name in ("", record.get("name"))]
    if len(found) != 1:
        names = ", ".join(printable(str(record.get("name"))) for record in archive.manifest.redis) or "nothing"
        raise Unavailable(f"Say with --name which Redis data is meant. The archive has: {names}.")
    return found[0]


def redis_pieces(archive: Archive, record: dict[str, Any]) -> Iterator[memoryview]:
    """The RDB in pieces. What is held against its checksum when the last one has been taken: ``Damaged``."""
    path = record["path"]
    (extent,) = [each for each in archive.extents if any(member.path == path for member in each.members)]
    with contextlib.closing(archive.read([extent], 1)) as parts:
        _, stream = next(parts)
        for member in extent.members:
            if member.path == path:
                break
            read_member(stream, member, Sink())
        header = next_entry(stream)
        if header is None:
            raise Damaged(f"{printable(path)} is not where the manifest says")
        check_agreement(header, member)
        sha256 = hashlib.sha256()
        for piece in stream.pieces(header.size):
            sha256.update(piece)
            yield piece
        if sha256.hexdigest() != member.sha256:
            raise Damaged(f"{printable(path)} fails its checksum")


# ---- Redis: the server -------------------------------------------------------------------------------------


class Refusal(NamedTuple):
    """An answer that is an error."""

    line: str


REFUSALS = {
    "WRONGPASS": "Redis refused the user name or the password.",
    "NOAUTH": "Redis wants a password: put it into the environment variable REDIS_PASSWORD, or use --password-file.",
    "READONLY": "This server is a replica and takes no writes. Give the address of the primary.",
    "LOADING": "Redis is still reading its own data from disk. Try again when it has started.",
    "OOM": "Redis has reached its maxmemory and takes no more data. Raise maxmemory or make room.",
    "MISCONF": "Redis takes no writes because it cannot save its own data to disk. Look at its log and its disk.",
    "MOVED": "The server is part of a cluster. Clusters are not restored to.",
}


NONE_IS_SET = "A password was given, but the server has none set. Take it away, also from REDIS_PASSWORD."


def refused(refusal: Refusal, command: str) -> Unavailable:
    word = refusal.line.split(" ", 1)[0]
    known = REFUSALS.get(word) or (f"The Redis user may not use {command}." if word == "NOPERM" else "")
    return Unavailable(known or f"Redis refused {command}: {printable(refusal.line)[:200]}")


class RedisAddress(NamedTuple):
    """``path`` of a socket, or else host and port. What is shown of it has no password."""

    host: str
    port: int
    path: str
    user: str
    password: str
    tls: bool

    @property
    def shown(self) -> str:
        return self.path or f"{self.host}:{self.port}"


NO_URL = "The address is none of Redis: redis://host:port, rediss://host:port or unix:///path. A database: --db."


def redis_address(url: str, password: str = "") -> RedisAddress:
    """``password`` is used where the URL has none. No error shows the URL."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise Unavailable(NO_URL) from None
    path = urllib.parse.unquote(parts.path) if parts.scheme == "unix" else ""
    usual = parts.scheme in ("redis", "rediss") and parts.hostname and parts.path in ("", "/", "/0")
    if not (usual or path.startswith("/")) or parts.query or parts.fragment:
        raise Unavailable(NO_URL)
    user, given = (urllib.parse.unquote(word or "") for word in (parts.username, parts.password))
    return RedisAddress(parts.hostname or "", port, path, user, given or password, parts.scheme == "rediss")


class RedisLine:
    """A connection to one server (RESP2). ``Unavailable`` when it cannot be had or is cut."""

    PORTION, COMMANDS = RDB_BIG, 5000
    """Bytes and commands that are sent before the answers to those before them are taken."""

    def __init__(self, address: RedisAddress, tls_ca: str | None = None, timeout: float = 300) -> None:
        self.address = address
        with self._cut("cannot be reached"):
            self._socket = self._connected(address, tls_ca, timeout)
            self._answers = self._socket.makefile("rb", 1 << 16)
        self._parts: list[bytes] = []
        self._size, self._sent = 0, 0
        self._waiting: collections.deque[Any] = collections.deque()
        if address.password:
            self._sign_in(*([address.user] if address.user else []), address.password)

    def _sign_in(self, *words: str) -> None:
        """What cannot even answer PING as Redis would is not told the password; and no answer to AUTH is shown."""
        self.ask("PING")
        answer = self.ask("AUTH", *words)
        if isinstance(answer, Refusal):
            none = "without any password" in answer.line or "no password is set" in answer.line
            raise Unavailable(NONE_IS_SET if none else REFUSALS["WRONGPASS"])

    @staticmethod
    def _connected(address: RedisAddress, tls_ca: str | None, timeout: float) -> Any:
        if address.path:
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            line.settimeout(timeout)
            line.connect(address.path)
            return line
        line = socket.create_connection((address.host, address.port), timeout)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not address.tls:
            return line
        context = importlib.import_module("ssl").create_default_context(cafile=tls_ca)
        return context.wrap_socket(line, server_hostname=address.host)

    @contextlib.contextmanager
    def _cut(self, what: str = "has cut the connection, or answers no more") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            raise RedisCut(f"{printable(self.address.shown)} {what}: {printable(why)}") from None

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def call(self, *words: Any) -> Any:
        """One command and its answer; a refusal is raised."""
        answer = self.ask(*words)
        if isinstance(answer, Refusal):
            raise refused(answer, str(words[0]))
        return answer

    def ask(self, *words: Any) -> Any:
        with self._cut():
            self._socket.sendall(resp(*words))
        return self.answer()

    def answer(self) -> Any:
        with self._cut():
            line = self._answers.readline(1 << 20)
        if not line.endswith(b"\r\n") or line[:1] not in b"+-:$*":
            self._no_answer(line)
        kind, text = line[:1], line[1:-2]
        if kind == b"+":
            return text
        if kind == b"-":
            return Refusal(text.decode(errors="replace"))
        try:
            count = int(text)
        except ValueError:
            self._no_answer(line)
        if kind == b":":
            return count
        if kind == b"*":
            return [self.answer() for _ in range(count)]
        return self._string(count)

    def _string(self, count: int) -> bytes | None:
        if count < 0:
            return None
        with self._cut():
            data = self._answers.read(count + 2)
        if len(data) != count + 2:
            self._no_answer(b"")
        return data[:-2]

    def _no_answer(self, line: bytes) -> None:
        if not line:
            raise RedisCut(f"{printable(self.address.shown)} has cut the connection.")
        raise Unavailable(f"What answers at {printable(self.address.shown)} is not Redis, or wants TLS (rediss://).")

    def add(self, answered: Callable[[Any], None], *parts: Any) -> None:
        """One more command, whose answer is given to ``answered`` some time, at the latest in ``finish``."""
        self._waiting.append(answered)
        for part in parts:
            if len(part) > self.PORTION:
                self._write()
                with self._cut():
                    self._socket.sendall(part)
            else:
                self._parts.append(part)
                self._size += len(part)
        if self._size > self.PORTION or len(self._waiting) - self._sent >= self.COMMANDS:
            self._write()
            self._take(self._sent)
            self._sent = len(self._waiting)

    def finish(self) -> None:
        self._write()
        self._take(len(self._waiting))
        self._sent = 0

    def _write(self) -> None:
        if self._parts:
            with self._cut():
                self._socket.sendall(b"".join(self._parts))
            self._parts, self._size = [], 0

    def _take(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()(self.answer())


class RedisCut(Unavailable):
    """The connection is cut, and was not closed by us."""


def resp(*words: Any) -> bytes:
    """One command as it is sent."""
    data = [word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape") for word in words]
    return b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in data)


class RedisServer(NamedTuple):
    """What INFO says. ``keys``: by database, of those that have any."""

    product: str
    version: str
    rdb_version: int
    facts: dict[str, str]
    keys: dict[int, int]
    modules: list[str]

    def number(self, name: str) -> int:
        text = self.facts.get(name, "")
        return int(text) if text.isdigit() else 0


RDB_VERSIONS = (((7, 4), 12), ((7, 2), 11), ((7, 0), 10), ((5, 0), 9), ((4, 0), 8), ((3, 2), 7))
"""Since which version of Redis RESTORE takes which."""


def redis_server(line: RedisLine) -> RedisServer:
    """``Unavailable`` for a server that takes no writes: a replica, one that is starting, one of a cluster."""
    answer = line.call("INFO")
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else ""
    facts = dict(each.split(":", 1) for each in text.splitlines() if ":" in each)
    if "redis_version" not in facts:
        raise Unavailable(f"{printable(line.address.shown)} answers INFO, but not as Redis would.")
    valkey = "valkey_version" in facts
    version = facts["valkey_version" if valkey else "redis_version"]
    numbers = tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])
    highest = 11 if valkey else next((rdb for since, rdb in RDB_VERSIONS if numbers >= since), 6)
    if facts.get("role") == "slave" and facts.get("slave_read_only") != "0":
        raise Unavailable(REFUSALS["READONLY"])
    if facts.get("loading") == "1":
        raise Unavailable(REFUSALS["LOADING"])
    if facts.get("cluster_enabled") == "1":
        raise Unavailable(REFUSALS["MOVED"])
    keys = {int(number): int(count) for number, count in re.findall(r"^db(\d+):keys=(\d+)", text, re.MULTILINE)}
    modules = re.findall(r"^module:name=([^,\r\n]+)", text, re.MULTILINE)
    return RedisServer("Valkey" if valkey else "Redis", version, highest, facts, keys, modules)


def biggest_argument(line: RedisLine) -> int:
    """Bytes; what is usual where the user may not ask."""
    answer = line.ask("CONFIG", "GET", "proto-max-bulk-len")
    return int(answer[1]) if isinstance(answer, list) and len(answer) == 2 else 512 << 20


# ---- Redis: restoring --------------------------------------------------------------------------------------

EMPTY, MERGE, REPLACE, SPARE = "empty", "merge", "replace", "spare"


class RedisOptions(NamedTuple):
    """How to restore Redis data.

    ``mode``: EMPTY into a server without keys; MERGE leaves keys that are there, REPLACE overwrites them, neither
    removes others; SPARE loads into the empty databases of ``spare`` (which for which) and swaps them at one stroke.
    ``databases`` and ``only`` (patterns of names): nothing else. ``partial``: leave out what the server cannot take.
    """

    name: str = ""
    mode: str = EMPTY
    spare: dict[int, int] = {}
    databases: tuple[int, ...] = ()
    only: tuple[str, ...] = ()
    partial: bool = False
    dry_run: bool = False


class RedisRestored:
    """Keys: ``written`` by the number of their database, and of these ``expiring``; ``existing`` (merge) left as they
    are, ``expired`` over their time, ``left_out`` not asked for, ``unfit`` by why the server cannot take them.
    ``notes``: what to know."""

    def __init__(self) -> None:
        self.written: dict[int, int] = collections.Counter()
        self.expiring: dict[int, int] = collections.Counter()
        self.existing = self.expired = self.left_out = self.functions = 0
        self.unfit: dict[str, int] = collections.Counter()
        self.examples: list[str] = []
        self.notes: list[str] = []
        self.swapped: dict[int, int] = {}

    def refuse(self, why: str, database: int, name: bytes) -> None:
        self.unfit[why] += 1
        if len(self.examples) < 20:
            self.examples.append(f"database {database}, {printable(decoded(name))}: {why}")


def restore_redis(
    archive: Archive | Foreign,
    address: RedisAddress,
    options: RedisOptions,
    progress: Progress = no_progress,
    tls_ca: str | None = None,
) -> RedisRestored:
    """Restores Redis data to a running server. The data is read and checked whole before the first write."""
    record = redis_record(archive, options.name)
    with contextlib.closing(RedisLine(address, tls_ca)) as line:
        server = redis_server(line)
        survey = RedisSurvey(server, options, biggest_argument(line))
        survey.read(Rdb(redis_pieces(archive, record)))
        notes = survey.refuse_unfit(line)
        if options.dry_run:
            done = survey.would
        else:
            work = RedisRestore(line, survey, options, progress)
            try:
                done = work.run(Rdb(redis_pieces(archive, record)))
            except RedisCut as error:
                again = "" if options.mode == SPARE else " Run it again with --merge or --replace: that is safe."
                done_so_far = sum(work.done.written.values())
                raise Unavailable(f"{error} {done_so_far:,} keys were written.{again}") from None
        done.notes[:0] = notes
        return done


class RedisSurvey:
    """What the data holds, and what of it goes to the server: ``would``."""

    def __init__(self, server: RedisServer, options: RedisOptions, limit: int) -> None:
        self.server, self.options, self.limit, self.would = server, options, limit, RedisRestored()
        self.matches = matcher(options.only)
        self.modules = 0
        self.functions: list[bytes] = []
        self.rdb: Rdb | None = None
        self.now = time.time() * 1000

    def read(self, rdb: Rdb) -> None:
        """To the end, where its checksums are: ``Damaged``."""
        self.rdb = rdb
        for key in rdb:
            database = self.place_of(key, self.would)
            if database is not None:
                self.would.written[database] += 1
                self.modules += key.type == MODULE_VALUE
        if not self.options.only:  # they belong to the server as a whole
            self.functions = rdb.functions
            self.would.functions = len(self.functions) if self.server.rdb_version >= 10 else 0

    def place_of(self, key: RedisKey, counts: RedisRestored) -> int | None:
        """The database that the key goes to; None, and counted, where it goes nowhere."""
        options, database = self.options, key.database
        if options.mode == SPARE:
            database = options.spare.get(key.database, -1)
        if (
            database < 0
            or (options.databases and key.database not in options.databases)
            or (options.only and not self.matches(decoded(key.name)))
        ):
            counts.left_out += 1
        elif key.expires is not None and key.expires <= self.now:  # RESTORE would delete one that is there
            counts.expired += 1
        elif self.unfit(key):
            counts.refuse(self.unfit(key), key.database, key.name)
        else:
            return database
        return None

    def unfit(self, key: RedisKey) -> str:
        name, since, _ = RDB_KINDS[key.type]
        if since > self.server.rdb_version:
            return f"{self.server.product} {self.server.version} does not know this kind: {name}"
        if len(key.value) + RDB_FRAME > self.limit:
            return f"larger than the {self.limit:,} bytes that the server takes at once (proto-max-bulk-len)"
        return ""

    def refuse_unfit(self, line: RedisLine) -> list[str]:
        """Raises what stands against it, before anything is written; gives what should be known."""
        self._check_keys()
        self._check_databases(line)
        if self.would.unfit and not self.options.partial:
            what = "; ".join(f"{count:,} keys: {why}" for why, count in sorted(self.would.unfit.items()))
            raise Unavailable(f"Not all of it can be restored here: {what}. With --partial the rest is restored.")
        return [*self._memory(), *self._extras()]

    def _check_keys(self) -> None:
        there = self.server.keys
        if self.options.mode == EMPTY and there:
            what = ", ".join(f"{count:,} keys in database {number}" for number, count in sorted(there.items()))
            raise TargetNotEmpty(
                f"The server is not empty: {what}. --merge leaves them as they are, --replace overwrites those that "
                "the archive has, --spare exchanges whole databases."
            )
        if self.options.mode == SPARE:
            spare = list(self.options.spare.values())
            if set(self.options.spare) & set(spare) or len(set(spare)) < len(spare):
                raise Unavailable("Each database needs a spare one of its own, which is none of those restored.")
            for number in spare:
                if there.get(number):
                    raise TargetNotEmpty(f"Database {number} is not empty: it has {there[number]:,} keys.")

    def _check_databases(self, line: RedisLine) -> None:
        for number in sorted({*self.would.written, *self.options.spare, *self.options.spare.values()}):
            answer = line.ask("SELECT", number)
            if isinstance(answer, Refusal) and "DB index" in answer.line:
                raise Unavailable(f"The server has no database {number}. Raise 'databases' in its configuration.")
            if isinstance(answer, Refusal):
                raise refused(answer, "SELECT")

    def _memory(self) -> Iterator[str]:
        used, most = self.server.number("used_memory"), self.server.number("maxmemory")
        if not most or used + self.rdb.memory <= 0.9 * most:
            return
        text = f"The data may not fit: {used:,} bytes are used, it took {self.rdb.memory:,}, maxmemory is {most:,}."
        if self.server.facts.get("maxmemory_policy", "").startswith("allkeys"):
            raise Unavailable(f"{text} The server would throw other keys away. Raise maxmemory.")
        yield text

    def _extras(self) -> Iterator[str]:
        if self.modules:
            has = ", ".join(self.server.modules) or "none"
            yield f"{self.modules:,} keys are values of modules; the server must have these (it has: {has})."
        if self.rdb.module_notes:
            yield f"{self.rdb.module_notes:,} notes of modules beside their keys cannot be restored."
        if self.functions and self.server.rdb_version < 10:
            yield f"{len(self.functions):,} libraries of functions are left out: the server is too old."


class RedisRestore:
    """Writes the keys; ``done`` counts what the server has confirmed."""

    def __init__(self, line: RedisLine, survey: RedisSurvey, options: RedisOptions, progress: Progress) -> None:
        self.line, self.survey, self.options, self.progress = line, survey, options, progress
        self.replaces = options.mode in (REPLACE, SPARE)
        self.done = RedisRestored()

    def run(self, rdb: Rdb) -> RedisRestored:
        selected = None
        for key in rdb:
            database = self.survey.place_of(key, self.done)
            if database is None:
                continue
            if database != selected:
                self.line.add(self._selected, resp("SELECT", database))
                selected = database
            answered = functools.partial(self._answered, database, key.name, key.expires is not None)
            self.line.add(answered, *restore_command(key, self.replaces))
            self.progress(len(key.value))
        self.line.finish()
        if self.options.mode == SPARE:
            self._swap()
        if self.survey.server.rdb_version >= 10:
            for source in self.survey.functions:
                self._load(source)
        return self.done

    def _selected(self, answer: Any) -> None:
        if isinstance(answer, Refusal):
            raise refused(answer, "SELECT")

    def _answered(self, database: int, name: bytes, expires: bool, answer: Any) -> None:
        if answer == b"OK":
            self.done.written[database] += 1
            self.done.expiring[database] += expires
        elif not isinstance(answer, Refusal):
            raise Unavailable("The server answered RESTORE as Redis would not.")
        elif answer.line.startswith("BUSYKEY"):
            self.done.existing += 1
        elif "Bad data format" in answer.line:
            self.done.refuse("the server cannot read it: damaged, or of a module that is not there", database, name)
        elif answer.line.startswith("ERR") and "unknown command" not in answer.line:
            self.done.refuse(printable(answer.line)[:200], database, name)
        else:
            raise refused(answer, "RESTORE")

    def _load(self, source: bytes) -> None:
        answer = self.line.ask("FUNCTION", "LOAD", *(["REPLACE"] if self.replaces else []), source)
        if not isinstance(answer, Refusal):
            self.done.functions += 1
        elif "already exists" not in answer.line or self.replaces:
            self.done.refuse(f"a library of functions: {printable(answer.line)[:200]}", 0, b"")

    def _swap(self) -> None:
        """All databases at once, when their counts are right; until then nobody sees anything of it."""
        if self.done.unfit and not self.options.partial:
            raise Unavailable(f"Some keys could not be written, so nothing was swapped: {self.done.examples[0]}")
        there = redis_server(self.line).keys
        for spare in self.options.spare.values():
            written = self.done.written[spare]
            if not written - self.done.expiring[spare] <= there.get(spare, 0) <= written:
                raise Unavailable(
                    f"Database {spare} has not the {written:,} keys that were written: nothing was swapped."
                )
        self.line.call("MULTI")
        for live, spare in self.options.spare.items():
            self.line.call("SWAPDB", live, spare)
        for answer in self.line.call("EXEC"):
            if isinstance(answer, Refusal):
                raise refused(answer, "SWAPDB")
        self.done.swapped = dict(self.options.spare)


def restore_command(key: RedisKey, replaces: bool) -> tuple[Any, ...]:
    """RESTORE, with a footer of the lowest version that knows the type: so older servers take what they can. In one
    part, or in three so that a big value is not copied."""
    time_over = b"%d" % key.expires if key.expires else b"0"
    words = [b"RESTORE", key.name, time_over]
    head = b"*%d\r\n" % (6 if replaces else 5) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
    head += b"$%d\r\n" % (len(key.value) + RDB_FRAME)
    tail = (b"\r\n$7\r\nREPLACE" if replaces else b"") + b"\r\n$6\r\nABSTTL\r\n"
    version, kind = RDB_KINDS[key.type][1].to_bytes(2, "little"), bytes([key.type])
    if isinstance(key.value, bytes):
        payload = kind + key.value + version
        return (head + payload + crc64(payload).to_bytes(8, "little") + tail,)
    crc = crc64(version, crc64(key.value, crc64(kind)))
    return head + kind, key.value, version + crc.to_bytes(8, "little") + tail


# ---- The program -------------------------------------------------------------------------------------------

HELP = """exit codes:
  0  done
  1  the archive is damaged, unfinished or hostile; nothing was extracted
  2  the command line is wrong
  3  it cannot be done here: no such file, no right to it, a program is missing
  4  the target is not empty, and --replace was not asked for
  5  the target has too little space
  6  another extraction to the same target is running

After a power cut or a crash: recover --to DIR. What --replace has replaced is never removed: undo --to DIR.
A new target directory is for its owner alone (0700); an existing one keeps its mode. Patterns are those of the
shell, of the path below files/, and a * also stands for slashes; a directory's name stands for all below it.
"""


def parser() -> argparse.ArgumentParser:
    program = argparse.ArgumentParser(
        prog="cybersift_restore.py",
        description="List, verify and restore archives of the backup console.",
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
        "--source",
        metavar="NAME",
        default="",
        help="DIR becomes files/NAME itself, instead of having it below files/",
    )
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


def _add_redis(command: argparse.ArgumentParser) -> None:
    _add_archive(command)
    command.add_argument("--name", default="", help="which Redis data, where the archive has that of several servers")
    command.add_argument(
        "--url", required=True, help="redis://[user@]host:port, rediss:// for TLS, or unix:///path of its socket"
    )
    command.add_argument(
        "--password-file", metavar="FILE", help="the password; without it the environment variable REDIS_PASSWORD"
    )
    command.add_argument("--tls-ca", metavar="FILE", help="the authority of the server's certificate")
    modes = command.add_mutually_exclusive_group()
    modes.add_argument("--merge", action="store_true", help="keys that are there stay as they are")
    modes.add_argument(
        "--replace", action="store_true", help="keys that are there are overwritten; no other is removed"
    )
    modes.add_argument(
        "--spare",
        metavar="N=M",
        type=_spare,
        action="append",
        default=[],
        help="load database N into the empty database M, then exchange the two; all of them at one stroke",
    )
    command.add_argument("--db", metavar="N", type=_number, action="append", default=[], help="only this database")
    command.add_argument("--only", metavar="PATTERN", action="append", default=[], help="only keys with such names")
    command.add_argument("--partial", action="store_true", help="leave out what the server cannot take")
    command.add_argument("--dry-run", action="store_true", help="check everything that can be checked; write nothing")


def _spare(word: str) -> tuple[int, int]:
    live, _, spare = word.partition("=")
    return _number(live), _number(spare)


def _number(word: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", word):
        raise argparse.ArgumentTypeError("the number of a database")
    return int(word)


def _id(word: str) -> str:
    if not re.fullmatch("[0-9a-f]{16}", word):
        raise argparse.ArgumentTypeError("16 hexadecimal digits, as at the end of DIR.before-ID")
    return word


def _count(word: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", word) or not int(word):
        raise argparse.ArgumentTypeError("a number from 1")
    return int(word)


class Hands(NamedTuple):
    """What does the work of the program: the console has faster ones."""

    verify: Callable[..., Verified] = verify
    extract: Callable[..., Extracted] = extract


def main(argv: list[str] | None = None, hands: Hands = Hands()) -> int:  # noqa: B008 - it cannot be changed
    """Runs the program; gives its exit code."""
    arguments = parser().parse_args(argv)
    arguments.hands = hands
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
        entries = list(entries_of(archive))
        if arguments.only:
            entries = [entry for entry in entries if matches(entry.shown)]
        if arguments.json:
            print(json.dumps(listing(archive, entries)))
            return 0
        note(archive)
        for at in range(0, len(entries), 10_000):
            many = entries[at : at + 10_000]
            print("\n".join(map(long_line, many) if arguments.long else shown_names(many)))
    return 0


def shown_names(entries: list[Entry]) -> list[str]:
    """As ``printable`` gives them; nearly always all of them are so already."""
    names = [each.shown for each in entries]
    return names if "".join(names).isprintable() else [printable(name) for name in names]


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
            found = arguments.hands.verify(archive, arguments.jobs, progress)
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
        source=arguments.source,
    )
    scratch = os.path.dirname(os.path.abspath(arguments.to))
    with opened_for(arguments, scratch) as archive:
        with progress_of(archive) as progress:
            done = arguments.hands.extract(archive, arguments.to, options, progress)
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


def run_redis(arguments: argparse.Namespace) -> int:
    mode = MERGE if arguments.merge else REPLACE if arguments.replace else SPARE if arguments.spare else EMPTY
    options = RedisOptions(
        arguments.name,
        mode,
        dict(arguments.spare),
        tuple(arguments.db),
        tuple(arguments.only),
        arguments.partial,
        arguments.dry_run,
    )
    address = redis_address(arguments.url, _password(arguments))
    with opened_for(arguments) as archive, progress_of(archive) as progress:
        done = restore_redis(archive, address, options, progress, arguments.tls_ca)
    complete = not done.unfit
    if arguments.json:
        print(json.dumps({"ok": complete, "dry_run": options.dry_run, **vars(done)}))
    else:
        _say_redis(options, done)
    return 0 if complete or options.partial else Unavailable.code


def _password(arguments: argparse.Namespace) -> str:
    if not arguments.password_file:
        return os.environ.get("REDIS_PASSWORD", "")
    try:
        with open(arguments.password_file, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline().rstrip("\r\n")
    except OSError as error:
        raise Unavailable(f"{printable(arguments.password_file)} cannot be read: {error.strerror}") from None


def _say_redis(options: RedisOptions, done: RedisRestored) -> None:
    for text in (*done.notes, *(f"left out: {example}" for example in done.examples)):
        print(text, file=sys.stderr)
    counts = (
        (done.existing, "were there and stay"),
        (done.expired, "are over their time"),
        (done.left_out, "were not asked for"),
        (sum(done.unfit.values()), "could not be taken"),
        (done.functions, "libraries of functions"),
    )
    rest = "".join(f", {count:,} {what}" for count, what in counts if count)
    verb = "would be written" if options.dry_run else "written"
    print(f"{sum(done.written.values()):,} keys {verb}{rest}")
    for live, spare in done.swapped.items():
        print(
            f"Database {spare} has what was in {live}: SWAPDB {live} {spare} takes it back, FLUSHDB ASYNC removes it."
        )


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
    "redis": (run_redis, _add_redis, "restore Redis data to a running server, an empty one unless asked otherwise"),
    "undo": (run_undo, _add_undo, "put back what extract --replace has replaced"),
}


def end_in_order() -> None:
    """Whoever ends the program gets no traceback, and no stage stays behind."""
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(each, lambda number, frame: sys.exit(128 + number))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # who reads a list may stop in the middle


if __name__ == "__main__":
    gc.disable()  # no cycles are made here, and looking for them takes a tenth of the time of a long list
    end_in_order()
    sys.exit(main())
