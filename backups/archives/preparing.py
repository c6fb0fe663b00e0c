"""Before an archive is written: what is there to read, and what stands against it. Nothing is changed."""

import os
from dataclasses import dataclass, field

from backups.gateways.redis.about import About, about
from backups.gateways.redis.connection import connect
from backups.gateways.redis.errors import RedisError
from backups.gateways.redis.rights import BY_SCAN, BY_SYNC, missing_rights
from backups.runs import Turn
from backups.runs.models import Level
from backups.templatetags.formats import count_of, size

from .format.space import kept_free, space_of
from .making import NotMade, refuse_other_place, servers_of, sources_of
from .models import Archive, CheckState, RedisMode, RedisServer
from .redis.access import access_of
from .survey import Survey, survey


@dataclass
class Found:
    """``redis`` are the keys by server name."""

    surveys: list[Survey] = field(default_factory=list)
    redis: dict[str, int] = field(default_factory=dict)

    @property
    def files(self) -> int:
        return sum(each.files for each in self.surveys)

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.surveys)

    @property
    def redis_words(self) -> str:
        return "".join(f", {count_of(keys, 'key')} of {name}" for name, keys in self.redis.items())


def look(turn: Turn, archive: Archive) -> Found:
    """Count everything, ask each Redis, and see that there is room. Raises NotMade."""
    found = Found()
    _refuse_bad_place(archive)
    for source in sources_of(archive):
        counted = survey(source, cancelled=lambda: turn.cancel_requested)
        _judge(turn, source.path, counted)
        found.surveys.append(counted)
    for server in servers_of(archive):
        found.redis[server.name] = _keys_of(turn, server)
    _refuse_no_room(archive, found)
    return found


def _refuse_bad_place(archive: Archive) -> None:
    folder, location = archive.path.parent, archive.location
    if location and location.state == CheckState.BAD:
        raise NotMade(f"Location {location} does not work: {location.message}")
    if not folder.is_dir():
        where = f"location {archive.location}" if archive.location else "this path"
        raise NotMade(f"{folder} is not there: {where} has no folder. Is the share mounted?")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NotMade(f"The worker may not write to {folder}. Give its user the right to, then start again.")
    refuse_other_place(archive)
    if os.path.lexists(archive.path):
        raise NotMade(
            f"There is a file {archive.path} already, which no run of this console made. It is left as it is."
        )


def _judge(turn: Turn, path: str, counted: Survey) -> None:
    if counted.error:
        raise NotMade(f"{counted.error} Change the profile, or bring the folder back.")
    if counted.whole and not counted.files and not counted.links:
        raise NotMade(
            f"Nothing in {path} matches. An archive without it would look like a backup and be none. "
            "Change the patterns of the profile."
        )
    turn.log(f"{path}: {count_of(counted.files, 'file')}, {size(counted.bytes)}")
    if counted.unreadable:
        turn.log(f"{path}: {count_of(counted.unreadable, 'entry', 'entries')} cannot be read.", Level.WARNING)


def _keys_of(turn: Turn, server: RedisServer) -> int:
    try:
        with connect(access_of(server)) as connection:
            facts = about(connection)
            _refuse_unfit(server, facts)
            if server.mode == RedisMode.RDB and not missing_rights(connection, BY_SYNC, facts):
                how = "one moment"
            else:
                _refuse_missing(server, missing_rights(connection, BY_SCAN, facts))
                how = "key by key"
    except RedisError as error:
        raise NotMade(f"Redis server {server}: {error.message}", error.detail) from error
    keys = sum(facts.databases.values())
    turn.log(f"{server}: {facts.product} {facts.version}, {facts.role}, {count_of(keys, 'key')}, read {how}")
    return keys


def _refuse_unfit(server: RedisServer, facts: About) -> None:
    if facts.loading:
        raise NotMade(f"Redis server {server} is still reading its own data from disk. Start again when it is done.")
    if facts.role == "replica" and not facts.linked:
        raise NotMade(f"Redis server {server} is a replica that has lost its primary: its data may be old.")


def _refuse_missing(server: RedisServer, missing: list) -> None:
    if missing:
        rules = " ".join(each.rule for each in missing)
        raise NotMade(
            f"The user of Redis server {server} lacks {rules}. Without them its data cannot be read.",
            missing[0].detail,
        )


def _refuse_no_room(archive: Archive, found: Found) -> None:
    """What earlier archives of the profile took of what they read tells how much this one will need; without one it
    must fit as it is."""
    usable = space_of(archive.path.parent).usable - kept_free(archive.path.parent)
    needed = int(found.bytes * _share(archive))
    if needed > usable:
        raise NotMade(
            f"There is no room in {archive.path.parent}: about {size(needed)} are needed, {size(max(usable, 0))} can "
            "be used. Remove old archives, or choose another location."
        )


def _share(archive: Archive) -> float:
    """Bytes written for each that is read."""
    last = (
        Archive.objects.filter(profile=archive.profile, codec=archive.codec, bytes__gt=0, size__gt=0, keys=0)
        .order_by("-pk")
        .values_list("size", "bytes")
        .first()
    )
    return 1.1 * last[0] / last[1] if last else 1.0
