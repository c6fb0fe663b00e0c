"""The steps of removing a safety copy that is an index, with the restricted credential.

As with a snapshot: the call is sent once, by the exact name, and only while the index of that name is the one that
the restore had made. It is gone when the cluster says so.
"""

from backups import clock
from backups.clusters.connection import open_client
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import indices as es
from backups.gateways.elasticsearch.answers import acknowledged
from backups.gateways.elasticsearch.errors import Answered, GatewayError, NotFound
from backups.gateways.elasticsearch.swapping import delete_index_call
from backups.runs import Done, Kind, Next, Stay, Step, Turn
from backups.runs.models import Effect, Level, RunState

from . import safety_copies
from .copy_ends import kept, missing, removed, safety_copy_of, why_needed
from .models import SafetyCopy
from .steps import AGAIN_AFTER, LOOK_AFTER, LOST_FOR, NOT_SENT, PATIENCE_AFTER, PATIENCE_BEFORE, READ_SECONDS


def look(turn: Turn):
    """Is the index of this name still the one that was made?"""
    copy = safety_copy_of(turn)
    if turn.run.state == RunState.QUEUED:
        turn.write(lambda a: a.record("credential.used", turn.run, run=turn.run.pk))
        return Stay()
    if why := why_needed(copy):
        return kept(turn, why)
    try:
        uuid = uuid_of(copy)
    except GatewayError as error:
        return _no_answer(turn, error)
    if uuid is None:
        return missing(turn, f"{copy.cluster} has no index {copy} any more.")
    if uuid != copy.facts.get("uuid"):
        return missing(turn, f"{copy.cluster} has another index {copy} now. It was not touched.")
    turn.forget("silent_since")
    turn.log(delete_index_call(copy.name).text(), Level.CALL)
    turn.remember(announced=True)
    return Next("there, and the one that the restore had made")


def delete(turn: Turn):
    """Send the delete once, then look until the index is gone."""
    copy = safety_copy_of(turn)
    if "sent_at" not in turn.memory and turn.run.claims > 1:
        turn.log("An attempt broke off, perhaps after the call was sent. Looking whether it is gone.", Level.WARNING)
        turn.remember(sent_at=clock.now())
    return _wait(turn, copy) if "sent_at" in turn.memory else _send(turn, copy)


DELETE_INDEX = Kind(
    safety_copies.DELETE_INDEX,
    "Remove safety copy",
    (Step("Look at the index", look), Step("Delete it, and see that it is gone", delete)),
    on_failure=safety_copies.give_up,
)


def uuid_of(copy: SafetyCopy) -> str | None:
    """Of the index that has this name now; None where there is none. Raises gateway errors."""
    client = open_client(copy.cluster, Purpose.EVERYDAY, patience=READ_SECONDS)
    try:
        found = es.facts(client, [copy.name]).get(copy.name)
    except NotFound:
        return None
    return found.uuid if found else None


def _send(turn: Turn, copy: SafetyCopy):
    """The only place that sends it. A refusal proves that nothing was deleted."""
    call = delete_index_call(copy.name)
    try:
        client = open_client(copy.cluster, Purpose.RESTRICTED)
        acknowledged(call, client.send(call, f"console-run-{turn.run.pk}"))
    except NOT_SENT as error:
        return _no_answer(turn, error)
    except NotFound as error:
        turn.log(f"{error.message} Looking whether it is gone.", Level.WARNING)
    except Answered as error:
        return kept(turn, f"It was not deleted. {error.message}", error.detail)
    except GatewayError as error:
        turn.log(f"{error.message} It is not sent again. Looking whether it is gone.", Level.WARNING)
    turn.forget("silent_since")
    turn.remember(sent_at=clock.now())
    return Stay(0.5)


def _wait(turn: Turn, copy: SafetyCopy):
    try:
        uuid = uuid_of(copy)
    except GatewayError as error:
        return _no_answer(turn, error)
    if uuid != copy.facts.get("uuid"):
        return removed(turn, f"{copy} is gone from {copy.cluster}.")
    if clock.now() - turn.moment("sent_at") < LOST_FOR:
        return Stay(LOOK_AFTER)
    return kept(turn, f"{LOST_FOR.seconds // 60} min after the call {copy} is still there.", effect=Effect.UNKNOWN)


def _no_answer(turn: Turn, error: GatewayError) -> Stay | Done:
    """Before the call only what may pass is waited out; after it no failed read proves anything."""
    sent, now = "sent_at" in turn.memory, clock.now()
    since = turn.moment("silent_since") or now
    if (sent or error.passes) and now - since < (PATIENCE_AFTER if sent else PATIENCE_BEFORE):
        turn.remember(silent_since=since)
        return Stay(AGAIN_AFTER)
    effect = Effect.UNKNOWN if sent else Effect.NONE
    return kept(turn, f"It was not seen to go. {error.message}", error.detail, effect)
