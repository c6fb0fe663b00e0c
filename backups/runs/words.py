"""What pages say about each kind of run, and about what a run left behind.

The engine's KINDS belong to the worker; these are only words, like the sentences of ``audit.actions``. A kind that
has none is shown by its name.
"""

from typing import NamedTuple

from .models import Effect, Run, RunState


class KindWords(NamedTuple):
    """``stays``: what a cancel leaves as it is, said before it. ``look``: what to look at when the effect of a run
    is unknown. ``undone`` and ``rest``: that what was begun is gone, and what is left of it all the same."""

    title: str
    icon: str = "activity"
    stays: str = "It ends before its next step. What it did so far stays."
    look: str = (
        "Look at its last call and at the log, then into the cluster itself. Until then count on neither outcome."
    )
    undone: str = "What was begun was undone"
    rest: str = ""


KINDS: dict[str, KindWords] = {
    "snapshot": KindWords(
        "Snapshot",
        "database-export",
        "The unfinished snapshot is deleted from the repository and cannot be used. The indices, earlier snapshots "
        "and the repository stay as they are.",
        "Look whether the repository has a snapshot of this name. If it has and Elasticsearch says SUCCESS, it can "
        "be restored from; if it has not, nothing was made. Until somebody looked, count on neither.",
        undone="No snapshot was left behind",
        rest="Earlier snapshots are not touched. What was copied so far stays as unused data until Elasticsearch "
        "removes it with a later delete or cleanup.",
    ),
    "register_repository": KindWords(
        "Register repository",
        "server-2",
        "Nothing is registered if the call was not sent yet; a registration that was sent stays, unverified. The "
        "folder and what lies in it are not touched.",
        "The cluster itself answers GET /_snapshot with the repositories it has. Register it again: what is there by "
        "then is found and adopted.",
    ),
    "archive": KindWords(
        "Archive",
        "file-zip",
        "What was written of the archive is removed. The files and Redis servers that are read stay as they are, and "
        "earlier archives too.",
        "Look whether the location has a file of this name, and verify it. Until then count on neither outcome.",
        undone="No archive was left behind",
        rest="What had been written of it was removed. Earlier archives are not touched.",
    ),
    "compare_archive": KindWords("Compare archive", "replace", "A comparison changes nothing."),
    "restore_archive": KindWords(
        "Restore from an archive",
        "rotate-clockwise-2",
        "The directory stays as it was. Keys that were written to Redis stay there.",
        "Look into the directory and the server that it was for. A directory is there whole or not at all; a "
        "server may have some of the keys: empty it, and start the command again.",
        undone="Nothing was restored",
        rest="The directory is as it was.",
    ),
    "restore_beside": KindWords(
        "Restore",
        "restore",
        "What was restored so far is deleted again. Live indices are not touched.",
        undone="Nothing was restored",
        rest="What had been restored was deleted again. Live indices were not touched.",
    ),
    "restore_swap": KindWords(
        "Restore by swap",
        "replace",
        "As long as no live index was replaced, everything stays as it was. Once one was, the rest is replaced too: "
        "then roll back.",
        "Look at the indices that it names, and at those whose names begin with before- and restoring-. Nobody can "
        "restore over them until its locks are cleared.",
        undone="The live indices are as they were",
        rest="The copies were deleted again.",
    ),
    "restore_in_place": KindWords(
        "Restore in place",
        "replace",
        "Before the server began, nothing is changed. After that the safety snapshot is put back.",
        "Look at the indices that it names. A safety snapshot of them is in the repository.",
        undone="The live indices are as they were",
        rest="The safety snapshot was put back.",
    ),
    "restore_undo": KindWords(
        "Roll back",
        "rotate-clockwise-2",
        "As long as no index was replaced, everything stays as it was. Once one was, the rest is rolled back too.",
        "Look at the indices that it names, and at those whose names begin with before-.",
        undone="The live indices are as they were",
        rest="The safety copies are still there.",
    ),
    "delete_snapshot": KindWords(
        "Delete snapshot",
        "trash",
        "Other snapshots stay. Once the call was sent, the deletion is not taken back.",
        "Look whether the repository still has a snapshot of this name. If it has, delete it again; until then count "
        "on neither outcome.",
    ),
    "delete_archive": KindWords(
        "Delete archive",
        "trash",
        "Other archives stay. A file that was removed is not brought back.",
        "Look into its location whether the file is there. If it is, delete it again.",
    ),
    "delete_safety_copy": KindWords(
        "Remove safety copy",
        "trash",
        look="Look whether the cluster still has this index. If it has, the console tries again some hours later.",
    ),
    "delete_safety_files": KindWords(
        "Remove safety copy",
        "trash",
        look="Look whether it is still there, and what has its name now.",
    ),
    "plan_restore_files": KindWords(
        "Plan a restore from an archive", "restore", "Looking changes nothing.", look="It only reads: plan it again."
    ),
    "restore_files": KindWords(
        "Restore files and Redis data",
        "rotate-clockwise-2",
        "What was put in place so far is taken back: the folders and databases are as they were.",
        "Look into the folders and databases that it names. Safety copies of them are kept beside.",
        undone="The folders and databases are as they were",
        rest="What had been unpacked was removed again.",
    ),
    "restore_files_undo": KindWords(
        "Roll back files and Redis data",
        "rotate-clockwise-2",
        "What was put back so far is taken back.",
        "Look into the folders and databases that it names.",
        undone="The folders and databases are as they were",
        rest="The safety copies are still there.",
    ),
    "take_out": KindWords("Take a file out", "file-text", "Nothing is kept of what was taken out so far."),
    "verify_archive": KindWords("Verify archive", "shield-check", "A verification changes nothing."),
    "verify_repository": KindWords(
        "Verify repository", "shield-check", "A verification changes nothing; the repository stays as it is."
    ),
}


class Ending(NamedTuple):
    """``note`` is the colour of the note on the page."""

    note: str
    title: str
    text: str = ""


def words_of(kind: str) -> KindWords:
    return KINDS.get(kind) or KindWords(kind.replace("_", " ").capitalize())


def name_of(run: Run) -> str:
    """What it is about, without the verb: what is typed to cancel it."""
    return run.subject.removeprefix(f"{words_of(run.kind).title.lower()} ")


def ending_of(run: Run) -> Ending | None:
    """What a run that is over left behind, for people. None while it goes on."""
    if not run.is_over:
        return None
    if run.effect == Effect.UNKNOWN:
        return Ending("fail", Effect.UNKNOWN.label, words_of(run.kind).look)
    if run.state == RunState.SUCCEEDED:
        return Ending("ok", "Done and checked") if run.effect == Effect.APPLIED else Ending("ok", "Done")
    note = "fail" if run.state == RunState.FAILED else "warn"
    clean = "run" if run.state == RunState.CANCELLED else note
    words = words_of(run.kind)
    endings = {
        Effect.NONE: Ending(clean, Effect.NONE.label),
        Effect.ROLLED_BACK: Ending(clean, words.undone, words.rest),
    }
    return endings.get(run.effect) or Ending(note, "A part of it is there", "What is missing is named below.")
