"""The steps of removing a safety copy that is a folder or a file, on the host where it lies."""

from pathlib import Path

from backups.runs import Kind, Next, Step, Turn
from backups.runs.models import Effect

from . import files, safety_copies
from .copy_ends import kept, missing, removed, safety_copy_of, why_needed
from .models import CopyForm


def look(turn: Turn):
    """Is it the very folder or file that the restore had made?"""
    copy = safety_copy_of(turn)
    if why := why_needed(copy):
        return kept(turn, why)
    try:
        there = files.safety_copy(Path(copy.name), copy.facts, directory=copy.form == CopyForm.FOLDER)
    except files.NotOurs as error:
        return missing(turn, str(error))
    except OSError as error:
        return kept(turn, f"{copy.name} cannot be looked at: {error.strerror}.", str(error))
    if not there:
        return missing(turn, f"{copy.name} is not there any more.")
    turn.remember(announced=True)
    return Next("there, and what the restore had made")


def remove(turn: Turn):
    """What is left of it after a kill still is the same folder."""
    copy = safety_copy_of(turn)
    try:
        files.remove_safety_copy(Path(copy.name), copy.facts, directory=copy.form == CopyForm.FOLDER)
    except files.NotOurs as error:
        return missing(turn, str(error), effect=Effect.UNKNOWN)
    except OSError as error:
        return kept(turn, f"{copy.name} was not removed whole: {error.strerror}.", str(error), Effect.APPLIED)
    return removed(turn, f"{copy.name} was removed.")


DELETE_FILES = Kind(
    safety_copies.DELETE_FILES,
    "Remove safety copy",
    (Step("Look at it", look, long=True), Step("Remove it", remove, long=True)),
    on_failure=safety_copies.give_up,
)
