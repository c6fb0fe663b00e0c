"""The directories that go into an archive: what may be asked for. Pure: shapes only, nothing is looked at.

A source is ``{"name", "path", "include", "exclude", "one_file_system"}``; it becomes ``files/<name>`` in the archive.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import NamedTuple

from backups.gateways.filetree import Selection

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,59}")
MOST = 50
MOST_STARS, MOST_DEEP = 3, 2
"""Stars in one part of a pattern, and parts ``**`` before its last: a path is tried with every way to divide it."""


class Problem(NamedTuple):
    """What is wrong with one source; ``number`` (from 0) and ``field`` say which part of the form it is about."""

    number: int
    field: str
    message: str


class BadSources(ValueError):
    """No sources; ``problems`` are all that is wrong with them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Source:
    """Patterns are those of gitignore files, relative to ``path``. ``apart`` are directories that are not entered
    whatever the patterns say, by device and inode; a profile does not keep them."""

    name: str
    path: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    one_file_system: bool = False
    apart: frozenset[tuple[int, int]] = frozenset()

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

    def apart_from(self, directories: frozenset[tuple[int, int]]) -> "Source":
        return replace(self, apart=directories)

    def leaving_out(self, patterns: Sequence[str]) -> "Source":
        return replace(self, exclude=(*self.exclude, *patterns))

    def selection(self, *, everything: bool = False) -> Selection:
        """What a walk of it brings; ``everything``: whatever the patterns say."""
        patterns = ((), ()) if everything else (self.include, self.exclude)
        return Selection(*patterns, one_file_system=self.one_file_system, apart=self.apart)


def checked(rows: Sequence[dict], forbidden: Sequence[str] = ()) -> list[dict]:
    """The sources as they are kept. Raises BadSources for a name that comes twice, a path that is not absolute, one
    inside ``forbidden``, and patterns that mean nothing."""
    if len(rows) > MOST:
        raise BadSources([Problem(MOST, "path", f"At most {MOST} folders go into one archive.")])
    found: list[Source] = []
    problems: list[Problem] = []
    for number, row in enumerate(rows):
        source = _read(row)
        wrong = [*_wrong_path(source.path, forbidden), *_wrong_name(source, found), *_wrong_patterns(source)]
        problems += [Problem(number, field, message) for field, message in wrong]
        found.append(source)
    if problems:
        raise BadSources(problems)
    return [source.as_json() for source in found]


def _read(row: dict) -> Source:
    """As it was written, without what means nothing."""
    path = str(row.get("path", "")).strip()
    path = os.path.normpath(path).replace("//", "/") if path and ".." not in PurePosixPath(path).parts else path
    patterns = {key: tuple(_cleaned(row.get(key, ()))) for key in ("include", "exclude")}
    name = str(row.get("name", "")).strip() or proposed(path)
    return Source(name, path, **patterns, one_file_system=bool(row.get("one_file_system")))


def _wrong_path(path: str, forbidden: Sequence[str]) -> Iterator[tuple[str, str]]:
    if not path.startswith("/"):
        yield "path", "Write the folder from the root on, like /opt/cybersift/models."
    elif "\0" in path or len(path) > 1000 or ".." in PurePosixPath(path).parts:
        yield "path", "Write the folder without '..', with at most 1,000 characters."
    for folder in forbidden:
        if path == folder or _below(folder, path):
            yield "path", f"{folder} holds the console's own keys, which go into no archive."


def _wrong_name(source: Source, others: Sequence[Source]) -> Iterator[tuple[str, str]]:
    if not NAME.fullmatch(source.name):
        yield (
            "name",
            "Use letters, digits, dot, hyphen and underscore, at most 60, and begin with a letter, a digit or _.",
        )
    elif source.name in {other.name for other in others}:
        yield "name", f"Two folders are called {source.name}. Give one of them another name."


def _wrong_patterns(source: Source) -> Iterator[tuple[str, str]]:
    for field in ("include", "exclude"):
        for pattern in getattr(source, field):
            if why := _wrong_pattern(pattern):
                yield field, why
                break


def _wrong_pattern(pattern: str) -> str:
    from pathspec import GitIgnoreSpec  # takes 60 ms, which only those who check patterns wait for

    if "\0" in pattern or "\n" in pattern or len(pattern) > 500:
        return "A pattern is one line of at most 500 characters."
    parts = re.sub(r"\\.", "", pattern.removeprefix("!")).split("/")
    if any(part.count("*") > MOST_STARS for part in parts):
        return f"{pattern} has more than {MOST_STARS} stars in one part of a path. Write several patterns."
    if parts[:-1].count("**") > MOST_DEEP:
        return f"{pattern} has more than {MOST_DEEP} parts **. Write several patterns."
    try:
        (read,) = GitIgnoreSpec.from_lines([pattern]).patterns
    except (ValueError, re.error):
        return f"{pattern} is no pattern. Write \\ before a character that stands for itself."
    if read.include is None:
        return f"{pattern} matches nothing. A line that begins with # is a comment; \\# is the character itself."
    return ""


def _cleaned(patterns: Iterable[str]) -> Iterator[str]:
    """Blanks around a pattern mean nothing, but for one at the end behind a backslash."""
    for pattern in patterns:
        text = str(pattern).strip()
        if text:
            blank = text.endswith("\\") and str(pattern).lstrip().startswith(f"{text} ")
            yield f"{text} " if blank else text


def proposed(path: str) -> str:
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


def literal(path: str) -> str:
    """A path as a pattern that matches itself only."""
    return re.sub(r"([\\*?\[\]!# ])", r"\\\1", path)
