"""Refreshes our rows of one repository's snapshots: found, adopted, damaged, gone.

The cheap list says which there are; details are read only of what is new or changed, and of a rotating slice of the
rest. Of a few, in turn, the server is made to read the small files that describe shards and indices; nothing but a
restore reads the data itself. The calls of a refresh are bounded (``details``); what is left makes the repository due
again at once. A snapshot with a run of ours at work is left to that run. Rows are read before the list: one that was
made in between is not called gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from backups import clock
from backups.audit import act
from backups.audit.acts import Act
from backups.clusters import leases
from backups.clusters.collector import CALL_SECONDS
from backups.clusters.connection import capabilities_of, open_client
from backups.clusters.models import ClusterState, Purpose
from backups.gateways.elasticsearch import snapshots as es
from backups.gateways.elasticsearch.errors import Answered, GatewayError, NotFound
from backups.repositories.models import Repository

from .compare import THERE, Known, Work, compare, state_of
from .details import Read, read_details
from .models import HOLDS_NAME, Snapshot, SnapshotIndex, SnapshotState
from .ownership import ours
from .verdict import judge

AT_A_TIME = 100
NAMED = 20

# So long after its run a snapshot that nobody has seen is called failed: no call of ours is on its way any more.
NEVER_CAME_AFTER = timedelta(minutes=10)

# States that reading again may change for the better.
UNSURE = (SnapshotState.RUNNING, SnapshotState.DAMAGED, SnapshotState.UNKNOWN)

ODD = "Made by somebody else. What the cluster says of it was not understood, so nothing more is known."
GONE = "The repository does not list this snapshot any more. It was deleted, or the folder is not the one it was."
UNNAMED = (
    "The console does not ask for a repository with this name: the cluster could take it for more than one. Remove "
    "it from the cluster, and register its folder under another name."
)
NEVER_CAME = "The repository does not have it, and its name is not kept for it any more."


@dataclass(frozen=True)
class Writing:
    """One transaction of a refresh. ``told``: names for its entries; ``new``: names that no row claims."""

    a: Act
    repository: Repository
    read: Read
    told: dict[str, list[str]]
    new: list[str]

    @cached_property
    def earlier(self) -> dict[str, list[Snapshot]]:
        """By name, the newest first: rows that had these names before. Asked for after those that are gone."""
        rows = Snapshot.objects.filter(repository=self.repository, name__in=self.new)
        over = rows.exclude(run__isnull=False, run__ended_at=None).select_related("repository__cluster", "run")
        found: dict[str, list[Snapshot]] = {}
        for row in over.order_by("-pk"):
            found.setdefault(row.name, []).append(row)
        return found


def collect(pk: int, fence: int) -> None:
    """One refresh under a lease that was claimed. A late one writes nothing."""
    repository = Repository.objects.select_related("cluster").filter(pk=pk, collect_fence=fence).first()
    if repository is None:
        return
    rows = _rows(repository)
    try:
        if not es.is_exact(repository.name):
            raise GatewayError(UNNAMED)
        client = open_client(repository.cluster, Purpose.EVERYDAY, patience=CALL_SECONDS)
        listed = es.list_snapshots(client, repository.name)
        work = compare(listed, rows, turn=fence)
        read = read_details(client, repository, work)
        read.listed = len(listed)
    except GatewayError as error:
        _failed(repository, fence, error)
        return
    _record(repository, fence, work, read)


def _rows(repository: Repository) -> list[Known]:
    """Rows that say or may mean that a snapshot is there."""
    held = repository.snapshots.filter(Q(state__in=HOLDS_NAME) | Q(state=SnapshotState.FAILED) & ~Q(uuid=""))
    rows = list(held.order_by("pk").values_list("pk", "name", "uuid", "state", "shards_total"))
    busy = set(held.filter(run__isnull=False, run__ended_at=None).values_list("pk", flat=True))  # not before the rows
    return [Known(*row, busy=row[0] in busy) for row in rows]


def _record(repository: Repository, fence: int, work: Work, read: Read) -> None:
    """Short transactions, each only while the fence is ours."""
    told: dict[str, list[str]] = {"found": [], "missing": [], "damaged": [], "made_here": [], "back": []}
    jobs = [(_gone, row) for row in _surely_gone(repository, work, read)]
    jobs += [(_reread, row) for row, _ in work.due if row.name in read.damaged or _may_be_better(row, read)]
    known = {*read.facts, *read.damaged, *read.odd}
    jobs += [(_new, one) for one in work.new if one.name in known]
    portions = [jobs[start : start + AT_A_TIME] for start in range(0, len(jobs), AT_A_TIME)] or [[]]
    for portion in portions:
        last = portion is portions[-1]
        with act(None) as a:
            if not leases.still_mine(Repository.objects, repository.pk, fence, **(_refreshed(read) if last else {})):
                return
            writing = Writing(a, repository, read, told, [subject.name for job, subject in portion if job is _new])
            for job, subject in portion:
                job(writing, subject)
            _tell(a, repository, told, read.listed)
            _count_damaged(repository)


def _may_be_better(row: Known, read: Read) -> bool:
    return row.state in UNSURE and row.name in read.facts


def _refreshed(read: Read) -> dict:
    """Columns of a repository whose refresh is over, written with the last of its changes."""
    columns = {"failures": 0, "failing_since": None, "collect_message": "", "collect_detail": ""}
    wait = 0 if read.unread else settings.COLLECT_SECONDS
    return columns | leases.done(wait) | {"collected_at": timezone.now()}


def _surely_gone(repository: Repository, work: Work, read: Read) -> Iterable[Known]:
    """Rows that the list does not have. Old servers leave some out of it, so those were asked for one by one. What
    the list may have, for nobody knows its uuid, is not gone before that was read."""
    known = {*read.absent, *read.facts, *read.damaged}
    if not capabilities_of(repository.cluster).metadata:
        return [row for row in work.gone if row.name in known]
    unread = {one.name for one in work.new} - known
    return [row for row in work.gone if row.uuid or row.name not in unread]


def _gone(writing: Writing, row: Known) -> None:
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


def _reread(writing: Writing, row: Known) -> None:
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


def _new(writing: Writing, listed: es.Listed) -> None:
    """A name that no row claims: one of ours that was given up, one that came back, or somebody else's."""
    read, found = writing.read, writing.read.facts.get(listed.name)
    rows = writing.earlier.get(listed.name, ()) if found else ()
    earlier = next((row for row in rows if _is_this(row, found)), None)
    if earlier and earlier.uuid and earlier.state in THERE:
        return  # its run ended while this was read, and has read more
    try:
        with transaction.atomic():
            if earlier:
                _adopt(writing.a, earlier, found)
                if earlier.state == SnapshotState.MISSING:
                    writing.told["found"].append(listed.name)
                    writing.told["back"].append(listed.name)
            else:
                _add(writing.repository, listed, found, read)
                writing.told["damaged" if listed.name in read.damaged else "found"].append(listed.name)
    except IntegrityError:
        return  # a run has taken the name this very moment: looked at again next time


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


def _add(repository: Repository, listed: es.Listed, found: es.SnapshotFacts | None, read: Read) -> None:
    damage = read.damaged.get(listed.name, "")
    columns = _facts(found) if found else {"uuid": listed.uuid[:40]}
    unread = (SnapshotState.DAMAGED, damage) if damage else (SnapshotState.UNKNOWN, ODD)
    state, message = state_of(found) if found else unread
    columns |= {"state": state, "message": message}
    snapshot = Snapshot.objects.create(repository=repository, name=listed.name, **columns)
    names = set(found.indices if found else read.indices.get(listed.name, ()))
    SnapshotIndex.objects.bulk_create(SnapshotIndex(snapshot=snapshot, name=name[:255]) for name in sorted(names))


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


def _tell(a: Act, repository: Repository, told: dict[str, list[str]], left: int) -> None:
    """``made_here``: how many of those that vanished were ours; ``left``: how many the repository lists now;
    ``back``: those among the found ones that had vanished."""
    for what in ("found", "missing", "damaged"):
        if names := told[what]:
            change = {"number": len(names), "names": names[:NAMED]}
            if what == "missing":
                change |= {"made_here": len(told["made_here"]), "left": left}
                if change["made_here"] or not left:
                    _count_vanished(repository, len(names))
            a.record(
                f"snapshots.{what}", repository, outcome="success" if what == "found" else "failure", change=change
            )
    if told["back"]:
        _count_back(repository, len(told["back"]))
    for names in told.values():
        names.clear()


def _count_damaged(repository: Repository) -> None:
    number = Snapshot.objects.filter(repository=repository, state=SnapshotState.DAMAGED).count()
    Repository.objects.filter(pk=repository.pk).exclude(damaged=number).update(damaged=number)


def _count_vanished(repository: Repository, number: int) -> None:
    """Together with what vanished a little before."""
    repository.vanished, repository.vanished_at = repository.vanished_lately + number, clock.now()
    repository.save(update_fields=["vanished", "vanished_at"])


def _count_back(repository: Repository, number: int) -> None:
    repository.vanished = max(0, repository.vanished - number)
    repository.save(update_fields=["vanished"])


def _failed(repository: Repository, fence: int, error: GatewayError) -> None:
    """The rows stay as they are; since when they are old is shown. A cluster that is away says so itself."""
    failures = repository.failures + 1
    wait = leases.wait_for_repository(failures) if isinstance(error, Answered) else settings.COLLECT_SECONDS
    if isinstance(error, NotFound):
        wait = settings.COLLECT_SECONDS
    leases.still_mine(
        Repository.objects,
        repository.pk,
        fence,
        failures=failures,
        failing_since=repository.failing_since or clock.now(),
        collect_message=error.message,
        collect_detail=error.detail,
        **leases.done(wait),
    )


def answering(repositories):
    """Those that can be asked now: registered, on a cluster that answers."""
    return repositories.filter(state="registered", cluster__state=ClusterState.GOOD)
