"""What the overview shows, read from our rows: a bounded number of queries, whatever the length of history."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property, reduce
from operator import or_

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone

from backups.access import may
from backups.archives.models import Archive, ArchiveProfile, ArchiveState
from backups.audit.models import AuditEntry
from backups.clusters.models import Cluster, ClusterState
from backups.repositories.models import Repository, RepositoryState
from backups.runs import words
from backups.runs.models import TERMINAL, Effect, Run, RunState
from backups.runs.services import worker_is_alive
from backups.snapshots.models import Snapshot, SnapshotProfile, SnapshotState

from . import archives
from .trouble import Trouble

LATELY = timedelta(hours=24)
SHOWN = 10
ROWS = 50
LANE = 14
ACTIVITY, LOOKED_THROUGH = 5, 100
# What is read of a run at work, and of an entry: the rest may be long.
WATCHED = ("kind", "state", "subject", "version", "progress", "started_at", "actor__name", "actor__username")
TOLD = ("at", "action", "outcome", "actor_name", "object_name")
# Everybody comes and goes: what they did is the activity.
COMING_AND_GOING = ("person.signed_in", "person.signed_out", "step_up.passed", "session.expired", "log.viewed")
FAILED = (RunState.FAILED, RunState.PARTIAL)


class Overview:
    """Each fact is asked for once, when a template wants it."""

    def __init__(self, user) -> None:
        self.user = user
        self.since = timezone.now() - LATELY

    @cached_property
    def worker_alive(self) -> bool:
        return worker_is_alive()

    @cached_property
    def running(self) -> list[Run]:
        active = Run.objects.history().active().select_related("actor").only(*WATCHED)
        return _with_words(active.order_by("pk")[:SHOWN])

    @cached_property
    def last_ended(self) -> Run | None:
        """What ran last, for when nothing runs."""
        return Run.objects.history().filter(ended_at__isnull=False).order_by("-ended_at").first()

    @cached_property
    def failed(self) -> list[Run]:
        """What failed or ended partial lately and was not made good since, newest first."""
        if not self.ended["failed"]:
            return []
        # Said by what it is not: SQLite would else collect every failed run of all times by its state.
        ended = self._ended().exclude(state__in=[state for state in TERMINAL if state not in FAILED])
        # A snapshot that was found whole after its run had given it up is not unknown any more.
        ended = ended.exclude(snapshot__state=SnapshotState.VERIFIED)
        ended = ended.filter(Q(effect=Effect.UNKNOWN) | ~_made_good())
        return list(ended.only("subject", "state", "effect", "error").order_by("-ended_at")[:SHOWN])

    @cached_property
    def ended(self) -> dict[str, int]:
        """How many runs ended lately: ``good``, ``failed`` (or partial), ``partial`` and ``all``."""
        good, failed = Q(state=RunState.SUCCEEDED), Q(state__in=FAILED)
        return self._ended().aggregate(
            good=Count("pk", filter=good),
            failed=Count("pk", filter=failed),
            partial=Count("pk", filter=Q(state=RunState.PARTIAL)),
            all=Count("pk"),
        )

    def _ended(self) -> QuerySet:
        return Run.objects.history().filter(ended_at__gte=self.since)

    @cached_property
    def profiles(self) -> list[SnapshotProfile]:
        """With ``last_good_at`` and ``last_good_pk`` of their snapshots, and ``lane``: the states of the last ones,
        oldest first."""
        last = Snapshot.objects.filter(profile=OuterRef("pk")).order_by("-pk")
        good = Snapshot.objects.filter(profile=OuterRef("pk"), state=SnapshotState.VERIFIED).order_by("-started_at")
        profiles = list(
            SnapshotProfile.objects.with_last_good()
            .select_related("cluster", "repository")
            .annotate(
                lane_from=Subquery(last.values("pk")[LANE - 1 : LANE]),
                last_good_pk=Subquery(good.values("pk")[:1]),
            )[:ROWS]
        )
        _give_lanes(profiles)
        return profiles

    @cached_property
    def archive_profiles(self) -> list[ArchiveProfile]:
        return archives.profiles()

    @cached_property
    def activity(self) -> list[AuditEntry]:
        """The newest entries about what was done, of those that this person may see and of the last LOOKED_THROUGH:
        who looks further back opens the log."""
        entries = AuditEntry.objects.visible_to(self.user).only(*TOLD)
        entries = entries.order_by("-seq")[:LOOKED_THROUGH]
        return [entry for entry in entries if entry.action not in COMING_AND_GOING][:ACTIVITY]

    @property
    def sees_activity(self) -> bool:
        return may(self.user, "entry.read_own")

    @cached_property
    def clusters(self) -> list[Cluster]:
        """All of them, for none may hide the trouble of another; people add each by hand."""
        return list(Cluster.objects.all())

    @cached_property
    def repositories(self) -> list[Repository]:
        """All of them too."""
        return list(Repository.objects.select_related("cluster"))

    @cached_property
    def last_good(self) -> Snapshot | None:
        """The newest verified snapshot, with or without a profile."""
        return Snapshot.objects.filter(state=SnapshotState.VERIFIED).only("started_at").order_by("-pk").first()

    @property
    def unprotected(self) -> list[SnapshotProfile]:
        return [profile for profile in self.profiles if profile.last_good_at is None]

    @property
    def without_good(self) -> int:
        """How many profiles of either kind have no good copy."""
        return len(self.unprotected) + sum(profile.last_good_at is None for profile in self.archive_profiles)

    @property
    def all_profiles(self) -> int:
        return len(self.profiles) + len(self.archive_profiles)

    @property
    def good_clusters(self) -> int:
        return sum(cluster.state == ClusterState.GOOD for cluster in self.clusters)

    @property
    def good_repositories(self) -> int:
        return sum(r.is_good and not r.collect_message and not r.damaged for r in self.repositories)

    @cached_property
    def troubles(self) -> list[Trouble]:
        """Worst first."""
        found = [*map(_of_run, self.failed), *_of_clusters(self.clusters), *_of_repositories(self.repositories)]
        found += [trouble for repository in self.repositories for trouble in _of_losses(repository)]
        found += [
            Trouble(
                "warn",
                "alert-triangle",
                f"{profile.name} has no good snapshot",
                f"Nothing it names on {profile.cluster} is protected by it yet.",
                profile.get_absolute_url(),
                f"profile-{profile.pk}",
            )
            for profile in self.unprotected
        ]
        found += archives.troubles(self.archive_profiles)
        return sorted(found, key=lambda trouble: trouble.kind != "fail")

    @property
    def version(self) -> str:
        """Changes with the runs and with what is said about time; cheap enough to be asked every few seconds."""
        minute = int(timezone.now().timestamp()) // 60
        ended = "-".join(map(str, self.ended.values()))
        active = ".".join(f"{run.pk}-{run.version}" for run in self.running)
        return f"{minute}.{int(self.worker_alive)}.{ended}.{active}"


def _made_good() -> Q:
    """Whether the same succeeded later: the same act on the same thing, or another copy of the same profile."""
    again = Run.objects.filter(
        kind=OuterRef("kind"), subject=OuterRef("subject"), state=RunState.SUCCEEDED, pk__gt=OuterRef("pk")
    )
    newer = Snapshot.objects.filter(
        profile=OuterRef("snapshot__profile"), state=SnapshotState.VERIFIED, pk__gt=OuterRef("snapshot__pk")
    )
    archive = Archive.objects.filter(
        profile=OuterRef("archive_run__archive__profile"),
        state=ArchiveState.VERIFIED,
        pk__gt=OuterRef("archive_run__archive__pk"),
    )
    return Q(Exists(again)) | Q(Exists(newer)) | Q(Exists(archive))


def _give_lanes(profiles: list[SnapshotProfile]) -> None:
    """One query, which reads LANE rows a profile however many there are."""
    wanted = [Q(profile=profile, pk__gte=profile.lane_from or 0) for profile in profiles]
    lanes = {profile.pk: [] for profile in profiles}
    rows = Snapshot.objects.filter(reduce(or_, wanted)) if wanted else Snapshot.objects.none()
    for profile, state in rows.order_by("pk").values_list("profile", "state"):
        lanes[profile].append(state)
    for profile in profiles:
        profile.lane = lanes[profile.pk]


def _with_words(runs: QuerySet) -> list[Run]:
    found = list(runs)
    for run in found:
        run.words = words.words_of(run.kind)
    return found


def _of_run(run: Run) -> Trouble:
    unknown = run.effect == Effect.UNKNOWN
    said = "Unknown: somebody must look. " if unknown else ""
    partial = run.state == RunState.PARTIAL
    return Trouble(
        "warn" if partial else "fail",
        "alert-triangle" if partial else "circle-x",
        f"{run.subject[:1].upper()}{run.subject[1:]} {'ended incomplete' if partial else 'failed'}",
        said + run.error[:200],
        run.get_absolute_url(),
        f"failed-{run.pk}",
    )


def _of_clusters(clusters: list[Cluster]) -> list[Trouble]:
    bad = [cluster for cluster in clusters if cluster.state == ClusterState.BAD]
    return [_of_place(cluster, "plug-connected-x", f"No contact with {cluster}") for cluster in bad]


def _of_repositories(repositories: list[Repository]) -> list[Trouble]:
    what = {RepositoryState.FAILED: "is not registered", RepositoryState.MISSING: "is missing from the cluster"}
    found = [(repository, what.get(repository.state, "")) for repository in repositories]
    found += [(r, "was not verified on every node") for r in repositories if r.is_registered and r.message]
    troubles = [_of_place(repository, "circle-x", f"{repository} {said}") for repository, said in found if said]
    unread = [
        r for r in repositories if r.is_registered and r.collect_message and r.cluster.state == ClusterState.GOOD
    ]
    return troubles + [_unread(repository) for repository in unread]


def _unread(repository: Repository) -> Trouble:
    said, url = f"The snapshots in {repository} cannot be read", repository.get_absolute_url()
    return Trouble("fail", "circle-x", said, repository.collect_message[:200], url, f"unread-{repository.pk}")


def _of_losses(repository: Repository) -> Iterator[Trouble]:
    """Each is a link to the list of them."""
    for state, number, what, text in (
        ("damaged", repository.damaged, "damaged in {}", "Files are missing or broken. Look at the storage."),
        (
            "missing",
            repository.vanished_lately,
            "vanished from {}",
            "Somebody deleted them, or the folder is not the one it was.",
        ),
    ):
        if number:
            title = f"{number:,} snapshot{'s' if number > 1 else ''} {what.format(repository)}"
            url = f"{reverse('snapshots:list')}?repository={repository.pk}&state={state}"
            yield Trouble("fail", "alert-triangle", title, text, url, f"{state}-{repository.pk}")


def _of_place(place: Cluster | Repository, icon: str, title: str) -> Trouble:
    key = f"{place._meta.model_name}-{place.pk}"
    return Trouble("fail", icon, title, place.message[:200], place.get_absolute_url(), key)
