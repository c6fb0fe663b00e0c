"""What the overview shows of archives: their profiles, their locations, and what is wrong with either."""

from collections.abc import Iterator
from datetime import timedelta
from functools import reduce
from operator import or_

from django.db.models import Count, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone

from backups.archives.models import Archive, ArchiveLocation, ArchiveProfile, ArchiveState, CheckState
from backups.templatetags.formats import count_of

from .trouble import Trouble

ROWS, LANE = 50, 14
LATELY = timedelta(hours=24)


def profiles() -> list[ArchiveProfile]:
    """With ``last_good_at`` and ``last_good_pk`` of their archives, and ``lane``: the states of the last ones, oldest
    first."""
    last = Archive.objects.filter(profile=OuterRef("pk")).order_by("-pk")
    good = Archive.objects.filter(profile=OuterRef("pk"), state=ArchiveState.VERIFIED).order_by("-made_at")
    found = list(
        ArchiveProfile.objects.select_related("location").annotate(
            lane_from=Subquery(last.values("pk")[LANE - 1 : LANE]),
            last_good_pk=Subquery(good.values("pk")[:1]),
            last_good_at=Subquery(good.values("made_at")[:1]),
        )[:ROWS]
    )
    _give_lanes(found)
    return found


def troubles(found: list[ArchiveProfile]) -> Iterator[Trouble]:
    """Profiles without a good archive, locations that do not work, and archives that are damaged or gone."""
    for profile in found:
        if profile.last_good_at is None:
            yield Trouble(
                "warn",
                "alert-triangle",
                f"{profile.name} has no good archive",
                f"Nothing it names on {profile.host} is protected by it yet.",
                profile.get_absolute_url(),
                f"archive-profile-{profile.pk}",
            )
    for location in ArchiveLocation.objects.filter(state=CheckState.BAD):
        title, key = f"Location {location} does not work", f"location-{location.pk}"
        yield Trouble("fail", "folder", title, location.message[:200], location.get_absolute_url(), key)
    yield from _losses()


def _losses() -> Iterator[Trouble]:
    lately = Q(state=ArchiveState.MISSING, gone_at__gt=timezone.now() - LATELY)
    counts = Archive.objects.filter(state__in=(ArchiveState.DAMAGED, ArchiveState.MISSING)).aggregate(
        damaged=Count("pk", filter=Q(state=ArchiveState.DAMAGED)), missing=Count("pk", filter=lately)
    )
    for state, said, text in (
        ("damaged", "damaged", "Each names what can still be taken out of it. Make another one."),
        ("missing", "gone", "Somebody removed them, or the folder is not the one it was."),
    ):
        if number := counts[state]:
            title = f"{count_of(number, 'archive is', 'archives are')} {said}"
            url = f"{reverse('archives:list')}?state={state}"
            yield Trouble("fail", "alert-triangle", title, text, url, f"archives-{state}")


def _give_lanes(found: list[ArchiveProfile]) -> None:
    """One query, which reads LANE rows a profile however many there are."""
    wanted = [Q(profile=profile, pk__gte=profile.lane_from or 0) for profile in found]
    lanes = {profile.pk: [] for profile in found}
    rows = Archive.objects.filter(reduce(or_, wanted)) if wanted else Archive.objects.none()
    for profile, state in rows.order_by("pk").values_list("profile", "state"):
        lanes[profile].append(state)
    for profile in found:
        profile.lane = lanes[profile.pk]
