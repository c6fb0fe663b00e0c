"""The step that says what the restore is worth: every file is read again from where it is now."""

from backups import clock
from backups.archives import cybersift_restore as reader
from backups.gateways.errors import GatewayError
from backups.gateways.redis import exchange
from backups.gateways.redis.connection import connect
from backups.gateways.redis.spare import size
from backups.runs import Next
from backups.runs.models import Level, RunState
from backups.templatetags.formats import count_of

from .contents import FileJob
from .job import Folder
from .plain import plain
from .redis import judging as keys
from .redis.databases import Database

UNREAD = "It could not be verified: the archive, a folder or a server cannot be read any more."


def judge(job: FileJob):
    """Anything that is not as it should be is named; the way back is open then, and nobody else decides on it."""
    if job.turn.cancel_requested:
        job.turn.log("It is too late to cancel: everything is in place. It can be rolled back.", Level.WARNING)
    try:
        with job.contents() as contents:
            judged = [_folder(job, contents, each) for each in job.folders]
            judged += [_database(job, contents, each) for each in job.databases]
    except (reader.ArchiveError, GatewayError, OSError) as error:
        job.turn.log(f"It could not be read again: {plain(error)}", Level.ERROR)
        return _judged(job, [UNREAD], [])
    return _judged(job, [one["sentence"] for one in judged if one["bad"]], judged)


def _folder(job: FileJob, contents, folder: Folder) -> dict:
    entries, bad = contents.judge(folder)
    many = count_of(entries, "entry", "entries")
    if bad:
        return _said(job, folder.name, bad, f"{folder.name}: {bad:,} of {many} are not right; the log names them.")
    return _said(job, folder.name, 0, f"{folder.name}: {many} read again, and all are right.")


def _database(job: FileJob, contents, database: Database) -> dict:
    """What was exchanged was proven before, while nobody wrote to it."""
    if database.replaces:
        with connect(database.access()) as connection:
            stand = exchange.stand_of(connection, database.spare, job.document["token"])
            there = size(connection, database.number)
        bad = stand != exchange.SWAPPED
        words = "is not the one that was loaded" if bad else f"was proven and exchanged, and has {there:,} keys now"
        return _said(job, database.words, int(bad), f"{database.words} {words}.")
    number = database.number if database.merges else database.spare
    judged = keys.judge(database, number, contents.pieces(database))
    for name in judged.unlike:
        job.turn.log(f"Not as in the archive: {database.words}: {name}", Level.NAME)
    read = f"{judged.keys:,} keys, {judged.sampled:,} of them read back"
    if judged.good:
        return _said(job, database.words, 0, f"{database.words}: {read}, and all are as in the archive.")
    bad = judged.missing + len(judged.unlike)
    words = f"{judged.missing:,} are missing, and {len(judged.unlike):,} are not as in the archive"
    return _said(job, database.words, bad, f"{database.words}: {read}: {words}.")


def _said(job: FileJob, name: str, bad: int, sentence: str) -> dict:
    job.turn.log(sentence, Level.ERROR if bad else Level.DONE)
    return {"name": name, "bad": bad, "sentence": sentence}


def _judged(job: FileJob, bad: list[str], judged: list[dict]):
    sentence = " ".join(bad or [one["sentence"] for one in judged]) or "There was nothing to verify."
    job.turn.remember(
        verdict={
            "state": RunState.PARTIAL if bad else RunState.SUCCEEDED,
            "sentence": sentence,
            "at": clock.now().isoformat(),
            "parts": judged,
        }
    )
    return Next(sentence)
