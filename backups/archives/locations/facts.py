"""What the pages of locations show beside their rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import BigIntegerField, Count, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from backups import clock
from backups.runs.models import WorkerHost
from backups.runs.services import HOST_SILENT_AFTER
from backups.templatetags import formats

from ..models import THERE, Archive, ArchiveLocation
from .forecast import Forecast, forecast

LATEST = 10
SINCE = timedelta(days=30)
FULL, NEARLY_FULL = 95, 80
"""Percent of the room that is taken, from where on the bar is red, and yellow."""


@dataclass(frozen=True)
class Worker:
    """The worker of a host: when it was seen last; ``silent`` where that is too long ago."""

    host: str
    seen_at: datetime | None
    silent: bool

    @property
    def words(self) -> str:
        """For a choice: node-01, worker seen 2 s ago."""
        return (
            f"{self.host}, worker seen {formats.distance(self.seen_at, clock.now())}" if self.seen_at else self.host
        )


def workers() -> list[Worker]:
    """Of every host on which one has run."""
    return [_worker(row.name, row) for row in WorkerHost.objects.order_by("name")]


def worker_of(location: ArchiveLocation) -> Worker:
    return _worker(location.host, WorkerHost.objects.filter(name=location.host).first())


def _worker(host: str, row: WorkerHost | None) -> Worker:
    seen_at = row.beat_at if row else None
    return Worker(host, seen_at, seen_at is None or abs(clock.now() - seen_at) > HOST_SILENT_AFTER)


def archives_in(location: ArchiveLocation) -> QuerySet:
    """Those that are there, newest first."""
    return Archive.objects.filter(location=location, state__in=THERE).order_by("-pk")


def with_archives(locations: QuerySet) -> QuerySet:
    """With ``archive_count`` and ``archive_size`` of what is there; each location is counted by its own index."""
    there = Archive.objects.filter(location=OuterRef("pk"), state__in=THERE).order_by().values("location")
    return locations.annotate(
        archive_count=Coalesce(Subquery(there.annotate(count=Count("pk")).values("count")), 0),
        archive_size=Coalesce(
            Subquery(there.annotate(sum=Sum("size")).values("sum"), output_field=BigIntegerField()), Value(0)
        ),
    )


@dataclass(frozen=True)
class Room:
    """Of the disk below a location, in bytes; ``forecast`` is None where too little is known."""

    free: int
    total: int
    forecast: Forecast | None = None

    @property
    def used(self) -> int:
        return max(0, self.total - self.free)

    @property
    def percent(self) -> int:
        return formats.percent(self.used, self.total)

    @property
    def kind(self) -> str:
        """Colour of the bar."""
        return "fail" if self.percent >= FULL else "warn" if self.percent >= NEARLY_FULL else "ok"

    @property
    def words(self) -> str:
        """About 4.30 GiB a day; full in about 43 days."""
        if not self.forecast:
            return ""
        days = self.forecast.days
        if days is None:
            until = "it lasts for many years"
        elif days < 1:
            until = "full within a day"
        else:
            until = f"full in about {formats.count_of(round(days), 'day')}"
        return f"About {formats.size(self.forecast.a_day)} a day; {until}."


def room_of(location: ArchiveLocation) -> Room | None:
    """None while nobody has looked."""
    if location.space_total is None:
        return None
    now = clock.now()
    made = archives_in(location).filter(made_at__gt=now - SINCE, made_at__lte=now, size__isnull=False)
    rate = forecast(list(made.values_list("made_at", "size")), location.space_free, now)
    return Room(location.space_free, location.space_total, rate)


@dataclass(frozen=True)
class Listed:
    """A line of the list."""

    location: ArchiveLocation
    worker: Worker
    room: Room | None


def listed(locations: Iterable[ArchiveLocation]) -> list[Listed]:
    known = {worker.host: worker for worker in workers()}
    return [
        Listed(
            each,
            known.get(each.host) or _worker(each.host, None),
            Room(each.space_free, each.space_total) if each.space_total is not None else None,
        )
        for each in locations
    ]
