"""One file out of an archive, for a person's browser: taken out by the worker, handed over by the web process.

It waits in DOWNLOADS_DIR under the number of its run, for the person who asked and for an hour.
"""

import os
import time
from pathlib import Path

from django.conf import settings

from backups.runs import Done, Kind, Step, Turn
from backups.runs.models import Effect, Level, Run, RunState
from backups.templatetags.formats import size

from .. import cybersift_restore as reader
from .. import reading, services
from ..format.errors import Cancelled, NoSpace
from ..format.index import NoIndex
from ..format.space import kept_free, space_of
from ..models import Archive
from . import indexes


def waiting_file(run: Run) -> Path:
    """Where the file of this run waits, or will."""
    return settings.DOWNLOADS_DIR / str(run.pk)


def take_out(turn: Turn):
    """Write the file, its checksum looked at on the way."""
    archive = Archive.objects.select_related("location", "made_by__run").get(pk=turn.run.params["archive"])
    part = settings.DOWNLOADS_DIR / f".{turn.run.pk}.part"
    try:
        settings.DOWNLOADS_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
        count = _write(turn, archive, part)
    except reading.NoKey:
        return _not_taken(
            turn, "The archive is encrypted, and this host has public keys only. Use a host with a key."
        )
    except reader.Damaged as error:
        return _not_taken(turn, "It could not be taken out: the archive is damaged there.", str(error))
    except (reader.ArchiveError, NoIndex) as error:
        return _not_taken(turn, f"It could not be taken out: {error}")
    except NoSpace as error:
        return _not_taken(turn, _no_room(error))
    except OSError as error:
        return _not_taken(turn, f"It could not be written to {settings.DOWNLOADS_DIR}: {error.strerror}.")
    except Cancelled:
        return Done(RunState.CANCELLED, Effect.NONE, "Nothing was kept.")
    else:
        part.replace(waiting_file(turn.run))
    finally:
        part.unlink(missing_ok=True)
    turn.remember(size=count)
    return Done(RunState.SUCCEEDED, Effect.NONE, f"{size(count)}, its checksum is right.")


def _write(turn: Turn, archive: Archive, part: Path) -> int:
    """The file, by its number in the index. Returns its size in bytes."""
    with indexes.of(archive) as index:
        row = index.numbered(turn.run.params["number"])
    asked = turn.run.params["path"]  # what the page, the log and the entry say must be what is handed out
    if row is None or row.type not in ("f", "h") or reader.printable(row.path) != asked:
        raise NoIndex("There is no such file in it.")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file, reading.opened(archive) as found:
        _refuse_no_room(reading.file_in(found, row.path).size)
        reading.take_out(found, row.path, file.fileno(), reading.Telling.of(turn, found))
        return os.fstat(file.fileno()).st_size


def _refuse_no_room(count: int) -> None:
    """DOWNLOADS_DIR may lie on the disk of the database."""
    directory = settings.DOWNLOADS_DIR
    usable, keep_free = space_of(directory).usable, kept_free(directory)
    if usable < count + keep_free:
        raise NoSpace(directory, usable, count + keep_free)


def _no_room(error: NoSpace) -> str:
    return (
        f"There is no room for it in {error.directory}: {size(error.keep_free)} are needed with what stays free for "
        f"others, and {size(error.usable)} can be used. Take it out with the command line, to another disk."
    )


def _not_taken(turn: Turn, why: str, detail: str = ""):
    """``detail`` may name files, which is not for everybody."""
    turn.log(why, Level.ERROR)
    if detail:
        turn.log(detail, Level.NAME)
    return Done(RunState.FAILED, Effect.NONE, error=why, detail=detail)


def remove_old() -> int:
    """Remove what nobody fetched within an hour. The ticker calls this."""
    if not settings.DOWNLOADS_DIR.is_dir():
        return 0
    before = time.time() - services.KEPT_SECONDS
    old = [file for file in settings.DOWNLOADS_DIR.iterdir() if file.stat().st_mtime < before]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)


TAKE_OUT = Kind(
    services.TAKE_OUT, "Take a file out", (Step("Read and check", take_out, long=True),), cancellable=True
)
