"""Verbs on profiles and snapshots."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.access import Denied, may
from backups.audit import act
from backups.audit.acts import Act
from backups.audit.timeline import changed_meanwhile
from backups.clusters import leases
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import datemath
from backups.gateways.elasticsearch.indices import IndexFacts
from backups.repositories.models import Repository, RepositoryState
from backups.runs import RunError, queue_run
from backups.runs.models import CHECK, Run, RunState

from . import verdict
from .models import HOLDS_NAME, Mapping, Snapshot, SnapshotIndex, SnapshotProfile, SnapshotState

KIND = "snapshot"
DELETE = "delete_snapshot"
PREVIEW = "snapshots:start"
PROFILE_FIELDS = (
    *("cluster", "repository", "name", "patterns", "name_template", "global_state", "partial", "time_field"),
)


class SnapshotError(Exception):
    """A snapshot or profile cannot be made; the message is for the person who asked, ``field`` names the part of
    the form that it is about."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class AlreadySent(SnapshotError):
    """This form was sent before; ``run`` is what came of it."""

    def __init__(self, run: Run) -> None:
        super().__init__("This form was already sent. The snapshot was started once.")
        self.run = run


def queue_snapshot(
    *,
    actor,
    repository: Repository,
    name: str,
    patterns: list[str],
    profile: SnapshotProfile | None = None,
    global_state: bool = False,
    partial: bool = False,
    reason: str = "",
    form_key: str = "",
) -> Run:
    """Fix the name of a snapshot in a row, and queue the run that makes it.

    ``patterns`` are expanded to exact names by the run. Raises SnapshotError (name taken, bad name, repository not
    registered, form sent twice) and Denied.
    """
    if actor is not None and not may(actor, "snapshot.start"):
        raise Denied("snapshot.start")
    name = resolved(name, timezone.now())
    _refuse_bad_start(repository, name, patterns)
    with act(actor, reason=reason):
        try:
            run = queue_run(
                KIND,
                actor=actor,
                subject=f"snapshot {name}",
                params={"patterns": list(patterns), "no_cancel": _no_cancel(repository)} | _named(profile),
                key=f"{KIND}:{form_key}" if form_key else "",
                reason=reason,
            )
        except RunError as error:
            raise AlreadySent(Run.objects.get(key=f"{KIND}:{form_key}")) from error
        snapshot = _take_name(repository, name, profile, run, global_state=global_state, partial=partial)
        run.subject_url = snapshot.get_absolute_url()
        run.save(update_fields=["subject_url"])
    return run


def queue_profile_snapshot(
    *, actor, profile: SnapshotProfile, seen: str, name: str, reason: str = "", form_key: str = ""
) -> Run:
    """Start a snapshot of what a profile protects. ``seen`` is the digest of the profile that the person was shown:
    a form from before a change must not start something else than it says."""
    if seen != profile.digest:
        raise SnapshotError("This profile was changed since the form was opened. Look at it again, then start.")
    return queue_snapshot(
        actor=actor,
        repository=profile.repository,
        name=name,
        patterns=profile.patterns,
        profile=profile,
        global_state=profile.global_state,
        partial=profile.partial,
        reason=reason,
        form_key=form_key,
    )


def save_profile(*, actor, profile: SnapshotProfile, seen: str = "", reason: str = "") -> SnapshotProfile:
    """Add or change a profile. ``seen`` is the digest that the person's form was made from. Raises SnapshotError
    when somebody changed it since, or when the name is taken on this cluster."""
    if not may(actor, "profile.manage"):
        raise Denied("profile.manage")
    try:
        resolved(profile.name_template, timezone.now())
    except SnapshotError as error:
        raise SnapshotError(str(error), "name_template") from error
    if profile.repository.cluster_id != profile.cluster_id:
        raise SnapshotError(f"Repository {profile.repository.name} is on another cluster.", "repository")
    _refuse_readonly(profile.repository)
    stored = SnapshotProfile.objects.get(pk=profile.pk) if profile.pk else None
    if stored and stored.digest != seen:
        raise SnapshotError(changed_meanwhile(stored, "profile.changed"))
    before = _shown(stored) if stored else {}
    after = _shown(profile)
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    change = {k: {"before": before[k], "after": v} if before else v for k, v in changed.items()}
    with act(actor, reason=reason) as a:
        try:
            with transaction.atomic():
                profile.save()
        except IntegrityError as error:
            raise SnapshotError(f"A profile {profile.name} exists on {profile.cluster} already.", "name") from error
        if change:
            a.record("profile.changed" if before else "profile.added", profile, change=change)
    return profile


def was_seen_empty(actor, profile: SnapshotProfile) -> bool:
    """Whether this person's newest preview was of what the profile takes now, and said that it is nothing."""
    seen = Run.objects.filter(kind=CHECK, actor=actor, subject=PREVIEW, state=RunState.SUCCEEDED)
    newest = seen.only("params", "result").order_by("-pk").first()
    if newest is None or newest.params["patterns"] != profile.patterns:
        return False
    return newest.params["repository"] == profile.repository_id and newest.result.get("number") == 0


def free_name(repository: Repository | None, template: str, now: datetime) -> str:
    """The name that a template gives now; the second one of a day gets ``-2``. None stands for any repository.
    Raises SnapshotError."""
    return datemath.propose(resolved(template, now), _taken_names(repository))


def described_name(repository: Repository, name: str) -> str:
    """What would become of a name that somebody is typing, in words for a preview."""
    try:
        concrete = resolved(name, timezone.now())
    except SnapshotError as error:
        return str(error)
    taken = _taken_names(repository)
    if concrete in taken:
        return f"{concrete} is taken. Free is: {datemath.propose(concrete, taken)}."
    return f"It would be called {concrete}."


def record_before(snapshot: Snapshot, facts: dict[str, IndexFacts]) -> None:
    """Keep what the indices were just before the snapshot. Safe to repeat: a turn that died left nothing."""
    mappings = {index.name: Mapping.of(index.mapping) for index in facts.values()}
    Mapping.objects.bulk_create({m.digest: m for m in mappings.values()}.values(), ignore_conflicts=True)
    snapshot.indices.all().delete()
    SnapshotIndex.objects.bulk_create(
        SnapshotIndex(
            snapshot=snapshot,
            name=index.name,
            uuid=index.uuid,
            state=index.state,
            documents_before=index.documents,
            max_seq_no_before=list(index.max_seq_no) if index.max_seq_no is not None else None,
            bytes=index.bytes,
            primaries=index.primaries,
            aliases=index.aliases,
            mapping=mappings[index.name],
            settings=index.settings,
        )
        for index in facts.values()
    )


def record_after(snapshot: Snapshot, facts: dict[str, IndexFacts]) -> None:
    """Keep what the indices were just after, and with it how exactly each is counted."""
    rows = list(snapshot.indices.defer("settings", "aliases"))
    for row in rows:
        after = facts.get(row.name)
        row.counted = verdict.counted(row, after)
        if after is not None:
            row.documents_after = after.documents
            row.max_seq_no_after = list(after.max_seq_no) if after.max_seq_no is not None else None
    SnapshotIndex.objects.bulk_update(rows, ["counted", "documents_after", "max_seq_no_after"], batch_size=200)


def record_end(a: Act, snapshot: Snapshot, found, judged: verdict.Verdict, bytes_new: int | None) -> None:
    """Write what was read back. ``found`` are the SnapshotFacts."""
    now = timezone.now()
    leases.soon(Repository.objects.filter(pk=snapshot.repository_id))  # first, as in ``set_state``
    Snapshot.objects.filter(pk=snapshot.pk).update(
        state=judged.state,
        uuid=found.uuid,
        message=judged.sentence,
        started_at=found.started_at,
        ended_at=found.ended_at or now,
        verified_at=now if judged.state == SnapshotState.VERIFIED else None,
        shards_total=found.shards_total,
        shards_failed=found.shards_failed,
        bytes_new=bytes_new,
        failures=list(judged.problems),
    )
    if judged.state == SnapshotState.VERIFIED:
        a.record("snapshot.verified", snapshot, run=snapshot.run_id)


def set_state(snapshot: Snapshot, state: str, message: str = "", **columns) -> None:
    """Move a snapshot's row; only from within a run's commit, whose fence has been checked."""
    if state not in (SnapshotState.WANTED, SnapshotState.RUNNING):
        # The repository before its snapshots, as the collector does: in another order they lock each other out.
        leases.soon(Repository.objects.filter(pk=snapshot.repository_id))
    Snapshot.objects.filter(pk=snapshot.pk).update(state=state, message=message, **columns)


def record_deleted(a: Act, snapshot: Snapshot, run: Run, message: str) -> None:
    """A run of ours deleted it, and the repository does not have it any more."""
    set_state(snapshot, SnapshotState.DELETED, message)
    change = {"uuid": snapshot.uuid, "repository": snapshot.repository.name}
    a.record("snapshot.deleted", snapshot, change=change, run=run.pk)


def being_deleted() -> set[int]:
    """Snapshots that a run of ours deletes now: what becomes of them is that run's business."""
    runs = Run.objects.active().filter(kind=DELETE)
    return set(runs.values_list("params__snapshot", flat=True))


def give_up(run: Run) -> None:
    """The engine gave the run up: whether the snapshot exists is not known."""
    Snapshot.objects.filter(run=run, state__in=(SnapshotState.WANTED, SnapshotState.RUNNING)).update(
        state=SnapshotState.UNKNOWN,
        message="The run was given up. Look into the repository before you use this name.",
    )


def _take_name(repository, name, profile, run, **options) -> Snapshot:
    try:
        with transaction.atomic():
            return Snapshot.objects.create(repository=repository, name=name, profile=profile, run=run, **options)
    except IntegrityError as error:
        proposal = datemath.propose(name, _taken_names(repository))
        raise SnapshotError(f"{name} is taken in {repository.name}. Free is: {proposal}.", "name") from error


def _refuse_bad_start(repository: Repository, name: str, patterns: list[str]) -> None:
    if repository.state != RepositoryState.REGISTERED:
        raise SnapshotError(f"Repository {repository.name} is not registered. Register it first.", "repository")
    _refuse_readonly(repository)
    if not patterns:
        raise SnapshotError(
            "Say which indices to protect. An empty list would mean all of them to the cluster.", "patterns"
        )


def _refuse_readonly(repository: Repository) -> None:
    if repository.is_readonly:
        raise SnapshotError(
            f"{repository.name} is registered as read-only on {repository.cluster}, so no snapshot can go there. "
            "Choose another repository.",
            "repository",
        )


def _taken_names(repository: Repository | None) -> set[str]:
    rows = Snapshot.objects.filter(state__in=HOLDS_NAME)
    return set((rows.filter(repository=repository) if repository else rows).values_list("name", flat=True))


def resolved(name: str, now: datetime) -> str:
    """The concrete name; date math is resolved here, never by the cluster, which could not find it again. Raises
    SnapshotError."""
    try:
        return datemath.check_name(datemath.resolve(name, now))
    except (datemath.DateMathError, datemath.BadName) as error:
        raise SnapshotError(str(error), "name") from error


def _no_cancel(repository: Repository) -> str:
    """Why this run will not be cancellable; empty when it will."""
    if repository.cluster.credential(Purpose.RESTRICTED):
        return ""
    return (
        f"To cancel deletes the running snapshot. That needs the restricted credential of {repository.cluster}, "
        "which is not set."
    )


def _named(profile: SnapshotProfile | None) -> dict:
    """The profile for the page of the run, as text: runs know nothing of snapshots."""
    return {"profile": {"name": profile.name, "url": profile.get_absolute_url()}} if profile else {}


def _shown(profile: SnapshotProfile) -> dict:
    return {field: _plain(getattr(profile, field)) for field in PROFILE_FIELDS}


def _plain(value):
    return value if isinstance(value, (bool, list)) else str(value)
