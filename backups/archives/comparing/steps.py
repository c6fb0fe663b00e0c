"""The run that compares an archive with what is there now."""

from backups.runs import Done, Kind, Step, Turn
from backups.runs.models import Effect, Level, RunState
from backups.templatetags.formats import count_of

from .. import cybersift_restore as reader
from .. import making, reading, services
from ..format.errors import Cancelled
from ..models import Archive, RedisServer
from . import folders
from .compared import CHANGED, DIFFERENT, ONLY_ARCHIVE, WORDS, Compared
from .redis import with_server

LOGGED = 1_000
NO_KEY = (
    "The archive is encrypted, and this host has public keys only: compare it where a key is, with the command line."
)
DAMAGED = "The archive is damaged at its end or in its list of files: verify it."


def compare(turn: Turn):
    """Every source of the archive; the differences go into the log, their numbers into the result."""
    archive = Archive.objects.select_related("location", "made_by__run").get(pk=turn.run.params["archive"])
    try:
        with reading.opened(archive) as found:
            compared = [_folder(turn, found, source) for source in making.sources_of(archive)]
            compared += [_redis(turn, found, archive, record) for record in found.manifest.redis]
    except Cancelled:
        return Done(RunState.CANCELLED, Effect.NONE, "Nothing was changed.")
    except reading.NoKey:
        return Done(RunState.FAILED, Effect.NONE, error=NO_KEY)
    except reader.Damaged as error:
        return Done(RunState.FAILED, Effect.NONE, error=DAMAGED, detail=str(error))
    except reader.ArchiveError as error:
        return Done(RunState.FAILED, Effect.NONE, error=f"The archive cannot be read: {error}")
    turn.remember(sources=[{"name": each.name, "error": each.error, **each.counts} for each in compared])
    if missed := [each.name for each in compared if each.error]:
        return Done(RunState.PARTIAL, Effect.NONE, error=f"Not compared: {', '.join(missed)}.")
    return Done(RunState.SUCCEEDED, Effect.NONE, _sentence(compared))


def _folder(turn: Turn, found: "reader.Archive", source) -> Compared:
    full = turn.run.params.get("full", False)
    return _told(turn, folders.compare(found, source, full=full, cancelled=lambda: turn.cancel_requested))


def _redis(turn: Turn, found: "reader.Archive", archive: Archive, record: dict) -> Compared:
    servers = RedisServer.objects.filter(pk__in=archive.made_by.sources["redis"], name=record["name"])
    return _told(turn, with_server(found, record, servers.first(), cancelled=lambda: turn.cancel_requested))


def _told(turn: Turn, compared: Compared) -> Compared:
    """Its differences in the log."""
    if compared.error:
        turn.log(compared.error, Level.ERROR)
    else:
        number = sum(compared.counts[kind] for kind in DIFFERENT)
        first = f", of which the first {LOGGED:,} are named" if number > LOGGED else ""
        turn.log(f"{compared.name}: {count_of(number, 'difference')}{first}.")
    for each in compared.differences[:LOGGED]:
        what = f" ({each.what})" if each.what else ""
        turn.log(f"{WORDS[each.kind].capitalize()}: {each.path}{what}", Level.NAME)
    return compared


def _sentence(compared: list[Compared]) -> str:
    if all(each.is_same for each in compared):
        return "Everything is as it is in the archive."
    changed = sum(each.counts[CHANGED] for each in compared)
    gone = sum(each.counts[ONLY_ARCHIVE] for each in compared)
    return (
        f"{count_of(changed, 'entry', 'entries')} changed, {gone:,} only in the archive; the log names what differs."
    )


STEP = Step("Compare", compare, long=True)
COMPARE = Kind(services.COMPARE, "Compare archive", (STEP,), cancellable=True)
