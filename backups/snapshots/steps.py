"""The steps of a snapshot run: prepare, create, follow, verify.

Each function is one turn. It may be repeated after a crash at any line, so it looks before it acts: the name of
the snapshot was fixed in our row before the cluster heard of it, and ``metadata.run_id`` says whose it is. What
becomes of bad answers is in ``troubles``, of a cancel in ``cancelling``.
"""

from collections.abc import Collection

from backups import clock
from backups.clusters.connection import capabilities_of, open_client
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import indices as es_indices
from backups.gateways.elasticsearch import patterns
from backups.gateways.elasticsearch import snapshots as es
from backups.gateways.elasticsearch import streams as es_streams
from backups.gateways.elasticsearch.errors import Answered, Damaged, GatewayError, OutcomeUnknown, Taken
from backups.gateways.elasticsearch.streams import stream_of
from backups.runs import Done, Kind, Next, Stay, Step, Turn
from backups.runs.models import Effect, Level, RunState
from backups.templatetags.formats import count_of

from . import cancelling, selection, services, troubles
from .compare import SHARDS_ASKED_AGAIN
from .models import Snapshot, SnapshotState
from .ownership import ours
from .verdict import Verdict, judge

FOLLOW_WAITS = (0, 0.5, 0.5, 1)
FOLLOW_WAIT = 2

# So long one read may keep a worker from the runs of other clusters.
READ_SECONDS = 5

STATES = {
    SnapshotState.VERIFIED: RunState.SUCCEEDED,
    SnapshotState.PARTIAL: RunState.PARTIAL,
    SnapshotState.FAILED: RunState.FAILED,
    SnapshotState.DAMAGED: RunState.FAILED,
}


def prepare(turn: Turn):
    """Expand the patterns to exact names, see that the name is free, and record the indices as they are."""
    snapshot = _snapshot(turn)
    if turn.cancel_requested:
        return cancelling.cancelled(turn, snapshot, "Nothing was sent to the cluster.")
    try:
        client, wanted = _reader(snapshot), turn.run.params["patterns"]
        listed = es_indices.list_indices(client)
        names = patterns.expand(wanted, listed)
        facts = es_indices.facts(client, names) if names else {}
        streams = _whole_streams(client, names)
        found = es.get(client, snapshot.repository.name, snapshot.name)
    except GatewayError as error:
        return troubles.no_answer(turn, snapshot, error)
    if not facts:
        return troubles.matches_nothing(turn, snapshot, selection.stream_hints(wanted, listed))
    if found and not ours(snapshot, found):
        return troubles.taken(turn, snapshot)
    documents = sum(index.documents or 0 for index in facts.values())
    taken = f"{count_of(len(facts), 'index', 'indices')} with {count_of(documents, 'document')}"
    turn.log(f"{taken}: {', '.join(sorted(facts))}")
    if streams:
        turn.remember(streams=streams)
        turn.log(f"With {count_of(len(streams), 'data stream')}: {', '.join(streams)}")
    warnings = selection.warnings(wanted, names, listed)
    for warning in warnings:
        turn.log(warning, Level.WARNING)
    turn.write(lambda a: services.record_before(snapshot, facts))
    return Next(" ".join((f"{taken}.", *warnings)) if warnings else taken)


def create(turn: Turn):
    """Send the create once, and know afterwards whether there is one."""
    snapshot = _snapshot(turn)
    if snapshot.sent_at is None:
        return _announce(turn, snapshot)
    try:
        client = open_client(snapshot.repository.cluster, Purpose.EVERYDAY)
        found = es.get(client, snapshot.repository.name, snapshot.name)
    except GatewayError as error:
        return troubles.no_answer(turn, snapshot, error)
    if found is None:
        lost = "lost_at" in turn.memory
        return troubles.not_found_yet(turn, snapshot) if lost else _send(turn, snapshot, client)
    if not ours(snapshot, found):
        return troubles.taken(turn, snapshot)
    turn.log("The snapshot is there already, made by this run: it is adopted.", Level.DONE)
    return _started(turn, snapshot)


def follow(turn: Turn):
    """Look how far it is, until it is over. Obeys a cancel."""
    snapshot = _snapshot(turn)
    try:
        client = _reader(snapshot)
        found = es.get(client, snapshot.repository.name, snapshot.name)
        if found is None:
            return troubles.vanished(turn, snapshot)
        if not ours(snapshot, found):
            return troubles.replaced(turn, snapshot)
        if cancelling.is_going(turn, found):
            return cancelling.wait_until_gone(turn)
        if found.over:
            turn.forget("silent_since", "broken_since", "vanished_at")
            return Next(f"{found.state}, {found.shards_successful} of {found.shards_total} shards")
        if turn.cancel_requested:
            return cancelling.cancel(turn, snapshot)
        progress = es.progress(client, snapshot.repository.name, snapshot.name)
    except GatewayError as error:
        return troubles.no_answer(turn, snapshot, error)
    turn.forget("silent_since", "broken_since", "vanished_at")
    looks = turn.run.progress.get("looks", 0) + 1
    turn.progress = _progress(turn, progress) | {"looks": looks}
    return Stay(FOLLOW_WAITS[looks] if looks < len(FOLLOW_WAITS) else FOLLOW_WAIT)


def verify(turn: Turn):
    """Read it back, compare it with what was asked for, and record the indices once more."""
    snapshot = _snapshot(turn)
    names = list(snapshot.indices.values_list("name", flat=True))
    try:
        client = _reader(snapshot)
        found = es.get(client, snapshot.repository.name, snapshot.name)
        facts = es_indices.facts(client, names)
    except GatewayError as error:
        return troubles.no_answer(turn, snapshot, error)
    if found is None:
        return troubles.vanished(turn, snapshot)
    if not ours(snapshot, found):
        return troubles.replaced(turn, snapshot)
    judged, progress = _judged(client, snapshot, found, names, turn.memory.get("streams", []))
    good = judged.state == SnapshotState.VERIFIED
    turn.log(judged.sentence, Level.DONE if good else Level.ERROR)
    for problem in judged.problems:
        turn.log(problem, Level.ERROR)
    turn.progress = _progress(turn, progress)
    new = turn.progress.get("bytes_total")
    turn.write(lambda a: services.record_after(snapshot, facts))
    turn.write(lambda a: services.record_end(a, snapshot, found, judged, new))
    error = "" if good else judged.sentence
    return Done(
        STATES[judged.state], Effect.APPLIED, judged.sentence, error, "\n".join(judged.problems) or judged.detail
    )


SNAPSHOT = Kind(
    services.KIND,
    "Snapshot",
    (
        Step("Look at the indices", prepare),
        Step("Start the snapshot", create),
        Step("Copy the data", follow),
        Step("Read the entry back and compare", verify),
    ),
    on_failure=services.give_up,
)


def _snapshot(turn: Turn) -> Snapshot:
    return Snapshot.objects.select_related("repository__cluster", "run").get(run=turn.run)


def _reader(snapshot: Snapshot):
    """The everyday client for reads that must not keep a worker from others."""
    return open_client(snapshot.repository.cluster, Purpose.EVERYDAY, patience=READ_SECONDS)


def _whole_streams(client, names: Collection[str]) -> list[str]:
    """The data streams whose indices are all among these: named in the call, they can be restored as such."""
    if not any(stream_of(name) for name in names):
        return []
    found = es_streams.streams(client)
    return sorted(stream for stream, indices in found.items() if indices and set(indices) <= set(names))


def _create_call(turn: Turn, snapshot: Snapshot):
    return es.create_call(
        snapshot.repository.name,
        snapshot.name,
        [*snapshot.indices.values_list("name", flat=True), *turn.memory.get("streams", [])],
        run_id=snapshot.run.key,
        global_state=snapshot.global_state,
        partial=snapshot.partial,
        capabilities=capabilities_of(snapshot.repository.cluster),
    )


def _announce(turn: Turn, snapshot: Snapshot):
    """Write down that the call is about to be sent, before it is. The last moment for a cancel without a trace."""
    if turn.cancel_requested:
        return cancelling.cancelled(turn, snapshot, "Nothing was sent to the cluster.")
    turn.log(_create_call(turn, snapshot).text(), Level.CALL)
    turn.write(lambda a: services.set_state(snapshot, SnapshotState.WANTED, sent_at=clock.now()))
    return Stay()


def _send(turn: Turn, snapshot: Snapshot, client):
    """The one write. A refusal proves that this call did nothing; an earlier one of a process that died may have."""
    if turn.cancel_requested and troubles.only_waited(turn, snapshot):
        return cancelling.cancelled(turn, snapshot, "The cluster was busy and had not accepted it.")
    try:
        es.create(client, _create_call(turn, snapshot), opaque_id=f"console-run-{turn.run.pk}")
    except OutcomeUnknown as error:
        return troubles.lost(turn, error)
    except Taken as error:
        return troubles.taken_but_not_found(turn, snapshot, error)
    except Answered as error:
        return troubles.refused(turn, snapshot, error)
    except GatewayError as error:
        return troubles.no_answer(turn, snapshot, error)
    turn.log("The cluster accepted the snapshot.", Level.DONE)
    return _started(turn, snapshot)


def _started(turn: Turn, snapshot: Snapshot):
    turn.forget("silent_since", "broken_since", "busy_since")
    turn.write(lambda a: services.set_state(snapshot, SnapshotState.RUNNING, started_at=snapshot.sent_at))
    return Next(snapshot.name)


def _judged(
    client, snapshot: Snapshot, found: es.SnapshotFacts, names: list[str], streams: list[str]
) -> tuple[Verdict, es.Progress | None]:
    """The verdict, and how much was new. The latter is worth a question only where it is cheap, and no answer to it
    changes the verdict, but that a file is missing already: a folder whose old files were removed takes new
    snapshots that build on them."""
    if found.shards_total <= SHARDS_ASKED_AGAIN:
        try:
            progress = es.progress(client, snapshot.repository.name, snapshot.name)
            if progress is None and es.get(client, snapshot.repository.name, snapshot.name):
                # OpenSearch says so little of a shard whose file is gone.
                return Verdict(SnapshotState.DAMAGED, es.PART_MISSING), None
            return judge(found, names, streams), progress
        except Damaged as error:
            return Verdict(SnapshotState.DAMAGED, error.message, detail=error.detail), None
        except GatewayError:
            pass
    return judge(found, names, streams), None


def _progress(turn: Turn, progress: es.Progress | None) -> dict:
    if progress is None:
        return turn.run.progress
    now = clock.now().isoformat()
    return {
        "since": turn.run.progress.get("since", now),
        "at": now,
        "shards_done": progress.shards_done,
        "shards_total": progress.shards_total,
        "shards_failed": progress.shards_failed,
        "bytes_done": progress.bytes_done,
        "bytes_total": progress.bytes_total,
    }
