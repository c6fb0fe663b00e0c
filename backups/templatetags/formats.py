"""How sizes, durations and times are written, everywhere the same. Pure functions, used by ``ui``."""

from datetime import UTC, datetime

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
MINUTE, HOUR, DAY = 60, 3600, 86400
NBSP = "\N{NO-BREAK SPACE}"


def number(count: int) -> str:
    """1,234,567"""
    return f"{count:,}"


def count_of(count: int, one: str, many: str = "") -> str:
    """1 index, 1,234 indices."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def size(count: float) -> str:
    """Binary units, as Elasticsearch counts, with three significant digits: 18.2 GiB."""
    unit = 0
    while unit < len(UNITS) - 1 and abs(count) >= (1024 if unit == 0 else 999.5):
        count /= 1024
        unit += 1
    if unit == 0:
        return f"{round(count):,}{NBSP}B"
    decimals = 2 if abs(count) < 9.995 else 1 if abs(count) < 99.95 else 0
    return f"{count:,.{decimals}f}{NBSP}{UNITS[unit]}"


def percent(done: float, total: float) -> int:
    """Whole percent: never 100 before the end, never 0 once something is done."""
    if total <= 0 or done <= 0:
        return 0
    if done >= total:
        return 100
    return min(99, max(1, round(100 * done / total)))


def duration(seconds: float) -> str:
    """48 s, 20 min 14 s, 3 h 05 min, 9 days."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole}{NBSP}s" if whole else f"under 1{NBSP}s"
    if whole < HOUR:
        return f"{whole // MINUTE}{NBSP}min {whole % MINUTE:02}{NBSP}s"
    if whole < 2 * DAY:
        return f"{whole // HOUR}{NBSP}h {whole % HOUR // MINUTE:02}{NBSP}min"
    return f"{whole // DAY}{NBSP}days"


def rounded(seconds: float) -> str:
    """A duration in one unit: 7 min, 3 h."""
    if seconds < MINUTE:
        return f"under 1{NBSP}min"
    if seconds < HOUR:
        return f"{round(seconds / MINUTE)}{NBSP}min"
    if seconds < 2 * DAY:
        return f"{round(seconds / HOUR)}{NBSP}h"
    return f"{round(seconds / DAY)}{NBSP}days"


def about(seconds: float) -> str:
    """A duration that is a guess, and says so."""
    return rounded(seconds) if seconds < MINUTE else f"about {rounded(seconds)}"


def distance(moment: datetime, now: datetime) -> str:
    """How far away in time: 12 min ago, in 3 h; hours up to two days, then days."""
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    if size < 1:
        return "now"
    if size < MINUTE:
        text = f"{int(size)}{NBSP}s"
    elif size < HOUR:
        text = f"{int(size // MINUTE)}{NBSP}min"
    elif size < 2 * DAY:
        text = f"{int(size // HOUR)}{NBSP}h"
    else:
        text = f"{int(size // DAY)}{NBSP}days"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def iso(moment: datetime) -> str:
    """2026-11-22T09:30:04Z"""
    return moment.astimezone(UTC).isoformat()[:19] + "Z"


def date(moment: datetime) -> str:
    """22 Nov 2026"""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y}"


def stamp(moment: datetime) -> str:
    """22 Nov 2026 09:30:04 UTC"""
    return f"{date(moment)} {iso(moment)[11:19]} UTC"


def short_stamp(moment: datetime, now: datetime) -> str:
    """22 Nov 09:30 for tables whose head says UTC; of another year 22 Nov 2025."""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%b %H:%M}" if utc.year == now.astimezone(UTC).year else date(utc)
