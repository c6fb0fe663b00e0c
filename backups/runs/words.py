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
