"""Packs a batch: small files are read, hashed, framed and compressed into one block that can be read alone.

Runs in helper processes as well as in the caller's own; what goes in and comes out are therefore plain tuples, lists
and bytes, as marshal knows them. Nobody has looked at the files before: what is not for a block with others comes
back in its place, so that the archive keeps the order of the walk.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from stat import S_ISREG
from typing import NamedTuple

from backups.gateways.filetree import OPEN_FILE, Owners, join, open_directory, other_kind, read_xattrs, reason

from .blocks import LONGEST, WHOLE, Codec, Parts
from .headers import FileHeaders, padding
from .limits import MOST_TIME, within
from .manifest import file_line, joined, line_start, owner_text, xattrs_member

SMALL = 1 << 20
"""Files of up to so many bytes are collected into blocks; a bigger one owns its blocks."""

MOST_FILES = 1_000
FIRST = 64 << 10
"""So much is read of a file before anything is known of it."""

RECENT = 2_000_000_000
"""What has been read and was last touched so long (ns) before its batch was begun is whole: that spares looking at it
before, too. Whoever writes sets the ctime, and nobody can set it back."""

OVERHEAD = 1_024
"""About what header and padding add to a file, in bytes."""


@dataclass
class Batch:
    """Entries in their order, as sections: names of files (directory, its path in the archive, names, whether they
    are taken even if they have other names), and finished headers (None, empty, header and line of each, False)."""

    sections: list[tuple] = field(default_factory=list)
    count: int = 0
    made: int = 0
    """Bytes of finished headers."""

    def add_made(self, head: bytes, line: str) -> None:
        if not self.sections or self.sections[-1][0] is not None:
            self.sections.append((None, b"", [], False))
        self.sections[-1][2].append((head, line))
        self.count += 1
        self.made += len(head)

    def add_files(self, directory: bytes, prefix: bytes, names: list[bytes], linked: bool = False) -> None:
        if self.sections and (directory, linked) == (self.sections[-1][0], self.sections[-1][3]):
            self.sections[-1][2].extend(names)
        else:
            self.sections.append((directory, prefix, names, linked))
        self.count += len(names)


class Root(NamedTuple):
    """What a packer must know of a tree: the descriptor of its root, the only device that is asked for, if any, and
    device and inode of the archive itself."""

    descriptor: int
    device: int | None = None
    itself: tuple[int, int] | None = None


class Aside(NamedTuple):
    """A file that is not for a block with others, and of which nothing was read: a big one, or one with several
    names, whose ``identity`` is ``key``. ``prefix`` is the path of its directory in the archive."""

    directory: bytes
    prefix: bytes
    name: bytes
    key: tuple[int, ...] | None
    st_mode: int
    st_uid: int
    st_gid: int
    st_mtime_ns: int

    @property
    def path(self) -> bytes:
        return join(self.prefix, self.name)


def identity(facts: os.stat_result) -> tuple[int, ...]:
    """Equal for two names of one file, as long as nobody writes to it or changes its names. Device and inode would
    not do: another file gets them when it is gone."""
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


class Step(NamedTuple):
    """A block and what comes after it.

    ``text`` is for ``Manifest.add``; ``places`` are the offsets of the entries in the plain data, where somebody
    wants them. ``asides`` are fields of ``Aside``.
    """

    block: Parts
    text: bytes
    places: list[int]
    files: int
    bytes: int
    changed: int
    asides: list[tuple]


class Packed(NamedTuple):
    """A batch in steps; the plain data of all is at most LONGEST. ``rest`` are the sections that found no room.
    ``errors`` are (path, why, errno); ``firsts`` what was taken even if it has other names: its identity and path."""

    steps: list[Step]
    errors: list[tuple[bytes, str, int | None]]
    rest: list[tuple]
    firsts: Sequence[tuple[tuple[int, ...], bytes]] = ()


Small = tuple[bytes, os.stat_result, Mapping[bytes, bytes], bool]
"""A small file as it was read: content, what was seen of it, extended attributes, whether it has changed meanwhile.
No class, because making one takes a twentieth of the time that there is for a file."""


def pack(root: Root, sections: list[tuple], codec: Codec, owners: Owners) -> Packed:
    """As much of a batch as there is room for: at least its first entry."""
    packer = Packer(root, codec, owners)
    for number, (directory, prefix, items, linked) in enumerate(sections):
        made = directory is None
        left = packer.take_made(items) if made else packer.take_files(directory, prefix, items, linked)
        if left:
            return packer.packed([(directory, prefix, left, linked), *sections[number + 1 :]])
    return packer.packed([])


class Packer:
    def __init__(self, root: Root, codec: Codec, owners: Owners):
        self._root, self._codec, self._owners = root, codec, owners
        self._room = LONGEST
        self._quiet = time.time_ns() - RECENT
        self._steps: list[Step] = []
        self._errors: list[tuple[bytes, str, int | None]] = []
        self._firsts: list[tuple[tuple[int, ...], bytes]] = []
        self._alike: dict[tuple[int, int, int], tuple[FileHeaders, str]] = {}
        self._begin()

    def packed(self, rest: list[tuple]) -> Packed:
        self._end()
        return Packed(self._steps, self._errors, rest, self._firsts)

    def _begin(self) -> None:
        self._parts: list[bytes] = []
        self._lines: list[str] = []
        self._places: list[int] = []
        self._asides: list[tuple] = []
        self._size = self._files = self._bytes = self._changed = 0

    def _end(self) -> None:
        if self._lines:
            block, text = self._codec.pack(b"".join(self._parts), WHOLE), joined(self._lines)
        elif self._asides:
            block, text = (), b""
        else:
            return
        places = [] if self._codec.hops else self._places
        self._steps.append(Step(block, text, places, self._files, self._bytes, self._changed, self._asides))
        self._begin()

    def _has_room_for(self, size: int) -> bool:
        return size <= self._room or self._room == LONGEST

    def take_made(self, items: list[tuple[bytes, str]]) -> list[tuple[bytes, str]]:
        """Returns those for which there is no room."""
        for number, (head, line) in enumerate(items):
            if not self._has_room_for(len(head)):
                return items[number:]
            self._put(line, len(head), head)
        return []

    def _put(self, line: str, size: int, *parts: bytes) -> None:
        if self._asides:
            self._end()
        self._lines.append(line)
        self._places.append(self._size)
        self._parts += parts
        self._size += size
        self._room -= size

    def take_files(self, directory: bytes, prefix: bytes, names: list[bytes], linked: bool) -> list[bytes]:
        """Returns those for which there is no room."""
        try:
            folder = open_directory(self._root.descriptor, directory)
        except OSError as error:
            self._errors += [(join(prefix, name), reason(error), error.errno) for name in names]
            return []
        start, place = line_start(prefix), (directory, prefix, linked)
        try:
            for number, name in enumerate(names):
                try:
                    small = self._read(folder, name, place)
                except OSError as error:
                    self._errors.append((join(prefix, name), reason(error), error.errno))
                    continue
                if small is None:
                    continue
                if not self._has_room_for(len(small[0]) + OVERHEAD):
                    return names[number:]
                self._frame(start, prefix, name, *small)
                if linked:
                    self._firsts.append((identity(small[1]), join(prefix, name)))
        finally:
            os.close(folder)
        return []

    def _read(self, folder: int, name: bytes, place: tuple[bytes, bytes, bool]) -> Small | None:
        """The file, if it is one for this block."""
        changed, descriptor = False, os.open(name, OPEN_FILE, dir_fd=folder)
        try:
            data = os.read(descriptor, FIRST)
            facts = os.fstat(descriptor)
            if facts.st_size <= SMALL and (facts.st_nlink == 1 or place[2]) and self._is_asked_for(facts):
                if facts.st_ctime_ns > self._quiet or len(data) != facts.st_size:
                    data, facts, changed = read_small(descriptor, facts)
                if facts.st_size <= SMALL:
                    return data, facts, read_xattrs(descriptor), changed
        finally:
            os.close(descriptor)
        self._put_aside(*place, name, facts)
        return None

    def _is_asked_for(self, facts: os.stat_result) -> bool:
        _, device, itself = self._root
        if device is not None and facts.st_dev != device:
            return False
        return S_ISREG(facts.st_mode) and (facts.st_dev, facts.st_ino) != itself

    def _put_aside(self, directory: bytes, prefix: bytes, linked: bool, name: bytes, facts: os.stat_result) -> None:
        device = self._root.device
        if not S_ISREG(facts.st_mode) or device not in (None, facts.st_dev):
            self._errors.append((join(prefix, name), other_kind(facts, device), None))
        elif (facts.st_dev, facts.st_ino) == self._root.itself:
            self._errors.append((join(prefix, name), "this archive itself", None))
        else:
            key = identity(facts) if facts.st_nlink > 1 and not linked else None
            who = (facts.st_mode, facts.st_uid, facts.st_gid, facts.st_mtime_ns)
            self._asides.append((directory, prefix, name, key, *who))

    def _frame(
        self,
        start: str,
        prefix: bytes,
        name: bytes,
        data: bytes,
        facts: os.stat_result,
        xattrs: Mapping[bytes, bytes],
        changed: bool,
    ) -> None:
        size, mtime_ns, kind = len(data), facts.st_mtime_ns, (facts.st_mode, facts.st_uid, facts.st_gid)
        if xattrs or abs(mtime_ns) > MOST_TIME:
            mtime_ns, xattrs, lost = within(mtime_ns, xattrs)
            self._errors += [(join(prefix, name), why, errno) for why, errno in lost]
        headers, who = self._alike.get(kind) or self._of_this_kind(kind, facts)
        end = f', "sha256": "{sha256(data).hexdigest()}"'
        if xattrs or changed:
            end += file_flags(xattrs, changed)
        head, fill = headers.of(b"%b/%b" % (prefix, name), mtime_ns, size, xattrs), padding(size)
        self._put(file_line(start, name, size, who, mtime_ns, end), len(head) + size + len(fill), head, data, fill)
        self._files += 1
        self._bytes += size
        self._changed += changed

    def _of_this_kind(self, kind: tuple[int, int, int], facts: os.stat_result) -> tuple[FileHeaders, str]:
        owner = self._owners.of(facts)
        made = self._alike[kind] = FileHeaders(facts.st_mode, owner), owner_text(facts.st_mode & 0o7777, owner)
        return made


def file_flags(xattrs: Mapping[bytes, bytes], changed: bool) -> str:
    """The members of a regular file's line that few have."""
    return xattrs_member(xattrs) + (', "changed": true' if changed else "")


def read_small(
    descriptor: int, seen: os.stat_result, read: Callable[[int, int], bytes] = os.read
) -> tuple[bytes, os.stat_result, bool]:
    """The content of a file, what is seen of it afterwards, and whether somebody writes to it. ``seen`` was seen of
    it before. If it is not a small one any more, the content means nothing.

    What is written to meanwhile is read once more; what is then written to again is changed.
    """
    for last in (False, True):
        os.lseek(descriptor, 0, os.SEEK_SET)
        size = seen.st_size
        data = read(descriptor, size + 1)  # one byte more: if it comes, the file has grown
        while len(data) < size and (more := read(descriptor, size + 1 - len(data))):
            data += more
        now = os.fstat(descriptor)
        whole = now.st_mtime_ns == seen.st_mtime_ns and now.st_size == size == len(data)
        if whole or last or now.st_size > SMALL:
            break
        seen = now
    return data, now, not whole
