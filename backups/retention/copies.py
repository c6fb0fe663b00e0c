"""A copy is a snapshot or an archive. What both have, under one name."""

from django.db.models import Q

from backups.accounts.services import MIN_REASON
from backups.archives import services as archives
from backups.archives.models import Archive, ArchiveLocation, ArchiveState
from backups.repositories.models import THERE, Repository, RepositoryState
from backups.repositories.services import why_not_restricted
from backups.runs.models import Run
from backups.snapshots import services as snapshots
from backups.snapshots.models import Snapshot, SnapshotState

Copy = Snapshot | Archive

LONGEST_REASON = 2000
DELETES = (snapshots.DELETE, archives.DELETE)


class RetentionError(Exception):
    """What was asked for cannot be done; the message is for the person who asked, ``field`` names the part of the
    form that it is about."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


def kind_of(copy: Copy) -> str:
    """snapshot or archive: what entries, requests and addresses call it."""
    return copy._meta.model_name


def source_of(copy: Copy) -> str:
    """How a request names what it needs: snapshot:12."""
    return f"{kind_of(copy)}:{copy.pk}"


def delete_kind(copy: Copy) -> str:
    return snapshots.DELETE if isinstance(copy, Snapshot) else archives.DELETE


def place_of(copy: Copy) -> str:
    """Where it lies, in words."""
    return str(copy.repository) if isinstance(copy, Snapshot) else str(copy.location or "no location")


def host_of(copy: Copy) -> str:
    """The host whose worker has to do it; empty where any can."""
    return "" if isinstance(copy, Snapshot) else copy.kept_on


def bytes_of(copy: Copy) -> int | None:
    """An archive's size; of a snapshot what it added, for the rest of its files belongs to others too."""
    return copy.bytes_new if isinstance(copy, Snapshot) else copy.size


def locked(copy: Copy) -> Copy:
    """The row as it is now, locked until the end of the act after its place. Whoever places a hold and whoever begins
    to delete locks it first, so that one of them sees the other; by the place two deletions see each other."""
    snapshot = isinstance(copy, Snapshot)
    place = (Repository, copy.repository_id) if snapshot else (ArchiveLocation, copy.location_id)
    place[0].objects.select_for_update().filter(pk=place[1]).first()
    related = ("repository__cluster", "profile") if snapshot else ("location", "profile", "made_by")
    return type(copy).objects.select_for_update(of=("self",)).select_related(*related).get(pk=copy.pk)


def is_last_good(copy: Copy) -> bool:
    """Whether it is the newest verified one of its profile; without a profile, the only verified one of its place.
    One that a run deletes at the moment does not count."""
    states = (SnapshotState.VERIFIED, ArchiveState.VERIFIED)
    if copy.state not in states:
        return False
    snapshot = isinstance(copy, Snapshot)
    going = snapshots.being_deleted() if snapshot else archives.being_deleted()
    good = type(copy).objects.filter(state__in=states).exclude(pk__in={copy.pk, *going})
    if copy.profile_id is None:
        same = {"repository": copy.repository_id} if snapshot else {"location": copy.location_id}
        return not good.filter(**same).exists()
    return not good.filter(_newer(copy), profile=copy.profile_id).exists()


def _newer(copy: Copy) -> Q:
    """Than this one; where it is not known when it was made, any."""
    when = "started_at" if isinstance(copy, Snapshot) else "made_at"
    moment = getattr(copy, when)
    if moment is None:
        return Q()
    return Q(**{f"{when}__gt": moment}) | Q(**{when: moment}, pk__gt=copy.pk)


def deletions(copy: Copy):
    """Runs that delete it, the newest first."""
    runs = Run.objects.filter(kind=delete_kind(copy), **{f"params__{kind_of(copy)}": copy.pk})
    return runs.select_related("actor").order_by("-pk")


def why_not_deletable(copy: Copy) -> str:
    """Why nobody can delete it now, whatever holds it; empty when it can be."""
    if run := deletions(copy).active().first():
        return f"Run {run.pk} deletes {copy} already."
    return _why_not_snapshot(copy) if isinstance(copy, Snapshot) else _why_not_archive(copy)


def _why_not_snapshot(snapshot: Snapshot) -> str:
    repository = snapshot.repository
    if snapshot.goes_on or Run.objects.active().filter(snapshot=snapshot).exists():
        return f"{snapshot} is being made. Cancel its run, or wait until it is over."
    if not snapshot.uuid or not Snapshot.objects.filter(THERE, pk=snapshot.pk).exists():
        return f"{snapshot} is not known to be in {repository.name}: there is nothing to delete."
    if repository.state != RepositoryState.REGISTERED:
        return f"{repository.name} is not registered, so nothing in it can be deleted."
    if repository.is_readonly:
        return f"{repository.name} is read-only on {repository.cluster}: it can be deleted where it was made."
    return why_not_restricted(repository.cluster)


def _why_not_archive(archive: Archive) -> str:
    if not archive.is_there:
        return f"{archive} is not there: there is nothing to delete."
    if archive.location is None:
        return f"{archive} is not kept here. Remove it on {archive.kept_on}: {archive.path}"
    active = Run.objects.active()
    if run := active.filter(Q(params__archive=archive.pk) | Q(archive_run__archive=archive.pk)).first():
        return f"Run {run.pk} is at work on {archive}. Wait until it is over."
    return ""


def checked_reason(reason: str) -> str:
    """Raises RetentionError for one that says too little."""
    if len(reason.strip()) < MIN_REASON:
        raise RetentionError(f"Write at least {MIN_REASON} characters. The auditor reads this.", "reason")
    return reason.strip()
