"""How far a run is, from the facts that its steps wrote down. Pure: no clock, no database.

Facts: ``shards_done`` and ``shards_total`` of a snapshot, or ``files_done`` and ``files_total`` of an archive;
``bytes_done``, ``bytes_total``, ``since`` (when counting began) and ``at`` (when these were read). All but one of the
totals may be missing. Elasticsearch learns the bytes of a shard when it comes to it, so there bytes are "at least".
"""

from dataclasses import dataclass
from datetime import datetime

from backups.templatetags import formats

SECONDS_OF_DATA = 10
"""A rate over less than this is a guess, and what follows from it is not shown."""


@dataclass(frozen=True)
class Progress:
    """``percent`` is 100 only for a run that is over. ``rate`` is in bytes a second. ``unit`` is what is counted
    beside the bytes: shards, files, or nothing."""

    percent: int
    unit: str
    done: int
    total: int
    failed: int
    bytes_done: int | None
    bytes_total: int | None
    rate: float | None
    remaining: float | None
    at: datetime | None

    @property
    def counted(self) -> str:
        """3 of 10 shards; empty where nothing but bytes is counted."""
        return f"{formats.number(self.done)} of {formats.number(self.total)} {self.unit}" if self.unit else ""

    @property
    def bytes_words(self) -> str:
        """1 GiB of at least 3 GiB; empty where it is not known."""
        if not self.bytes_total:
            return ""
        least = "at least " if self.unit == "shards" else "about "
        return f"{formats.size(self.bytes_done or 0)} of {least}{formats.size(self.bytes_total)}"

    @property
    def quarter(self) -> int:
        """The last quarter passed: what is spoken, because every percent would be too much."""
        return self.percent // 25 * 25


def measure(facts: dict, *, over: bool = False) -> Progress | None:
    """None as long as there is nothing to count."""
    unit = next((each for each in ("shards", "files") if _number(facts, f"{each}_total")), "")
    bytes_done, bytes_total = _number(facts, "bytes_done"), _number(facts, "bytes_total")
    if not unit and not bytes_total:
        return None
    total, done = (_number(facts, f"{unit}_total") or 0, _number(facts, f"{unit}_done") or 0) if unit else (0, 0)
    percent = (
        formats.percent(done, total) if unit == "shards" or not bytes_total else _percent(bytes_done, bytes_total)
    )
    rate = _rate(bytes_done, _moment(facts, "since"), _moment(facts, "at"))
    return Progress(
        percent=percent if over else min(percent, 99),
        unit=unit,
        done=done,
        total=total,
        failed=_number(facts, f"{unit}_failed") or 0,
        bytes_done=bytes_done,
        bytes_total=bytes_total,
        rate=rate,
        remaining=None if over else _remaining(rate, bytes_done, bytes_total),
        at=_moment(facts, "at"),
    )


def _percent(done: int | None, total: int) -> int:
    """Files grow while they are read: never more than all."""
    return min(100, formats.percent(done or 0, total))


def _rate(done: int | None, since: datetime | None, at: datetime | None) -> float | None:
    if not done or since is None or at is None:
        return None
    seconds = (at - since).total_seconds()
    return done / seconds if seconds >= SECONDS_OF_DATA else None


def _remaining(rate: float | None, done: int | None, total: int | None) -> float | None:
    """Nothing is said when all bytes that are known are copied: then shards are what is missing."""
    if not rate or done is None or total is None or total <= done:
        return None
    return (total - done) / rate


def _number(facts: dict, name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) and value >= 0 else None


def _moment(facts: dict, name: str) -> datetime | None:
    try:
        return datetime.fromisoformat(facts[name])
    except (KeyError, TypeError, ValueError):
        return None
