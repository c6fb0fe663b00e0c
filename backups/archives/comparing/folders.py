"""Compares the folders of an archive with those of the host: same, changed, only in the archive, only there.

A file of the same size and time is taken to be the same, unless ``full`` asks for all content to be read. Nothing is
changed, and nothing of the archive is read but its manifest.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator

from backups.gateways.filetree import Skipped, join, looked_at, open_directory, open_file, walk

from .. import cybersift_restore as reader
from ..format.big_files import Unreadable, look, pieces
from ..format.errors import Cancelled
from ..sources import Source
from .compared import ATTRIBUTES, CHANGED, ONLY_ARCHIVE, ONLY_THERE, SAME, Compared

OFTEN = 200
"""So many entries lie between two questions whether somebody has cancelled."""


def compare(
    found: "reader.Archive",
    source: Source,
    *,
    full: bool = False,
    only: Callable[[str], bool] = lambda path: True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Compared:
    """The entries of one source beside its folder, with the patterns that it was packed with. ``only`` is asked with
    the path in the archive, without ``files/``. Raises Cancelled."""
    return _Comparing(found, source, full, only, cancelled).run()


class _Comparing:
    def __init__(self, found, source: Source, full: bool, only: Callable[[str], bool], cancelled: Callable[[], bool]):
        self.source, self.full, self.only, self.cancelled = source, full, only, cancelled
        self.compared, self.asked = Compared(source.name), 0
        prefix = f"files/{source.name}"
        self.members = {
            member.path: member
            for member in found.manifest.members
            if (member.path == prefix or member.path.startswith(f"{prefix}/")) and only(member.shown)
        }
        self.whole = dict(self.members)

    def run(self) -> Compared:
        try:
            root = os.open(self.source.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            self.compared.error = f"{self.source.path} cannot be looked at: {error.strerror}."
            return self.compared
        try:
            self._walk(root)
        finally:
            os.close(root)
        for path in self.members:
            self.compared.add(ONLY_ARCHIVE, path)
        return self.compared

    def _walk(self, root: int) -> None:
        for each in walk(root, self.source.selection()):
            if isinstance(each, Skipped):
                self._skip(each)
                continue
            if each.first:
                self._judge(each.path, "d", each.stat)
            for link in each.links:
                self._judge(join(each.path, link.name), "l", link.stat, target=link.target)
            for file in looked_at(root, each):
                if isinstance(file, Skipped):
                    self._skip(file)
                else:
                    self._judge(join(each.path, file[0]), "f", file[1], content=(root, each.path, file[0]))

    def _skip(self, skipped: Skipped) -> None:
        self.compared.skipped += 1
        self.members.pop(self._path(skipped.path), None)

    def _path(self, below: bytes) -> str:
        prefix = b"files/" + self.source.name.encode()
        return (join(prefix, below) if below else prefix).decode("utf-8", "surrogateescape")

    def _judge(self, below: bytes, kind: str, facts: os.stat_result, *, target: bytes = b"", content=None) -> None:
        self.asked += 1
        if self.asked % OFTEN == 0 and self.cancelled():
            raise Cancelled("cancelled")
        path = self._path(below)
        member = self.members.pop(path, None)
        if member is None:
            if self.only(path.removeprefix("files/")):
                self.compared.add(ONLY_THERE, path)
            return
        self.compared.add(*self._verdict(member, path, kind, facts, target, content))

    def _verdict(self, member, path: str, kind: str, facts: os.stat_result, target: bytes, content) -> tuple:
        real = self.whole.get(member.target, member) if member.type == "h" else member
        kind, what = verdict(real, kind, facts, target, content, full=self.full)
        return kind, path, what


def verdict(
    real: "reader.Entry", kind: str, facts: os.stat_result, target: bytes, content, *, full: bool
) -> tuple[str, str]:
    """What differs between an entry and what is there: of this ``kind``, with the text ``target`` of a link, and with
    content to be read by way of ``content`` (root, directory, name)."""
    if real.type != kind:
        return CHANGED, "another kind of entry"
    if kind == "l" and reader.encoded(real.target) != target:
        return CHANGED, "leads elsewhere"
    if kind == "f" and (why := _content(real, facts, content, full=full)):
        return CHANGED, why
    differs = ", ".join(_attributes(real, facts))
    return (ATTRIBUTES, differs) if differs else (SAME, "")


def _content(member: "reader.Entry", facts: os.stat_result, content, *, full: bool) -> str:
    """What differs of the content; empty where nothing does."""
    if member.size != facts.st_size:
        return f"{facts.st_size - member.size:+,} bytes"
    if member.mtime == facts.st_mtime_ns and not full:
        return ""
    try:
        sha256 = digest(*content, sparse=member.sparse)
    except (OSError, Unreadable) as error:
        return f"cannot be read: {error}"
    return "" if sha256 == member.sha256 else "content, or where its holes are" if member.sparse else "content"


def digest(root: int, directory: bytes, name: bytes, *, sparse: bool) -> str:
    """The SHA-256 of what an archive stores of a file: with ``sparse`` its map and its data, else its content."""
    folder = open_directory(root, directory)
    try:
        descriptor = open_file(folder, name)
    finally:
        os.close(folder)
    try:
        seen, sha256 = look(descriptor, name), hashlib.sha256()
        if not sparse:
            seen = seen._replace(segments=None)  # also small files with holes are stored with their zeros
        for piece in pieces(descriptor, seen):
            sha256.update(piece)
        return sha256.hexdigest()
    finally:
        os.close(descriptor)


def _attributes(member, facts: os.stat_result) -> Iterator[str]:
    if stat.S_IMODE(facts.st_mode) != member.mode and member.type != "l":
        yield f"mode {stat.S_IMODE(facts.st_mode):o} instead of {member.mode:o}"
    if (facts.st_uid, facts.st_gid) != (member.uid, member.gid):
        yield "owner"
    if facts.st_mtime_ns != member.mtime and member.type == "f":
        yield "time"
