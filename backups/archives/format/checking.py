"""Reads extents of an archive quickly: what is as the writer writes it is known by its bytes.

The header of an entry is made anew from its line of the manifest. If the archive has the same bytes, that is all the
proof there can be; whatever else it has goes through the portable reader, entry by entry, which knows what may be and
why not. Content is written only after its checksum was found right, where it is small enough to be in memory.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from backups.archives import cybersift_restore as reader
from backups.gateways.filetree import Owner

from .headers import DIRECTORY, FileHeaders, header

AT_ONCE = 8 << 20
"""So many plain bytes of an extent are held in memory; of a bigger one a block after the other."""
BLOCK = 512
ZEROS = bytes(BLOCK)


class Part(reader.Archive):
    """An archive of which somebody else has read the manifest."""

    def __init__(self, source: reader.Source, codec: reader.Codec):
        self.source, self.codec = source, codec


class Wanted(NamedTuple):
    """An entry of an extent, and what is to be made of its content: mostly itself, or nothing (None)."""

    member: "reader.Entry | reader.Line"
    made: "reader.Entry | reader.Line | None"


class Outcome(NamedTuple):
    """What came of an extent: entries and bytes that are right; of damage the number of the entry, and why."""

    members: int
    bytes: int
    damaged: int | None = None
    why: str = ""


class Checker:
    """Reads extents one after the other; with a ``tree`` it also writes what is wanted of them."""

    def __init__(self, part: reader.Archive, tree: reader.Tree | None = None):
        self._part, self._tree = part, tree
        self._headers: dict[tuple, FileHeaders] = {}

    def read(self, extent: reader.Extent, wanted: Sequence[Wanted]) -> Outcome:
        """Hold all of it against its checksums. OSError where something cannot be written."""
        work = _Extent(self, extent, wanted)
        try:
            if self._part.stored(extent) <= AT_ONCE:
                blocks = self._part.codec.blocks(self._part.source, extent.start, extent.end)
                work.at_once(b"".join(map(self._part._unpack, blocks)))
            else:
                work.in_pieces(self._part)
        except reader.MemberDamaged as error:
            return Outcome(work.members, work.bytes, extent.members.index(error.member), error.why)
        except reader.Damaged as error:
            return Outcome(work.members, work.bytes, work.current, str(error))
        return Outcome(work.members, work.bytes)

    def head_of(self, line: reader.Line, name: bytes, size: int) -> bytes:
        """The header that the writer makes for it."""
        who = line.who
        if line.type == "d":
            owner = Owner(who.uid, who.gid, who.uname.encode(), who.gname.encode())
            return header(name + b"/", DIRECTORY, who.mode, owner, int(line.mtime_digits))
        made = self._headers.get(who)
        if made is None:
            owner = Owner(who.uid, who.gid, who.uname.encode(), who.gname.encode())
            made = self._headers[who] = FileHeaders(who.mode, owner)
        return made.of(name, int(line.mtime_digits), size, {})

    def sink_of(self, member, made) -> reader.Sink:
        return reader.Sink() if made is None or self._tree is None else reader.NewFile(self._tree, made, member)

    def write(self, line: reader.Line, name: bytes, data: memoryview) -> None:
        write_file(self._tree, line, name, data)


class _Extent:
    """One extent that is being read: how far it is."""

    def __init__(self, checker: Checker, extent: reader.Extent, wanted: Sequence[Wanted]):
        self._checker, self._extent, self._wanted = checker, extent, wanted
        self.members = self.bytes = self.current = 0

    def at_once(self, plain: bytes) -> None:
        view, at = memoryview(plain), 0
        for number, (member, made) in enumerate(self._wanted):
            self.current = number
            end = self._plain(plain, view, at, member, made) if type(member) is reader.Line else 0
            at = end or self._other(view, at, member, made)
        if at != len(plain):
            raise reader.Damaged("the tar has something behind it that the manifest does not name")

    def _plain(self, plain: bytes, view: memoryview, at: int, line: reader.Line, made) -> int:
        """Where the entry ends; 0 where anything is not as it should be, or out of the ordinary."""
        size = int(line.size_digits) if line.size_digits else 0
        if at + size > len(plain):
            return 0
        name = line.path.encode("ascii")
        head = self._checker.head_of(line, name, size)
        begin = at + len(head)
        end = begin + size
        behind = end + -size % BLOCK
        if behind > len(plain) or not plain.startswith(head, at) or plain[end:behind] != ZEROS[: behind - end]:
            return 0
        if line.type == "f":
            data = view[begin:end]
            if hashlib.sha256(data).hexdigest() != line.digest:
                return 0
            if made is line:
                self._checker.write(line, name, data)
            elif made is not None:
                return 0
        self.members += 1
        self.bytes += size
        return behind

    def _other(self, view: memoryview, at: int, member, made) -> int:
        """The same by the portable reader, which says what is wrong."""
        stream = reader.Stream([view[at:]])
        sink = self._checker.sink_of(member, made)
        try:
            self._done(reader.read_member(stream, member, sink))
        finally:
            sink.close()
        return len(view) - stream.left()

    def in_pieces(self, part: reader.Archive) -> None:
        """A big one, of which two blocks are inflated ahead."""
        made = {member.path: made for member, made in self._wanted}
        parts = part.read([self._extent], 2)
        try:
            for extent, stream in parts:
                reader.read_extent(
                    part, extent, stream, lambda member: self._checker.sink_of(member, made[member.path]), self._done
                )
        finally:
            parts.close()

    def _done(self, size: int) -> None:
        self.members += 1
        self.bytes += size


class Branch(reader.Tree):
    """A tree whose directories somebody else has made."""

    def _make(self, path: bytes) -> None:
        pass


def write_file(tree: reader.Tree, line: reader.Line, name: bytes, data: memoryview) -> None:
    """A new file with all its content, which is right."""
    above, _, last = name[tree.below :].rpartition(b"/")
    descriptor = os.open(last, reader.NEW_FILE, 0o600, dir_fd=tree.directory(above))
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        mtime, who = int(line.mtime_digits), line.who
        if tree.options.owner:
            os.fchown(descriptor, who.uid, who.gid)
        os.fchmod(descriptor, who.mode & (0o7777 if tree.options.special else 0o777))
        os.utime(descriptor, ns=(mtime, mtime))
    finally:
        os.close(descriptor)
