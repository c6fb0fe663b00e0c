"""The file index beside an archive: ``.<name>.index``, a SQLite file that a page can ask without opening the archive.

One directory, a search or the changed files of a million entries come in milliseconds. It is made while the manifest
is read, holds names, sizes and hashes (0600), and says of which manifest; another one is refused. It can be thrown
away at any time.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from .partials import open_partial

VERSION = 1
AT_ONCE = 10_000
MOST = (1 << 63) - 1
"""The biggest number that SQLite holds: files with holes may have more bytes together."""
TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, parent BLOB, name BLOB, type TEXT, size INTEGER, mode INTEGER, mtime INTEGER,
    sha256 BLOB, target BLOB, changed INTEGER, files INTEGER, bytes INTEGER
);
CREATE TABLE errors (id INTEGER PRIMARY KEY, path BLOB, why TEXT);
"""
INDEXES = (
    "CREATE INDEX by_parent ON entries (parent, type <> 'd', name)",
    "CREATE INDEX by_path ON entries (parent, name)",
    "CREATE INDEX changed_ones ON entries (id) WHERE changed",
)


class Row(NamedTuple):
    """An entry. ``files`` and ``bytes`` are all that is below a directory; ``number`` is its place among all."""

    number: int
    path: str
    name: str
    type: str
    size: int | None
    mode: int
    mtime: int
    sha256: str
    target: str
    changed: bool
    files: int
    bytes: int


class NoIndex(Exception):
    """There is none, or it is not of this archive: make it anew."""


def index_of(archive: Path) -> Path:
    """Where the index of this archive lies, or would."""
    return archive.with_name(f".{archive.name}.index")


def build(path: Path, entries: Iterable, errors: Iterable[dict], facts: dict) -> None:
    """Write an index to ``path``. ``entries`` are the reader's, in their order; ``facts`` is JSON, with
    ``manifest_sha256``. OSError where it cannot be written; then there is none."""
    part = path.with_name(f"{path.name}.partial-{os.getpid()}")
    locked = open_partial(part)
    try:
        # The lock tells others that it grows. SQLite's own are for nobody; over NFS the two would collide.
        unlocked = f"{part.absolute().as_uri()}?nolock=1"
        with closing(sqlite3.connect(unlocked, uri=True, isolation_level=None)) as database:
            _fill(database, entries, errors, facts | {"version": VERSION})
        os.fsync(locked)
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):
            raise OSError(f"The index cannot be written: {error}") from error
        raise
    finally:
        os.close(locked)


def _fill(database: sqlite3.Connection, entries: Iterable, errors: Iterable[dict], facts: dict) -> None:
    # A kill leaves a partial file, which nobody reads: no journal is needed.
    database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000;")
    database.executescript(TABLES)
    database.execute("BEGIN")
    below: dict[bytes, list[int]] = {}
    rows: list[tuple] = []
    for entry in entries:
        rows.append(_row(entry, below))
        if len(rows) == AT_ONCE:
            _insert(database, rows)
    _insert(database, rows)
    totals = ((files, min(count, MOST), *_split(path)) for path, (files, count) in below.items())
    for statement in INDEXES:
        database.execute(statement)
    database.executemany(
        "UPDATE entries SET files = ?, bytes = ? WHERE parent = ? AND name = ? AND type = 'd'", totals
    )
    database.executemany(
        "INSERT INTO errors (path, why) VALUES (?, ?)", ((_bytes(e["path"]), e["why"]) for e in errors)
    )
    database.executemany("INSERT INTO facts VALUES (?, ?)", ((k, json.dumps(v)) for k, v in facts.items()))
    database.execute("COMMIT")


def _insert(database: sqlite3.Connection, rows: list[tuple]) -> None:
    columns = "parent, name, type, size, mode, mtime, sha256, target, changed"
    database.executemany(f"INSERT INTO entries ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608
    rows.clear()


def _row(entry, below: dict[bytes, list[int]]) -> tuple:
    parent, name = _split(_bytes(entry.path))
    if entry.type in "fh":
        _count(below, parent, entry.size or 0)
    digest = bytes.fromhex(entry.sha256) if entry.sha256 else None
    target = _bytes(entry.target) if entry.target else None
    return parent, name, entry.type, entry.size, entry.mode, entry.mtime, digest, target, bool(entry.changed)


def _count(below: dict[bytes, list[int]], path: bytes, size: int) -> None:
    """One more file in this directory and in those above it."""
    while path:
        total = below.setdefault(path, [0, 0])
        total[0] += 1
        total[1] += size
        path = path.rpartition(b"/")[0]


@contextmanager
def opened(path: Path, manifest_sha256: str) -> Iterator["Index"]:
    """The index, if it is of this manifest. NoIndex otherwise."""
    if not path.is_file():
        raise NoIndex(f"There is no index {path}.")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        index = Index(database)
        facts: dict = {}
        with suppress(sqlite3.Error, ValueError):
            facts = index.facts()
        if facts.get("version") != VERSION or facts.get("manifest_sha256") != manifest_sha256:
            raise NoIndex(f"{path} is not the index of this archive.")
        try:
            yield index
        except sqlite3.Error as error:
            raise NoIndex(f"{path} cannot be read: {error}") from error


class Index:
    """Made by ``opened``. Lists go on behind ``after``, the ``number`` or name of the last row that was shown."""

    COLUMNS = "id, parent, name, type, size, mode, mtime, sha256, target, changed, files, bytes"

    def __init__(self, database: sqlite3.Connection):
        self._database = database

    def facts(self) -> dict:
        return {name: json.loads(value) for name, value in self._database.execute("SELECT name, value FROM facts")}

    def directory(self, path: str, skip: int, limit: int) -> list[Row]:
        """What is in a directory, directories first, by name; ``""`` is the root. ``skip``: so many were shown."""
        where = "parent = ? ORDER BY type <> 'd', name LIMIT ? OFFSET ?"
        return self._rows(where, _bytes(path), limit, skip)

    def search(self, pattern: str, after: int, limit: int) -> list[Row]:
        """Entries whose name (or, with a slash in the pattern, path) fits a pattern with * and ?; without these,
        those that contain it. In the order of the archive."""
        glob = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
        what = "CAST(parent || '/' || name AS TEXT)" if "/" in glob else "CAST(name AS TEXT)"
        return self._rows(f"id > ? AND {what} GLOB ? ORDER BY id LIMIT ?", after, glob, limit)

    def changed(self, after: int, limit: int) -> list[Row]:
        """Files that were written to while they were read."""
        return self._rows("changed AND id > ? ORDER BY id LIMIT ?", after, limit)

    def errors(self, after: int, limit: int) -> list[tuple[int, str, str]]:
        """What is not in the archive although it was asked for: number, path and why."""
        found = self._database.execute(
            "SELECT id, path, why FROM errors WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [(number, _text(path), why) for number, path, why in found]

    def numbered(self, number: int) -> Row | None:
        return next(iter(self._rows("id = ?", number)), None)

    def entry(self, path: str) -> Row | None:
        parent, name = _split(_bytes(path))
        return next(iter(self._rows("parent = ? AND name = ?", parent, name)), None)

    def _rows(self, where: str, *values) -> list[Row]:
        found = self._database.execute(f"SELECT {self.COLUMNS} FROM entries WHERE {where}", values)  # noqa: S608
        return [_as_row(values) for values in found]


def _as_row(values: tuple) -> Row:
    number, parent, name, kind, size, mode, mtime, sha256, target, changed, files, count = values
    path = b"%b/%b" % (parent, name) if parent else name
    digest = sha256.hex() if sha256 else ""
    texts = _text(path), _text(name), kind
    return Row(number, *texts, size, mode, mtime, digest, _text(target or b""), bool(changed), files or 0, count or 0)


def _split(path: bytes) -> tuple[bytes, bytes]:
    parent, _, name = path.rpartition(b"/")
    return parent, name


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
