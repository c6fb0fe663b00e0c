"""A run's log: rows for what people read, a file for what is too much for rows.

At most MAX_ROWS lines of a run are rows. Further ones go to a file on the host that works on the run,
``run-logs/run-<id>-<host>.log`` (one JSON object a line). A row tells from which line on and on which host they are:
one more wherever the run moved to another host. When a run whose further lines are all in one file ends, the file's
SHA-256 is kept in the run. Lines of some levels are shown only to those with a right (``SHOWN_TO``): whoever shows
lines to a person leaves out what is ``hidden_from`` that one.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from django.conf import settings

from backups import clock
from backups.access import may

from .models import SHOWN_TO, Level, Run, RunLogLine

MAX_ROWS = 5000
WINDOW = 500
MOVED = "The lines from here on are in a file on host "


class NotWritten(Exception):
    """The file of further lines cannot be written; the message says why."""


def append(run: Run, lines: list[tuple[str, str]]) -> None:
    """Add (level, text) lines after those that the run had when it was claimed."""
    now = clock.now()
    rows = [
        RunLogLine(run=run, number=number, at=now, level=level, text=text)
        for number, (level, text) in enumerate(lines, start=run.lines + 1)
    ]
    RunLogLine.objects.bulk_create(row for row in rows if row.number <= MAX_ROWS)
    rest = [row for row in rows if row.number > MAX_ROWS]
    if rest:
        _note_host(run, rest[0])
        try:
            _append_to_file(run, rest)
        except OSError as error:
            raise NotWritten(f"the log of the run on {settings.RUN_LOGS_DIR}: {error.strerror}") from error


def close(run: Run) -> None:
    """Remember the hash of the file, where there is one that has all further lines."""
    file_name = file_of(run, settings.WORKER_HOST)
    if [host for _, host in _moves(run)] == [settings.WORKER_HOST] and file_name.exists():
        with file_name.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        Run.objects.filter(pk=run.pk).update(log_sha256=digest)


def file_of(run: Run, host: str) -> Path:
    return settings.RUN_LOGS_DIR / f"run-{run.pk}-{host}.log"


@dataclass(frozen=True)
class Window:
    """So many lines as a page shows at once. ``last``: number of the newest line looked at; ``earlier`` leads to the
    lines before (``?before=``), None at the beginning; ``at_end``: there are no later ones yet; ``more``: there are,
    to be fetched next."""

    lines: list[RunLogLine]
    last: int
    earlier: int | None
    at_end: bool
    more: bool


def hidden_from(user) -> frozenset[str]:
    """The levels whose lines this person may not see."""
    return frozenset(level for level, right in SHOWN_TO.items() if not may(user, right))


def window(run: Run, hidden: Collection[str], *, before: int | None = None, after: int | None = None) -> Window:
    """The lines after a number, before a number, or the last ones."""
    if after is not None:
        rows = list(run.log.filter(number__gt=after)[:WINDOW])
    else:
        older = run.log.all() if before is None else run.log.filter(number__lt=before)
        rows = list(older.order_by("-number")[:WINDOW])[::-1]
    last = rows[-1].number if rows else after or 0
    more = after is not None and len(rows) == WINDOW
    return Window(
        lines=[row for row in rows if row.level not in hidden],
        last=last,
        earlier=rows[0].number if rows and rows[0].number > 1 and after is None else None,
        at_end=before is None and not more,
        more=more,
    )


def as_text(run: Run, hidden: Collection[str]) -> Iterator[str]:
    """Every line as text, oldest first, for the download: rows, then the files; of those that this host does not
    have, which lines they are. ``hidden``: levels that are left out."""
    for line in run.log.filter(number__lte=MAX_ROWS).iterator():
        if line.level not in hidden:
            yield _text(_stamp(line.at), line.level, line.text)
    moves = _moves(run)
    ends = [first - 1 for first, _ in moves[1:]] + [run.lines]
    for (first, host), last in zip(moves, ends, strict=False):
        yield from _part_as_text(file_of(run, host), first, last, host, hidden)


def _part_as_text(file: Path, first: int, last: int, host: str, hidden: Collection[str]) -> Iterator[str]:
    """Lines ``first`` to ``last``, which were written on this host; in place of those that are not here, where they
    are."""
    gap = "Lines {} to {} are not here: they were written on host {}, to {}.\n"
    for entry in _entries(file) if file.exists() else ():
        if not first <= entry["n"] <= last:
            continue
        if first < entry["n"]:
            yield gap.format(first, entry["n"] - 1, host, file.name)
        first = entry["n"] + 1
        if entry["level"] not in hidden:
            yield _text(entry["at"], entry["level"], entry["text"])
    if first <= last:
        yield gap.format(first, last, host, file.name)


def _entries(file: Path) -> Iterator[dict]:
    """What is in a file, as far as it can be read: a process that died may have left half a line at its end."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                return


def _moves(run: Run) -> list[tuple[int, str]]:
    """(first line, host) of each part that is in a file, in order."""
    rows = run.log.filter(number__gt=MAX_ROWS).order_by("number")
    return [(number, text.removeprefix(MOVED)) for number, text in rows.values_list("number", "text")]


def _text(at: str, level: str, text: str) -> str:
    return f"{at} {Level(level).label:<4} {text}\n"


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


def _note_host(run: Run, first: RunLogLine) -> None:
    """Say in a row where this line and the next ones are, unless the last such row says so."""
    moves = _moves(run)
    if not moves or moves[-1][1] != settings.WORKER_HOST:
        text = f"{MOVED}{settings.WORKER_HOST}"
        RunLogLine.objects.create(run=run, number=first.number, at=first.at, level=Level.INFO, text=text)


def _append_to_file(run: Run, rows: list[RunLogLine]) -> None:
    """Write behind the lines that are committed: a turn that died before its commit may have left some."""
    settings.RUN_LOGS_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    file_name = file_of(run, settings.WORKER_HOST)
    descriptor = os.open(file_name, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        committed = sum(1 for entry in _entries(file_name) if entry["n"] <= run.lines)
        file.seek(sum(map(len, islice(file, committed))))
        file.truncate()
        for row in rows:
            entry = {"n": row.number, "at": _stamp(row.at), "level": row.level, "text": row.text}
            file.write(json.dumps(entry).encode() + b"\n")
