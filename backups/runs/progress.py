"""How far a run is, from the facts that its steps wrote down. Pure: no clock, no database.

Facts (all but the shards may be missing): ``shards_done``, ``shards_total``, ``bytes_done``, ``bytes_total``,
``since`` (when counting began) and ``at`` (when these were read). Elasticsearch learns the bytes of a shard when it
comes to it, so bytes are "at least".
"""

from dataclasses import dataclass
from datetime import datetime

from backups.templatetags import formats

SECONDS_OF_DATA = 10
"""A rate over less than this is a guess, and what follows from it is not shown."""


@dataclass(frozen=True)
class Progress:
    """``percent`` is 100 only for a run that is over. ``rate`` is in bytes a second."""

    percent: int
    shards_done: int
    shards_total: int
    shards_failed: int
    bytes_done: int | None
    bytes_total: int | None
    rate: float | None
    remaining: float | None
    at: datetime | None

    @property
    def quarter(self) -> int:
        """The last quarter passed: what is spoken, because every percent would be too much."""
        return self.percent // 25 * 25


def measure(facts: dict, *, over: bool = False) -> Progress | None:
    """None as long as there is nothing to count."""
    total, done = _number(facts, "shards_total"), _number(facts, "shards_done") or 0
    if not total:
        return None
    percent = formats.percent(done, total)
    bytes_done, bytes_total = _number(facts, "bytes_done"), _number(facts, "bytes_total")
    rate = _rate(bytes_done, _moment(facts, "since"), _moment(facts, "at"))
    return Progress(
        percent=percent if over else min(percent, 99),
        shards_done=done,
        shards_total=total,
        shards_failed=_number(facts, "shards_failed") or 0,
        bytes_done=bytes_done,
        bytes_total=bytes_total,
        rate=rate,
        remaining=None if over else _remaining(rate, bytes_done, bytes_total),
        at=_moment(facts, "at"),
    )


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
