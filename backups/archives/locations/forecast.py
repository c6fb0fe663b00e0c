"""When a location will be full. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

FEWEST = 3
SHORTEST = timedelta(days=2)
LONGEST_DAYS = 3_650


@dataclass(frozen=True)
class Forecast:
    """``a_day`` are bytes; ``days`` until the location is full, None when that is years away."""

    a_day: float
    days: float | None


def forecast(made: Sequence[tuple[datetime, int]], free: int, now: datetime) -> Forecast | None:
    """From when archives were made and how many bytes each has; None where too little is known.

    The oldest one only says when the counting begins: three daily archives grow by two in two days.
    """
    if len(made) < FEWEST:
        return None
    (began, _), *others = sorted(made)
    if now - began < SHORTEST:
        return None
    a_day = sum(size for _, size in others) / ((now - began) / timedelta(days=1))
    if a_day <= 0:
        return None
    days = free / a_day
    return Forecast(a_day, days if days <= LONGEST_DAYS else None)
