"""What becomes of each row in one transaction of a refresh: gone, read again, or new. One of ours is judged, one of
somebody else is found."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from django.db import IntegrityError, transaction
from django.utils import timezone

from backups import clock
from backups.audit.acts import Act
from backups.gateways.elasticsearch import snapshots as es
from backups.repositories.models import Repository

from .compare import THERE, Known, state_of
from .details import Read
from .models import Snapshot, SnapshotIndex, SnapshotState
from .ownership import ours
from .verdict import judge

# So long after its run a snapshot that nobody has seen is called failed: no call of ours is on its way any more.
NEVER_CAME_AFTER = timedelta(minutes=10)

ODD = "Made by somebody else. What the cluster says of it was not understood, so nothing more is known."
GONE = "The repository does not list this snapshot any more. It was deleted, or the folder is not the one it was."
NEVER_CAME = "The repository does not have it, and its name is not kept for it any more."


@dataclass(frozen=True)
class Writing:
    """One transaction of a refresh. ``told``: names for its entries; ``new``: names that no row claims; ``rows``: new
    ones of somebody else, and the indices of each, for ``add``."""

    a: Act
    repository: Repository
    read: Read
    told: dict[str, list[str]]
    new: list[str]
    rows: list[tuple[Snapshot, list[str]]] = field(default_factory=list)

    @cached_property
    def earlier(self) -> dict[str, list[Snapshot]]:
        """By name, the newest first: rows that had these names before. Asked for after those that are gone."""
        rows = Snapshot.objects.filter(repository=self.repository, name__in=self.new)
        over = rows.exclude(run__isnull=False, run__ended_at=None).select_related("run")
        found: dict[str, list[Snapshot]] = {}
        for row in over.order_by("-pk"):
            row.repository = self.repository
            found.setdefault(row.name, []).append(row)
        return found


def gone(writing: Writing, row: Known) -> None:
    """The list does not have it, or has another one of this name."""
    snapshot, read = _locked(row), writing.read
    if snapshot is None:
        return
    if (found := read.facts.get(row.name)) and (_is_this(snapshot, found)):
        _adopt(writing.a, snapshot, found)
        return
    if snapshot.run_id and not row.uuid and row.name in read.damaged:
        _damaged(writing, snapshot, row)
        return
    if snapshot.run_id and not row.uuid:
        if clock.now() - snapshot.run.ended_at > NEVER_CAME_AFTER:
            _set(snapshot, state=SnapshotState.FAILED, message=NEVER_CAME)
        return
    _set(snapshot, state=SnapshotState.MISSING, message=GONE)
    writing.told["missing"].append(row.name)
    if snapshot.run_id:
        writing.told["made_here"].append(row.name)


def reread(writing: Writing, row: Known) -> None:
    """It was read again: damaged, or what the repository has."""
    snapshot = _locked(row)
    if snapshot is None:
        return
    found = writing.read.facts.get(row.name)
    if found is None:
        _damaged(writing, snapshot, row)
    else:
        _adopt(writing.a, snapshot, found)


def _damaged(writing: Writing, snapshot: Snapshot, row: Known) -> None:
    if row.state != SnapshotState.DAMAGED:
        writing.told["damaged"].append(row.name)
    _set(snapshot, state=SnapshotState.DAMAGED, message=writing.read.damaged[row.name])


def new(writing: Writing, listed: es.Listed) -> None:
    """A name that no row claims: one of ours that was given up, one that came back, or somebody else's."""
    read, found = writing.read, writing.read.facts.get(listed.name)
    rows = writing.earlier.get(listed.name, ()) if found else ()
    earlier = next((row for row in rows if _is_this(row, found)), None)
    if earlier and earlier.uuid and earlier.state in THERE:
        return  # its run ended while this was read, and has read more
    if earlier is None:
        writing.rows.append(_row(writing.repository, listed, found, read))
        return
    try:
        with transaction.atomic():
            _adopt(writing.a, earlier, found)
    except IntegrityError:
        return  # a run has taken the name this very moment: looked at again next time
    if earlier.state == SnapshotState.MISSING:
        writing.told["found"].append(listed.name)
        writing.told["back"].append(listed.name)


def add(writing: Writing) -> None:
    """Write the rows of new ones: together, or one by one where a run has taken a name this very moment. That one is
    looked at again next time."""
    try:
        _add(writing, writing.rows)
    except IntegrityError:
        for row in writing.rows:
            with suppress(IntegrityError):
                _add(writing, [row])


def _add(writing: Writing, rows: list[tuple[Snapshot, list[str]]]) -> None:
    with transaction.atomic():
        Snapshot.objects.bulk_create([snapshot for snapshot, _ in rows])
        SnapshotIndex.objects.bulk_create(
            SnapshotIndex(snapshot=snapshot, name=name[:255]) for snapshot, names in rows for name in names
        )
    for snapshot, _ in rows:
        writing.told["damaged" if snapshot.state == SnapshotState.DAMAGED else "found"].append(snapshot.name)


def _is_this(snapshot: Snapshot, found: es.SnapshotFacts) -> bool:
    if snapshot.uuid:
        return snapshot.uuid == found.uuid
    return snapshot.run_id is not None and ours(snapshot, found)


def _adopt(a: Act, snapshot: Snapshot, found: es.SnapshotFacts) -> None:
    """The row says from now on what the repository has. One of ours is judged against what was asked for."""
    if snapshot.run_id and found.over:
        judged = judge(found, list(snapshot.indices.values_list("name", flat=True)))
        state, message = judged.state, judged.sentence
    else:
        state, message = state_of(found)
    verified = timezone.now() if state == SnapshotState.VERIFIED else None
    _set(snapshot, **_facts(found) | {"state": state, "message": message, "verified_at": verified})
    if snapshot.run_id and not snapshot.uuid:
        a.record("snapshot.adopted", snapshot, change={"state": str(state)}, run=snapshot.run_id)


def _row(
    repository: Repository, listed: es.Listed, found: es.SnapshotFacts | None, read: Read
) -> tuple[Snapshot, list[str]]:
    damage = read.damaged.get(listed.name, "")
    columns = _facts(found) if found else {"uuid": listed.uuid[:40]}
    unread = (SnapshotState.DAMAGED, damage) if damage else (SnapshotState.UNKNOWN, ODD)
    state, message = state_of(found) if found else unread
    snapshot = Snapshot(repository=repository, name=listed.name, **columns, state=state, message=message)
    return snapshot, sorted(set(found.indices if found else read.indices.get(listed.name, ())))


def _facts(found: es.SnapshotFacts) -> dict:
    columns = {"uuid": found.uuid[:40], "started_at": found.started_at}
    columns |= {"ended_at": found.ended_at if found.over else None}
    columns |= {"shards_total": found.shards_total, "shards_failed": found.shards_failed}
    return columns | {"failures": [f"{f.index} shard {f.shard}: {f.reason}" for f in found.failures]}


def _locked(row: Known) -> Snapshot | None:
    """The row if it is still as it was before the calls."""
    rows = Snapshot.objects.filter(pk=row.pk, state=row.state, uuid=row.uuid)
    return rows.select_related("repository__cluster", "run").first() if rows.update(uuid=row.uuid) else None


def _set(snapshot: Snapshot, **columns) -> None:
    Snapshot.objects.filter(pk=snapshot.pk).update(**columns)
