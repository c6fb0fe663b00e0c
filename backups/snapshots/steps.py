"""The steps of a snapshot run: prepare, create, follow, verify.

Each function is one turn. It may be repeated after a crash at any line, so it looks before it acts: the name of
the snapshot was fixed in our row before the cluster heard of it, and ``metadata.run_id`` says whose it is.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from backups.clusters.connection import NoCredential, capabilities_of, open_client
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import indices as es_indices
from backups.gateways.elasticsearch import patterns
from backups.gateways.elasticsearch import snapshots as es
from backups.gateways.elasticsearch.errors import (
    Answered,
    BadCredential,
    Forbidden,
    GatewayError,
    OutcomeUnknown,
    Taken,
    Unreachable,
)
from backups.runs import Done, Kind, Next, Stay, Step, Turn
from backups.runs.models import Effect, Level, RunState
from backups.runs.services import forget_cancel

from . import services
from .models import Snapshot, SnapshotState
from .verdict import judge

# How long a cluster may be silent before the run is given up: before the snapshot exists, and while it goes on
# without us.
PATIENCE_BEFORE = timedelta(seconds=30)
PATIENCE_AFTER = timedelta(hours=6)

# Longer than a server keeps a request for its master (30 s), and then some: a slow repository delays a create.
LOST_FOR = timedelta(seconds=120)

# Answers of a cluster that is busy or between two masters, or of a proxy before it: not of the request itself.
PASSING = (429, 502, 503, 504)

# So long one read may keep a worker from the runs of other clusters.
READ_SECONDS = 5

# The status of a finished snapshot makes the server read a file for every shard.
SHARDS_ASKED_AGAIN = 200

# A delete waits behind other work of the repository. After that the snapshot is judged as it is found.
DELETED_WITHIN = timedelta(minutes=10)

FOLLOW_WAITS = (0, 0.5, 0.5, 1)
FOLLOW_WAIT = 2

STATES = {
    SnapshotState.VERIFIED: RunState.SUCCEEDED,
    SnapshotState.PARTIAL: RunState.PARTIAL,
    SnapshotState.FAILED: RunState.FAILED,
}


def prepare(turn: Turn):
    """Expand the patterns to exact names, see that the name is free, and record the indices as they are."""
    snapshot = _snapshot(turn)
    if turn.cancel_requested:
        return _cancelled(turn, snapshot, "Nothing was sent to the cluster.")
    try:
        client = _reader(snapshot)
        names = patterns.expand(turn.run.params["patterns"], es_indices.list_indices(client))
        facts = es_indices.facts(client, names) if names else {}
        found = es.get(client, snapshot.repository.name, snapshot.name)
    except GatewayError as error:
        return _no_answer(turn, snapshot, error)
    if not facts:
        wanted = ", ".join(turn.run.params["patterns"])
        return _failed(turn, snapshot, f"No index matches {wanted}. Nothing was made. Check the patterns.")
    if found and not _ours(snapshot, found):
        return _failed(turn, snapshot, _taken(snapshot))
    documents = sum(index.documents or 0 for index in facts.values())
    turn.log(f"{len(facts)} indices with {documents:,} documents: {', '.join(sorted(facts))}")
    turn.write(lambda a: services.record_before(snapshot, facts))
    return Next(f"{len(facts)} indices, {documents:,} documents")


def create(turn: Turn):
    """Send the create once, and know afterwards whether there is one."""
    snapshot = _snapshot(turn)
    if snapshot.sent_at is None:
        return _announce(turn, snapshot)
    try:
        client = open_client(snapshot.repository.cluster, Purpose.EVERYDAY)
        found = es.get(client, snapshot.repository.name, snapshot.name)
    except GatewayError as error:
        return _no_answer(turn, snapshot, error)
    if found is None:
        return _not_found_yet(turn, snapshot) if "lost_at" in turn.run.result else _send(turn, snapshot, client)
    if not _ours(snapshot, found):
        return _failed(turn, snapshot, _taken(snapshot))
    turn.log("The snapshot is there already, made by this run: it is adopted.", Level.DONE)
    return _started(turn, snapshot)


def follow(turn: Turn):
    """Look how far it is, until it is over. Obeys a cancel."""
    snapshot = _snapshot(turn)
    try:
        client = _reader(snapshot)
        found = es.get(client, snapshot.repository.name, snapshot.name)
        if found is None:
            return _vanished(turn, snapshot)
        if not _ours(snapshot, found):
            return _replaced(turn, snapshot)
        if _is_going(turn, found):
            return _wait_until_gone(turn)
        if found.over:
            turn.result = _without(turn.run.result, "silent_since", "vanished_at")
            return Next(f"{found.state}, {found.shards_successful} of {found.shards_total} shards")
        if turn.cancel_requested:
            return _cancel(turn, snapshot)
        progress = es.progress(client, snapshot.repository.name, snapshot.name)
    except GatewayError as error:
        return _no_answer(turn, snapshot, error)
    looks = turn.run.progress.get("looks", 0) + 1
    turn.progress = _progress(turn, progress) | {"looks": looks}
    turn.result = _without(turn.run.result, "silent_since", "vanished_at")
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
        return _no_answer(turn, snapshot, error)
    if found is None:
        return _vanished(turn, snapshot)
    if not _ours(snapshot, found):
        return _replaced(turn, snapshot)
    judged = judge(found, names)
    good = judged.state == SnapshotState.VERIFIED
    turn.log(judged.sentence, Level.DONE if good else Level.ERROR)
    for problem in judged.problems:
        turn.log(problem, Level.ERROR)
    last = _last_progress(client, snapshot, found)
    turn.progress = _progress(turn, last)
    new = turn.progress.get("bytes_total")
    turn.write(lambda a: services.record_after(snapshot, facts))
    turn.write(lambda a: services.record_end(a, snapshot, found, judged, new))
    error = "" if good else judged.sentence
    return Done(STATES[judged.state], Effect.APPLIED, judged.sentence, error, "\n".join(judged.problems))


SNAPSHOT = Kind(
    services.KIND,
    "Snapshot",
    (
        Step("Look at the indices", prepare),
        Step("Start the snapshot", create),
        Step("Copy the data", follow),
        Step("Read back and verify", verify),
    ),
    on_failure=services.give_up,
)


def _snapshot(turn: Turn) -> Snapshot:
    return Snapshot.objects.select_related("repository__cluster", "run").get(run=turn.run)


def _reader(snapshot: Snapshot):
    """The everyday client for reads that must not keep a worker from others."""
    return open_client(snapshot.repository.cluster, Purpose.EVERYDAY, patience=READ_SECONDS)


def _last_progress(client, snapshot: Snapshot, found: es.SnapshotFacts) -> es.Progress | None:
    """How much was new. Worth a question only where it is cheap; the verdict does not depend on it."""
    if found.shards_total > SHARDS_ASKED_AGAIN:
        return None
    with suppress(GatewayError):
        return es.progress(client, snapshot.repository.name, snapshot.name)
    return None


def _create_call(snapshot: Snapshot):
    return es.create_call(
        snapshot.repository.name,
        snapshot.name,
        list(snapshot.indices.values_list("name", flat=True)),
        run_id=snapshot.run.key,
        global_state=snapshot.global_state,
        partial=snapshot.partial,
        capabilities=capabilities_of(snapshot.repository.cluster),
    )


def _announce(turn: Turn, snapshot: Snapshot):
    """Write down that the call is about to be sent, before it is. The last moment for a cancel without a trace."""
    if turn.cancel_requested:
        return _cancelled(turn, snapshot, "Nothing was sent to the cluster.")
    turn.log(_create_call(snapshot).text(), Level.CALL)
    turn.write(lambda a: services.set_state(snapshot, SnapshotState.WANTED, sent_at=timezone.now()))
    return Stay()


def _send(turn: Turn, snapshot: Snapshot, client):
    """The one write. A refusal proves that this call did nothing; an earlier one of a process that died may have."""
    try:
        es.create(client, _create_call(snapshot), opaque_id=_opaque(turn))
    except OutcomeUnknown as error:
        return _lost(turn, error)
    except Taken as error:
        return _taken_but_not_found(turn, snapshot, error)
    except Answered as error:
        effect = Effect.UNKNOWN if _maybe_sent(turn, snapshot) else Effect.NONE
        return _failed(turn, snapshot, error.message, error.detail, effect)
    except GatewayError as error:
        return _no_answer(turn, snapshot, error)
    turn.log("The cluster accepted the snapshot.", Level.DONE)
    return _started(turn, snapshot)


def _started(turn: Turn, snapshot: Snapshot):
    turn.result = _without(turn.run.result, "silent_since")
    turn.write(lambda a: services.set_state(snapshot, SnapshotState.RUNNING, started_at=snapshot.sent_at))
    return Next(snapshot.name)


def _ours(snapshot: Snapshot, found: es.SnapshotFacts) -> bool:
    """Whether this run made what was found. Servers without metadata leave only the time and the indices."""
    if capabilities_of(snapshot.repository.cluster).metadata:
        return found.metadata.get("run_id") == snapshot.run.key
    if snapshot.sent_at is None or found.started_at is None:
        return False
    asked = set(snapshot.indices.values_list("name", flat=True))
    return found.started_at >= snapshot.sent_at - timedelta(seconds=2) and set(found.indices) == asked


def _lost(turn: Turn, error: OutcomeUnknown):
    turn.log(f"{error.message} Looking whether the snapshot was started.", Level.WARNING)
    turn.result = turn.run.result | {"lost_at": timezone.now().isoformat(), "maybe_sent": True}
    return Stay(0.5)


def _taken_but_not_found(turn: Turn, snapshot: Snapshot, error: Taken):
    """Refused as taken, right after a look found nothing: a call of a process that died, somebody else's, or one
    that is being deleted. The next turn reads whose it is."""
    since = _moment(turn, "taken_since") or timezone.now()
    if timezone.now() - since >= PATIENCE_BEFORE:
        effect = Effect.UNKNOWN if _maybe_sent(turn, snapshot) else Effect.NONE
        return _failed(turn, snapshot, error.message, error.detail, effect)
    sent = _maybe_sent(turn, snapshot)
    turn.result = turn.run.result | {"taken_since": since.isoformat(), "maybe_sent": sent}
    return Stay(0.5)


def _not_found_yet(turn: Turn, snapshot: Snapshot):
    if timezone.now() - _moment(turn, "lost_at") < LOST_FOR:
        return Stay(1)
    return _failed(
        turn,
        snapshot,
        f"The cluster did not answer when the snapshot was started, and {LOST_FOR.seconds} s later it has none of "
        "this name. Most likely the call never arrived. Look once more, then start it again with another name.",
        effect=Effect.UNKNOWN,
    )


def _cancel(turn: Turn, snapshot: Snapshot):
    """Delete the running snapshot, which is how Elasticsearch cancels one. It was seen to be ours."""
    cluster = snapshot.repository.cluster
    call = es.delete_call(snapshot.repository.name, snapshot.name, capabilities_of(cluster))
    if "cancel_at" not in turn.run.result:
        turn.log(call.text(), Level.CALL)
        turn.result = turn.run.result | {"cancel_at": timezone.now().isoformat()}
        turn.write(lambda a: a.record("credential.used", turn.run, run=turn.run.pk))
        return Stay()
    try:
        es.delete(open_client(cluster, Purpose.RESTRICTED), call, opaque_id=_opaque(turn))
    except OutcomeUnknown as error:
        turn.log(f"{error.message} Waiting until the snapshot is gone.", Level.WARNING)
    except (BadCredential, Forbidden, NoCredential) as error:
        turn.log(f"It could not be cancelled and goes on. {error.message}", Level.ERROR)
        turn.result = _without(turn.run.result, "cancel_at")
        turn.write(lambda a: forget_cancel(turn.run))
        return Stay()
    except GatewayError as error:
        # Nothing was done; asked again until it is over by itself.
        turn.log(error.message, Level.WARNING)
        return Stay(FOLLOW_WAIT)
    turn.result = turn.run.result | {"cancel_sent": True}
    return Stay(0.5)


def _cancel_sent(turn: Turn) -> bool:
    """Whether a delete of ours may have reached the cluster: it was sent, or a process died while it sent it."""
    return "cancel_sent" in turn.run.result or ("cancel_at" in turn.run.result and turn.run.claims > 1)


def _is_going(turn: Turn, found: es.SnapshotFacts) -> bool:
    """A delete was sent: until it is done the server shows the snapshot as running, failed or even whole. One that
    still runs after a process died is deleted once more instead."""
    if not _cancel_sent(turn) or timezone.now() - _moment(turn, "cancel_at") >= DELETED_WITHIN:
        return False
    return found.over or "cancel_sent" in turn.run.result


def _wait_until_gone(turn: Turn) -> Stay:
    turn.result = turn.run.result | {"cancel_sent": True}
    return Stay(0.5)


def _vanished(turn: Turn, snapshot: Snapshot):
    """There is no snapshot of this name any more: because of our cancel, or because the cluster lost it."""
    if _cancel_sent(turn):
        turn.write(lambda a: a.record("snapshot.deleted", snapshot, run=turn.run.pk))
        return _cancelled(
            turn,
            snapshot,
            "The unfinished snapshot was deleted. Earlier snapshots are not touched. What was copied so far stays "
            "in the repository as unused data until its next cleanup.",
        )
    if "vanished_at" not in turn.run.result:
        turn.result = turn.run.result | {"vanished_at": timezone.now().isoformat()}
        return Stay(1)
    return _failed(
        turn,
        snapshot,
        f"{snapshot.name} vanished from the cluster while it was made. This happens when the master node restarts. "
        "Earlier snapshots are not touched. Start it again.",
    )


def _replaced(turn: Turn, snapshot: Snapshot):
    return _failed(
        turn,
        snapshot,
        f"{snapshot.repository.name} holds a snapshot {snapshot.name} now that this run did not make; ours is gone. "
        "It was not touched. Find out who made it, then start again with another name.",
        effect=Effect.UNKNOWN,
    )


def _no_answer(turn: Turn, snapshot: Snapshot, error: GatewayError):
    """A look failed. Once the call may have been sent, no failed look proves anything: the snapshot goes on without
    us, and so every error is waited out for hours. Before, silence is waited out for a moment, and a refusal ends
    the run."""
    sent = _maybe_sent(turn, snapshot)
    since = _moment(turn, "silent_since")
    if since is None:
        turn.log(error.message, Level.WARNING)
        since = timezone.now()
    passing = isinstance(error, Unreachable) or getattr(error, "status", 0) in PASSING
    patience = PATIENCE_AFTER if sent else PATIENCE_BEFORE
    if not (sent or passing) or timezone.now() - since >= patience:
        effect = Effect.UNKNOWN if sent else Effect.NONE
        return _failed(turn, snapshot, error.message, error.detail, effect)
    turn.result = turn.run.result | {"silent_since": since.isoformat(), "maybe_sent": sent}
    return Stay(FOLLOW_WAIT)


def _maybe_sent(turn: Turn, snapshot: Snapshot) -> bool:
    """Whether a create of ours may have reached the cluster. A second claim of the same turn means that a process
    died in it, perhaps right after it had sent the call."""
    if snapshot.sent_at is None:
        return False
    died = turn.run.claims > 1
    return snapshot.state == SnapshotState.RUNNING or died or bool(turn.run.result.get("maybe_sent"))


def _failed(turn: Turn, snapshot: Snapshot, error: str, detail: str = "", effect: str = Effect.NONE) -> Done:
    """Over without a snapshot."""
    turn.log(error, Level.ERROR)
    state = SnapshotState.UNKNOWN if effect == Effect.UNKNOWN else SnapshotState.FAILED
    turn.write(lambda a: services.set_state(snapshot, state, error))
    return Done(RunState.FAILED, effect, error=error, detail=detail)


def _cancelled(turn: Turn, snapshot: Snapshot, what: str) -> Done:
    turn.log(f"Cancelled. {what}", Level.DONE)
    turn.write(lambda a: services.set_state(snapshot, SnapshotState.CANCELLED, what))
    return Done(RunState.CANCELLED, Effect.NONE, what)


def _progress(turn: Turn, progress: es.Progress | None) -> dict:
    if progress is None:
        return turn.run.progress
    now = timezone.now().isoformat()
    return {
        "since": turn.run.progress.get("since", now),
        "at": now,
        "shards_done": progress.shards_done,
        "shards_total": progress.shards_total,
        "shards_failed": progress.shards_failed,
        "bytes_done": progress.bytes_done,
        "bytes_total": progress.bytes_total,
    }


def _taken(snapshot: Snapshot) -> str:
    return (
        f"{snapshot.repository.name} holds a snapshot {snapshot.name} that this run did not make. It was not "
        "touched. Start again with another name."
    )


def _moment(turn: Turn, name: str) -> datetime | None:
    return parse_datetime(turn.run.result[name]) if name in turn.run.result else None


def _without(result: dict, *names: str) -> dict:
    return {name: value for name, value in result.items() if name not in names}


def _opaque(turn: Turn) -> str:
    return f"console-run-{turn.run.pk}"
