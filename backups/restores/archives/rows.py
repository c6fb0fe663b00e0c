"""What becomes of each file and database. Pure: what is asked and what was found go in, rows come out."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from backups.archives.cybersift_restore import printable
from backups.templatetags.formats import count_of, number

from .asked import Asked, Database, RedisMode
from .found import CREATE, REMOVE, REPLACE, DatabaseFound, Difference, FolderFound, Found
from .ways import ENTRIES, way_of

SKIP, BLOCKED = "skip", "blocked"
ORDER = (BLOCKED, REMOVE, REPLACE, CREATE, SKIP)
"""Worst first."""

FILE, REDIS = "file", "redis"
MOST_ROWS = 500
"""So many files have a row of their own; the others are counted folder by folder."""

NOTES = {CREATE: "Not there now.", REMOVE: "Not in the archive. Kept in the safety copy."}
UNDO_NOTES = {CREATE: "Comes back.", REMOVE: "Was not there before the restore.", REPLACE: "What it was comes back."}
BAD_TIME = 253_402_300_799 * 10**9


@dataclass(frozen=True)
class Row:
    """One file or database. ``folder`` and ``path`` are of a file, ``database`` and all behind it of Redis. Bytes and
    times are those of the archive and of now; ``after`` is how many keys there are when all goes well."""

    source: str
    target: str
    action: str
    note: str = ""
    kind: str = FILE
    documents_now: None = None
    newer: None = None
    folder: str = ""
    path: str = ""
    type: str = ""
    bytes: int | None = None
    bytes_now: int | None = None
    at: str = ""
    at_now: str = ""
    name: str = ""
    server: str = ""
    database: int | None = None
    mode: str = ""
    pattern: str = ""
    spare: int | None = None
    keys_now: int | None = None
    in_archive: int | None = None
    after: int | None = None
    added: int = 0
    overwritten: int = 0
    removed: int = 0
    expired: int = 0

    @property
    def goes(self) -> bool:
        """Whether the restore does something to it."""
        return self.action not in (SKIP, BLOCKED)

    def as_dict(self) -> dict:
        return asdict(self)


def file_rows(asked: Asked, found: Found) -> list[Row]:
    """One for each file that is not the same, and those that were taken out; worst first, then by name."""
    made = [_file_row(asked, found, folder, each) for folder in found.folders for each in folder.differences]
    made += [
        Row(f"files/{path}", path, SKIP, "Taken out of this restore.", folder=path.partition("/")[0], path=path)
        for path in asked.skip
    ]
    return sorted(made, key=lambda row: (ORDER.index(row.action), row.source))


def _file_row(asked: Asked, found: Found, folder: FolderFound, each: Difference) -> Row:
    shown = f"{folder.name}/{printable(each.path)}" if each.path else folder.name
    why = _why_blocked(asked, found, folder, each)
    return Row(
        source=f"files/{shown}",
        target=f"{folder.target}/{printable(each.path)}" if each.path else folder.target,
        action=BLOCKED if why else each.action,
        note=why or _note(each, found),
        folder=folder.name,
        path=shown,
        type=each.type,
        bytes=each.size,
        bytes_now=each.size_now,
        at=moment(each.mtime),
        at_now=moment(each.mtime_now),
    )


def _why_blocked(asked: Asked, found: Found, folder: FolderFound, each: Difference) -> str:
    stays = not asked.remove or asked.takes_out_of(f"{folder.name}/{printable(each.path)}")
    if each.over == "d" and each.type != "d" and stays:
        return "It is a folder now, and all that is in it would go. Take it out, or remove what the archive lacks."
    if found.nifi and each.path in folder.flows and not asked.to:
        return f"NiFi is running (process {found.nifi}), and writes its flow when it stops. Stop it, or take it out."
    return ""


def is_newer(each: Difference, found: Found) -> bool:
    """Whether what goes away was written after the archive was made."""
    if each.mtime_now is None or found.made_at is None or each.action == CREATE:
        return False
    return each.mtime_now > found.made_at.timestamp() * 10**9


def _note(each: Difference, found: Found) -> str:
    if is_newer(each, found):
        since = "Written since the restore" if found.undoes else "Newer than the archive"
        return f"{since}. Kept in the safety copy."
    if found.undoes:
        return UNDO_NOTES[each.action]
    return NOTES.get(each.action, f"{each.what[:1].upper()}{each.what[1:]}." if each.what else "")


def moment(nanoseconds: int | None) -> str:
    """ISO, in UTC; empty where it is not known, or in no year that has a name."""
    if nanoseconds is None or not -BAD_TIME < nanoseconds < BAD_TIME:
        return ""
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).isoformat()


def redis_rows(asked: Asked, found: Found) -> list[Row]:
    """One for each database, in the order in which they were asked for."""
    there = {(each.name, each.number): each for each in found.databases}
    pairs = ((each, there.get((each.name, each.number))) for each in asked.redis)
    return [_redis_row(each, now) for each, now in pairs if now is not None]


def _redis_row(each: Database, now: DatabaseFound) -> Row:
    number_there = now.spare if each.mode == RedisMode.SPARE else each.number
    row = {
        "source": f"redis/{each.name}/{each.number}",
        "target": f"{now.server} database {number_there}",
        "kind": REDIS,
        "name": each.name,
        "server": now.server,
        "database": each.number,
        "mode": each.mode,
        "pattern": each.pattern,
        "spare": now.spare if each.mode != RedisMode.MERGE else None,
        "keys_now": now.keys_now,
        "in_archive": now.in_archive,
        "expired": now.expired,
    }
    if now.stops:
        return Row(**row, action=BLOCKED, note=" ".join(now.stops))
    return Row(**row, **_redis_effect(each, now))


def _redis_effect(each: Database, now: DatabaseFound) -> dict:
    living = now.in_archive - now.expired
    gone = f" {number(now.expired)} have expired since and are left out." if now.expired else ""
    if each.mode == RedisMode.SPARE:
        note = f"{count_of(living, 'key is', 'keys are')} loaded into database {now.spare}, which is empty.{gone}"
        return {"action": CREATE, "note": note, "after": living, "added": living}
    if each.mode == RedisMode.REPLACE:
        drops = count_of(now.only_there, "key drops", "keys drop")
        note = f"{drops} out. Loaded into database {now.spare}, proven, then exchanged.{gone}"
        effect = {"after": living, "added": now.added, "overwritten": now.overwritten, "removed": now.only_there}
        return {"action": REPLACE, "note": note, **effect}
    note = (
        f"{number(now.added)} added, {number(now.overwritten)} overwritten with the archive's value, "
        f"{number(now.only_there)} stay.{gone}"
    )
    after = None if now.keys_now is None else now.keys_now + now.added
    action = REPLACE if now.overwritten else CREATE
    return {"action": action, "note": note, "after": after, "added": now.added, "overwritten": now.overwritten}


def folder_facts(asked: Asked, folder: FolderFound, made: Sequence[Row]) -> dict:
    """What the steps need of a folder, and what the page says above its files."""
    mine = [row for row in made if row.folder == folder.name]
    return {
        "name": folder.name,
        "target": folder.target,
        "way": way_of(asked, folder),
        "inside": folder.is_mount,
        "identity": folder.identity,
        "counts": {action: sum(row.action == action for row in mine) for action in ORDER} | {"same": folder.same},
        "bytes": needed(asked, folder),
        "entries": folder.entries,
        "total": folder.total,
        "digest": digest_of(folder.differences),
        "kept_modes": folder.kept_modes,
        "copy": folder.copy,
    }


def needed(asked: Asked, folder: FolderFound) -> int:
    """Bytes that are written beside the target, or to it."""
    if folder.way:
        return 0  # what comes back is there already
    if way_of(asked, folder) != ENTRIES and asked.takes_all:
        return folder.total
    return sum(each.size or 0 for each in folder.differences if each.action != REMOVE)


def digest_of(differences: Sequence[Difference]) -> str:
    """Of all that is not the same, also of what has no row."""
    sha256 = hashlib.sha256()
    for each in differences:
        facts = (each.action, each.path, each.type, each.size, each.size_now, each.mtime, each.mtime_now)
        sha256.update(repr(facts).encode())
    return sha256.hexdigest()


def left_over(made: Sequence[Row]) -> list[dict]:
    """Files without a row of their own: how many of what, folder by folder."""
    counts: dict[tuple[str, str], int] = {}
    for row in made[MOST_ROWS:]:
        above = row.path.rpartition("/")[0] or row.path
        counts[above, row.action] = counts.get((above, row.action), 0) + 1
    most = sorted(counts.items(), key=lambda item: -item[1])[:MOST_ROWS]
    return [{"folder": folder, "action": action, "count": count} for (folder, action), count in sorted(most)]


def newer_of(found: Found) -> Iterator[Difference]:
    """What drops out and was written after the archive."""
    return (each for folder in found.folders for each in folder.differences if is_newer(each, found))
