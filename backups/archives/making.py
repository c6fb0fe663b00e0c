"""Writes one archive: the long turn between "the sources are there" and "the file has its name"."""

import errno
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from backups import clock
from backups.gateways.filetree import identities, is_unreadable
from backups.gateways.redis.errors import RedisError
from backups.runs import Turn
from backups.runs.models import Level
from backups.templatetags.formats import count_of, size

from . import cybersift_restore as reader
from . import flows, reading
from .contents import indexes
from .format.age.keys import parse_recipient
from .format.errors import ArchiveError, Cancelled, NoSpace, TargetExists, UnreadableFile, WriteFailed
from .format.partials import remove_partials
from .format.space import kept_free
from .format.writer import About, ArchiveWriter
from .locations import folder
from .models import Archive, ArchiveRun, RedisServer
from .redis.access import Copy, access_of
from .sources import Source, literal

FULL = "The disk of the location is full. What had been written was removed. Remove old archives, or make room."
LOST_KEY = "The key with which this archive was to be encrypted cannot be opened on this host. Start again."
LOGGED = 100
"""So many entries that are missing get a line in the log of the run; the archive names all of them."""
TOLD_EVERY = 0.5
"""Seconds between two looks of the page at how far it is; counting is done far more often."""


class NotMade(Exception):
    """No archive came of it, and nothing is left behind. ``mend`` is a link for those who may mend it."""

    def __init__(self, message: str, detail: str = "", *, cancelled: bool = False, mend: dict | None = None):
        super().__init__(message)
        self.message, self.detail, self.cancelled, self.mend = message, detail, cancelled, mend


@dataclass
class Made:
    """``columns`` are those of Archive, ``read`` those of ArchiveRun; ``lines`` go into the log. ``unreadable``
    counts what was asked for and may not be read, ``bad_flows`` are sentences on flows that NiFi could not load.
    """

    columns: dict
    read: dict
    unreadable: int = 0
    bad_flows: list[str] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)


def sources_of(archive: Archive) -> list[Source]:
    """The folders of a run, without the archives themselves and the console's keys."""
    folders = [Source.of(facts) for facts in archive.made_by.sources["folders"]]
    if archive.location:
        return apart_from(folders, archive.location.directory)
    return [own_files_left_out(source, archive) for source in apart_from(folders)]


def apart_from(folders: Iterable[Source], *directories: Path) -> list[Source]:
    """The same without these directories and those with the console's secrets, whatever way leads there."""
    own = (settings.KEYS_DIR, settings.DOWNLOADS_DIR, settings.SAFETY_DIR, settings.IDENTITIES_DIR)
    apart = identities([*directories, *map(Path, own)])
    return [source.apart_from(apart) for source in folders]


def own_files_left_out(source: Source, archive: Archive) -> Source:
    """Outside of every location archives lie among other files: they and what belongs to them stay out, also those
    made there before."""
    try:
        below = Path(archive.outside).resolve().relative_to(Path(source.path).resolve())
    except ValueError:
        return source
    archives = Archive.objects.filter(location=None, outside=archive.outside, host=archive.host)
    at = "" if str(below) == "." else f"{literal(str(below))}/"
    names = [literal(name) for name in set(archives.values_list("name", flat=True))]
    own = [own for name in names for own in (name, f"{name}.sha256", f".{name}.index", f".{name}.partial-*")]
    return source.leaving_out([f"/{at}{name}" for name in own])


def refuse_other_place(archive: Archive) -> None:
    """A directory without anything of ours, though its location was looked at before, is what a share is mounted
    over. Raises NotMade."""
    location = archive.location
    if location and location.looked_at and folder.is_emptied(location.directory):
        raise NotMade(folder.emptied(location.directory))


def servers_of(archive: Archive) -> list[RedisServer]:
    """The Redis servers of a run. Raises NotMade for one that was removed since."""
    wanted = archive.made_by.sources["redis"]
    found = {server.pk: server for server in RedisServer.objects.filter(pk__in=wanted)}
    if len(found) < len(wanted):
        raise NotMade("A Redis server of this profile was removed since the run was asked for. Start again.")
    return [found[pk] for pk in wanted]


def make(turn: Turn, archive: Archive) -> Made:
    """Write it, or adopt what an attempt of this run that was killed has finished. Raises NotMade."""
    began, copies = time.monotonic(), []
    remove_partials(archive.path.parent)
    if turn.run.fence > 1 and os.path.lexists(archive.path):
        turn.log("There is a file of this name: an earlier attempt may have finished it.")
    else:
        refuse_other_place(archive)
        copies = _write(turn, archive)
    try:
        with reading.opened(archive) as found:
            facts = reading.facts_of(archive.path, found)
            indexes.keep(archive, found)
            judged = flows.judge(archive, found)
    except reading.NoKey as error:
        raise NotMade(LOST_KEY) from error
    except reader.ArchiveError as error:
        raise NotMade(
            f"There is a file {archive.path} that cannot be read. It is left as it is.", str(error)
        ) from error
    if facts.columns["backup_id"] != str(archive.made_by.backup_id):
        raise NotMade(f"There is a file {archive.path} that this run did not make. It is left as it is.")
    return _made(facts, judged, copies, time.monotonic() - began)


def _write(turn: Turn, archive: Archive) -> list[Copy]:
    """The file, under its name and on the disk. Returns the Redis data in it."""
    made_by = archive.made_by
    try:
        with ArchiveWriter(
            archive.path,
            _about(archive),
            codec_name=made_by.codec,
            jobs=settings.ARCHIVE_JOBS,
            progress=Telling(turn),
            cancelled=lambda: turn.cancel_requested,
            unreadable=made_by.unreadable,
            keep_free=kept_free(archive.path.parent),
            **_sealing(archive),
        ) as writer:
            copies = _fill(writer, archive)
            writer.finish()
    except Cancelled as error:
        raise NotMade("Cancelled.", cancelled=True) from error
    except TargetExists as error:
        raise NotMade(f"There is a file {error.path} already. It is left as it is; no archive was made.") from error
    except UnreadableFile as error:
        raise NotMade(
            f"A file cannot be read ({error.why}), and the profile wants all files or no archive. Give the worker's "
            "user the right to read it, or leave it out.",
            f"{reader.printable(error.path)}: {error.why}",
        ) from error
    except NoSpace as error:
        raise NotMade(f"{FULL} {size(error.keep_free)} of the disk stay free for others.", str(error)) from error
    except WriteFailed as error:
        raise NotMade(_why_not_written(error), str(error)) from error
    except ArchiveError as error:
        raise NotMade(
            f"No archive was made: {error}. Start again; look at the worker's log if it comes again."
        ) from error
    except RedisError as error:
        raise NotMade(f"The data of Redis could not be read. {error.message}", error.detail) from error
    return copies


def _sealing(archive: Archive) -> dict:
    """For whom it is encrypted, and with which key: that stands in our row, so that the archive can be read back."""
    if not archive.encrypted:
        return {}
    recipients = [parse_recipient(each["key"]) for each in archive.made_by.recipients]
    try:
        return {"recipients": recipients, "file_key": reading.file_key_of(archive)}
    except reading.NoKey as error:
        raise NotMade(LOST_KEY) from error


def _about(archive: Archive) -> About:
    """The folders with the patterns they are read with, so that the archive alone tells what it was to hold."""
    folders = [source.as_json() | {"kind": "files"} for source in sources_of(archive)]
    servers = [{"name": each.name, "kind": "redis", "address": each.address} for each in servers_of(archive)]
    return About(settings.VERSION, [*folders, *servers], host=archive.host, backup_id=str(archive.made_by.backup_id))


def _fill(writer: ArchiveWriter, archive: Archive) -> list[Copy]:
    copies = []
    for source in sources_of(archive):
        writer.add_tree(
            source.name,
            Path(source.path),
            include=source.include,
            exclude=source.exclude,
            one_file_system=source.one_file_system,
            apart=source.apart,
        )
    for server in servers_of(archive):
        copy = Copy(server, access_of(server))
        writer.add_redis(server.name, copy.pieces(), copy.describe)
        copies.append(copy)
    return copies


def _made(facts: "reading.Facts", judged: list[flows.Flow], copies: list[Copy], seconds: float) -> Made:
    columns = facts.columns
    types = {copy.server.name: copy.types for copy in copies}
    columns["redis"] = [each | {"types": types.get(each["name"], {})} for each in columns["redis"]]
    errors = [error | {"path": reader.printable(error["path"])} for error in facts.errors]
    read = {name: columns[name] for name in ("files", "bytes", "changed", "skipped")}
    read |= {"errors": errors[: ArchiveRun.MOST_ERRORS], "seconds": round(seconds, 1)}
    made = Made(columns, read, unreadable=sum(_is_unreadable(error) for error in errors))
    made.lines = [line for flow in judged for line in ((flow.level, flow.sentence), (Level.NAME, flow.name))]
    made.bad_flows = [flow.sentence for flow in judged if flow.bad]
    made.lines += [(Level.WARNING, f"{copy.server}: {note}") for copy in copies for note in copy.notes]
    if errors:
        text = f"{count_of(len(errors), 'entry is', 'entries are')} not in the archive; its page says which."
        made.lines.append((Level.WARNING, text))
    made.lines += [(Level.NAME, f"Not in the archive: {each['path']} ({each['why']})") for each in errors[:LOGGED]]
    if columns["changed"]:
        text = f"{count_of(columns['changed'], 'file')} changed twice while being read: marked in the manifest."
        made.lines.append((Level.WARNING, text))
    return made


def _is_unreadable(error: dict) -> bool:
    """Asked for, there, and not to be had: sockets and files that vanished are no loss."""
    return is_unreadable(error.get("errno"))


def _why_not_written(error: WriteFailed) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FULL
    return f"{error}. What had been written was removed."


class Telling:
    """Writes down how far it is, now and then; called with every piece."""

    def __init__(self, turn: Turn):
        self.turn, self.next = turn, 0.0
        memory = turn.memory
        self.total = {"bytes_total": memory.get("bytes_total"), "files_total": memory.get("files_total")}
        self.since = clock.now().isoformat()

    def __call__(self, count: int, files: int) -> None:
        now = time.monotonic()
        if now >= self.next:
            self.next = now + TOLD_EVERY
            done = {"bytes_done": count, "files_done": files, "since": self.since, "at": clock.now().isoformat()}
            self.turn.progress = self.total | done
