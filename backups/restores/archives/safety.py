"""Safety copies: named in rows before anything is changed, kept once they are what the way back needs."""

from datetime import timedelta
from pathlib import Path

from django.conf import settings

from backups import clock
from backups.retention.models import CopyForm, SafetyCopy, SafetyCopyState

from . import moving, room
from .folders import listing_digest
from .job import ArchiveJob, Folder
from .redis.databases import Database
from .redis.dumping import dump, part_of, path_of


def announce(job: ArchiveJob) -> None:
    """Fix the names of what will be kept in rows. Of a folder that is not there nothing is kept."""
    copies = _folders(job) + _dumps(job)
    job.turn.write(lambda a: SafetyCopy.objects.bulk_create(copies, ignore_conflicts=True))


def _folders(job: ArchiveJob) -> list[SafetyCopy]:
    return [
        SafetyCopy(
            run=job.turn.run,
            form=CopyForm.FOLDER,
            host=settings.WORKER_HOST,
            name=folder.before,
            of=folder.target,
            facts={"way": folder.way, "folder": folder.name},
        )
        for folder in job.live
        if folder.identity
    ]


def _dumps(job: ArchiveJob) -> list[SafetyCopy]:
    return [
        SafetyCopy(
            run=job.turn.run,
            form=CopyForm.DUMP,
            host=settings.WORKER_HOST,
            name=str(path_of(job.turn.run.pk, database)),
            of=database.words,
        )
        for database in job.changed
    ]


def keep(job: ArchiveJob, folder: Folder) -> None:
    """What was there lies under its name: from now on it is the way back."""
    if not folder.identity or folder.is_scratch:
        return
    facts = Path(folder.before).stat()
    digest, size = listing_digest(f"{folder.before}/{moving.TREE}" if folder.by_entries else folder.before)
    known = {
        "way": folder.way,
        "folder": folder.name,
        "inside": folder.inside,
        "dev": facts.st_dev,
        "inode": facts.st_ino,
        "suffix": f".before-{folder.token}",
        "digest": digest,
    }
    kept(job, folder.before, known, size)


def keep_dump(job: ArchiveJob, database: Database, number: int, *, frozen: bool) -> None:
    """What database ``number`` of its server holds, in a file. Raises Full, the gateway's errors and OSError."""
    with room.needed_at(str(settings.SAFETY_DIR)):
        made = dump(database, number, path_of(job.turn.run.pk, database), frozen=frozen)
    known = {"server": database.server, "database": database.number, "name": database.name, "mode": database.mode}
    facts = Path(made.path).stat()
    known |= {"dev": facts.st_dev, "inode": facts.st_ino}
    known |= {"server_name": database.server_name, "keys": made.keys, "sha256": made.sha256}
    kept(job, made.path, known, made.size)
    job.turn.log(f"{database.words}: {made.keys:,} keys are kept.")


def kept(job: ArchiveJob, name: str, facts: dict, size: int) -> None:
    """It is there and was verified."""
    now, run = clock.now(), job.turn.run
    until = now + timedelta(days=settings.SAFETY_COPY_DAYS)

    def write(a) -> None:
        rows = SafetyCopy.objects.filter(run=run, name=name)
        rows.update(state=SafetyCopyState.KEPT, made_at=now, keep_until=until, facts=facts, bytes=size)
        copy = rows.get()
        a.record("safety_copy.made", copy, change={"of": copy.of, "until": until}, run=run.pk)

    job.turn.write(write)


def drop(job: ArchiveJob) -> None:
    """All was taken back: nothing is kept."""
    for database in job.changed:
        dump_path = path_of(job.turn.run.pk, database)
        for path in (dump_path, part_of(dump_path)):
            path.unlink(missing_ok=True)
    rows = SafetyCopy.objects.filter(run=job.turn.run, state__in=(SafetyCopyState.WANTED, SafetyCopyState.KEPT))
    job.turn.write(lambda a: rows.update(state=SafetyCopyState.REMOVED, ended_at=clock.now()))
