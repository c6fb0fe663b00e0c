"""Leases of collectors: who refreshes a row of a cluster or a repository now, and when it is due again.

One UPDATE claims, with the database's clock on both sides. Whoever claimed writes only while its fence is still on
the row; a collector that died lets its lease run out. No runs are made of it.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

# A cluster that comes back must be true within a minute, and a wrong password must not lock an account out.
AWAY_SECONDS, AWAY_LONG_SECONDS, AWAY_TRIES = 10, 30, 6
REFUSED_SECONDS = 300
LONGEST_SECONDS = 600


def due(rows: QuerySet) -> QuerySet:
    """Those that anybody may refresh now. A time beyond every wait was written by a clock that was wrong."""
    now, lease = Now(), timedelta(seconds=settings.LEASE_SECONDS)
    longest = timedelta(seconds=max(LONGEST_SECONDS, settings.COLLECT_SECONDS) + 60)
    return rows.filter(
        Q(collect_at=None) | Q(collect_at__lte=now) | Q(collect_at__gt=now + longest),
        Q(collect_until=None) | Q(collect_until__lt=now) | Q(collect_until__gt=now + 2 * lease),
    )


def claim(rows: QuerySet, pk: int, fence: int) -> int | None:
    """The fence of a new lease on this row, which was due with this one; None when somebody else was faster."""
    until = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    mine = due(rows.filter(pk=pk, collect_fence=fence)).update(collect_until=until, collect_fence=fence + 1)
    return fence + 1 if mine else None


def still_mine(rows: QuerySet, pk: int, fence: int, **columns) -> bool:
    """Write columns of the row if the fence is still on it; the row stays locked until the end of the transaction."""
    return bool(rows.filter(pk=pk, collect_fence=fence).update(**columns or {"collect_fence": fence}))


def done(seconds: float) -> dict:
    """Columns that give the lease back; due again after so many seconds."""
    return {"collect_until": None, "collect_at": Now() + timedelta(seconds=seconds)}


def soon(rows: QuerySet) -> None:
    """Due at once: something has just changed there."""
    rows.update(collect_at=None)


def wait_for_cluster(failures: int, *, refused: bool) -> int:
    """Seconds until a cluster that did not answer is asked again; ``refused``: it did not take the credential."""
    if refused:
        return REFUSED_SECONDS
    return AWAY_SECONDS if failures <= AWAY_TRIES else AWAY_LONG_SECONDS


def wait_for_repository(failures: int) -> int:
    """Seconds until a repository that answers with errors, or a location of archives that cannot be used, is asked
    again: longer each time."""
    return min(30 * 2 ** min(failures - 1, 10), LONGEST_SECONDS)
