"""The way back of a restore that was cancelled or failed: everything is as it was, and nothing of it is left."""

from backups import clock
from backups.archives import cybersift_restore as reader
from backups.gateways.errors import GatewayError
from backups.gateways.redis import exchange
from backups.gateways.redis.connection import connect
from backups.restores.job import PATIENCE
from backups.runs import Done, Stay
from backups.runs.models import Effect, Level, RunState

from . import safety
from .contents import FileJob
from .plain import plain
from .redis import loading
from .redis.dumping import path_of

TRIES = 3
"""What the system refuses is tried so often, some seconds apart."""


def take_back(job: FileJob) -> Stay | Done:
    """One turn does all of it, and may be repeated. What cannot be taken back ends as unknown."""
    try:
        good = _taken_back(job)
    except (OSError, reader.ArchiveError, GatewayError) as error:
        return _again(job, error)
    if not good:
        return job.unknown("Not everything is as it was before.", job.going_back["detail"])
    return _over(job)


def _taken_back(job: FileJob) -> bool:
    _take_back_databases(job)
    return all([job.take_back(folder) for folder in reversed(job.folders)])


def _take_back_databases(job: FileJob) -> None:
    """The live databases are the ones of before, and what was loaded is gone."""
    token = job.document["token"]
    for database in job.databases:
        if not database.merges and "safety" in job.turn.memory:
            with connect(database.access()) as connection:
                if exchange.swap_back(connection, database.number, database.spare, token):
                    job.turn.log(f"{database.words} is the one of before again.")
                exchange.empty(connection, database.spare, token)
    merged = [database for database in job.databases if database.merges]
    if merged and "applying" in job.turn.memory:
        with job.contents() as contents:
            for database in merged:
                dump = path_of(job.turn.run.pk, database)
                loading.take_back_merge(database, contents.pieces(database), dump)


def _again(job: FileJob, error: Exception) -> Stay | Done:
    """A server that is away may come back; what the system refuses, it mostly refuses for good."""
    turn = job.turn
    tries, since = turn.memory.get("tries", 0) + 1, turn.moment("tried_since") or clock.now()
    turn.remember(tries=tries, tried_since=since)
    if tries < TRIES or (getattr(error, "passes", False) and clock.now() - since < PATIENCE):
        if tries == 1:
            turn.log(f"Taking it back was refused: {plain(error)} Trying it again.", Level.WARNING)
        return Stay(2)
    return job.unknown(f"{job.going_back['why']} It could not be taken back: {plain(error)}", str(error))


def _over(job: FileJob) -> Done:
    end, turn = job.going_back, job.turn
    applied = "applying" in turn.memory
    safety.drop(job)
    effect = Effect.ROLLED_BACK if applied else Effect.NONE
    what = "Everything is as it was before." if applied else "Nothing was changed."
    if applied:
        turn.write(lambda a: a.record("restore.rolled_back", turn.run, run=turn.run.pk))
    if end["state"] == RunState.CANCELLED:
        return job.over(RunState.CANCELLED, effect, f"{end['why']} {what}")
    return job.over(RunState.FAILED, effect, error=f"{end['why']} {what}", detail=end["detail"])
