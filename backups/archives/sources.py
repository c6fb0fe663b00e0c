"""The directories that go into an archive: what may be asked for. Pure: shapes only, nothing is looked at.

A source is ``{"name", "path", "include", "exclude", "one_file_system"}``; it becomes ``files/<name>`` in the archive.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,59}")
MOST = 50


class BadSource(ValueError):
    """Not a source; ``number`` and ``field`` say which part of the form it is about."""

    def __init__(self, message: str, number: int, field: str) -> None:
        super().__init__(message)
        self.number, self.field = number, field


@dataclass(frozen=True)
class Source:
    """Patterns are those of gitignore files, relative to ``path``."""

    name: str
    path: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    one_file_system: bool = False

    @classmethod
    def of(cls, facts: dict) -> "Source":
        """From JSON, as a profile keeps it."""
        patterns = {key: tuple(facts.get(key, ())) for key in ("include", "exclude")}
        return cls(facts["name"], facts["path"], **patterns, one_file_system=bool(facts.get("one_file_system")))

    def as_json(self) -> dict:
        return {
            "name": self.name,
            "path": self.path,
            "include": list(self.include),
            "exclude": list(self.exclude),
            "one_file_system": self.one_file_system,
        }

    def without(self, paths: Iterable[str]) -> "Source":
        """The same, but for what lies at ``paths`` inside it: the archives themselves, and the console's keys."""
        inside = [below for path in paths if (below := _below(self.path, path))]
        return self.leaving_out([f"/{_literal(below)}/" for below in inside])

    def leaving_out(self, patterns: Sequence[str]) -> "Source":
        return Source(self.name, self.path, self.include, (*self.exclude, *patterns), self.one_file_system)


def checked(rows: Sequence[dict], forbidden: Sequence[str] = ()) -> list[dict]:
    """The sources as they are kept. Raises BadSource for a name that comes twice, a path that is not absolute, and
    one inside ``forbidden``."""
    if len(rows) > MOST:
        raise BadSource(f"At most {MOST} folders go into one archive.", MOST, "path")
    found: list[Source] = []
    for number, row in enumerate(rows):
        path = _path(str(row.get("path", "")), number, forbidden)
        name = str(row.get("name", "")).strip() or _proposed(path)
        if not NAME.fullmatch(name):
            message = (
                "Use letters, digits, dot, hyphen and underscore, at most 60, and begin with none of the first two."
            )
            raise BadSource(message, number, "name")
        if name in {source.name for source in found}:
            raise BadSource(f"Two folders are called {name}. Give one of them another name.", number, "name")
        patterns = {key: tuple(_patterns(row.get(key, ()), number, key)) for key in ("include", "exclude")}
        found.append(Source(name, path, **patterns, one_file_system=bool(row.get("one_file_system"))))
    return [source.as_json() for source in found]


def _path(text: str, number: int, forbidden: Sequence[str]) -> str:
    text = text.strip()
    if not text.startswith("/"):
        raise BadSource("Write the folder from the root on, like /opt/cybersift/models.", number, "path")
    if "\0" in text or len(text) > 1000 or ".." in PurePosixPath(text).parts:
        raise BadSource("Write the folder without '..', with at most 1,000 characters.", number, "path")
    path = os.path.normpath(text)
    path = path.replace("//", "/")
    for folder in forbidden:
        if path == folder or _below(folder, path):
            raise BadSource(f"{folder} holds the console's own keys, which go into no archive.", number, "path")
    return path


def _patterns(patterns: Iterable[str], number: int, field: str) -> Iterable[str]:
    for pattern in patterns:
        text = str(pattern).strip()
        if "\0" in text or len(text) > 500:
            raise BadSource("A pattern has at most 500 characters.", number, field)
        if text:
            yield text


def _proposed(path: str) -> str:
    """The last part of the path, as far as it may be a name."""
    last = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(path).name).lstrip(".-")
    return last[:60] or "root"


def _below(folder: str, path: str) -> str:
    """The path of ``path`` inside ``folder``; empty when it is not in there."""
    try:
        below = PurePosixPath(path).relative_to(folder)
    except ValueError:
        return ""
    return "" if str(below) == "." else str(below)


def _literal(path: str) -> str:
    """A path as a pattern that matches itself only."""
    return re.sub(r"([\\*?\[\]!# ])", r"\\\1", path)
