"""The steps of deleting an archive, on the host where it lies.

Each function is one turn in a process of its own, and may be repeated after a kill at any line: the look wrote down
which file it is, what is gone stays gone, and another file of the same name is not touched.
"""

from backups.archives import services as archives
from backups.archives.models import Archive
from backups.runs import Done, Kind, Next, Stay, Step, Turn
from backups.runs.models import Effect, Level, RunState

from . import approved, files
from .copy_ends import over
from .steps import refuse_changed


def look(turn: Turn):
    """Is it still there, the same file, and held by nothing that nobody knew of?"""
    archive = _archive(turn)
    if "admitted" not in turn.memory:
        waits = approved.admit(turn)
        return Stay() if waits is None else waits
    if turn.cancel_requested:
        return over(turn, "Cancelled. Nothing was removed.", state=RunState.CANCELLED)
    if why := approved.why_not_now(turn.run, archive):
        return over(turn, why)
    try:
        known = files.archive_file(archive.path, turn.run.params["size"], turn.run.params["mtime_ns"])
    except files.NotOurs as error:
        return over(turn, str(error))
    except FileNotFoundError:
        return over(turn, f"{archive.path} is not there any more. Nothing was removed.")
    except OSError as error:
        return over(turn, f"{archive.path} cannot be looked at: {error.strerror}. Nothing was removed.", str(error))
    turn.remember(announced=True, file=list(known))
    turn.write(lambda a: refuse_changed(turn, archive))
    return Next("there, and as it was when this was asked for")


def remove(turn: Turn):
    """The file and what belongs to it."""
    archive, first = _archive(turn), turn.run.claims == 1
    if turn.cancel_requested and first:
        return over(turn, "Cancelled. Nothing was removed.", state=RunState.CANCELLED)
    if why := approved.why_not_admitted(turn.run):
        return over(turn, why)
    try:
        left = files.remove_archive(archive.path, files.Known(*turn.memory["file"]))
    except files.NotOurs as error:
        return over(turn, str(error), effect=Effect.NONE if first else Effect.UNKNOWN)
    except OSError as error:
        return _not_removed(turn, archive.path, error, first=first)
    turn.log(f"{archive.path} was removed.", Level.DONE)
    for line in left:
        turn.log(line, Level.WARNING)
    words = f"Deleted by run {turn.run.pk}. Other archives are not touched."
    turn.write(lambda a: archives.record_deleted(a, archive, turn.run, words))
    return Done(RunState.SUCCEEDED, Effect.APPLIED, "It is gone from its location.")


DELETE_ARCHIVE = Kind(
    archives.DELETE,
    "Delete archive",
    (Step("Look at the file", look, long=True), Step("Remove it", remove, long=True)),
)


def _archive(turn: Turn) -> Archive:
    rows = Archive.objects.select_related("location", "profile", "made_by__run")
    return rows.get(pk=turn.run.params["archive"])


def _not_removed(turn: Turn, path, error: OSError, *, first: bool) -> Done:
    """The file goes first: as long as it is there, nothing was done."""
    effect = Effect.NONE if first and files.is_there(path) else Effect.UNKNOWN
    why = f"{path} was not removed: {error.strerror}. Mend that, then delete it again."
    return over(turn, why, str(error), effect)
