"""What holds for the restore as a whole, as lines: good, to think about, or in the way. Pure.

A line never names a file: the names of files are for those who may look into archives.
"""

from collections.abc import Iterator, Sequence

from backups.repositories.preflight import FAIL, OK, WARN, Line
from backups.restores.targets import LONGEST, nested
from backups.templatetags.formats import count_of, size

from .asked import Asked, RedisMode
from .found import REMOVE, REPLACE, Found
from .rows import BLOCKED, REDIS, Row, needed, newer_of

RESERVE = 0.05
"""The part of the free space that is left alone."""
PER_FILE = 4096
UNREAD = "The worker may not read it, or it lies in what stays as it is. Choose files beside it."


def lines(asked: Asked, found: Found, rows: Sequence[Row], locks: Sequence[str]) -> list[Line]:
    """Worst first."""
    if found.problem:
        what = "This restore cannot be taken back" if found.undoes else "The archive cannot be used"
        return [Line(FAIL, what, found.problem)]
    said = [line for test in TESTS for line in test(asked, found, rows)]
    said += list(_locked(found, locks))
    return sorted(said, key=lambda line: (FAIL, WARN, OK).index(line.state))


def _archive(asked: Asked, found: Found, rows: Sequence[Row]) -> Iterator[Line]:
    if found.undoes:
        return
    if found.verified_at:
        yield Line(OK, "The archive is whole", f"Read back on {found.verified_at:%Y-%m-%d %H:%M} UTC")
    else:
        yield Line(
            WARN, "The archive was not read back yet", "Every file is checked while it is unpacked, before it counts."
        )
    if not found.known and not asked.to:
        yield Line(WARN, "This archive was made elsewhere", "Where its folders belong is what it says itself.")
    if found.missing:
        yield Line(FAIL, "The archive does not have this", ", ".join(found.missing))


def _something(asked: Asked, found: Found, rows: Sequence[Row]) -> Iterator[Line]:
    unseen = any(folder.why or folder.unread for folder in found.folders)
    if not unseen and not any(row.goes or row.action == BLOCKED for row in rows):
        as_where = "as it was before" if found.undoes else "as it is in the archive"
        yield Line(FAIL, "Nothing is left to restore", f"Everything is {as_where}.")


def _blocked(asked: Asked, found: Found, rows: Sequence[Row]) -> Iterator[Line]:
    files = [row for row in rows if row.action == BLOCKED and row.kind != REDIS]
    for folder in sorted({row.folder for row in files}):
        many = sum(row.folder == folder for row in files)
        yield Line(FAIL, f"{count_of(many, 'file is', 'files are')} blocked", folder)


def _folders(asked: Asked, found: Found, rows: Sequence[Row]) -> Iterator[Line]:
    for folder in found.folders:
        if folder.copy and not folder.why:
            yield Line(OK, f"What was kept of {folder.name} is whole", folder.copy)
        if folder.why:
            yield Line(FAIL, f"{folder.name} cannot be restored", folder.why)
        if folder.unread:
            many = count_of(folder.unread, "entry", "entries")
            yield Line(FAIL, f"{many} of {folder.name} cannot be looked at", UNREAD)
        if folder.locked:
            many = count_of(folder.locked, "folder")
            yield Line(
                FAIL, f"{many} in {folder.name} may not be written to", "The worker may not change what is there."
            )
        if folder.kept_modes:
            many = count_of(folder.kept_modes, "folder keeps", "folders keep")
            yield Line(WARN, f"{many} mode and owner of now", folder.name)
        if folder.holds and not asked.to:
            yield Line(WARN, f"{folder.name} is restored file by file", f"What stays: {', '.join(folder.holds)}")


def _room(asked: Asked, found: Found, rows: Sequence[Row]) -> Iterator[Line]:
    for disk in disks(asked, found):
        words = f"{size(disk['needed'])} of {size(disk['free'])} that can be had at {disk['path']}"
        fits = disk["needed"] <= disk["free"]
        yield Line(OK if fits else FAIL, "Enough space beside the target" if fits else "Not enough space", words)


def disks(asked: Asked, found: Found) -> list[dict]:
    """The file systems that are written to, with the bytes at the fullest moment."""
    made: dict[int, dict] = {}
    for folder in found.folders:
        disk = made.setdefault(
            folder.device,
            {
                "path": folder.target,
                "total": folder.size_of_disk,
                "free": int(folder.free * (1 - RESERVE)),
                "needed": 0,
            },
        )
        changing = sum(each.action != REMOVE for each in folder.differences)
        disk["needed"] += needed(asked, folder) + PER_FILE * changing
    return [disk for disk in made.values() if disk["total"]]


def _owners(asked: Asked, found: Found, rows: Sequence[Row]) -> Iterator[Line]:
    if found.folders and asked.to:
        yield Line(OK, "Everything will belong to the worker", "Owners, setuid and setgid are not set elsewhere.")
        return
    strangers = sum(folder.foreign_owners for folder in found.folders)
    if found.folders and (found.is_root or not strangers):
        yield Line(OK, "Owners and modes can be set")
    elif strangers:
        many = count_of(strangers, "entry belongs", "entries belong")
        yield Line(WARN, "Owners cannot be set", f"{many} to others, and only root can give files away.")


def _losses(asked: Asked, found: Found, rows: Sequence[Row]) -> Iterator[Line]:
    if asked.to:
        return
    newer = sum(1 for _ in newer_of(found))
    removed = sum(row.action == REMOVE for row in rows)
    if removed:
        yield Line(WARN, f"{count_of(removed, 'file')} would be removed", "They are kept in the safety copy.")
    if newer:
        many = count_of(newer, "newer file drops", "newer files drop")
        after = "the restore" if found.undoes else "the archive was made"
        yield Line(WARN, f"{many} out", f"Written after {after}. They are kept in the safety copy.")
    elif any(row.action == REPLACE and row.kind != REDIS for row in rows):
        yield Line(OK, "Nothing newer drops out")


def _redis(asked: Asked, found: Found, rows: Sequence[Row]) -> Iterator[Line]:
    modes = {(each.name, each.number): each.mode for each in asked.redis}
    for each in found.databases:
        what = f"{each.server}, database {each.number}"
        for why in each.notes:
            yield Line(WARN, what, why)
        if modes[each.name, each.number] == RedisMode.REPLACE and each.only_there:
            many = count_of(each.only_there, "key drops", "keys drop")
            yield Line(WARN, f"{many} out of {what}", "They are kept in the safety copy.")
        if each.spare is not None and modes[each.name, each.number] != RedisMode.MERGE:
            yield Line(OK, f"Database {each.spare} of {each.server} is empty and may be used")
    memory = sum({each.server: each.memory for each in found.databases}.values())
    if found.databases and any(mode != RedisMode.SPARE for mode in modes.values()):
        fits = memory <= found.safety_free
        words = f"{size(memory)} at most of {size(found.safety_free)}"
        yield Line(OK if fits else FAIL, f"{'E' if fits else 'Not e'}nough space for the dump that is kept", words)


def _locked(found: Found, locks: Sequence[str]) -> Iterator[Line]:
    if max(map(len, locks), default=0) > LONGEST:
        yield Line(FAIL, "A path is too long", "Choose another folder, with a shorter name.")
    for lock in locks:
        for other in found.busy:
            if lock == other or _nest(lock, other):
                yield Line(FAIL, "Another restore works there", "Wait until it is over.")
                return


def _nest(lock: str, other: str) -> bool:
    return lock.startswith("path:") and other.startswith("path:") and nested(lock, other)


TESTS = (_archive, _something, _blocked, _folders, _room, _owners, _losses, _redis)
