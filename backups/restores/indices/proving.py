"""The last step of a swap and of the way back: what is in place now is read back there, and the run is over."""

from backups import clock
from backups.gateways.elasticsearch import indices as es_indices
from backups.gateways.elasticsearch import restores as es
from backups.gateways.elasticsearch.client import Client
from backups.gateways.errors import GatewayError
from backups.runs import Turn
from backups.runs.models import Effect, Level, RunState
from backups.templatetags.formats import count_of, number

from . import safety
from .job import IndicesJob
from .row import Row


def prove(turn: Turn):
    """Documents and aliases of every index under its own name. Writers go on, so there may be more by now."""
    job = IndicesJob.of(turn)
    try:
        found = _found(job, job.reader(), job.writer())
    except GatewayError as error:
        return job.silent(error)
    turn.forget("silent_since")
    bad = [one for one in found if one["state"] != "succeeded"]
    for one in found:
        turn.log(one["sentence"], Level.ERROR if one in bad else Level.DONE)
    turn.remember(verdict=_verdict(turn, found))
    safety.drop(job)
    done = "restore.rolled_back" if job.is_undo else "restore.applied"
    turn.write(lambda a: a.record(done, turn.run, run=turn.run.pk))
    if bad:
        turn.write(lambda a: a.record("restore.unverified", turn.run, outcome="failure", run=turn.run.pk))
        sentence = " ".join(one["sentence"] for one in bad)
        return job.over(RunState.PARTIAL, Effect.APPLIED, error=sentence)
    turn.write(lambda a: a.record("restore.verified", turn.run, run=turn.run.pk))
    sentence = f"{count_of(len(found), 'index is', 'indices are')} in place."
    return job.over(RunState.SUCCEEDED, Effect.APPLIED, sentence)


def _found(job: IndicesJob, reader: Client, counter: Client) -> list[dict]:
    """The swapped indices one by one, and what the restore only added as it was judged before."""
    left = job.turn.memory.get("left", [])
    rows = [row for row in job.swaps if row.source not in left]
    names = [row.work if job.by_alias else row.source for row in rows]
    counts, described = es.counts(counter, names), es_indices.describe(reader, names)
    swapped = [
        _judge(row, counts.get(name), described.get(name, {}).get("aliases", {}), _placed(job, row))
        for row, name in zip(rows, names, strict=True)
    ]
    why = job.turn.memory.get("why_back", "")
    stay = [row for row in job.swaps if row.source in left]
    stayed = [_said(row, "failed", None, f"{row.source} stays as it was. {why}") for row in stay]
    working = {row.work for row in job.swaps}
    judged = job.turn.memory.get("verdict", {}).get("indices", [])
    return [one for one in judged if one["name"] not in working] + swapped + stayed


def _placed(job: IndicesJob, row: Row) -> int | None:
    """The documents that were put in place: those that a safety copy had when it was made, else as counted in the
    copy at that moment, else as it was judged."""
    if job.is_undo and row.low is not None:
        return row.low
    counted = job.turn.memory.get("swapped_documents", {}).get(row.source)
    judged = {one["name"]: one["documents"] for one in job.turn.memory.get("verdict", {}).get("indices", [])}
    return counted if counted is not None else judged.get(row.work, row.low)


def _judge(row: Row, count: es.Count | None, aliases: dict, placed: int | None) -> dict:
    if count is None or not count.whole:
        return _said(row, "unknown", None, f"{row.source} cannot be counted in its place. Look at it.")
    if placed is not None and count.documents < placed:
        lost = f"{number(count.documents)} documents, {number(placed)} were put there"
        return _said(row, "failed", count.documents, f"{row.source} has too few: {lost}.")
    if missing := sorted(set(row.aliases) - set(aliases)):
        return _said(row, "partial", count.documents, f"{row.source} lacks its aliases {', '.join(missing)}.")
    holds = count_of(count.documents, "document")
    return _said(row, "succeeded", count.documents, f"{row.source} is in place with {holds}.")


def _said(row: Row, state: str, documents: int | None, sentence: str) -> dict:
    return {"name": row.source, "state": state, "documents": documents, "sentence": sentence}


def _verdict(turn: Turn, found: list[dict]) -> dict:
    good = all(one["state"] == "succeeded" for one in found)
    return {
        "state": "succeeded" if good else "partial",
        "sentence": " ".join(one["sentence"] for one in found),
        "at": clock.now().isoformat(),
        "indices": found,
    }
