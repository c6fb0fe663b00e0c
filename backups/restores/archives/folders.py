"""One folder of a restore: unpacked beside its target, moved into its place, taken back, read again.

Each function may be killed at any line, and is right when it is called again.
"""

import copy
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from django.conf import settings

from backups.archives import cybersift_restore as reader
from backups.archives.cybersift_restore import Spot
from backups.archives.format import fast
from backups.archives.sources import Source

from . import moving
from .differing import Look, differing, members_of, units, wanted_of
from .found import REMOVE, Difference
from .job import ArchiveJob, Folder

FOLDER_GOES = "d"


class Selected(reader.Archive):
    """An archive of which only some entries are wanted; with the directories that lead to them."""

    def __init__(self, found: reader.Archive, wanted: set[str]):
        self.source, self.codec, self.extents = found.source, found.codec, found.extents
        self.footer = found.footer
        above = {parent for path in wanted for parent in _parents(path)}
        self.manifest = copy.copy(found.manifest)
        self.manifest.members = [
            each for each in found.manifest.members if each.path in wanted or each.type == "d" and each.path in above
        ]


def _parents(path: str) -> list[str]:
    found = []
    while path := reader.parent_of(path):
        found.append(path)
    return found


def unpack(
    found: "reader.Archive", folder: Folder, source: Source, look: Look, progress: Callable[[int], None]
) -> int:
    """All that is wanted of it is in the stage, with every checksum right. Returns the inode of the stage. Raises the
    reader's errors, Cancelled and OSError."""
    if not os.path.lexists(folder.stage) or folder.by_entries and not os.path.lexists(folder.list):
        prefix, differences = f"files/{folder.name}", ()
        if folder.by_entries:
            differences = differing(found, source, folder.target, look).differences
        wanted = _wanted(found, prefix, folder, differences, look)
        remove(folder.stage)
        if folder.by_entries:
            _write_list(folder, differences)
        _make_parents(folder)
        root = os.geteuid() == 0 and not folder.is_scratch  # which nobody approves
        options = reader.Options(owner=root, special=root, clean=True, jobs=settings.ARCHIVE_JOBS, source=folder.name)
        fast.extract(Selected(found, wanted), folder.stage, options, progress, look.cancelled)
    return Path(folder.stage).stat().st_ino


def _wanted(found, prefix: str, folder: Folder, differences: tuple[Difference, ...], look: Look) -> set[str]:
    if folder.by_entries:
        changed = (each.path for each in differences if each.action != REMOVE)
        return {prefix, *(f"{prefix}/{path}" for path in changed)}
    return {prefix, *(member.path for member in wanted_of(members_of(found, prefix), look))}


def _write_list(folder: Folder, differences: tuple[Difference, ...]) -> None:
    """Names only; which inodes they have is written down when they are moved."""
    moves = [moving.Move(each.path, None, None) for each in units(differences)]
    going = [
        moving.Folder(each.path, 0, 0, 0, 0, {}, goes=True)
        for each in differences
        if each.action == REMOVE and each.type == FOLDER_GOES
    ]
    moving.write(folder.list, moving.Moves(moves, going))


def _make_parents(folder: Folder) -> None:
    Path(folder.target).parent.mkdir(parents=True, exist_ok=True)


def put_in_place(folder: Folder, young: int) -> None:
    """The stage, or all that is in it, comes to the target; what was there is kept."""
    if not folder.by_entries:
        with whole(folder, young) as place:
            place.settle(exchange=True)
        return
    with _unnamed(folder):
        moving.forth(folder.stage, folder.target, f"{folder.before}/{moving.TREE}", _moves(folder))


@contextmanager
def _unnamed(folder: Folder) -> Iterator[None]:
    """Files are named to those who may look into archives, and an error is shown to everybody."""
    try:
        yield
    except reader.Unavailable as error:
        raise reader.Unavailable(f"Somebody else has moved something in {folder.target} meanwhile.") from error


def _moves(folder: Folder) -> moving.Moves:
    """The list of what is moved, made at the last moment."""
    kept = f"{folder.before}/{moving.LIST}"
    moves = moving.read(kept)
    if moves is None:
        asked = moving.read(folder.list) or moving.Moves()
        Path(folder.before, moving.TREE).mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(folder.before).chmod(0o700)
        paths = [move.path for move in asked.moves]
        going, coming = ({each.path for each in asked.folders if getattr(each, how)} for how in ("goes", "comes"))
        if folder.keeps_stage:  # what went comes back, and what came goes
            going, coming = coming, going
        moves = moving.listed(folder.stage, folder.target, paths, going, coming)
        moves.moves = [move for move in moves.moves if (move.old, move.young) != (None, None)]
        moving.write(kept, moves)
    return moves


@contextmanager
def whole(folder: Folder, young: int | None):
    """The place of a folder that is exchanged as a whole."""
    with ExitStack() as stack:
        above, name = os.path.split(folder.target)
        directory = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, directory)
        names = (os.path.basename(folder.stage), name, os.path.basename(folder.before))  # noqa: PTH119 - odd names
        new, live, kept = (Spot(directory, each) for each in names)
        yield reader.Place(new, live, kept, folder.old, young)


def take_back(folder: Folder, stages: dict[str, int | None]) -> bool:
    """The target is what it was, and nothing of the restore is left. ``stages`` has the inodes of all that were
    unpacked: of others nothing was moved. False where it cannot be told. Raises the reader's Unavailable, and
    OSError."""
    good = True
    if folder.by_entries:
        good = _take_back_entries(folder)
    elif folder.name in stages:
        good = _take_back_whole(folder, stages[folder.name])
    if good:
        clear(folder)
        remove(folder.before)
    return good


def _take_back_whole(folder: Folder, young: int | None) -> bool:
    with whole(folder, young) as place:
        moving.taken_back(place)
        return not moving.is_moved(place)


def _take_back_entries(folder: Folder) -> bool:
    moves = moving.read(f"{folder.before}/{moving.LIST}")
    if moves is None:
        return True
    Path(folder.stage).mkdir(mode=0o700, exist_ok=True)
    places = (folder.stage, folder.target, f"{folder.before}/{moving.TREE}")
    with _unnamed(folder):
        moving.back(*places, moves)
        return moving.is_back(*places, moves)


def clear(folder: Folder) -> None:
    """What was needed on the way only, also what killed attempts have left of it."""
    if folder.keeps_stage:
        return
    remove(folder.stage)
    above, name = Path(folder.stage).parent, Path(folder.stage).name
    left = [each for each in above.iterdir() if each.name.startswith(f"{name}.")] if above.is_dir() else []
    for each in left:
        if each.is_dir() and not each.is_symlink():
            remove(str(each))
        else:
            each.unlink(missing_ok=True)
    if folder.is_scratch:
        with suppress(OSError):  # the empty folder that was there
            Path(folder.before).rmdir()


def remove(path: str) -> None:
    """Removes a tree of ours."""
    if not os.path.lexists(path):
        return
    parent, name = os.path.split(path)
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        reader.remove_tree(descriptor, name)
    finally:
        os.close(descriptor)


def unlike(found: "reader.Archive", folder: Folder, source: Source, look: Look) -> tuple[list[Difference], int]:
    """What is not as the archive has it, with every checksum taken anew from the target; and how many more could not
    be looked at. Files that only the target has are of others, who write there."""
    differs = differing(found, source, folder.target, look)
    return [each for each in differs.differences if each.action != REMOVE], differs.unread


def listing_digest(tree: str) -> tuple[str, int]:
    """The digest of all names, kinds, sizes, times, modes and owners in a tree, and the bytes of its files."""
    sha256, total = hashlib.sha256(), 0
    for place, directories, files in os.walk(os.fsencode(tree)):
        directories.sort()
        for name in sorted([*directories, *files]):
            path = place + b"/" + name
            facts = os.lstat(path)
            is_file = name in files and (facts.st_mode & 0o170000) == 0o100000
            seen = (path[len(os.fsencode(tree)) :], facts.st_mode, facts.st_uid, facts.st_gid)
            sha256.update(repr((*seen, *((facts.st_size, facts.st_mtime_ns) if is_file else ()))).encode())
            total += facts.st_size if is_file else 0
    return sha256.hexdigest(), total


def job_look(job: ArchiveJob, folder: Folder, **more) -> Look:
    """How a folder of this restore is compared."""
    asked = job.asked
    return Look(
        whole=not folder.by_entries,
        remove=asked.remove,
        owners=job.is_root and not folder.is_scratch,
        only=asked.chosen(),
        some=not asked.takes_all,
        **more,
    )
