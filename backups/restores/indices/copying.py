"""The step that lets the server restore: each batch of the plan is sent once and followed to its end.

What was sent is announced in one turn and sent in the next, so that after a crash it is known that it may have left.
A call whose answer is lost is looked for in the cluster's recoveries, and never sent again.
"""

from backups import clock
from backups.gateways.elasticsearch import restores as es
from backups.gateways.elasticsearch import swapping
from backups.gateways.elasticsearch.errors import Answered, OutcomeUnknown
from backups.gateways.errors import GatewayError
from backups.restores.job import LOST_FOR
from backups.runs import Next, Stay, Turn
from backups.runs.models import Level, RunState
from backups.templatetags.formats import count_of

from . import overwriting
from .calls import frozen_call
from .job import CLOCKS_DIFFER, IndicesJob

GONE_TWICE = 2
"""The cluster's entry of a restore must be missing in so many reads before it is over."""


def copy(turn: Turn):
    """One turn: close what is overwritten, send the next batch, or look how far it is."""
    job = IndicesJob.of(turn)
    batch = turn.memory.get("batch", 0)
    if batch == len(job.batches):
        turn.remember(copied_at=clock.now())
        return Next(f"{count_of(len(job.going), 'index', 'indices')} copied")
    try:
        if "sent_at" in turn.memory:
            return _follow(job, batch)
        if job.in_place and turn.memory.get("announced") != batch and not overwriting.close(job):
            return Stay(0.5)
        return _send(job, batch)
    except GatewayError as error:
        return job.silent(error, for_ever=job.in_place) if "sent_at" in turn.memory else _not_sent(job, error)


def _send(job: IndicesJob, batch: int):
    turn, planned = job.turn, job.batches[batch]
    call = frozen_call(planned)
    if turn.memory.get("announced") != batch:
        if turn.cancel_requested:
            return job.take_back(RunState.CANCELLED, "Cancelled.")
        turn.log(call.text(), Level.CALL)
        turn.remember(announced=batch, announced_at=clock.now(), known=_known_uuids(job, batch))
        return Stay()
    if turn.run.claims > 1:
        turn.log("An attempt broke off, perhaps after the restore was sent. Looking for it.", Level.WARNING)
        # It left after it was announced, whenever that was: at least a lease ago.
        turn.remember(sent_at=turn.moment("announced_at"), lost_at=clock.now())
        return Stay()
    sent_at = clock.now()
    turn.remember(copying_at=turn.moment("copying_at") or sent_at)
    try:
        es.restore(job.writer(), call, opaque_id=job.opaque_id)
    except OutcomeUnknown as error:
        turn.log(f"{error.message} Looking for it on the cluster.", Level.WARNING)
        turn.remember(lost_at=clock.now())
    except Answered as error:
        return job.take_back(RunState.FAILED, error.message, error.detail)
    turn.remember(sent_at=sent_at)
    return Stay()


def _known_uuids(job: IndicesJob, batch: int) -> list[str]:
    """Of restores that these indices came from before: an index that is overwritten must not be proven by them."""
    names = [row.restored_as for row in job.rows_of(batch)]
    there = list(swapping.exists(job.reader(), names))
    return sorted({one.restore_uuid for one in es.recoveries(job.reader(), there) if one.restore_uuid})


def _not_sent(job: IndicesJob, error: GatewayError):
    """No byte of this batch has left."""
    return job.take_back(RunState.FAILED, f"Nothing was sent. {error.message}", error.detail)


def _follow(job: IndicesJob, batch: int):
    turn, rows = job.turn, job.rows_of(batch)
    client, targets = job.reader(), [row.restored_as for row in rows]
    running = es.entry(client, job.repository, job.snapshot, targets)
    shards = [s for s in es.recoveries(client, targets) if _is_ours(job, s)]
    turn.forget("silent_since")
    if "lost_at" in turn.memory and not running and not shards:
        return _still_lost(job)
    turn.forget("lost_at")
    turn.remember(ours=sorted({*turn.memory.get("ours", []), *(shard.index for shard in shards)}))
    _remember_uuid(turn, batch, shards)
    turn.progress = _progress(turn, running, shards)
    if turn.cancel_requested and running:
        return job.take_back(RunState.CANCELLED, "Cancelled.")
    if running or not es.settled(client, targets):
        turn.forget("gone")
        return Stay(1)
    gone = turn.memory.get("gone", 0) + 1
    if gone < GONE_TWICE:
        turn.remember(gone=gone)
        return Stay(0.5)
    sent = {"at": turn.memory["sent_at"], "known": turn.memory["known"]}
    turn.remember(batch=batch + 1, batches={**turn.memory.get("batches", {}), str(batch): sent})
    turn.forget("gone", "announced", "announced_at", "sent_at", "known")
    return Stay()


def _is_ours(job: IndicesJob, shard: es.ShardRecovery) -> bool:
    since = job.turn.moment("sent_at")
    at_that_time = shard.started_at is not None and shard.started_at >= since - CLOCKS_DIFFER
    ours = (shard.repository, shard.snapshot) == (job.repository, job.snapshot)
    return ours and at_that_time and shard.restore_uuid not in job.turn.memory["known"]


def _still_lost(job: IndicesJob):
    if clock.now() - job.turn.moment("lost_at") < LOST_FOR:
        return Stay(1)
    why = f"The restore did not reach the cluster: {LOST_FOR.seconds} s later there is no trace of it."
    if job.in_place and overwriting.is_untouched(job):
        job.turn.forget("sent_at")
    return job.take_back(RunState.FAILED, why)


def _remember_uuid(turn: Turn, batch: int, shards: list[es.ShardRecovery]) -> None:
    uuids = {shard.restore_uuid for shard in shards if shard.restore_uuid}
    if len(uuids) == 1:
        turn.remember(uuids={**turn.memory.get("uuids", {}), str(batch): uuids.pop()})


def _progress(turn: Turn, running: es.Entry | None, shards: list[es.ShardRecovery]) -> dict:
    now = clock.now().isoformat()
    primaries = [shard for shard in shards if shard.primary]
    done = sum(shard.stage == "DONE" for shard in primaries)
    return {
        "since": turn.run.progress.get("since", now),
        "at": now,
        "shards_total": running.shards_total if running else max(len(primaries), 1),
        "shards_done": running.shards_done if running else done,
        "shards_failed": running.shards_failed if running else 0,
        "bytes_total": sum(shard.bytes_total for shard in primaries),
        "bytes_done": sum(shard.bytes_done for shard in primaries),
    }
