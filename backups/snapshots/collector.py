"""Refreshes our rows of one repository's snapshots: found, adopted, damaged, gone.

The cheap list says which there are; details are read only of what is new or changed, and of a rotating slice of the
rest. Of a few, in turn, the server is made to read the small files that describe shards and indices; nothing but a
restore reads the data itself. The calls of a refresh are bounded (``details``); what is left makes the repository due
again at once. A snapshot with a run of ours at work is left to that run. Rows are read before the list: one that was
made in between is not called gone. What becomes of each row is in ``adopting``.
"""

from collections.abc import Iterable

from django.conf import settings
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
from backups.runs.models import Run

from . import adopting, services
from .compare import Known, Work, compare
from .details import Read, read_details
from .models import HOLDS_NAME, Snapshot, SnapshotState

AT_A_TIME = 100
NAMED = 20

# States that reading again may change for the better.
UNSURE = (SnapshotState.RUNNING, SnapshotState.DAMAGED, SnapshotState.UNKNOWN)

UNNAMED = (
    "The console does not ask for a repository with this name: the cluster could take it for more than one. Remove "
    "it from the cluster, and register its folder under another name."
)


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
        listed = es.list_snapshots(client, repository.name, capabilities_of(repository.cluster))
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
    at_work = Run.objects.active().filter(snapshot__repository=repository)  # asked for after the rows
    busy = set(at_work.values_list("snapshot__pk", flat=True))
    return [Known(*row, busy=row[0] in busy) for row in rows]


def _record(repository: Repository, fence: int, work: Work, read: Read) -> None:
    """Short transactions, each only while the fence is ours."""
    told: dict[str, list[str]] = {"found": [], "missing": [], "damaged": [], "made_here": [], "back": []}
    jobs = [(adopting.gone, row) for row in _surely_gone(repository, work, read)]
    jobs += [(adopting.reread, row) for row, _ in work.due if row.name in read.damaged or _may_be_better(row, read)]
    deleted = services.being_deleted()  # asked for after the list: one that is over by now has moved its row
    jobs = [job for job in jobs if job[1].pk not in deleted]
    known = {*read.facts, *read.damaged, *read.odd}
    jobs += [(adopting.new, one) for one in work.new if one.name in known]
    portions = [jobs[start : start + AT_A_TIME] for start in range(0, len(jobs), AT_A_TIME)] or [[]]
    for portion in portions:
        last = portion is portions[-1]
        with act(None) as a:
            if not leases.still_mine(Repository.objects, repository.pk, fence, **(_refreshed(read) if last else {})):
                return
            new = [subject.name for job, subject in portion if job is adopting.new]
            writing = adopting.Writing(a, repository, read, told, new)
            for job, subject in portion:
                job(writing, subject)
            adopting.add(writing)
            _tell(a, repository, told, read.listed)
            if read.damaged or work.damaged or repository.damaged:
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
