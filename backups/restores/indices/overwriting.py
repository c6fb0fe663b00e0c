"""Restores in place: a safety snapshot first, and the way back when what was restored is not good.

The original is gone as soon as the server begins, so nothing of this happens before the safety snapshot was read back
and found whole. A target that is broken is never closed and opened again, which can mix two points in time: it is
deleted, and the safety snapshot is restored in its place.
"""

from datetime import timedelta

from django.conf import settings

from backups import clock
from backups.gateways.elasticsearch import indices as es_indices
from backups.gateways.elasticsearch import restores as es
from backups.gateways.elasticsearch import swapping
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.errors import Answered, OutcomeUnknown
from backups.gateways.errors import GatewayError
from backups.repositories.models import Repository
from backups.restores.job import LOST_FOR
from backups.retention.models import CopyForm, SafetyCopy, SafetyCopyState
from backups.runs import Done, Next, Stay, Turn
from backups.runs.models import Level, RunState
from backups.snapshots import services as snapshots
from backups.snapshots import steps as snapshot_steps
from backups.snapshots.models import Snapshot

from .calls import Purpose, frozen_call, replaced
from .job import IndicesJob

TRIES = 3
"""So often the safety snapshot is restored, before somebody has to look."""

PHASES = (snapshot_steps.create, snapshot_steps.follow, snapshot_steps.verify)


def keep(turn: Turn):
    """One turn of the safety snapshot, which is made by the steps of every snapshot. Nothing is changed before it is
    verified: any other end of it is the end of the restore."""
    job = IndicesJob.of(turn)
    phase = turn.memory.get("keeping")
    if phase is None:
        return _announce(job) if replaced(job.going) else Next("Nothing live is overwritten")
    outcome = PHASES[phase](turn)
    if isinstance(outcome, Stay):
        return outcome
    if isinstance(outcome, Next):
        turn.remember(keeping=phase + 1)
        return Stay(outcome.wait)
    if outcome.state == RunState.SUCCEEDED:
        return _kept(job)
    why = outcome.error or outcome.note
    if outcome.state == RunState.CANCELLED:
        return job.take_back(RunState.CANCELLED, why)
    return job.take_back(RunState.FAILED, f"There is no good safety snapshot. {why}", outcome.detail)


def _announce(job: IndicesJob):
    """Take no more writes, so that the snapshot misses none that somebody was told is written; then fix its name in a
    row, with the indices as they are now."""
    names = [row.source for row in replaced(job.going)]
    try:
        if not _blocked(job):
            return Stay(0.5)
        facts = es_indices.facts(job.reader(), names)
    except GatewayError as error:
        return job.silent(error, for_ever=True)  # an index may be blocked by now
    job.turn.write(lambda a: _insert(job, facts))
    job.turn.remember(keeping=0)
    return Stay()


def _blocked(job: IndicesJob) -> bool:
    """Whether no index that is overwritten takes writes; those that do are blocked now."""
    places = swapping.places(job.reader(), [row.source for row in replaced(job.going) if row.state_now == "open"])
    free = [name for name, place in places.items() if not place.blocked]
    for name in free:
        job.send(swapping.block_writes_call(name, True))
    return not free


def _unblocked(job: IndicesJob) -> bool:
    """The other way round, for those that took writes before."""
    return _take_writes(job, [row.source for row in replaced(job.going) if not row.blocked_now])


def free(job: IndicesJob) -> bool:
    """Whether what came back out of a safety snapshot takes writes, where it did before that was taken."""
    going = {row.source for row in job.going}
    return _take_writes(job, [name for name in job.document["options"].get("freed", ()) if name in going])


def _take_writes(job: IndicesJob, names: list[str]) -> bool:
    places = swapping.places(job.reader(), names)
    blocked = [name for name, place in places.items() if place.blocked]
    for name in blocked:
        job.send(swapping.block_writes_call(name, False))
    return not blocked


def _insert(job: IndicesJob, facts: dict) -> None:
    repository = Repository.objects.get(pk=job.document["safety"]["repository"])
    name = job.document["safety"]["name"]
    given = {"repository": repository, "name": name}
    snapshot, made = Snapshot.objects.get_or_create(run=job.turn.run, defaults=given)
    if made:
        snapshots.record_before(snapshot, facts)
        SafetyCopy.objects.create(
            run=job.turn.run,
            form=CopyForm.SNAPSHOT,
            cluster=job.cluster,
            snapshot=snapshot,
            name=name,
            of=", ".join(row.source for row in replaced(job.going)),
        )


def _kept(job: IndicesJob) -> Next:
    now = clock.now()
    until = now + timedelta(days=settings.SAFETY_COPY_DAYS)

    def write(a) -> None:
        copies = SafetyCopy.objects.filter(run=job.turn.run, form=CopyForm.SNAPSHOT)
        copies.update(state=SafetyCopyState.KEPT, made_at=now, keep_until=until)
        a.record("safety_copy.made", copies.get(), change={"until": until}, run=job.turn.run.pk)

    job.turn.write(write)
    return Next(f"{job.document['safety']['name']} is read back and whole")


def close(job: IndicesJob) -> bool:
    """Close what is overwritten; whether all of it is closed. Closing a closed index changes nothing. Only before the
    restore is announced: once it may have left, the index is no longer the original."""
    names = [row.source for row in replaced(job.going)]
    states = swapping.exists(job.reader(), names)
    for name in (name for name in names if states.get(name) == "open"):
        job.send(frozen_call(job.calls(Purpose.CLOSE, name)[0]))
    return all(state == "close" for state in states.values())


def is_untouched(job: IndicesJob) -> bool:
    """Whether what was to be overwritten is still closed: a restore opens it as soon as it begins."""
    names = [row.source for row in replaced(job.going)]
    states = swapping.exists(job.reader(), names)
    return bool(names) and all(states.get(name) == "close" for name in names)


def reopen(job: IndicesJob) -> Stay | None:
    """Open what was closed and not overwritten: the server leaves it closed when it refuses a restore."""
    closed_by_us = [row.source for row in replaced(job.going) if row.state_now == "open"]
    states = swapping.exists(job.reader(), closed_by_us)
    closed = [name for name, state in states.items() if state == "close"]
    for name in closed:
        job.send(swapping.open_call(name))
    return Stay(0.5) if closed or not _unblocked(job) else None


def put_back(job: IndicesJob) -> Stay | Done | None:
    """One turn of the way back after something was overwritten: None when everything is as it was. Where it stands is
    read from the cluster: as long as the safety snapshot is not what every index came from, it is restored again."""
    phase, names = job.turn.memory.get("putting_back", "look"), [row.source for row in replaced(job.going)]
    if phase == "close" or not names:
        return _close_again(job)
    kept = Snapshot.objects.select_related("repository").get(run=job.turn.run)
    return _send_safety(job, kept, names) if phase == "send" else _look_back(job, kept, names)


def _look_back(job: IndicesJob, kept: Snapshot, names: list[str]) -> Stay | Done | None:
    """A call that was sent, or may have been, is given time to be seen before the next one."""
    turn, reader = job.turn, job.reader()
    if es.entry(reader, kept.repository.name, kept.name, names):
        return Stay(1)
    if _came_from(reader, kept, names):
        turn.remember(putting_back="close")
        return Stay()
    sent_at, tries = turn.moment("put_back_at"), turn.memory.get("put_back", 0)
    if sent_at and clock.now() - sent_at < LOST_FOR:
        return Stay(1)
    if tries == TRIES:
        return job.unknown(f"The safety snapshot {kept.name} could not be restored. Restore it by hand.")
    turn.remember(putting_back="send", put_back=tries + 1)
    return Stay()


def _send_safety(job: IndicesJob, kept: Snapshot, names: list[str]) -> Stay:
    """Announced the turn before; whoever comes after a crash does not send it, and looks."""
    turn = job.turn
    turn.remember(putting_back="look", put_back_at=clock.now())
    if turn.run.claims > 1:
        return Stay(0.5)
    for name in swapping.exists(job.reader(), names):
        job.send(swapping.delete_index_call(name))
    call = es.restore_call(
        kept.repository.name, kept.name, names, include_aliases=True, capabilities=job.capabilities
    )
    turn.log(call.text(), Level.CALL)
    try:
        es.restore(job.writer(), call, job.opaque_id)
    except (Answered, OutcomeUnknown) as error:
        turn.log(f"{error.message} Looking.", Level.WARNING)
    return Stay(0.5)


def _came_from(reader: Client, kept: Snapshot, names: list[str]) -> bool:
    """Whether every primary shard of these is active and was restored from this snapshot: an index that somebody
    made meanwhile, or one that is there from before, is no proof."""
    active = es.shards_active(reader, names)
    up = {(name, number) for name in names for number, is_up in active.get(name, {}).items() if is_up}
    source = (kept.repository.name, kept.name)
    restored = {
        (one.index, one.shard)
        for one in es.recoveries(reader, names)
        if one.primary and (one.repository, one.snapshot) == source
    }
    return all(active.get(name) for name in names) and sum(map(len, active.values())) == len(up & restored)


def _close_again(job: IndicesJob) -> Stay | None:
    """What was closed before the restore; a restore opens it."""
    names = [row.source for row in replaced(job.going) if row.state_now == "close"]
    opened = [name for name, state in swapping.exists(job.reader(), names).items() if state == "open"]
    for name in opened:
        job.send(swapping.close_call(name))
    return Stay(0.5) if opened or not _unblocked(job) else None
