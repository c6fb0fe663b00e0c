"""The steps of deleting a snapshot, with the restricted credential.

Each function is one turn, and may be repeated after a crash at any line. The look ends with the commit that says that
the call is about to be sent; from then on a second attempt of the same turn may come after the call was sent, so it
only looks. A delete is sent once. The snapshot is gone when its repository says so, never because a call said it.
"""

from datetime import timedelta

from backups import clock
from backups.clusters.connection import NoCredential, capabilities_of, open_client
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import snapshots as es
from backups.gateways.elasticsearch.addresses import BadAddress
from backups.gateways.elasticsearch.errors import Answered, Damaged, GatewayError, NotFound, Unreachable, Untrusted
from backups.runs import Done, Kind, Next, Stay, Step, Turn
from backups.runs.models import Effect, Level, RunState
from backups.snapshots import services as snapshots
from backups.snapshots.models import Snapshot

from . import approved, safety_copies
from .copies import locked

# From a write these say that no byte of it left.
NOT_SENT = (BadAddress, Unreachable, Untrusted, NoCredential)

# How long a cluster may be silent: before the call, and once it may have been sent.
PATIENCE_BEFORE = timedelta(seconds=30)
PATIENCE_AFTER = timedelta(hours=6)

# A delete waits behind other work of its repository. One whose answer was lost is not waited for as long.
GONE_WITHIN = timedelta(hours=2)
LOST_FOR = timedelta(minutes=10)

# So long a run waits while the cluster is at other snapshots, or restores from one.
BUSY_FOR = timedelta(hours=2)
BUSY = "concurrent_snapshot_execution_exception"

READ_SECONDS, AGAIN_AFTER, LOOK_AFTER = 5, 2, 1


class ChangedMeanwhile(Exception):
    """Between the look and its commit somebody came to need the copy. The turn is void, and the next one sees it."""


def look(turn: Turn):
    """Is it still there, the same one, and held by nothing that nobody knew of?"""
    if "admitted" not in turn.memory:
        return _announce(turn)
    snapshot = _snapshot(turn)
    if turn.cancel_requested:
        return _over(turn, "Cancelled. Nothing was sent to the cluster.", state=RunState.CANCELLED)
    if why := approved.why_not_now(turn.run, snapshot):
        return _over(turn, why)
    try:
        uuid = uuid_of(snapshot)
    except GatewayError as error:
        return _no_answer(turn, error, PATIENCE_BEFORE)
    if uuid != turn.run.params["uuid"]:
        turn.write(lambda a: safety_copies.record_snapshot_gone(a, turn.run, snapshot, deleted=False))
    if uuid is None:
        return _over(turn, f"{snapshot.repository.name} does not have {snapshot} any more. Nothing was deleted.")
    if uuid != turn.run.params["uuid"]:
        return _over(turn, f"{snapshot.repository.name} has another snapshot {snapshot} now. It was not touched.")
    return _begin(turn, snapshot)


def delete(turn: Turn):
    """Send the delete once, then look until the snapshot is gone."""
    snapshot = _snapshot(turn)
    if "sent_at" not in turn.memory and turn.run.claims > 1:
        turn.log("An attempt broke off, perhaps after the call was sent. Looking whether it is gone.", Level.WARNING)
        turn.remember(sent_at=clock.now(), lost=True)
    if "sent_at" in turn.memory:
        return _wait(turn, snapshot)
    if turn.cancel_requested:
        return _over(turn, "Cancelled. Nothing was sent to the cluster.", state=RunState.CANCELLED)
    if why := approved.why_not_admitted(turn.run):
        return _over(turn, why)
    return _send(turn, snapshot)


DELETE_SNAPSHOT = Kind(
    snapshots.DELETE,
    "Delete snapshot",
    (Step("Look at the snapshot", look), Step("Delete it, and see that it is gone", delete)),
    on_failure=safety_copies.give_up,
)


def uuid_of(snapshot: Snapshot) -> str | None:
    """Of the snapshot that has this name in the repository now; None where there is none. A damaged one says it in
    the list only. Raises gateway errors."""
    repository = snapshot.repository
    client = open_client(repository.cluster, Purpose.EVERYDAY, patience=READ_SECONDS)
    try:
        found = es.get(client, repository.name, snapshot.name)
        return found.uuid if found else None
    except Damaged:
        listed = es.list_snapshots(client, repository.name, capabilities_of(repository.cluster))
        return next((each.uuid for each in listed if each.name == snapshot.name), None)


def _snapshot(turn: Turn) -> Snapshot:
    rows = Snapshot.objects.select_related("repository__cluster", "profile", "run")
    return rows.get(pk=turn.run.params["snapshot"])


def _announce(turn: Turn):
    """The first turns ask the request, where there is one; then the entry about the credential is written."""
    if (refused := approved.admit(turn)) is not None:
        return _tidied(turn, refused)
    turn.write(lambda a: a.record("credential.used", turn.run, run=turn.run.pk))
    return Stay()


def _begin(turn: Turn, snapshot: Snapshot):
    """From this commit on it is too late for a hold."""
    turn.forget("silent_since")
    turn.log(_call(snapshot).text(), Level.CALL)
    turn.remember(announced=True)
    turn.write(lambda a: refuse_changed(turn, snapshot))
    return Next("there, and as it was when this was asked for")


def refuse_changed(turn: Turn, copy) -> None:
    """Part of a commit: with the row locked nobody can place a hold until it is written."""
    if why := approved.why_not_now(turn.run, locked(copy)):
        raise ChangedMeanwhile(why)


def _call(snapshot: Snapshot):
    repository = snapshot.repository
    return es.delete_call(repository.name, snapshot.name, capabilities_of(repository.cluster))


def _send(turn: Turn, snapshot: Snapshot):
    """The only place that sends it. A refusal proves that nothing was deleted."""
    try:
        client = open_client(snapshot.repository.cluster, Purpose.RESTRICTED)
        es.delete(client, _call(snapshot), opaque_id=f"console-run-{turn.run.pk}")
    except NOT_SENT as error:
        return _no_answer(turn, error, PATIENCE_BEFORE)
    except NotFound as error:
        turn.log(f"{error.message} Looking whether it is gone.", Level.WARNING)
    except Answered as error:
        return _refused(turn, error)
    except GatewayError as error:
        turn.log(f"{error.message} It is not sent again. Looking whether it is gone.", Level.WARNING)
        turn.remember(lost=True)
    turn.forget("silent_since", "busy_since")
    turn.remember(sent_at=clock.now())
    return Stay(0.5)


def _refused(turn: Turn, error: Answered):
    """While the cluster is at other snapshots it is asked again: nothing was done."""
    now = clock.now()
    since = turn.moment("busy_since") or now
    if error.type == BUSY and now - since < BUSY_FOR:
        if "busy_since" not in turn.memory:
            turn.log(f"{error.message} This run waits for it.", Level.WARNING)
        turn.remember(busy_since=since)
        return Stay(AGAIN_AFTER)
    return _over(turn, f"It was not deleted. {error.message}", error.detail)


def _wait(turn: Turn, snapshot: Snapshot):
    """Only reading says what came of the call."""
    try:
        uuid = uuid_of(snapshot)
    except GatewayError as error:
        return _no_answer(turn, error, PATIENCE_AFTER)
    turn.forget("silent_since")
    if uuid != turn.run.params["uuid"]:
        return _gone(turn, snapshot)
    limit = LOST_FOR if turn.memory.get("lost") else GONE_WITHIN
    if clock.now() - turn.moment("sent_at") < limit:
        return Stay(LOOK_AFTER)
    return _over(
        turn,
        f"{limit.seconds // 60} min after the call {snapshot} is still in {snapshot.repository.name}. The cluster "
        "may delete it yet. Look at the cluster, then delete it again if it is still there.",
        effect=Effect.UNKNOWN,
    )


def _gone(turn: Turn, snapshot: Snapshot) -> Done:
    words = f"Deleted by run {turn.run.pk}. Other snapshots are not touched."
    turn.log("It is gone.", Level.DONE)
    turn.write(lambda a: snapshots.record_deleted(a, snapshot, turn.run, words))
    turn.write(lambda a: safety_copies.record_snapshot_gone(a, turn.run, snapshot, deleted=True))
    return Done(RunState.SUCCEEDED, Effect.APPLIED, "It is gone from the repository.")


def _no_answer(turn: Turn, error: GatewayError, patience: timedelta):
    """Before the call only what may pass is waited out; after it no failed read proves anything."""
    sent, now = "sent_at" in turn.memory, clock.now()
    since = turn.moment("silent_since") or now
    if (sent or error.passes) and now - since < patience:
        if since == now:
            turn.log(f"{error.message} Asking again.", Level.WARNING)
        turn.remember(silent_since=since)
        return Stay(AGAIN_AFTER)
    if not sent:
        return _over(turn, f"Nothing was deleted. {error.message}", error.detail)
    why = f"The call was sent. Whether the snapshot is gone could not be read: {error.message}"
    return _over(turn, why, error.detail, effect=Effect.UNKNOWN)


def _over(turn: Turn, why: str, detail: str = "", *, effect: str = Effect.NONE, state: str = RunState.FAILED) -> Done:
    """Over, and as far as we know it is still there."""
    turn.log(why, Level.WARNING if state == RunState.CANCELLED else Level.ERROR)
    return _tidied(turn, Done(state, effect, error=why, detail=detail))


def _tidied(turn: Turn, outcome):
    """A safety copy that was to go stays kept."""
    if isinstance(outcome, Done):
        turn.write(lambda a: safety_copies.record_end(a, turn.run, removed=False))
    return outcome
