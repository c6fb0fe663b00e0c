"""The steps of the runs of archives: look at the sources, pack, read back; and verify one that is there.

All of them are long: they run in a process of their own and may be repeated after a kill at any line. The name of the
archive was fixed in our row before anything was written, and ``backup_id`` in its first entry says whose it is.
"""

from backups.runs import Done, Kind, Next, Step, Turn
from backups.runs.models import Effect, Level, RunState
from backups.templatetags.formats import count_of, size

from . import making, preparing, reading, services
from .locations import folder
from .making import NotMade
from .models import Archive, ArchiveState, ReadBack

NOTHING = "Nothing was written."


def look(turn: Turn):
    """Count what is to be read, and find what stands against it before anything is written."""
    archive = _archive(turn)
    if turn.cancel_requested:
        return _cancelled(turn, archive, NOTHING)
    try:
        found = preparing.look(turn, archive)
    except NotMade as error:
        return _failed(turn, archive, error, Effect.NONE)
    if turn.cancel_requested:
        return _cancelled(turn, archive, NOTHING)
    if archive.encrypted and not archive.made_by.sealed_key:
        turn.write(lambda a: services.keep_file_key(archive))
    turn.remember(files_total=found.files, bytes_total=found.bytes)
    return Next(f"{count_of(found.files, 'file')}, {size(found.bytes)}{found.redis_words}")


def pack(turn: Turn):
    """Write the archive under its name. A run that was killed after that finds it, and goes on."""
    archive = _archive(turn)
    try:
        made = making.make(turn, archive)
    except NotMade as error:
        if turn.cancel_requested and error.cancelled:
            return _cancelled(turn, archive, "What had been written was removed.", Effect.ROLLED_BACK)
        return _failed(turn, archive, error, Effect.ROLLED_BACK)
    for level, line in made.lines:
        turn.log(line, level)
    turn.write(lambda a: services.record_made(a, archive, made.columns, made.read))
    turn.remember(unreadable=made.unreadable, bad_flows=made.bad_flows, packed_size=made.columns["size"])
    note = f"{count_of(made.read['files'], 'file')}, {size(made.columns['size'])}"
    if archive.made_by.read_back == ReadBack.NEVER:
        turn.write(lambda a: services.forget_file_key(archive))
        return _made_only(turn, note)
    return Next(note)


def read_back(turn: Turn):
    """Read it from the disk again, whole or a sample, and hold everything against its checksums."""
    archive = _archive(turn)
    if turn.cancel_requested:
        turn.write(lambda a: services.forget_file_key(archive))
        return Done(
            RunState.CANCELLED,
            Effect.APPLIED,
            "The archive is there, and was not read back.",
            "Cancelled before the end.",
        )
    sample = archive.made_by.read_back == ReadBack.SAMPLE
    return _judge(turn, archive, reading.check(turn, archive, sample=sample), making=True)


def verify(turn: Turn):
    """Read an archive that is there."""
    archive = _archive_of_verify(turn)
    if turn.cancel_requested:
        return Done(RunState.CANCELLED, Effect.NONE, "Nothing was changed.")
    return _judge(turn, archive, reading.check(turn, archive), making=False)


def _judge(turn: Turn, archive: Archive, checked: "reading.Checked", *, making: bool):
    """What the reading was worth, as the end of the run."""
    for problem in checked.problems:
        turn.log(problem, Level.NAME)
    turn.log(checked.sentence, Level.DONE if checked.good else Level.ERROR)
    effect = Effect.APPLIED if making else Effect.NONE
    if checked.cancelled:
        turn.write(lambda a: services.forget_file_key(archive))
        return Done(RunState.CANCELLED, effect, "The reading was not finished; what it says of the archive stays.")
    if checked.unchanged:
        turn.write(lambda a: services.record_compared(a, archive, turn.run, same=checked.good))
        state = RunState.SUCCEEDED if checked.good else RunState.FAILED
        return Done(state, effect, checked.sentence, "" if checked.good else checked.sentence)
    columns = checked.columns()
    if checked.good and checked.sha256:
        folder.put_checksum(archive.path, checked.sha256)
    turn.write(lambda a: services.record_verified(a, archive, turn.run, columns, checked.message))
    if not checked.good:
        return Done(RunState.FAILED, effect, checked.sentence, checked.message, "\n".join(checked.problems))
    if making and (lacking := _lacking(turn)):
        return Done(RunState.PARTIAL, effect, checked.sentence, f"{lacking} The rest is there and was read back.")
    return Done(RunState.SUCCEEDED, effect, checked.sentence)


def _lacking(turn: Turn) -> str:
    """What was asked for, and is not in it as it should be."""
    unreadable, said = turn.memory.get("unreadable", 0), list(turn.memory.get("bad_flows", ()))
    if unreadable:
        isnt = "is" if unreadable == 1 else "are"
        said.insert(0, f"{count_of(unreadable, 'file')} could not be read and {isnt} not in it.")
    return " ".join(said)


def _made_only(turn: Turn, note: str):
    text = "The profile does not ask for it to be read back: it is finished, not verified."
    turn.log(text, Level.WARNING)
    if lacking := _lacking(turn):
        return Done(RunState.PARTIAL, Effect.APPLIED, f"{note}. {text}", lacking)
    return Done(RunState.SUCCEEDED, Effect.APPLIED, f"{note}. {text}")


def _failed(turn: Turn, archive: Archive, error: NotMade, effect: str):
    turn.log(error.message, Level.ERROR)
    if error.mend:
        turn.remember(mend=error.mend)
    turn.write(lambda a: services.forget_file_key(archive))
    turn.write(lambda a: services.set_state(archive, ArchiveState.FAILED, error.message, detail=error.detail))
    return Done(RunState.FAILED, effect, error=error.message, detail=error.detail)


def _cancelled(turn: Turn, archive: Archive, words: str, effect: str = Effect.NONE):
    turn.log(f"Cancelled. {words}", Level.WARNING)
    turn.write(lambda a: services.forget_file_key(archive))
    turn.write(lambda a: services.set_state(archive, ArchiveState.CANCELLED, words))
    return Done(RunState.CANCELLED, effect, words)


def _archive(turn: Turn) -> Archive:
    rows = Archive.objects.select_related("location", "profile", "made_by__run")
    return rows.get(made_by__run=turn.run)


def _archive_of_verify(turn: Turn) -> Archive:
    rows = Archive.objects.select_related("location", "profile", "made_by__run")
    return rows.get(pk=turn.run.params["archive"])


ARCHIVE = Kind(
    services.KIND,
    "Archive",
    (
        Step("Look at the sources", look, long=True),
        Step("Pack", pack, long=True),
        Step("Read back and verify", read_back, long=True),
    ),
    cancellable=True,
    on_failure=services.give_up,
)
VERIFY = Kind(services.VERIFY, "Verify archive", (Step("Read and verify", verify, long=True),), cancellable=True)
