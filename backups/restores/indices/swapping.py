"""The step that puts proven copies in the place of live indices, one after the other.

Each turn looks where the swap of an index stands and sends what comes next (``swap.next_call``). A call whose answer
was lost, and whose effect is not there, is waited for as long as a server may still carry it out, before anybody
decides what comes next.
"""

import time
from datetime import timedelta

from backups import clock
from backups.gateways.elasticsearch import indices as es_indices
from backups.gateways.elasticsearch import restores as es
from backups.gateways.elasticsearch import swapping as gateway
from backups.gateways.elasticsearch.answers import acknowledged
from backups.gateways.elasticsearch.call import Call
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.errors import Answered, BadCredential, NotFound, OutcomeUnknown
from backups.gateways.elasticsearch.settings import cluster_settings
from backups.gateways.errors import GatewayError
from backups.restores.job import LOST_FOR
from backups.runs import Next, Stay, Turn
from backups.runs.models import Level, RunState
from backups.templatetags.formats import count_of

from . import calls, safety
from .calls import Purpose, frozen_call
from .job import IndicesJob
from .row import Row
from .swap import (
    ALIAS_BACK,
    BACK,
    BLOCK_BEFORE,
    DELETE_BEFORE,
    UNBLOCK_LIVE,
    UNBLOCK_WORK,
    Finished,
    Following,
    Now,
    Stand,
    Stuck,
    Wait,
    left_over,
    next_call,
    way_back,
)

TURN_SECONDS = 3
"""So long one turn goes on with the next call, so that a name is missing for a moment only."""

TAKES_AWAY = (Purpose.DELETE_LIVE, Purpose.ALIAS)
GIVES_BACK = (Purpose.PLACE, BACK)
"""What takes the name away, and what gives it back."""

WAITED_FOR = timedelta(minutes=5)

REFUSALS = 3
"""A refused call proves that it did nothing, so it is sent again; after so many the swap is given up."""

IN_A_SNAPSHOT = "snapshot_in_progress_exception"
ASK_AGAIN = 5


def swap(turn: Turn):
    """One turn of the swap of the first index that is not in place yet."""
    job = IndicesJob.of(turn)
    if "safety" not in turn.memory:
        return safety.announce(job)
    if turn.run.claims > 1:
        turn.remember(doubt_at=clock.now())  # whoever died may have sent something
    done = {*turn.memory.get("swapped", []), *turn.memory.get("left", [])}
    waiting = [row for row in job.swaps if row.source not in done]
    if not waiting:
        return Next(f"{count_of(len(turn.memory.get('swapped', [])), 'index', 'indices')} in place")
    try:
        return _advance(job, waiting[0])
    except OutcomeUnknown as error:
        turn.log(f"{error.message} Looking whether it was done.", Level.WARNING)
        return Stay(1)
    except GatewayError as error:
        # Something of ours may be outstanding (a block, a missing name), and where it stands can be read later.
        return job.silent(error, for_ever=True)


def _advance(job: IndicesJob, row: Row):
    turn, until = job.turn, time.monotonic() + TURN_SECONDS
    reader, writer = job.reader(), job.writer()
    while time.monotonic() < until:
        stand = look(job, row, reader, writer)
        turn.forget("silent_since")
        if _may_still_come(turn, _next(turn, stand)):
            return Stay(1)
        if _wants_back(job, stand):
            turn.remember(back=True)
        found = _next(turn, stand)
        if stand.work is not None and stand.work.documents is not None:
            turn.remember(documents=stand.work.documents)
        if isinstance(found, Wait):
            return _wait(job, row, stand, found)
        if isinstance(found, Stuck):
            return _stuck(job, row, stand, found)
        if isinstance(found, Finished):
            return _finished(job, row, stand)
        if found in TAKES_AWAY and (changed := _aliases_changed(row, reader)):
            return _stuck(job, row, stand, Stuck(changed))
        try:
            _send_next(job, writer, found, row)
        except Answered as error:
            return _refused(job, row, stand, error)
        turn.forget("refused", "refused_since", "waits_since")
    return Stay()


def _send_next(job: IndicesJob, writer: Client, purpose: str, row: Row) -> None:
    _send(job, writer, purpose, row)
    if purpose in (Purpose.DELETE_LIVE, Purpose.UNALIAS):
        # The name is missing from here on: nothing is looked at before it is there again.
        _send(job, writer, Purpose.PLACE, row)


def _next(turn: Turn, stand: Stand) -> Following:
    return way_back(stand) if turn.memory.get("back") else next_call(stand)


def _aliases_changed(row: Row, reader: Client) -> str:
    """The plan says which aliases the new index gets: others that came since must not be lost without a word."""
    described = es_indices.describe(reader, [row.source]).get(row.source)
    if described is None or described.get("aliases", {}) == row.aliases_now:
        return ""
    return f"The aliases of {row.source} were changed since the plan was made. Make a new plan."


def _wait(job: IndicesJob, row: Row, stand: Stand, found: Wait):
    """Shards come up in a moment; what does not come is given up, so that no index takes no writes for ever."""
    turn, now = job.turn, clock.now()
    since = turn.moment("waits_since") or now
    turn.remember(waits_since=since)
    if now - since < WAITED_FOR:
        return Stay(0.5)
    turn.forget("waits_since")
    return _stuck(job, row, stand, Stuck(f"For {WAITED_FOR.seconds // 60} min {found.what}."))


def look(job: IndicesJob, row: Row, reader: Client, writer: Client) -> Stand:
    """Where the swap of this index stands."""
    names = [name for name in (row.source, row.work, row.before) if name]
    places = gateway.places(reader, names)
    counts = es.counts(writer, [name for name, place in places.items() if place.active])
    now = {
        name: Now(
            place.uuid,
            place.active,
            place.blocked,
            counts[name].documents if _whole(counts, name) else None,
            place.cloned,
        )
        for name, place in places.items()
    }
    by_alias = job.by_alias
    guard, ours = (True, False) if by_alias else _guard(job, row, reader)
    behind = [] if row.source in places else gateway.aliases_named(reader, [row.source]).get(row.source, [])
    return Stand(
        old_uuid=row.uuid_now,
        live=now.get(row.source),
        work=now.get(row.work),
        before=now.get(row.before),
        guarded=guard,
        guard_is_ours=ours,
        by_alias=by_alias,
        work_is_kept=job.is_undo,
        is_alias=row.work in behind if by_alias else bool(behind),
        was_blocked=row.blocked_now,
        was_alias=job.is_undo and not row.uuid_now and bool(row.before),
    )


def _whole(counts: dict[str, es.Count], name: str) -> bool:
    return name in counts and counts[name].whole


def _guard(job: IndicesJob, row: Row, reader: Client) -> tuple[bool, bool]:
    """Whether the name cannot be made anew by a writer, and whether our own setting sees to that."""
    guard = job.value(Purpose.GUARD, row.source)
    before = job.value(Purpose.UNGUARD, row.source)
    return (now := gateway.auto_create(cluster_settings(reader)).persistent) == guard, now == guard != before


def _send(job: IndicesJob, writer: Client, purpose: str, row: Row) -> None:
    call = _call(job, purpose, row)
    job.turn.log(call.text(), Level.CALL)
    try:
        acknowledged(call, writer.send(call, job.opaque_id))
    except NotFound:
        if purpose not in (Purpose.DELETE_LIVE, Purpose.DELETE_WORK, DELETE_BEFORE):
            raise
    except OutcomeUnknown:
        job.turn.remember(lost_call=purpose, lost_call_at=clock.now(), doubt_at=clock.now())
        raise


def _call(job: IndicesJob, purpose: str, row: Row) -> Call:
    """The frozen call; what the way back needs is no part of the plan."""
    unplanned = {
        UNBLOCK_LIVE: lambda: gateway.block_writes_call(row.source, False),
        UNBLOCK_WORK: lambda: gateway.block_writes_call(row.work, False),
        DELETE_BEFORE: lambda: gateway.delete_index_call(row.before),
        BLOCK_BEFORE: lambda: gateway.block_writes_call(row.before, True),
        BACK: lambda: calls.back_call(row, job.capabilities),
        ALIAS_BACK: lambda: gateway.add_aliases_call(row.before, {row.source: {}, **row.aliases_now}),
    }
    if purpose in unplanned:
        return unplanned[purpose]()
    if purpose == Purpose.DELETE_WORK and not job.calls(purpose, row.source):
        return gateway.delete_index_call(row.work)
    return frozen_call(job.calls(purpose, row.source)[0])


def _may_still_come(turn: Turn, found: Following) -> bool:
    """Whether a call whose answer was lost may still be carried out. What is to be sent next tells: as long as it is
    the lost call, its effect is not there. Only what gives the name back is sent again at once: the one that comes
    second is refused."""
    if "lost_call" not in turn.memory:
        return False
    not_there = found == turn.memory["lost_call"] and found not in GIVES_BACK
    if not_there and clock.now() - turn.moment("lost_call_at") < LOST_FOR:
        return True
    turn.forget("lost_call", "lost_call_at")
    return False


def _wants_back(job: IndicesJob, stand: Stand) -> bool:
    """A cancel is obeyed as long as no live index was taken away; after that the swap goes on to its end."""
    if not job.turn.cancel_requested or job.turn.memory.get("swapped"):
        return False
    return stand.is_untouched


def _finished(job: IndicesJob, row: Row, stand: Stand):
    turn = job.turn
    if turn.memory.get("swapped") and turn.memory.get("back"):
        # Others are in place already: this one and those after it stay as they were, and the run says so.
        turn.remember(left=[*turn.memory.get("left", []), row.source])
        return Stay()
    if turn.memory.get("back"):
        why = turn.memory.get("why_back", "Cancelled.")
        state = RunState.CANCELLED if turn.cancel_requested else RunState.FAILED
        return job.take_back(state, why)
    turn.log(f"{row.source} is in place{f'; the old one is kept as {row.before}' if row.before else ''}.", Level.DONE)
    # In place it has what the copy had; what writers add from now on comes on top.
    documents = turn.memory.get("swapped_documents", {}) | {row.source: turn.memory.get("documents")}
    turn.remember(swapped=[*turn.memory.get("swapped", []), row.source], swapped_documents=documents)
    turn.forget("documents")
    safety.keep(job, row, stand)
    return Stay()


def _refused(job: IndicesJob, row: Row, stand: Stand, error: Answered):
    """A refusal did nothing: the same again, and after some the old index stays, or comes back. What only has to be
    tidied up is waited for: a snapshot keeps every index that is in it for as long as it runs."""
    turn, now = job.turn, clock.now()
    if error.passes or isinstance(error, BadCredential):
        return job.silent(
            error, for_ever=True
        )  # a cluster that has just begun knows neither its users nor its master
    refused, since = turn.memory.get("refused", 0) + 1, turn.moment("refused_since") or now
    if refused <= REFUSALS:
        turn.log(error.message, Level.WARNING)
    turn.remember(refused=refused, refused_since=since)
    if refused < REFUSALS:
        return Stay(1)
    if not turn.memory.get("back") and (stand.is_untouched or stand.live is None):
        if _in_doubt(turn):
            return Stay(1)
        turn.forget("refused", "refused_since")
        turn.remember(back=True, why_back=f"The swap of {row.source} was refused. {error.message}")
        return Stay()
    if error.type == IN_A_SNAPSHOT or now - since < WAITED_FOR:
        return Stay(ASK_AGAIN)
    why = f"The swap of {row.source} cannot go on. {error.message}"
    return job.unknown(f"{why} {left_over(stand, row)}".rstrip(), error.detail)


def _in_doubt(turn: Turn) -> bool:
    """Whether a call may still come that nobody has an answer to: then nobody knows what a way back would meet."""
    doubt_at = turn.moment("doubt_at")
    return doubt_at is not None and clock.now() - doubt_at < LOST_FOR


def _stuck(job: IndicesJob, row: Row, stand: Stand, found: Stuck):
    if stand.is_untouched and not job.turn.memory.get("back"):
        job.turn.remember(back=True, why_back=found.why)
        return Stay()
    return job.unknown(f"{found.why} {left_over(stand, row)}".rstrip())
