"""A run's log: rows for what people read, a file for what is too much for rows.

At most MAX_ROWS lines of a run are rows. Further ones go to ``run-logs/run-<id>.log`` (one JSON object a line), and
the file's SHA-256 is kept in the run when it ends. Lines of level ``call`` are shown only to those who may see calls.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from .models import Level, Run, RunLogLine

MAX_ROWS = 5000
WINDOW = 500


def append(run: Run, lines: list[tuple[str, str]]) -> None:
    """Add (level, text) lines after those that the run had when it was claimed."""
    now = timezone.now()
    rows = [
        RunLogLine(run=run, number=number, at=now, level=level, text=text)
        for number, (level, text) in enumerate(lines, start=run.lines + 1)
    ]
    RunLogLine.objects.bulk_create(row for row in rows if row.number <= MAX_ROWS)
    rest = [row for row in rows if row.number > MAX_ROWS]
    if rest:
        _append_to_file(run, rest)


def close(run: Run) -> None:
    """Remember the hash of the file, where there is one."""
    if file_of(run).exists():
        with file_of(run).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        Run.objects.filter(pk=run.pk).update(log_sha256=digest)


def file_of(run: Run) -> Path:
    return settings.RUN_LOGS_DIR / f"run-{run.pk}.log"


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


def window(run: Run, *, calls: bool, before: int | None = None, after: int | None = None) -> Window:
    """The lines after a number, before a number, or the last ones."""
    if after is not None:
        rows = list(run.log.filter(number__gt=after)[:WINDOW])
    else:
        older = run.log.all() if before is None else run.log.filter(number__lt=before)
        rows = list(older.order_by("-number")[:WINDOW])[::-1]
    last = rows[-1].number if rows else after or 0
    more = after is not None and len(rows) == WINDOW
    return Window(
        lines=[row for row in rows if calls or row.level != Level.CALL],
        last=last,
        earlier=rows[0].number if rows and rows[0].number > 1 and after is None else None,
        at_end=before is None and not more,
        more=more,
    )


def as_text(run: Run, *, calls: bool) -> Iterator[str]:
    """Every line as text, oldest first, for the download: rows, then the file. ``calls``: those too."""
    for line in run.log.all().iterator():
        if calls or line.level != Level.CALL:
            yield _text(_stamp(line.at), line.level, line.text)
    if not file_of(run).exists():
        return
    with file_of(run).open(encoding="utf-8") as file:
        for entry in map(json.loads, file):
            if calls or entry["level"] != Level.CALL:
                yield _text(entry["at"], entry["level"], entry["text"])


def _text(at: str, level: str, text: str) -> str:
    return f"{at} {Level(level).label:<4} {text}\n"


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


def _append_to_file(run: Run, rows: list[RunLogLine]) -> None:
    """Write behind the lines that are committed: a turn that died before its commit may have left some."""
    settings.RUN_LOGS_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file_of(run), os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        kept = file.readlines()[: max(0, run.lines - MAX_ROWS)]
        file.seek(sum(map(len, kept)))
        file.truncate()
        for row in rows:
            entry = {"n": row.number, "at": _stamp(row.at), "level": row.level, "text": row.text}
            file.write(json.dumps(entry).encode() + b"\n")
