"""Many names put in the place of others, and back: each at one stroke, all of them by a list on the disk.

The list says which inode is to come where. Where they are tells how far it is, so that whoever comes after a crash
goes on, or goes back, and nothing is moved that nobody knows. Directories that are emptied are removed, and stand in
the list with what it takes to make them again.
"""

import base64
import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from backups.archives import cybersift_restore as reader
from backups.archives.cybersift_restore import Spot

LIST, TREE = "moves", "tree"
"""What is in the directory in which replaced files are kept."""

OPEN = 64
"""Directories that are kept open below each root."""


class Move(NamedTuple):
    """What is at ``path`` in the new tree comes to ``path`` in the live one, and what was there is kept. ``old`` and
    ``young`` are the inodes of the two, None for nothing."""

    path: str
    old: int | None
    young: int | None


class Folder(NamedTuple):
    """A live directory as it was: of one in which something is moved the times change, others are removed (``goes``)
    or were made (``comes``)."""

    path: str
    mode: int
    uid: int
    gid: int
    mtime: int
    attributes: dict[str, str]
    goes: bool
    comes: bool = False


@dataclass
class Moves:
    """The list. ``folders`` have those that go, deepest last."""

    moves: list[Move] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)


def listed(
    new: str, live: str, paths: Iterable[str], going: Iterable[str], coming: Collection[str] = frozenset()
) -> Moves:
    """What is to be done so that these paths below ``live`` become what ``new`` has of them; ``going`` are
    directories that are removed when nothing is left in them, ``coming`` were made for it."""
    wanted = Moves([Move(path, _inode(live, path), _inode(new, path)) for path in paths])
    gone = set(going)
    named = gone.union(coming)
    touched = {parent_of(path) for path in named.union(move.path for move in wanted.moves)} | named
    for path in sorted(touched, key=lambda each: each.split("/")):
        with suppress(OSError):
            wanted.folders.append(_folder(live, path)._replace(goes=path in gone, comes=path in coming))
    return wanted


def write(path: str, moves: Moves) -> None:
    """All of it or nothing is there, and it is on the disk."""
    part = Path(f"{path}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o600), "w", encoding="ascii") as file:
        for each in (*moves.moves, *moves.folders):
            file.write(json.dumps(list(each)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    _sync(Path(path).parent)


def read(path: str) -> Moves | None:
    """None where there is none: then nothing was moved yet."""
    found = Moves()
    try:
        with Path(path).open(encoding="ascii") as file:
            for line in file:
                values = json.loads(line)
                known, into = (Move, found.moves) if len(values) == len(Move._fields) else (Folder, found.folders)
                into.append(known(*values))
    except FileNotFoundError:
        return None
    return found


def forth(new: str, live: str, kept: str, moves: Moves) -> None:
    """Does what is left to do. ``Unavailable`` when somebody else has moved something; OSError."""
    with _places(new, live, kept) as place_of:
        for move in moves.moves:
            place_of(move).settle(exchange=True)
    remove_again(live, moves)


def make_again(live: str, moves: Moves) -> None:
    """The directories that went."""
    for folder in moves.folders:
        if folder.goes:
            Path(_at(live, folder.path)).mkdir(mode=0o700, exist_ok=True)


def remove_again(live: str, moves: Moves) -> None:
    """The directories that go, as far as they are empty."""
    for folder in reversed(moves.folders):
        if folder.goes:
            with suppress(OSError):  # somebody has put something into it, so it stays
                Path(_at(live, folder.path)).rmdir()


def dress(live: str, moves: Moves) -> None:
    """What the directories were."""
    for folder in reversed(moves.folders):
        _dress(live, folder)


def back(new: str, live: str, kept: str, moves: Moves) -> None:
    """Takes back what was done of it, from wherever it is."""
    make_again(live, moves)
    with _places(new, live, kept) as place_of:
        for move in reversed(moves.moves):
            taken_back(place_of(move))
    dress(live, moves)


def taken_back(place: reader.Place) -> None:
    """One name as it was, from wherever it is. What somebody else did before it was moved is left alone."""
    if is_moved(place):
        place.settle(exchange=True)
        reader.Place(place.kept, place.live, place.new, place.young, place.old).settle(exchange=True)


def is_moved(place: reader.Place) -> bool:
    """Whether we began to."""
    new, _, kept = place.now()
    return kept is not None or (place.young is not None and new != place.young)


def parent_of(path: str) -> str:
    return path.rpartition("/")[0]


@contextmanager
def _places(new: str, live: str, kept: str) -> Iterator:
    """A function that gives the place of a move. Directories that the new and the kept tree lack are made there."""
    with ExitStack() as stack:
        roots = [stack.enter_context(Root(new)), stack.enter_context(Root(live)), stack.enter_context(Root(kept))]

        def place_of(move: Move) -> reader.Place:
            name = move.path.rpartition("/")[2]
            spots = [Spot(root.directory(parent_of(move.path), make=root is not roots[1]), name) for root in roots]
            return reader.Place(*spots, move.old, move.young)

        yield place_of


class Root:
    """A directory, and descriptors of those below it, reached without following any link."""

    def __init__(self, path: str):
        self.descriptor = os.open(path, reader.DIRECTORY)
        self._open: dict[str, int] = {}

    def __enter__(self) -> "Root":
        return self

    def __exit__(self, *_) -> None:
        for descriptor in (*self._open.values(), self.descriptor):
            os.close(descriptor)

    def directory(self, path: str, *, make: bool) -> int:
        """Good until OPEN others were asked for."""
        if (descriptor := self._open.pop(path, None)) is None:
            if make:
                self._make(path)
            descriptor = reader.open_beneath(self.descriptor, reader.encoded(path))
            if len(self._open) >= OPEN:
                os.close(self._open.pop(next(iter(self._open))))
        self._open[path] = descriptor
        return descriptor

    def _make(self, path: str) -> None:
        above = ""
        for part in path.split("/") if path else ():
            descriptor = reader.open_beneath(self.descriptor, reader.encoded(above))
            try:
                with suppress(FileExistsError):
                    os.mkdir(reader.encoded(part), 0o700, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            above = f"{above}/{part}" if above else part


def _at(root: str, path: str) -> str:
    return f"{root}/{path}" if path else root


def _inode(root: str, path: str) -> int | None:
    try:
        return os.lstat(_at(root, path)).st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def _folder(live: str, path: str) -> Folder:
    place = _at(live, path)
    facts = os.lstat(place)
    attributes = {
        name: base64.b64encode(os.getxattr(place, name, follow_symlinks=False)).decode()
        for name in os.listxattr(place, follow_symlinks=False)
        if name.startswith(("user.", "system.posix_acl_"))
    }
    return Folder(path, facts.st_mode & 0o7777, facts.st_uid, facts.st_gid, facts.st_mtime_ns, attributes, goes=False)


def _dress(live: str, folder: Folder) -> None:
    """What the directory was; one that is not there (any more) is nobody's."""
    with suppress(FileNotFoundError):
        place = _at(live, folder.path)
        if folder.goes:
            if os.geteuid() == 0:
                os.chown(place, folder.uid, folder.gid)
            Path(place).chmod(folder.mode)
            for name, value in folder.attributes.items():
                with suppress(OSError):
                    os.setxattr(place, name, base64.b64decode(value))
        with suppress(PermissionError):  # only who owns a directory may set its time
            os.utime(place, ns=(folder.mtime, folder.mtime))


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, reader.DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def not_there(live: str, moves: Moves) -> int:
    """How many names do not have what they should have now, and how many directories are lacking."""
    lacking = sum(folder.comes and _inode(live, folder.path) is None for folder in moves.folders)
    return lacking + sum(_inode(live, move.path) != move.young for move in moves.moves)


def is_back(new: str, live: str, kept: str, moves: Moves) -> bool:
    """Whether nothing of it is done any more. What others did to a name that was not moved is theirs."""
    with _places(new, live, kept) as place_of:
        return not any(is_moved(place_of(move)) for move in moves.moves)
