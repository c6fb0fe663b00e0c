"""The step that says what the restore is worth: everything is read back, and judged by ``verdict``."""

from backups import clock
from backups.gateways.elasticsearch import indices as es_indices
from backups.gateways.elasticsearch import restores as es
from backups.gateways.elasticsearch import snapshots as es_snapshots
from backups.gateways.elasticsearch import streams as es_streams
from backups.gateways.elasticsearch.client import Client
from backups.gateways.errors import GatewayError
from backups.restores import verdict
from backups.runs import Next, Stay, Turn
from backups.runs.models import Effect, Level, RunState

from . import overwriting, streams
from .job import IndicesJob
from .row import Row
from .stream_verdict import with_streams

LOOKS = 5
"""A verdict that is not good is asked for again so often: shards come up one after the other."""

LOOK_AGAIN = 2

WHOLE = (verdict.SUCCEEDED, verdict.PARTIAL)


def judge(turn: Turn):
    """Good: on to the next step. Incomplete as it was asked for: as well. Anything else is taken back whole, because
    nothing live was touched yet."""
    job = IndicesJob.of(turn)
    if turn.cancel_requested:
        return job.take_back(RunState.CANCELLED, "Cancelled.")
    try:
        judged = _judged(job)
    except GatewayError as error:
        return job.silent(error, for_ever=job.in_place)
    turn.forget("silent_since")
    good, sentence = _is_good(job, judged), " ".join(one.sentence for one in judged)
    looks = turn.memory.get("looks", 0) + 1
    if not good and looks < LOOKS:
        turn.remember(looks=looks)
        return Stay(LOOK_AGAIN)
    _remember(turn, judged)
    for index in (index for one in judged for index in one.indices):
        turn.log(index.sentence, Level.DONE if index.state == verdict.SUCCEEDED else Level.ERROR)
    return Next(sentence) if good else job.take_back(RunState.FAILED, sentence)


def end(turn: Turn):
    """The last step of a restore that makes no swap: write it down, give the locks back."""
    job, said = IndicesJob.of(turn), turn.memory["verdict"]
    try:
        if not overwriting.free(job):
            return Stay(0.5)
    except GatewayError as error:
        return job.silent(error, for_ever=job.in_place)
    turn.remember(rate=_rate(job))
    turn.write(lambda a: a.record("restore.applied", turn.run, run=turn.run.pk))
    if said["state"] == verdict.PARTIAL:
        turn.write(lambda a: a.record("restore.unverified", turn.run, outcome="failure", run=turn.run.pk))
        return job.over(RunState.PARTIAL, Effect.APPLIED, said["sentence"], error=said["sentence"])
    turn.write(lambda a: a.record("restore.verified", turn.run, run=turn.run.pk))
    return job.over(RunState.SUCCEEDED, Effect.APPLIED, said["sentence"])


def _judged(job: IndicesJob) -> list[verdict.Verdict]:
    """One verdict for each call that was sent."""
    client, counter = job.reader(), job.writer()
    facts = es_snapshots.get(client, job.repository, job.snapshot)
    failures = facts.failures if facts else ()
    return [_judged_batch(job, number, client, counter, failures) for number in range(len(job.batches))]


def _judged_batch(job: IndicesJob, number: int, client: Client, counter: Client, failures) -> verdict.Verdict:
    rows = job.rows_of(number)
    names = [row.restored_as for row in rows]
    active = es.shards_active(client, names)
    recoveries = es.recoveries(client, names)
    described = es_indices.describe(client, list(active))
    judged = verdict.judge(
        [_target(row, active.get(row.restored_as, {})) for row in rows],
        active=active,
        recoveries=recoveries,
        counts=es.counts(counter, names),
        repository=job.repository,
        snapshot=job.snapshot,
        sent_at=job.sent_at(number),
        restore_uuid=job.turn.memory.get("uuids", {}).get(str(number)),
        failures=failures,
        aliases={name: set(one.get("aliases", {})) for name, one in described.items()},
        known_uuids=job.known_uuids(number),
        reasons=_reasons(client, active),
    )
    planned = streams.planned(rows)
    return _with_streams(job, judged, planned, client) if planned else judged


def _with_streams(job: IndicesJob, judged: verdict.Verdict, planned: dict, client: Client) -> verdict.Verdict:
    there = es_streams.streams(client)
    unnamed = {index for name, indices in planned.items() for index in set(there.get(name, ())) - set(indices)}
    source = (job.repository, job.snapshot)
    came_along = {
        one.index for one in es.recoveries(client, sorted(unnamed)) if (one.repository, one.snapshot) == source
    }
    return with_streams(judged, planned, there, came_along)


def _target(row: Row, shards: dict) -> verdict.Target:
    return verdict.Target(
        name=row.restored_as,
        source=row.source,
        primaries=row.primaries or len(shards) or 1,
        recorded=row.high if row.counted == "exact" else None,
        counted=row.counted,
        low=row.low,
        high=row.high,
        aliases=() if row.work else tuple(row.aliases),
        takes_writes=not row.work,
    )


def _reasons(client: Client, active: dict) -> dict[str, str]:
    """Why a shard is nowhere, asked for the first one of each index."""
    broken = {name: [number for number, up in shards.items() if not up] for name, shards in active.items()}
    return {name: es.why_unassigned(client, name, numbers[0]) for name, numbers in broken.items() if numbers}


def _is_good(job: IndicesJob, judged: list[verdict.Verdict]) -> bool:
    """What others write to already is good enough to stay: it is never taken away again because of that."""
    states = {index.state for one in judged for index in one.indices if not index.grown}
    return states <= {verdict.SUCCEEDED} or (states <= set(WHOLE) and job.document["options"]["partial"])


def _remember(turn: Turn, judged: list[verdict.Verdict]) -> None:
    """For the page, and for the steps that follow."""
    indices = [index for one in judged for index in one.indices]
    states = {index.state for index in indices}
    turn.remember(
        verdict={
            "state": verdict.SUCCEEDED if states <= {verdict.SUCCEEDED} else judged[0].state,
            "sentence": " ".join(one.sentence for one in judged),
            "at": clock.now().isoformat(),
            "indices": [
                {"name": one.name, "state": one.state, "sentence": one.sentence, "documents": one.documents}
                for one in indices
            ],
        }
    )


def _rate(job: IndicesJob) -> float | None:
    """Bytes a second of this restore, for the estimates of later ones; nothing where it was over in a moment."""
    facts = job.turn.run.progress
    began, size = job.turn.moment("copying_at"), facts.get("bytes_done")
    ended = job.turn.moment("copied_at")
    seconds = (ended - began).total_seconds() if began and ended else 0
    return round(size / seconds) if size and seconds >= 1 else None
