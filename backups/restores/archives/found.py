"""What was found before a plan is made, as values. Nothing here asks anybody."""

from dataclasses import dataclass
from datetime import datetime

CREATE, REPLACE, REMOVE = "create", "replace", "remove"


@dataclass(frozen=True)
class Difference:
    """One entry that is not the same in the archive and at the target. ``path`` is that below the folder, empty for
    the folder itself; ``type`` is the archive's (f, d, l, h), or that of what is only there. ``over`` is the type of
    what is there now. ``size`` is of the archive in bytes, ``size_now`` of what is there; None for what has none."""

    path: str
    action: str
    type: str
    what: str = ""
    over: str = ""
    size: int | None = None
    size_now: int | None = None
    mtime: int | None = None
    mtime_now: int | None = None


@dataclass(frozen=True)
class FolderFound:
    """A folder of the archive beside its target.

    ``identity`` is device and inode of the target, empty where there is nothing. ``is_mount``: it cannot be renamed;
    ``holds``: what in it must not move with it (another file system, or what is the console's own). ``why`` says what
    keeps it from being looked at or written to. ``locked`` counts directories in it in which something would change
    and nothing may be changed. ``flows`` are paths of NiFi flows among what changes. Bytes and
    inodes are those of its file system; ``total`` and ``entries`` are of the archive. Where something is taken back,
    ``copy`` is what was kept, and ``way`` how it came to be.
    """

    name: str
    target: str
    identity: str = ""
    is_mount: bool = False
    holds: tuple[str, ...] = ()
    patterns: bool = False
    empty: bool = True
    why: str = ""
    differences: tuple[Difference, ...] = ()
    same: int = 0
    kept_modes: int = 0
    unread: int = 0
    locked: int = 0
    entries: int = 0
    total: int = 0
    free: int = 0
    size_of_disk: int = 0
    device: int = 0
    flows: tuple[str, ...] = ()
    foreign_owners: int = 0
    way: str = ""
    copy: str = ""


@dataclass(frozen=True)
class DatabaseFound:
    """A database of the archive beside the live one. ``run_id`` names the running server process, ``spare`` is the
    empty database to load into (None: there is none). Keys are counted within the pattern but for ``keys_now``, which
    are all that the live database has. ``stops`` and ``notes`` are sentences."""

    name: str
    number: int
    server: str
    where: str = ""
    run_id: str = ""
    version: str = ""
    keys_now: int | None = None
    in_archive: int = 0
    added: int = 0
    overwritten: int = 0
    same: int = 0
    only_there: int = 0
    expired: int = 0
    spare: int | None = None
    memory: int = 0
    memory_most: int = 0
    stops: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """``problem`` says why the archive cannot be read. ``digest`` is that of its list of files, which has the
    checksum of everything in it. ``known``: the console made it, so that its word on where folders lay is to be
    believed. ``nifi`` is the process number of a running NiFi. ``busy`` are the targets that another restore has
    locked, ``rate`` is how many bytes a second this host restored before. ``undoes`` is the run that is taken back;
    ``made_at`` is its end then.
    """

    at: datetime
    host: str
    archive: str
    made_at: datetime | None = None
    verified_at: datetime | None = None
    state: str = ""
    digest: str = ""
    problem: str = ""
    known: bool = True
    is_root: bool = True
    folders: tuple[FolderFound, ...] = ()
    databases: tuple[DatabaseFound, ...] = ()
    nifi: int | None = None
    busy: frozenset[str] = frozenset()
    safety_free: int = 0
    rate: float | None = None
    missing: tuple[str, ...] = ()
    undoes: int | None = None
