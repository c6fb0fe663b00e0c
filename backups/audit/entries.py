"""Checks entries: each against the one before it, and its digest, MAC and columns against its text.

A check of a long log spends its time here. So rows are plain tuples, times stay the texts that the database makes
of them, and the keyed states of HMAC are made once.
"""

import hmac
import json
from collections.abc import Callable, Iterator

from django.db import DataError, OperationalError
from django.db.models import CharField, Func

from . import chain, keys
from .models import AuditEntry
from .verdict import Verdict

CHUNK = 5000

# Columns that repeat a part of the text, and the texts' own order of them.
SHOWN = (
    *("seq", "at", "action", "outcome", "severity", "actor_id", "actor_name", "object_type", "object_id"),
    *("object_name", "reason", "run", "prev"),
)
MacMaker = Callable[[str], str]

_scan = json.JSONDecoder().scan_once


class Stamp(Func):
    """A time as the texts of entries write it (``chain.stamp``), made by the database."""

    output_field = CharField()

    def as_sqlite(self, compiler, connection, **extra):
        plain = "replace(%(expressions)s, ' ', 'T')"
        whole_second = "CASE length(%(expressions)s) WHEN 19 THEN '.000000' ELSE '' END"
        return self.as_sql(compiler, connection, template=f"{plain} || {whole_second} || '+00:00'", **extra)

    def as_postgresql(self, compiler, connection, **extra):
        form = """'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'"""
        template = f"to_char(%(expressions)s AT TIME ZONE 'UTC', {form})"
        return self.as_sql(compiler, connection, template=template, **extra)


def begin_after(verdict: Verdict) -> None:
    """Take the entry that the verdict starts after as the one before the first."""
    if verdict.since:
        start = AuditEntry.objects.filter(seq=verdict.since).values_list("digest", Stamp("at")).first()
        if start is None:
            verdict.fail(f"Entry {verdict.since} is missing.", verdict.since)
        else:
            verdict.head_digest, verdict.head_at = start


def check_entries(verdict: Verdict, limit: int | None = None) -> Iterator[None]:
    """Go on from what the verdict has seen, up to ``limit`` entries after its start. Comes back after every chunk."""
    mac_of = chain.mac_maker(keys.mac_key())
    size = CHUNK
    while verdict.intact and size:
        if limit is not None:
            size = min(size, verdict.since + limit - verdict.seq)
        rows = _read(verdict, size)
        for row in rows:
            problem = _problem_of(row, verdict, mac_of)
            if problem:
                verdict.fail(f"Entry {verdict.seq + 1}: {problem}", verdict.seq + 1)
                break
            verdict.seq, verdict.head_at, verdict.head_digest = row[0], row[1], row[-2]
        yield
        if not rows:
            return


def mac_is_right(digest: str, mac: str) -> bool:
    return hmac.compare_digest(chain.mac_of(digest, keys.mac_key()).encode(), mac.encode())


def is_unreadable(error: Exception) -> bool:
    """Whether an error means that a row holds what its column never could, not that the database is in trouble."""
    if isinstance(error, OperationalError):
        return "Could not decode" in str(error)  # SQLite keeps any bytes as text
    return isinstance(error, (DataError, AttributeError, LookupError, OverflowError, TypeError, ValueError))


def _read(verdict: Verdict, size: int) -> list[tuple]:
    """The next rows, fewer where one of them cannot be read; that one is told when it is the next."""
    rows = AuditEntry.objects.filter(seq__gt=verdict.seq).order_by("seq")
    columns = [Stamp("at") if name == "at" else name for name in SHOWN]
    try:
        return list(rows.values_list(*columns, "text", "digest", "mac")[:size])
    except Exception as error:
        if not is_unreadable(error):
            raise
        if size > 1:
            return _read(verdict, size // 2)
        verdict.fail(f"Entry {verdict.seq + 1}: cannot be read: {error}", verdict.seq + 1)
        return []


def _problem_of(row: tuple, before: Verdict, mac_of: MacMaker) -> str:
    """What is wrong with this row, coming after what ``before`` has seen; empty when nothing is."""
    seq, at, prev, text, digest, mac = *row[:2], *row[-4:]
    if seq != before.seq + 1:
        return f"is missing; the next one found is {seq}."
    if prev != before.head_digest:
        return "does not link to the entry before it."
    try:
        if not text.isascii() or chain.digest_of(text) != digest:
            return "was changed: its text does not have the stored digest."
        if not hmac.compare_digest(mac_of(digest), mac):
            return "was not written by this console: its MAC is wrong."
        problem = _columns_problem(row, text)
    except (AttributeError, TypeError):
        return "was changed: its text, digest or MAC is none."
    if not problem and at < before.head_at:
        return "is older than the entry before it."
    return problem


def _columns_problem(row: tuple, text: str) -> str:
    try:
        said, end = _scan(text, 0)
        actor, about = said["actor"], said["object"]
        expected = (
            *(said["seq"], said["at"], said["action"], said["outcome"], said["severity"], actor["id"], actor["name"]),
            *(about["type"], about["id"], about["name"], said["reason"], said["run"], said["prev"]),
        )
    except (ValueError, KeyError, TypeError, StopIteration, RecursionError):
        return "has a text that is not an entry."
    if end != len(text):
        return "has a text that is not an entry."
    if row[: len(SHOWN)] == expected:
        return ""
    differing = [name for name, shown, value in zip(SHOWN, row, expected, strict=False) if shown != value]
    return f"was changed: {', '.join(differing)} differ from its text."
