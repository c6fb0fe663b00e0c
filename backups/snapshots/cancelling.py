"""Cancelling a snapshot: Elasticsearch deletes a running one. It was seen to be ours before anything here runs."""

from datetime import timedelta

from backups import clock
from backups.clusters.connection import NoCredential, capabilities_of, open_client
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import snapshots as es
from backups.gateways.elasticsearch.errors import BadCredential, Forbidden, GatewayError, OutcomeUnknown
from backups.runs import Done, Stay, Turn
from backups.runs.models import Effect, Level, RunState
from backups.runs.services import forget_cancel

from . import services
from .models import Snapshot, SnapshotState

# A delete waits behind other work of the repository. After that the snapshot is judged as it is found; while it runs
# on, the call was lost, and is sent once more.
DELETED_WITHIN = timedelta(minutes=10)

AGAIN_AFTER = 2

DELETED = (
    "The unfinished snapshot was deleted. Earlier snapshots are not touched. What was copied so far stays as unused "
    "data until Elasticsearch removes it with a later delete or cleanup."
)


def cancel(turn: Turn, snapshot: Snapshot) -> Stay:
    """Announce the delete in one turn, send it in the next. A credential that may not ends the cancel only."""
    cluster = snapshot.repository.cluster
    call = es.delete_call(snapshot.repository.name, snapshot.name, capabilities_of(cluster))
    if "cancel_at" not in turn.memory:
        turn.log(call.text(), Level.CALL)
        turn.remember(cancel_at=clock.now())
        turn.write(lambda a: a.record("credential.used", turn.run, run=turn.run.pk))
        return Stay()
    turn.remember(cancel_at=clock.now())
    try:
        es.delete(open_client(cluster, Purpose.RESTRICTED), call, opaque_id=f"console-run-{turn.run.pk}")
    except OutcomeUnknown as error:
        turn.log(f"{error.message} Waiting until the snapshot is gone.", Level.WARNING)
    except (BadCredential, Forbidden, NoCredential) as error:
        turn.log(f"It could not be cancelled and goes on. {error.message}", Level.ERROR)
        turn.forget("cancel_at")
        turn.write(lambda a: forget_cancel(turn.run))
        return Stay()
    except GatewayError as error:
        # Nothing was done: asked again until the snapshot is over by itself.
        turn.log(error.message, Level.WARNING)
        return Stay(AGAIN_AFTER)
    return wait_until_gone(turn)


def sent(turn: Turn) -> bool:
    """Whether a delete of ours may have reached the cluster: it was sent, or a process died while it sent it."""
    return "cancel_sent" in turn.memory or ("cancel_at" in turn.memory and turn.run.claims > 1)


def is_going(turn: Turn, found: es.SnapshotFacts) -> bool:
    """A delete was sent: until it is done the server shows the snapshot as running, failed or even whole. One that
    still runs after a process died is deleted once more instead."""
    if not sent(turn) or clock.now() - turn.moment("cancel_at") >= DELETED_WITHIN:
        return False
    return found.over or "cancel_sent" in turn.memory


def wait_until_gone(turn: Turn) -> Stay:
    turn.remember(cancel_sent=True)
    return Stay(0.5)


def cancelled(turn: Turn, snapshot: Snapshot, what: str, effect: str = Effect.NONE) -> Done:
    """The defined end of a cancel; ``what`` says what became of the snapshot."""
    turn.log(f"Cancelled. {what}", Level.DONE)
    turn.write(lambda a: services.set_state(snapshot, SnapshotState.CANCELLED, what))
    return Done(RunState.CANCELLED, effect, what)
