"""Looks at the archive, the folders and our own rows before a plan is made. Reads only."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median

from django.conf import settings

from backups.archives import cybersift_restore as reader
from backups.archives import making, reading
from backups.archives.format import fast
from backups.archives.format.scan import Scan
from backups.archives.models import Archive, ArchiveState
from backups.archives.sources import Source, literal
from backups.gateways import nifi
from backups.gateways.filetree import identities
from backups.restores import kinds
from backups.restores.models import TargetLock
from backups.runs.models import Run, RunState

from . import own
from .asked import Asked
from .differing import Differing, Look, differing, members_of, scan_of, units
from .found import FolderFound, Found
from .opening import opened
from .plain import plain
from .redis.finding import find_databases
from .ways import SWAP, way_of

RATES = 5
"""So many of the newest good restores say how fast this host restores."""
GONE = (ArchiveState.MISSING, ArchiveState.DAMAGED, ArchiveState.WANTED, ArchiveState.FAILED, ArchiveState.CANCELLED)
FOREIGN = (
    "This tar is not of the console, and has no checksums: nothing could be verified. Restore it with the command "
    "line, to an empty folder."
)
Cancel = Callable[[], bool]


def find(asked: Asked, archive: Archive, now: datetime, cancelled: Cancel = lambda: False) -> Found:
    """Everything that a plan is made from; what cannot be had is said in it. Raises Cancelled."""
    known = {"at": now, "host": settings.WORKER_HOST, "archive": archive.name, "state": archive.state}
    known |= {"made_at": archive.made_at, "verified_at": archive.checksums_at if archive.checksums_good else None}
    known |= {"known": archive.made_by is not None, "is_root": os.geteuid() == 0, "busy": busy(), "rate": rate()}
    if archive.state in GONE:
        return Found(**known, problem=archive.message or f"It is {archive.get_state_display().lower()}.")
    try:
        with fast.uncollected(), _begun(asked, archive, cancelled) as scans, opened(archive, asked.identity) as found:
            if not found.has_checksums:
                return Found(**known, problem=FOREIGN)
            known["digest"] = found.footer.sha256.hex()
            return _found(known, asked, archive, found, scans, cancelled)
    except reader.ArchiveError as error:
        return Found(**known, problem=plain(error))


@contextmanager
def _begun(asked: Asked, archive: Archive, cancelled: Cancel) -> Iterator[dict[tuple[str, bool], Scan]]:
    """The folders that our row knows are read while the archive is opened, which takes as long: by name, and by
    whether what the patterns leave out was read as well."""
    with ExitStack() as stack:
        scans = {}
        for source in making.sources_of(archive) if archive.made_by and not asked.to else ():
            place = FolderFound(source.name, source.path, **there(source.path), patterns=has_patterns(source))
            if source.name in asked.folders and not place.why:
                look = look_for(asked, place, cancelled)
                if scan := scan_of(kept_apart(source, source.path, archive), source.path, look):
                    scans[source.name, look.whole] = stack.enter_context(closing(scan))
        yield scans


def has_patterns(source: Source) -> bool:
    return bool(source.include or source.exclude or source.one_file_system)


def _found(
    known: dict, asked: Asked, archive: Archive, found: "reader.Archive", scans: dict, cancelled: Cancel
) -> Found:
    sources = {source.name: source for source in sources_of(archive, found)}
    records = {record["name"]: record for record in found.manifest.redis}
    missing = [name for name in asked.folders if name not in sources]
    missing += sorted({each.name for each in asked.redis} - records.keys())
    folders = [
        _folder(asked, archive, found, sources[name], scans, cancelled) for name in asked.folders if name in sources
    ]
    databases = find_databases(asked, found, records, cancelled)
    return Found(
        **known,
        folders=tuple(folders),
        databases=tuple(databases),
        nifi=nifi.running() if any(folder.flows for folder in folders) else None,
        safety_free=free_at(settings.SAFETY_DIR),
        missing=tuple(missing),
    )


def sources_of(archive: Archive, found: "reader.Archive") -> list[Source]:
    """The folders of an archive, by our row or, of one that was made elsewhere, by what it says itself."""
    if archive.made_by:
        return making.sources_of(archive)
    try:
        facts = [each for each in reading.header_of(found).get("sources", ()) if each.get("kind") == "files"]
        sources = [Source.of(each) for each in facts]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise reader.Damaged("what it says of its folders cannot be believed") from error
    if not all(isinstance(each.path, str) and each.path.startswith("/") for each in sources):
        raise reader.Damaged("what it says of its folders cannot be believed")
    return sources


def look_for(asked: Asked, folder: FolderFound, cancelled: Cancel = lambda: False) -> Look:
    """How this folder is compared."""
    return Look(
        whole=way_of(asked, folder) == SWAP,
        remove=asked.remove,
        by_hash=asked.by_hash,
        owners=os.geteuid() == 0,
        only=asked.chosen(),
        some=not asked.takes_all,
        cancelled=cancelled,
    )


def _folder(
    asked: Asked, archive: Archive, found: "reader.Archive", source: Source, scans: dict, cancelled: Cancel
) -> FolderFound:
    target = asked.target_of(source.name, source.path)
    place = _place(asked, archive, found, source, target)
    if place.why:
        return FolderFound(**vars(place))
    try:
        look = look_for(asked, place, cancelled)
        scan = scans.pop((source.name, look.whole), None)
        differs = differing(found, kept_apart(source, target, archive), target, look, scan)
    except OSError as error:
        return FolderFound(**vars(place) | {"why": f"It cannot be looked at: {error.strerror}."})
    locked = 0 if look.whole or asked.to else _locked(target, differs)
    return FolderFound(**vars(place) | _of_differing(differs) | {"locked": locked})


def _locked(target: str, differs: Differing) -> int:
    """Directories in which names would change, and may not."""
    above = {reader.parent_of(each.path) for each in units(differs.differences) if each.path}
    places = (os.path.join(target, place) for place in above)  # noqa: PTH118 - names that are no text
    return sum(os.path.isdir(place) and not os.access(place, os.W_OK | os.X_OK) for place in places)  # noqa: PTH112


def _of_differing(differs: Differing) -> dict:
    flows = [d.path for d in differs.differences if d.path.rpartition("/")[2] in nifi.NAMES and d.type == "f"]
    return {
        "differences": differs.differences,
        "same": differs.same,
        "kept_modes": differs.kept_modes,
        "unread": differs.unread,
        "flows": tuple(flows),
    }


def kept_apart(source: Source, target: str, archive: Archive) -> Source:
    """The same, without what is the console's own."""
    real = Path(os.path.realpath(target))
    files = [file for file in own.database_files() if own.is_below(str(real), file)]
    patterns = [f"/{literal(str(Path(os.path.realpath(file)).relative_to(real)))}" for file in files]
    return source.apart_from(source.apart | identities(own.directories(archive))).leaving_out(patterns)


def _place(asked: Asked, archive: Archive, found: "reader.Archive", source: Source, target: str) -> FolderFound:
    """What is known of the target before anything is compared."""
    prefix = f"files/{source.name}"
    members = list(members_of(found, prefix))
    known = {"name": source.name, "target": target, "entries": len(members)}
    known["total"] = sum(member.size or 0 for member in members)
    known["patterns"] = has_patterns(source) or any(
        error["path"].startswith(f"{prefix}/") for error in found.manifest.errors
    )
    known["foreign_owners"] = sum((m.uid, m.gid) != (os.geteuid(), os.getegid()) for m in members)
    if not any(member.path == prefix and member.type == "d" for member in members):
        return FolderFound(**known, why="The archive has nothing of this folder.")
    if around := own.around(target, archive):
        return FolderFound(**known, why=f"It lies in {around}, which is the console's own.")
    known |= _emptiness(asked.to) if asked.to else {}
    known |= there(target) if "why" not in known else {}
    if asked.to and known.get("is_mount"):
        known["why"] = f"{target} is a mount point. Choose a folder in it."
    known["holds"] = tuple(own.mounts_in(target) + own.inside(target, archive))
    return FolderFound(**known, **_disk(asked, target, known))


def _emptiness(to: str) -> dict:
    """What speaks against an empty place elsewhere."""
    try:
        return {"why": f"{to} is not empty."} if _has_entries(to) else {}
    except FileNotFoundError:
        return {}
    except OSError as error:
        return {"why": f"{to} cannot be used: {error.strerror}."}


def _has_entries(path: str) -> bool:
    return next(Path(path).iterdir(), None) is not None


def there(target: str) -> dict:
    """What the target is now."""
    try:
        facts = os.lstat(target)
    except FileNotFoundError:
        return {}
    except OSError as error:
        return {"why": f"It cannot be looked at: {error.strerror}."}
    if not stat.S_ISDIR(facts.st_mode):
        return {"why": f"{target} is no folder."}
    parent, name = os.path.split(target)
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mount = reader.is_mount_point(descriptor, name)
    finally:
        os.close(descriptor)
    try:
        empty = not _has_entries(target)
    except OSError as error:
        return {"why": f"It cannot be looked at: {error.strerror}."}
    return {"identity": f"{facts.st_dev}:{facts.st_ino}", "is_mount": mount, "empty": empty}


def _disk(asked: Asked, target: str, known: dict) -> dict:
    """The file system that is written to, and whether that may be done."""
    base = Path(target) if known.get("is_mount") else Path(target).parent
    while not base.exists():
        base = base.parent
    facts = {"free": free_at(base), "size_of_disk": size_of(base), "device": base.stat().st_dev}
    if not known.get("why") and not os.access(base, os.W_OK | os.X_OK):
        facts["why"] = f"The worker may not write to {base}."
    elif _is_moved(asked, known) and not os.access(target, os.W_OK | os.X_OK):
        facts["why"] = f"The worker may not write to {target}."
    return facts


def _is_moved(asked: Asked, known: dict) -> bool:
    """Whether the folder itself is moved, and not only what is in it."""
    return bool(known.get("identity")) and way_of(asked, FolderFound(**known)) == SWAP


def free_at(path: Path) -> int:
    """Bytes that may be taken."""
    path = Path(path)
    while not path.exists():
        path = path.parent
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize


def size_of(path: Path) -> int:
    space = os.statvfs(path)
    return space.f_blocks * space.f_frsize


def busy() -> frozenset[str]:
    """What other restores have locked."""
    return frozenset(TargetLock.objects.values_list("target", flat=True))


def rate() -> float | None:
    """Bytes a second, the median of the newest good restores on this host; None where there was none."""
    done = Run.objects.filter(kind=kinds.FILES, state=RunState.SUCCEEDED, host=settings.WORKER_HOST)
    known = [value for value in done.order_by("-pk").values_list("result__rate", flat=True)[:20] if value]
    return median(known[:RATES]) if known else None
