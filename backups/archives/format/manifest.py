"""The manifest: one line of JSON an entry, kept in a file without a name until it goes into the archive.

Memory does not grow with the number of files. The lines of files end in `at`, which is known only when their block
has been written, so they are made in two parts: ``entry_line`` without it, ``joined`` with an AT in its place, and
``Manifest.add`` puts in the numbers, for a whole block at once.
"""

import base64
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from json.encoder import encode_basestring_ascii as quoted

from backups.gateways.filetree import Owner, is_unreadable

from .errors import UnreadableFile, WriteFailed

PIECE = 1 << 20
AT = b"\0"
"""Stands for a number that comes later: JSON never has this byte."""


def text_of(name: bytes) -> str:
    """A name as the manifest writes it: bytes that are no UTF-8 become lone surrogates."""
    return name.decode("utf-8", "surrogateescape")


def entry_line(
    path: bytes, kind: str, mode: int, owner: Owner, mtime_ns: int, middle: str = "", end: str = ""
) -> str:
    """An entry but for its ``at`` and the closing brace. ``middle`` and ``end`` are further members, each with a
    comma before it: `size` or `target`, and `sha256` and the flags."""
    name, who = quoted(text_of(path)), owner_text(mode & 0o7777, owner)
    return f'{{"path": {name}, "type": "{kind}"{middle}, {who}, "mtime": {mtime_ns}{end}'


def file_line(start: str, name: bytes, size: int, who: str, mtime_ns: int, end: str) -> str:
    """``entry_line`` of a regular file, from what ``line_start`` made for all files of its directory and
    ``owner_text`` for all of its mode and owner."""
    return f'{start}{quoted(text_of(name))[1:]}, "type": "f", "size": {size}, {who}, "mtime": {mtime_ns}{end}'


def line_start(directory: bytes) -> str:
    return f'{{"path": {quoted(text_of(directory))[:-1]}/'


def joined(lines: list[str]) -> bytes:
    """Lines as they stand in the manifest, with AT for each of their places."""
    end = ', "at": \0}'
    return ((end + ",\n").join(lines) + end).encode("ascii")


@functools.lru_cache(maxsize=4096)
def owner_text(mode: int, owner: Owner) -> str:
    names = {"uname": text_of(owner.uname), "gname": text_of(owner.gname)}
    return json.dumps({"mode": mode, "uid": owner.uid, "gid": owner.gid} | names)[1:-1]


def target_member(target: bytes) -> str:
    return f', "target": {quoted(text_of(target))}'


def xattrs_member(xattrs: Mapping[bytes, bytes]) -> str:
    if not xattrs:
        return ""
    plain = {text_of(name): base64.b64encode(value).decode("ascii") for name, value in xattrs.items()}
    return f', "xattrs": {json.dumps(plain)}'


@dataclass
class Counts:
    """What is in the archive. ``bytes`` are those of files as they were read; ``skipped`` counts the errors."""

    files: int = 0
    dirs: int = 0
    links: int = 0
    bytes: int = 0
    changed: int = 0
    skipped: int = 0


@dataclass
class Lines:
    """Lines with commas between them, in a file of ``directory`` that has no name."""

    directory: str
    size: int = 0
    file: object = field(init=False)

    def __post_init__(self) -> None:
        with self._writing():
            self.file = tempfile.TemporaryFile(dir=self.directory, buffering=PIECE)  # noqa: SIM115 - see close

    def add(self, text: bytes) -> None:
        with self._writing():
            if self.size:
                self.size += self.file.write(b",\n")
            self.size += self.file.write(text)

    def pieces(self) -> Iterator[bytes]:
        with self._writing():
            self.file.seek(0)
        while piece := self.file.read(PIECE):
            yield piece
        yield b"\n" * bool(self.size)

    def close(self) -> None:
        with suppress(OSError):  # what was not written yet is not wanted any more
            self.file.close()

    @contextmanager
    def _writing(self):
        try:
            yield
        except OSError as error:
            raise WriteFailed(self.directory, error) from error


class Manifest:
    """Collects entries in the order in which they stand in the tar. With ``strict`` what cannot be read is no entry
    of the errors but an UnreadableFile; what is gone, or no file, is still one."""

    def __init__(self, directory: str | os.PathLike, *, strict: bool = False):
        self.counts = Counts()
        self._strict = strict
        self._files, self._errors = Lines(os.fspath(directory)), Lines(os.fspath(directory))
        self._redis: list[dict] = []

    def add(self, text: bytes, places: Sequence[int] | int) -> None:
        """What ``joined`` made of some entries, and where they are: one place for all of them, or one each."""
        if isinstance(places, int):
            self._files.add(text.replace(AT, b"%d" % places))
        else:
            self._files.add(text.replace(b"%", b"%%").replace(AT, b"%d") % tuple(places))

    def add_redis(self, entry: dict) -> None:
        self._redis.append(entry)

    def add_error(self, path: bytes, why: str, errno: int | None = None, *, is_root: bool = False) -> None:
        if self._strict and (is_root or is_unreadable(errno)):
            raise UnreadableFile(text_of(path), why, errno)
        self.counts.skipped += 1
        number = {} if errno is None else {"errno": errno}
        self._errors.add(json.dumps({"path": text_of(path), "why": why} | number).encode("ascii"))

    def closed(self, facts: dict) -> "Text":
        """The whole text, with ``facts`` on its first line."""
        return Text(json.dumps(facts | {"complete": True, "counts": asdict(self.counts)}), self)

    def close(self) -> None:
        self._files.close()
        self._errors.close()


class Text:
    """The text of a manifest that is finished: its length, its SHA-256 and, in pieces, itself."""

    def __init__(self, head: str, manifest: Manifest):
        self._head, self._manifest = head, manifest
        self.size, digest = 0, hashlib.sha256()
        for piece in self.pieces():
            self.size += len(piece)
            digest.update(piece)
        self.sha256 = digest.digest()

    def pieces(self) -> Iterator[bytes]:
        manifest = self._manifest
        yield (self._head[:-1] + ',\n"files": [\n').encode("ascii")
        yield from manifest._files.pieces()
        yield b'],\n"redis": [\n'
        if manifest._redis:
            yield (",\n".join(json.dumps(entry) for entry in manifest._redis) + "\n").encode("ascii")
        yield b'],\n"errors": [\n'
        yield from manifest._errors.pieces()
        yield b"]}\n"
