"""Puts a tree of files into the archive: small ones in batches, big ones alone, in the order of the walk."""

import os
from contextlib import suppress

from backups.gateways.filetree import Directory, File, Owners, Selection, Skipped, join, walk

from .batches import Batches
from .big_files import BigFiles
from .headers import DIRECTORY, HARD_LINK, SYMLINK, header, xattr_records
from .manifest import Manifest, entry_line, target_member, xattrs_member
from .packing import SMALL, Batch, Packed
from .pipeline import Pipeline, Progress


class HardLinks:
    """Which names are of one file. A second name may point only at a first one that is known to be in the archive,
    so whoever asks for an unsettled one brings everything to the archive, and then says ``settle``."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, int], tuple[bytes, int]] = {}
        self._missing: set[bytes] = set()
        self._round = 0

    def first(self, facts: os.stat_result) -> bytes | None:
        """The first name of this file, if it has one that did not fail."""
        path, _ = self._first.get((facts.st_dev, facts.st_ino), (None, 0))
        return None if path in self._missing else path

    def is_settled(self, facts: os.stat_result) -> bool:
        return self._first[facts.st_dev, facts.st_ino][1] < self._round

    def remember(self, facts: os.stat_result, path: bytes) -> None:
        self._first[facts.st_dev, facts.st_ino] = (path, self._round)

    def forget(self, path: bytes) -> None:
        """The file of this name did not come into the archive, or comes later."""
        if self._first:
            self._missing.add(path)

    def settle(self) -> None:
        self._round += 1


class Tree:
    """One tree, at ``files/<source>`` in the archive. ``root`` is the descriptor of its directory."""

    def __init__(
        self, source: bytes, root: int, pipeline: Pipeline, manifest: Manifest, progress: Progress, batches: Batches
    ):
        self._prefix, self._root = b"files/" + source, root
        self._pipeline, self._manifest, self._progress, self._batches = pipeline, manifest, progress, batches
        self._owners, self._links, self._batch = Owners(), HardLinks(), Batch()
        self._big = BigFiles(pipeline, manifest, self._owners, progress)
        self._grown: list[tuple[bytes, bytes, bytes]] = []

    def add(self, selection: Selection) -> None:
        for found in walk(self._root, selection):
            if isinstance(found, Skipped):
                self._manifest.add_error(self._path(found.path), found.why, found.errno)
            else:
                self._directory(found)
        self._settle()
        for directory, prefix, name in self._grown:
            self._big.add(self._root, directory, prefix, name)
        self._pipeline.drain()

    def _directory(self, found: Directory) -> None:
        path = self._path(found.path)
        if found.first:
            self._made(path, DIRECTORY, found.stat, xattrs=found.xattrs)
            self._manifest.counts.dirs += 1
        for link in found.links:
            self._made(join(path, link.name), SYMLINK, link.stat, target=link.target)
            self._manifest.counts.links += 1
        for file in found.files:
            self._file(found.path, path, file)

    def _path(self, below: bytes) -> bytes:
        """The path in the archive of what is there below the root, which itself is ``b""``."""
        return join(self._prefix, below) if below else self._prefix

    def _made(self, path: bytes, kind: bytes, facts: os.stat_result, *, target: bytes = b"", xattrs=None) -> None:
        """An entry that is nothing but its header."""
        letter = {DIRECTORY: "d", SYMLINK: "l", HARD_LINK: "h"}[kind]
        owner, name = self._owners.of(facts), path + b"/" * (kind == DIRECTORY)
        records = xattr_records(xattrs) if xattrs else None
        head = header(name, kind, facts.st_mode, owner, facts.st_mtime_ns, target=target, records=records)
        middle = target_member(target) if target else ""
        line = entry_line(path, letter, facts.st_mode, owner, facts.st_mtime_ns, middle, xattrs_member(xattrs or {}))
        self._room_for(len(head))
        self._batch.add_made(head, line)

    def _file(self, directory: bytes, prefix: bytes, file: File) -> None:
        name, facts = file
        path = join(prefix, name)
        if self._pipeline.output.is_same_file(facts):
            self._manifest.add_error(path, "this archive itself")
            return
        if facts.st_nlink > 1:
            if first := self._first_name(facts):
                self._made(path, HARD_LINK, facts, target=first)
                self._manifest.counts.links += 1
                return
            self._links.remember(facts, path)
        if facts.st_size > SMALL:
            self._flush()
            if not self._big.add(self._root, directory, prefix, name):
                self._links.forget(path)
        else:
            self._room_for(facts.st_size)
            self._batch.add_file(directory, prefix, name, facts)

    def _first_name(self, facts: os.stat_result) -> bytes | None:
        if self._links.first(facts) and not self._links.is_settled(facts):
            self._settle()
        return self._links.first(facts)

    def _settle(self) -> None:
        self._flush()
        self._pipeline.drain()
        self._links.settle()

    def _room_for(self, size: int) -> None:
        if not self._batch.has_room_for(size):
            self._flush()

    def _flush(self) -> None:
        if self._batch.count:
            self._pipeline.add(self._batches.submit(self._batch), self._enter)
            self._batch = Batch()

    def _enter(self, packed: Packed) -> None:
        """The block of a batch has come, and everything before it is written."""
        if packed.lines:
            at = self._pipeline.output.write(packed.block)
            hops = self._pipeline.codec.hops
            self._manifest.add(packed.lines, at if hops else [at + place for place in packed.places])
        for path, why, errno in packed.errors:
            self._manifest.add_error(path, why, errno)
            self._links.forget(path)
        for directory, prefix, name in packed.grown:
            self._grown.append((directory, prefix, name))
            self._links.forget(join(prefix, name))
        counts = self._manifest.counts
        counts.files += packed.files
        counts.bytes += packed.bytes
        counts.changed += packed.changed
        self._progress.add(packed.bytes, packed.files)


def is_source(name: str) -> bool:
    """Whether this may be the name of a source: one part of a path, that leads nowhere else."""
    with suppress(UnicodeEncodeError):
        return name not in ("", ".", "..") and "/" not in name and "\0" not in name and bool(name.encode())
    return False
