"""The kinds of restores from an archive, and their steps.

They are long: they run in a process of their own and may be repeated after a kill at any line, because what is where
on the disk says how far they are.
"""

from collections.abc import Callable

from backups import clock
from backups.archives import cybersift_restore as reader
from backups.archives.format.errors import Cancelled
from backups.gateways.errors import GatewayError
from backups.gateways.redis import exchange
from backups.gateways.redis.connection import connect
from backups.gateways.redis.errors import RestoreRefused
from backups.restores import kinds
from backups.restores.beginning import check_again
from backups.runs import Kind, Next, Stay, Step, Turn
from backups.runs.models import Effect, Level, RunState
from backups.templatetags.formats import count_of

from . import safety, taking_back
from .contents import FileJob
from .judging import judge
from .looking import look
from .plain import DAMAGED, plain
from .redis import judging as keys
from .redis import loading


def guarded(work: Callable[[FileJob], object], of: type[FileJob]) -> Callable[[Turn], object]:
    """A step that takes everything back when it is cancelled, or cannot do what it should."""

    def step(turn: Turn):
        job = of.of(turn)
        if job.going_back:
            return taking_back.take_back(job)
        if turn.cancel_requested:
            return job.go_back("Cancelled.", state=RunState.CANCELLED)
        job.admit()
        try:
            return work(job)
        except Cancelled:
            return job.go_back("Cancelled.", state=RunState.CANCELLED)
        except reader.Damaged as error:
            return job.go_back(DAMAGED, str(error))
        except (reader.ArchiveError, GatewayError) as error:
            return job.go_back(str(error), getattr(error, "detail", ""))
        except OSError as error:
            return job.go_back(f"The system refused it: {plain(error)}", str(error))

    return step


def proven(of: type[FileJob]) -> Callable[[Turn], object]:
    """The last look. All is in place and in use by now: a cancel comes too late, and only people decide on the way
    back, which would lose what was written since."""

    def step(turn: Turn):
        job = of.of(turn)
        job.admit()
        return judge(job)

    return step


def keep(job: FileJob):
    """Name what will be kept, then keep what will be overwritten key by key. What is exchanged needs no copy before:
    it is kept as it is at that moment."""
    if "safety" not in job.turn.memory:
        safety.announce(job)
        job.turn.remember(safety=True)
        return Stay()
    for database in job.changed:
        if database.merges:
            safety.keep_dump(job, database, database.number, frozen=False)
    kept = sum(bool(folder.identity) for folder in job.live) + len(job.changed)
    what = count_of(kept, "folder or database", "folders and databases")
    return Next(f"{what} will be kept as they are" if kept else "There is nothing to keep")


def unpack(job: FileJob):
    """Beside the targets, with every checksum right; keys into empty databases, where they are read back."""
    job.turn.remember(unpacking_at=clock.now())
    with job.contents() as contents:
        stages = contents.stages()
        for database in job.databases:
            if not database.merges:
                _load(job, database, contents.pieces(database))
    job.turn.remember(stages=stages, unpacked_at=clock.now())
    return Next("Everything lies beside its target, and every checksum is right")


def _load(job: FileJob, database, pieces) -> None:
    """Into the empty database, and proven there: nobody else writes to it."""
    loading.load_spare(database, pieces, job.document["token"])
    judged = keys.judge(database, database.spare, pieces)
    if not judged.good:
        raise RestoreRefused(f"{database.words}: what was loaded is not what the archive has.")
    job.turn.log(f"{database.words}: {judged.keys:,} keys loaded beside, {judged.sampled:,} of them read back.")


def swap(job: FileJob):
    """From here on live data changes: that is written down before the first name is moved."""
    if "applying" not in job.turn.memory:
        job.turn.remember(applying=True)
        return Stay()
    for folder in job.folders:
        job.put_in_place(folder, job.turn.memory["stages"][folder.name])
        job.turn.log(f"{folder.target} is in place.", Level.DONE)
        safety.keep(job, folder)
    if job.changed:
        _change_databases(job)
    done = len(job.folders) + len(job.changed)
    return Next(f"{count_of(done, 'folder or database', 'folders and databases')} in place")


def _change_databases(job: FileJob) -> None:
    for database in job.changed:
        if database.replaces:
            with connect(database.access()) as connection:
                exchange.swap(connection, database.number, database.spare, job.document["token"])
            safety.keep_dump(job, database, database.spare, frozen=True)
            job.turn.log(f"{database.words} is exchanged.", Level.DONE)
    merging = [database for database in job.changed if database.merges]
    if not merging:
        return
    with job.contents() as contents:
        for database in merging:
            outcome = loading.merge(database, contents.pieces(database))
            job.turn.log(f"{database.words}: {outcome.written.total():,} keys written.", Level.DONE)


def finish(of: type[FileJob]) -> Callable[[Turn], object]:
    """Write it down, and give the locks back. What was live is kept in files now: its databases are emptied."""

    def step(turn: Turn):
        job = of.of(turn)
        try:
            job.tidy()
        except OSError as error:
            turn.log(f"What was unpacked could not all be removed: {plain(error)}", Level.WARNING)
        try:
            tidy(job)
        except GatewayError as error:
            turn.log(f"A database that was loaded into could not be emptied. {error.message}", Level.WARNING)
        job.done()
        return _written_down(job, turn.memory["verdict"])

    return step


def tidy(job: FileJob) -> None:
    token = job.document["token"]
    for database in job.databases:
        if not database.merges:
            with connect(database.access()) as connection:
                (exchange.empty if database.replaces else exchange.leave)(connection, database.spare, token)


def _written_down(job: FileJob, said: dict):
    turn = job.turn
    turn.remember(rate=_rate(job))
    good = said["state"] == RunState.SUCCEEDED
    turn.write(lambda a: a.record("restore.applied", turn.run, run=turn.run.pk))
    if good:
        turn.write(lambda a: a.record("restore.verified", turn.run, run=turn.run.pk))
        return job.over(RunState.SUCCEEDED, Effect.APPLIED, said["sentence"])
    turn.write(lambda a: a.record("restore.unverified", turn.run, outcome="failure", run=turn.run.pk))
    return job.over(RunState.PARTIAL, Effect.APPLIED, said["sentence"], error=said["sentence"])


def _rate(job: FileJob) -> float | None:
    """Bytes a second of this restore, for the estimates of later ones; nothing where it was over in a moment."""
    began, ended = job.turn.moment("unpacking_at"), job.turn.moment("unpacked_at")
    seconds = (ended - began).total_seconds() if began and ended else 0
    return round(job.document["bytes"] / seconds) if job.document["bytes"] and seconds >= 1 else None


def kind_of(name: str, title: str, of: type[FileJob]) -> Kind:
    """A kind of restore with the jobs of that class."""
    steps = (
        Step("Check everything again", check_again(look, credential=False), long=True),
        Step("Safety copy", guarded(keep, of), long=True),
        Step("Unpack beside the target and check every file", guarded(unpack, of), long=True),
        Step("Put it in place", guarded(swap, of), long=True),
        Step("Verify: read everything again", proven(of), long=True),
        Step("Write it down", finish(of), long=True),
    )
    return Kind(name, title, steps, cancellable=True)


RESTORE = kind_of(kinds.FILES, "Restore files and Redis data", FileJob)
