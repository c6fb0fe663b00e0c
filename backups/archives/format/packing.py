"""Packs a batch: small files are read, hashed, framed and compressed into one block that can be read alone.

Runs in helper processes as well as in the caller's own; what goes in and comes out are therefore plain tuples, lists
and bytes, as marshal knows them.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from backups.gateways.filetree import Owners, join, open_directory, open_file, read_xattrs, reason

from .blocks import LONGEST, WHOLE, Codec
from .headers import FILE, header, padding, xattr_records
from .manifest import entry_line, xattrs_member

SMALL = 1 << 20
"""Files of up to so many bytes are collected into blocks; a bigger one owns its blocks."""

MOST_FILES = 1_000
SLACK = 16 << 10
"""A small file may have grown by so many bytes since the walk: all files of a batch together then still make a block
that readers take."""

OVERHEAD = 1_024
"""About what header and padding add to a file, in bytes."""


@dataclass
class Batch:
    """Entries in their order, as sections: those of files (directory, its name in the archive, what was seen of each
    file), and those of finished headers (None, empty, header and line of each)."""

    sections: list[tuple] = field(default_factory=list)
    count: int = 0
    size: int = 0

    def has_room_for(self, size: int) -> bool:
        return self.count < MOST_FILES and (not self.count or self.size + size + OVERHEAD <= LONGEST)

    def add_made(self, head: bytes, line: str) -> None:
        self._add(None, b"", (head, line), len(head))

    def add_file(self, directory: bytes, prefix: bytes, name: bytes, facts: os.stat_result) -> None:
        self._add(directory, prefix, (name, facts.st_size, facts.st_mtime_ns), facts.st_size + OVERHEAD)

    def _add(self, directory: bytes | None, prefix: bytes, item: tuple, size: int) -> None:
        if not self.sections or self.sections[-1][0] != directory:
            self.sections.append((directory, prefix, []))
        self.sections[-1][2].append(item)
        self.count += 1
        self.size += size


class Packed(NamedTuple):
    """A block and what is in it. ``places`` are the offsets of the entries in the plain data. ``grown`` names files
    (directory, archive path of it, name) that are left for later because they have grown; ``errors`` are (path, why,
    errno)."""

    block: bytes
    lines: list[str]
    places: list[int]
    errors: list[tuple[bytes, str, int | None]]
    grown: list[tuple[bytes, bytes, bytes]]
    files: int
    bytes: int
    changed: int


class Small(NamedTuple):
    """A small file as it was read."""

    data: bytes
    stat: os.stat_result
    xattrs: dict[bytes, bytes]
    changed: bool


def pack(root: int, sections: list[tuple], codec: Codec, owners: Owners) -> Packed:
    """The block of a batch below the directory that the descriptor ``root`` is."""
    packer = Packer(root, owners)
    for directory, prefix, items in sections:
        if directory is None:
            packer.take_made(items)
        else:
            packer.take_files(directory, prefix, items)
    return packer.packed(codec)


class Packer:
    def __init__(self, root: int, owners: Owners):
        self._root, self._owners = root, owners
        self._parts: list[bytes] = []
        self._size = self._files = self._bytes = self._changed = 0
        self._lines, self._places, self._errors, self._grown = [], [], [], []

    def packed(self, codec: Codec) -> Packed:
        block = b"".join(codec.pack(b"".join(self._parts), WHOLE)) if self._parts else b""
        return Packed(
            block,
            self._lines,
            self._places,
            self._errors,
            self._grown,
            self._files,
            self._bytes,
            self._changed,
        )

    def take_made(self, items: list[tuple[bytes, str]]) -> None:
        for head, line in items:
            self._put(line, head)

    def take_files(self, directory: bytes, prefix: bytes, items: list[tuple[bytes, int, int]]) -> None:
        try:
            descriptor = open_directory(self._root, directory)
        except OSError as error:
            self._errors += [(join(prefix, item[0]), reason(error), error.errno) for item in items]
            return
        try:
            for name, size, mtime_ns in items:
                self._take(descriptor, directory, prefix, name, (size, mtime_ns))
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int, directory: bytes, prefix: bytes, name: bytes, seen: tuple[int, int]) -> None:
        path = join(prefix, name)
        try:
            small = read_small(descriptor, name, seen)
        except OSError as error:
            self._errors.append((path, reason(error), error.errno))
            return
        if small is None:
            self._grown.append((directory, prefix, name))
        elif not stat.S_ISREG(small.stat.st_mode):
            self._errors.append((path, "became something else", None))
        else:
            self._frame(path, small)

    def _frame(self, path: bytes, small: Small) -> None:
        data, facts, xattrs, changed = small
        size, mode, mtime_ns = len(data), facts.st_mode, facts.st_mtime_ns
        owner = self._owners.of(facts)
        records = xattr_records(xattrs) if xattrs else None
        digest = hashlib.sha256(data).hexdigest()
        line = entry_line(path, "f", mode, owner, mtime_ns, f', "size": {size}', file_end(digest, xattrs, changed))
        self._put(line, header(path, FILE, mode, owner, mtime_ns, size=size, records=records), data, padding(size))
        self._files += 1
        self._bytes += size
        self._changed += changed

    def _put(self, line: str, *parts: bytes) -> None:
        self._lines.append(line)
        self._places.append(self._size)
        self._parts += parts
        self._size += sum(map(len, parts))


def file_end(digest: str, xattrs: dict[bytes, bytes], changed: bool) -> str:
    """The members of a regular file's line that come last."""
    flag = ', "changed": true' if changed else ""
    return f', "sha256": "{digest}"{xattrs_member(xattrs)}{flag}'


def read_small(
    directory: int, name: bytes, seen: tuple[int, int], read: Callable[[int, int], bytes] = os.read
) -> Small | None:
    """The file as it is; None if it has grown by more than SLACK. ``seen`` is its size and mtime of the walk.

    What was written to since then is read once more; what is then written to again is marked as changed.
    """
    most = seen[0] + SLACK
    descriptor = open_file(directory, name)
    try:
        for last in (False, True):
            if seen[0] > most:
                return None
            data = _read(descriptor, seen[0], read)
            facts = os.fstat(descriptor)
            now = (facts.st_size, facts.st_mtime_ns)
            whole = now == seen and len(data) == seen[0]
            if whole or last or not stat.S_ISREG(facts.st_mode):
                return Small(data, facts, read_xattrs(descriptor), not whole)
            os.lseek(descriptor, 0, os.SEEK_SET)
            seen = now
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int, read: Callable[[int, int], bytes]) -> bytes:
    """The file's content up to ``size``, and one byte more where there is one: then it has grown."""
    data = read(descriptor, size + 1)
    while len(data) < size and (more := read(descriptor, size + 1 - len(data))):
        data += more
    return data
