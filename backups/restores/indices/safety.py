"""Safety copies of indices: named in a row before the cluster hears of them, kept once they are proven."""

from datetime import timedelta

from django.conf import settings

from backups import clock
from backups.retention.models import CopyForm, SafetyCopy, SafetyCopyState
from backups.runs import Stay

from .asked import REPLICAS
from .calls import Purpose
from .job import IndicesJob
from .row import Row
from .swap import Stand


def announce(job: IndicesJob) -> Stay:
    """Fix the names of the clones in rows."""
    copies = [_wanted(job, row) for row in job.swaps if row.before]
    job.turn.write(lambda a: SafetyCopy.objects.bulk_create(copies, ignore_conflicts=True))
    job.turn.remember(safety=[row.before for row in job.swaps])
    return Stay()


def _wanted(job: IndicesJob, row: Row) -> SafetyCopy:
    return SafetyCopy(
        run=job.turn.run,
        form=CopyForm.INDEX,
        cluster=job.cluster,
        name=row.before,
        of=row.source,
        bytes=row.bytes_now,
        facts={"aliases": dict(row.aliases_now), "replicas": _replicas(job, row)},
    )


def keep(job: IndicesJob, row: Row, stand: Stand) -> None:
    """The clone is whole, and the live index is replaced: from now on it is the way back. What was put in place of it
    by a way back is used up."""
    now = clock.now()
    if job.is_undo:
        job.turn.write(lambda a: _used(a, job, row))
    if not row.before:
        return
    facts = {
        "aliases": dict(row.aliases_now),
        "replicas": _replicas(job, row),
        "uuid": stand.before.uuid if stand.before else "",
        "documents": stand.before.documents if stand.before else None,
    }
    until = now + timedelta(days=settings.SAFETY_COPY_DAYS)

    def write(a) -> None:
        rows = SafetyCopy.objects.filter(run=job.turn.run, name=row.before)
        rows.update(state=SafetyCopyState.KEPT, made_at=now, keep_until=until, facts=facts)
        a.record("safety_copy.made", rows.get(), change={"of": row.source, "until": until}, run=job.turn.run.pk)

    job.turn.write(write)


def _replicas(job: IndicesJob, row: Row) -> str:
    """Of the index that is kept: a way back has those of what it puts in place in its row, and those of what it keeps
    in the call that does so."""
    kept = job.calls(Purpose.KEEP, row.source)
    return str(kept[0]["body"]["settings"][REPLICAS]) if kept else row.replicas


def drop(job: IndicesJob) -> None:
    """What was to be kept was not made, or is not needed: it was deleted with the restore, or its index stays."""
    rows = SafetyCopy.objects.filter(run=job.turn.run, state=SafetyCopyState.WANTED)
    job.turn.write(lambda a: rows.update(state=SafetyCopyState.REMOVED, ended_at=clock.now()))


def _used(a, job: IndicesJob, row: Row) -> None:
    copy = SafetyCopy.objects.get(run=job.plan.undoes, name=row.work)
    if SafetyCopy.objects.filter(pk=copy.pk, state=SafetyCopyState.KEPT).update(
        state=SafetyCopyState.USED, ended_at=clock.now()
    ):
        a.record("safety_copy.used", copy, change={"of": row.source}, run=job.turn.run.pk)
