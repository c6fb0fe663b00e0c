"""The way back before anything live was touched: what this restore made is deleted again, and the run ends."""

from backups.gateways.elasticsearch import restores as es
from backups.gateways.elasticsearch import streams as es_streams
from backups.gateways.elasticsearch import swapping
from backups.gateways.elasticsearch.call import Call
from backups.gateways.errors import GatewayError
from backups.runs import Done, Stay
from backups.runs.models import Effect, Level, RunState

from . import overwriting, safety, streams


def remove(job) -> Stay | Done:
    """One turn: delete what is there of the restore, until nothing is. Only what was free when the plan was made, and
    was made by a call of this run: before one was sent there is nothing to delete."""
    turn, end = job.turn, job.turn.memory["removing"]
    sent = "sent_at" in turn.memory or turn.memory.get("batch", 0)
    try:
        if job.in_place and (going := _as_it_was(job, sent)) is not None:
            return going
        there = _ours(job) if sent else []
        for call in _deletions(job, there):
            job.send(call)
    except GatewayError as error:
        return job.silent(error, for_ever=bool(sent) or job.in_place)
    turn.forget("silent_since")
    if there:
        return Stay(0.5)
    safety.drop(job)
    effect = Effect.ROLLED_BACK if sent else Effect.NONE
    if sent and job.document["options"].get("global_state"):
        why = f"{end['why']} The indices were removed again, but the global state that came with them stays."
        return job.over(RunState.FAILED, Effect.UNKNOWN, error=f"{why} Somebody must look.", detail=end["detail"])
    what = "What had been restored was removed again." if sent else "Nothing was changed."
    if end["state"] == RunState.CANCELLED:
        return job.over(RunState.CANCELLED, effect, f"{end['why']} {what}")
    return job.over(RunState.FAILED, effect, error=f"{end['why']} {what}", detail=end["detail"])


def _as_it_was(job, sent) -> Stay | Done | None:
    """In place: what was overwritten is brought back from the safety snapshot, what was only closed is opened. None
    when that is done."""
    return overwriting.put_back(job) if sent else overwriting.reopen(job)


def _ours(job) -> list[str]:
    """What is there of the restore. An index of one of its names that came from elsewhere is of somebody else: it was
    made between the last look and the call, which the server refused then. Working names are ours alone."""
    names = sorted(swapping.exists(job.reader(), made_by(job)))
    ours = job.turn.memory.get("ours", [])
    doubtful = [row.target for row in job.going if not row.work and row.target in names and row.target not in ours]
    foreign = {one.index for one in es.recoveries(job.reader(), doubtful) if one.primary and _is_foreign(job, one)}
    for name in sorted(foreign):
        job.turn.log(f"{name} may not be of this restore, and stays. Look at it.", Level.WARNING)
    return [name for name in names if name not in foreign]


def _is_foreign(job, shard: es.ShardRecovery) -> bool:
    """Where the snapshot lacks shards the server makes them empty; a shard that moved does not say where from."""
    if shard.type == "SNAPSHOT":
        return (shard.repository, shard.snapshot) != (job.repository, job.snapshot)
    return shard.type != "PEER" and job.document["source"]["state"] == "SUCCESS"


def _deletions(job, there: list[str]) -> list[Call]:
    """What deletes these indices: those behind a data stream go with it, because it keeps its last one. A stream is
    of somebody else when an index of it is not among them that has a name of this restore."""
    planned = streams.planned(job.going)
    made = es_streams.streams(job.reader()) if planned and there else {}
    named = {name: set(indices) & set(made.get(name, ())) for name, indices in planned.items()}
    ours = [name for name, indices in named.items() if indices and indices <= set(there)]
    alone = set(there).difference(*(made[name] for name in ours))
    return [*map(es_streams.delete_call, ours), *map(swapping.delete_index_call, sorted(alone))]


def made_by(job) -> list[str]:
    """Names that only this restore can have made: they were free when it began, and it has locked them."""
    free = {name for name, was in job.document["bound"].items() if was == "not there"}
    return [row.restored_as for row in job.going if f"index {row.restored_as}" in free]
