"""Reads extents of an archive quickly: what is as the writer writes it is known by its bytes.

The header of an entry is made anew from its line of the manifest. If the archive has the same bytes, that is all the
proof there can be; whatever else it has goes through the portable reader, entry by entry, which knows what may be and
why not. Content is written only after its checksum was found right, where it is small enough to be in memory.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from typing import Any, NamedTuple

from backups.archives import cybersift_restore as reader
from backups.gateways.filetree import Owner

from .headers import BLOCK, DIRECTORY, FileHeaders, header

AT_ONCE = 8 << 20
"""So many plain bytes of an extent are held in memory; of a bigger one a block after the other."""
NO_ATTRIBUTES: Mapping[bytes, bytes] = {}
ZEROS = bytes(BLOCK)


class Part(reader.Archive):
    """An archive of which somebody else has read the manifest."""

    def __init__(self, source: reader.Source, codec: reader.Codec):
        self.source, self.codec = source, codec


Wanted = tuple[Any, Any]
"""An entry of an extent, and what is to be made of its content: mostly itself, or nothing (None)."""


class Outcome(NamedTuple):
    """What came of an extent: entries and bytes that are right; of damage the number of the entry, and why."""

    members: int
    bytes: int
    damaged: int | None = None
    why: str = ""


class Known:
    """What entries of one mode and owner have in common."""

    def __init__(self, who: reader.Who):
        self._mode, self._owner = who.mode, Owner(who.uid, who.gid, who.uname.encode(), who.gname.encode())
        self._files = FileHeaders(self._mode, self._owner)

    def begin_of(self, plain: bytes, at: int, line: reader.Line, size: int) -> int:
        """Where the content of the entry at a place begins; 0 if its header is not the one that the writer makes."""
        name, mtime_ns = line.path.encode("ascii"), int(line.mtime_digits)
        if line.type == "f":
            head = self._files.of(name, mtime_ns, size, NO_ATTRIBUTES)
        else:
            head = header(name + b"/", DIRECTORY, self._mode, self._owner, mtime_ns)
        return at + len(head) if plain.startswith(head, at) else 0


class Checker:
    """Reads extents one after the other; with a ``tree`` it also writes what is wanted of them."""

    def __init__(self, part: reader.Archive, tree: reader.Tree | None = None):
        self.part, self.tree = part, tree
        self._known: dict[reader.Who, Known] = {}

    def read(self, extent: reader.Extent, wanted: Sequence[Wanted]) -> Outcome:
        """Hold all of it against its checksums. OSError where something cannot be written."""
        work, plain = _Reading(self, extent, wanted), self._plain_of(extent)
        try:
            if plain is None:
                work.in_pieces()
            else:
                work.at_once(plain)
        except reader.MemberDamaged as error:
            return Outcome(work.members, work.bytes, extent.members.index(error.member), error.why)
        except reader.Damaged as error:
            return Outcome(work.members, work.bytes, work.current, str(error))
        return Outcome(work.members, work.bytes)

    def _plain_of(self, extent: reader.Extent) -> bytes | None:
        """All of a small one; None of a bigger one, and where a block is damaged: entries before it may be good."""
        try:
            if self.part.stored(extent) <= AT_ONCE:
                blocks = self.part.codec.blocks(self.part.source, extent.start, extent.end)
                return b"".join(map(self.part._unpack, blocks))
        except reader.Damaged:
            pass
        return None

    def known(self, who: reader.Who) -> Known:
        known = self._known.get(who)
        if known is None:
            known = self._known[who] = Known(who)
        return known

    def sink_of(self, member: Any, made: Any) -> reader.Sink:
        return reader.Sink() if made is None else reader.NewFile(self.tree, made, member)


class _Reading:
    """One extent that is being read: how far it is."""

    def __init__(self, checker: Checker, extent: reader.Extent, wanted: Sequence[Wanted]):
        self._checker, self._extent, self._wanted = checker, extent, wanted
        self._who: Any = None
        self.members = self.bytes = self.current = 0

    def at_once(self, plain: bytes) -> None:
        view, at = memoryview(plain), 0
        for number, (member, made) in enumerate(self._wanted):
            self.current, end = number, 0
            if type(member) is reader.Line and (made is None or made is member):
                end = self._plain(plain, view, at, member, made is member)
            at = end or self._other(view, at, member, made)
        if at != len(plain):
            raise reader.Damaged("the tar has something behind it that the manifest does not name")

    def _plain(self, plain: bytes, view: memoryview, at: int, line: reader.Line, is_wanted: bool) -> int:
        """Where the entry ends; 0 where anything is not as it should be, or out of the ordinary."""
        if line.who is not self._who:
            self._who, self._known = line.who, self._checker.known(line.who)
        size = int(line.size_digits or 0)
        begin, fill = self._known.begin_of(plain, at, line, size), -size % BLOCK
        end = begin + size
        if not begin or end + fill > len(plain) or fill and plain[end : end + fill] != ZEROS[:fill]:
            return 0
        if line.type == "f":
            data = view[begin:end]
            if sha256(data).hexdigest() != line.digest:
                return 0
            if is_wanted:
                write_file(self._checker.tree, line, data)
        self.members += 1
        self.bytes += size
        return end + fill

    def _other(self, view: memoryview, at: int, member: Any, made: Any) -> int:
        """The same by the portable reader, which says what is wrong."""
        stream = reader.Stream([view[at:]])
        sink = self._checker.sink_of(member, made)
        try:
            self._done(reader.read_member(stream, member, sink))
        finally:
            sink.close()
        return len(view) - stream.left()

    def in_pieces(self) -> None:
        """A big one, of which two blocks are inflated ahead."""
        part, made = self._checker.part, {member.path: made for member, made in self._wanted}

        def sink_of(member: Any) -> reader.Sink:
            return self._checker.sink_of(member, made[member.path])

        with closing(part.read([self._extent], 2)) as parts:
            for extent, stream in parts:
                reader.read_extent(part, extent, stream, sink_of, self._done)

    def _done(self, size: int) -> None:
        self.members += 1
        self.bytes += size


class Branch(reader.Tree):
    """A tree whose directories somebody else has made."""

    def _make(self, path: bytes) -> None:
        pass


def write_file(tree: reader.Tree, line: reader.Line, data: memoryview) -> None:
    """A new file with all its content, which is right."""
    above, _, name = line.path.encode("ascii")[tree.below :].rpartition(b"/")
    descriptor = os.open(name, reader.NEW_FILE, 0o600, dir_fd=tree.directory(above))
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
