"""Puts a tree of files into the archive: small ones in batches, big ones alone, in the order of the walk."""

import os
from collections.abc import Mapping
from contextlib import suppress

from backups.gateways.filetree import NONE, Directory, Owners, Selection, Skipped, join, walk

from .batches import Batches
from .big_files import BigFiles
from .blocks import LONGEST
from .headers import DIRECTORY, HARD_LINK, SYMLINK, header, xattr_records
from .limits import within
from .manifest import Manifest, entry_line, target_member, xattrs_member
from .packing import MOST_FILES, OVERHEAD, Aside, Batch, Packed, Root, Step, identity
from .pipeline import Pipeline, Progress

FEW_FILES, FIRST_FILES = 8, 200
"""A batch has at least and at first so many files: their sizes are known only when they are read."""


class Tree:
    """One tree, at ``files/<source>`` in the archive.

    The walk hands on names. Only who packs a batch looks at the files; what is not for its block is seen to when its
    turn in the archive has come, and everything before it is written: that keeps the order of the walk, which plain
    tar needs to set times and modes of directories.
    """

    def __init__(
        self, source: bytes, root: Root, pipeline: Pipeline, manifest: Manifest, progress: Progress, batches: Batches
    ):
        self._prefix, self._root = b"files/" + source, root.descriptor
        self._pipeline, self._manifest, self._progress, self._batches = pipeline, manifest, progress, batches
        self._owners, self._batch = Owners(), Batch()
        self._first: dict[tuple[int, ...], bytes] = {}
        """Names of files with several that are in the archive, by what was seen of them (``identity``) as they were
        read: another file may get an inode meanwhile, and a name another file."""
        self._aside = pipeline.inner()
        self._big = BigFiles(self._aside, manifest, self._owners, progress)
        self._most = FIRST_FILES
        self._held, self._fresh = Batch(), set()

    def add(self, selection: Selection) -> None:
        for found in walk(self._root, selection):
            if isinstance(found, Skipped):
                self._manifest.add_error(self._path(found.path), found.why, found.errno)
            else:
                self._directory(found)
        self._flush()
        self._pipeline.drain()

    def _directory(self, found: Directory) -> None:
        path = self._path(found.path)
        if found.first:
            self._put(*self._made(path, DIRECTORY, found.stat, xattrs=found.xattrs))
            self._manifest.counts.dirs += 1
        for link in found.links:
            self._put(*self._made(join(path, link.name), SYMLINK, link.stat, target=link.target))
            self._manifest.counts.links += 1
        start = 0
        while start < len(found.files):
            portion = found.files[start : start + max(self._most - self._batch.count, 1)]
            self._batch.add_files(found.path, path, portion)
            start += len(portion)
            self._flush_full()

    def _path(self, below: bytes) -> bytes:
        """The path in the archive of what is there below the root, which itself is ``b""``."""
        return join(self._prefix, below) if below else self._prefix

    def _put(self, head: bytes, line: str) -> None:
        self._batch.add_made(head, line)
        self._flush_full()

    def _flush_full(self) -> None:
        if self._batch.count >= self._most or self._batch.made >= LONGEST // 2:
            self._flush()

    def _flush(self) -> None:
        if self._batch.count:
            batch, self._batch = self._batch, Batch()
            self._pipeline.add(self._batches.submit(batch), self._enter)

    def _enter(self, packed: Packed) -> None:
        """The turn of a batch has come."""
        self._take(packed)
        while packed.rest:
            packed = self._batches.here(packed.rest)
            self._take(packed)

    def _take(self, packed: Packed) -> None:
        for path, why, errno in packed.errors:
            self._manifest.add_error(path, why, errno)
        self._first.update(packed.firsts)
        for step in packed.steps:
            self._step(step)
            self._see_to([Aside(*fields) for fields in step.asides])
        self._adapt(sum(step.files for step in packed.steps), sum(step.bytes for step in packed.steps))

    def _adapt(self, files: int, size: int) -> None:
        """Let the next batches fill half a block if their files are like these: what finds no room must be packed
        when its turn comes, by nobody else."""
        if files:
            self._most = min(max(LONGEST // 2 // (size // files + OVERHEAD), FEW_FILES), MOST_FILES)

    def _step(self, step: Step) -> None:
        if not step.text:
            return
        at = self._pipeline.output.write(*step.block)
        self._manifest.add(step.text, at if self._pipeline.codec.hops else [at + place for place in step.places])
        counts = self._manifest.counts
        counts.files += step.files
        counts.bytes += step.bytes
        counts.changed += step.changed
        self._progress.add(step.bytes, step.files)

    def _see_to(self, asides: list[Aside]) -> None:
        """Files for which there is no block with others; everything before them is written."""
        for aside in asides:
            if aside.key is None:
                self._pack_held()
                if facts := self._big.add(self._root, aside.directory, aside.prefix, aside.name):
                    self._first |= {identity(facts): aside.path} if facts.st_nlink > 1 else {}
            else:
                self._hold(aside, aside.key)
        self._pack_held()
        self._aside.drain()

    def _hold(self, file: Aside, key: tuple[int, ...]) -> None:
        """One of the names of a file: a second one may point only at a first one that is in the archive."""
        if key in self._fresh:
            self._pack_held()
        if first := self._first.get(key):
            self._held.add_made(*self._made(file.path, HARD_LINK, file, target=first))
            self._manifest.counts.links += 1
        else:
            self._fresh.add(key)
            self._held.add_files(file.directory, file.prefix, [file.name], linked=True)

    def _pack_held(self) -> None:
        held, self._held, self._fresh = self._held, Batch(), set()
        if held.count:
            self._aside.drain()
            self._enter(self._batches.here(held.sections))

    def _made(
        self,
        path: bytes,
        kind: bytes,
        facts: os.stat_result | Aside,
        *,
        target: bytes = b"",
        xattrs: Mapping[bytes, bytes] = NONE,
    ) -> tuple[bytes, str]:
        """An entry that is nothing but its header, and its line."""
        mtime_ns, xattrs, lost = within(facts.st_mtime_ns, xattrs)
        for why, errno in lost:
            self._manifest.add_error(path, why, errno)
        letter = {DIRECTORY: "d", SYMLINK: "l", HARD_LINK: "h"}[kind]
        mode, owner, name = facts.st_mode, self._owners.of(facts), path + b"/" * (kind == DIRECTORY)
        head = header(name, kind, mode, owner, mtime_ns, target=target, records=xattr_records(xattrs))
        middle = target_member(target) if target else ""
        return head, entry_line(path, letter, mode, owner, mtime_ns, middle, xattrs_member(xattrs))


def is_source(name: str) -> bool:
    """Whether this may be the name of a source: one part of a path, that leads nowhere else."""
    with suppress(UnicodeEncodeError):
        return name not in (".", "..") and "/" not in name and "\0" not in name and 0 < len(name.encode()) <= 255
    return False
