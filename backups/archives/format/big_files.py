"""Puts files into the archive that own their blocks.

The header of such a file is a stored block. A file that was written to while it was read is read again from its
beginning, once, over what had been written of it. If it then comes out shorter than its header says, the header is
replaced; if it is longer, what came after its size is left for the next backup.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from backups.gateways.filetree import Owners, join, open_directory, open_file, read_xattrs, reason

from .blocks import LONGEST
from .bodies import Body, gathered, put_body
from .headers import FILE, MOST_OCTAL, header, xattr_records
from .limits import Lost, within
from .manifest import Manifest, entry_line, joined
from .packing import file_flags
from .pipeline import Pipeline, Place, Progress
from .sparse import Segment, data_segments, has_holes, placeholder, sparse_map, sparse_records


class Seen(NamedTuple):
    """A file at the beginning of a pass over it. ``segments`` is None where it has no holes. ``lost`` is what of its
    time and attributes is over a limit: ``mtime_ns`` and ``xattrs`` are what is kept."""

    path: bytes
    stat: os.stat_result
    mtime_ns: int
    xattrs: Mapping[bytes, bytes]
    lost: Lost
    segments: list[Segment] | None

    @property
    def stored(self) -> int:
        """Bytes that the archive stores of it."""
        if self.segments is None:
            return self.stat.st_size
        return len(sparse_map(self.segments)) + sum(length for _, length in self.segments)

    @property
    def version(self) -> tuple[int, int]:
        return self.stat.st_size, self.stat.st_mtime_ns


class Stored(NamedTuple):
    """What a pass over a file came to. ``whole``: nobody wrote to it meanwhile."""

    seen: Seen
    place: Place
    body: Body
    whole: bool


class Unreadable(Exception):
    """A file cannot be read. A class of its own, because callbacks and sockets of the caller raise OSError too."""

    def __init__(self, why: str, errno: int | None = None):
        self.why, self.errno = why, errno
        super().__init__(why)


@contextmanager
def reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unreadable(reason(error), error.errno) from error


class BigFiles:
    def __init__(self, pipeline: Pipeline, manifest: Manifest, owners: Owners, progress: Progress):
        self._pipeline, self._manifest = pipeline, manifest
        self._owners, self._progress = owners, progress

    def add(self, root: int, directory: bytes, prefix: bytes, name: bytes) -> os.stat_result | None:
        """What was seen of the file that is in the archive now; None if it is not, and the manifest says why."""
        path, facts = join(prefix, name), None
        try:
            descriptor = _open(root, directory, name)
            try:
                facts = self._store(descriptor, path)
            finally:
                os.close(descriptor)
        except Unreadable as error:
            self._manifest.add_error(path, error.why, error.errno)
        self._pipeline.settle()
        return facts

    def _store(self, descriptor: int, path: bytes) -> os.stat_result:
        stored = self._pass(descriptor, path)
        if not stored.whole:
            self._pipeline.rewind(stored.place)
            stored = self._pass(descriptor, path)
        self._close(stored)
        return stored.seen.stat

    def _pass(self, descriptor: int, path: bytes) -> Stored:
        """Put the whole file into the archive."""
        with reading():
            seen = look(descriptor, path)
        place = self._pipeline.put_stored(self._header(seen, seen.stored))
        try:
            body = put_body(self._pipeline, gathered(pieces(descriptor, seen)), self._progress)
            with reading():
                now = os.fstat(descriptor)
        except Unreadable:
            self._pipeline.rewind(place)
            raise
        whole = (now.st_size, now.st_mtime_ns) == seen.version and body.size == seen.stored
        return Stored(seen, place, body, whole)

    def _close(self, stored: Stored) -> None:
        seen, place, body, whole = stored
        if body.size != seen.stored:
            self._pipeline.replace(place, self._header(seen, body.size))
        size = seen.stat.st_size if seen.segments else body.size
        end = f', "sha256": "{body.sha256}"' + file_flags(seen.xattrs, changed=not whole)
        end += ', "sparse": true' if seen.segments else ""
        facts, owner = seen.stat, self._owners.of(seen.stat)
        line = entry_line(seen.path, "f", facts.st_mode, owner, seen.mtime_ns, f', "size": {size}', end)
        for why, errno in seen.lost:
            self._manifest.add_error(seen.path, why, errno)
        self._pipeline.call(lambda: self._enter(line, place, size, not whole))

    def _enter(self, line: str, place: Place, size: int, changed: bool) -> None:
        self._manifest.add(joined([line]), place.at)
        self._manifest.counts.files += 1
        self._manifest.counts.bytes += size
        self._manifest.counts.changed += changed
        self._progress.add(files=1)

    def _header(self, seen: Seen, size: int) -> bytes:
        name, records = seen.path, xattr_records(seen.xattrs)
        if seen.segments is not None:
            name = placeholder(seen.path)
            records |= sparse_records(seen.path, seen.stat.st_size)
        return header(
            name,
            FILE,
            seen.stat.st_mode,
            self._owners.of(seen.stat),
            seen.mtime_ns,
            size=size,
            records=records,
            size_record=seen.stored > MOST_OCTAL,
        )


def _open(root: int, directory: bytes, name: bytes) -> int:
    with reading():
        folder = open_directory(root, directory)
        try:
            descriptor = open_file(folder, name)
        finally:
            os.close(folder)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise Unreadable("became something else")


def look(descriptor: int, path: bytes) -> Seen:
    facts = os.fstat(descriptor)
    segments = None
    if facts.st_blocks * 512 < facts.st_size:
        found = data_segments(descriptor, facts.st_size)
        segments = found if has_holes(found, facts.st_size) else None
    return Seen(path, facts, *within(facts.st_mtime_ns, read_xattrs(descriptor)), segments)


def pieces(descriptor: int, seen: Seen) -> Iterator[bytes]:
    """What is to be stored of a file. Ends early where the file does; one with holes keeps the length that its map
    promises, with zeros for what is gone: it has changed then, and is marked."""
    if seen.segments is None:
        yield from _read(descriptor, 0, seen.stat.st_size)
        return
    yield sparse_map(seen.segments)
    for start, length in seen.segments:
        rest = length
        for piece in _read(descriptor, start, length):
            rest -= len(piece)
            yield piece
        while rest:
            yield bytes(min(rest, LONGEST))
            rest -= min(rest, LONGEST)


def _read(descriptor: int, start: int, length: int) -> Iterator[bytes]:
    at, end = start, start + length
    while at < end:
        with reading():
            piece = os.pread(descriptor, min(LONGEST, end - at), at)
        if not piece:
            return
        at += len(piece)
        yield piece
