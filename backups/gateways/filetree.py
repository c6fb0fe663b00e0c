"""Walks a tree of regular files for a backup, and opens what it finds.

Nothing is followed: every directory and file is opened by its last name, relative to the descriptor of the directory
it is in, and without following symbolic links, so that a tree that changes meanwhile cannot lead elsewhere. Names are
bytes, because Linux gives them no encoding.
"""

import errno
import grp
import os
import pwd
import stat
import sys
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

STAR = "[^/]*"
"""What the library makes of a star."""
LONGEST_PATH, LONGEST_NAME = 4095, 255
"""Bytes that Linux takes in one call. Who goes down step by step can make longer paths."""
AT_ONCE = 20_000
"""So many names of one directory are held at once, and are in order."""

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening what has become a FIFO since would wait for somebody to write.
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

ENCODING, ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()

APART = "left out: the console keeps archives or keys there"

OTHER_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "became a directory",
}


class Link(NamedTuple):
    """A symbolic link and its text."""

    name: bytes
    stat: os.stat_result
    target: bytes


class Skipped(NamedTuple):
    """What is asked for and not to be had. ``path`` is relative to the root."""

    path: bytes
    why: str
    errno: int | None = None


@dataclass(frozen=True)
class Directory:
    """A directory with its files and links in order of name. A long one comes in several of these; all but the first
    have ``first`` False. ``path`` is relative to the root, which itself is ``b""``.

    ``files`` are names of what the directory calls regular files: nobody has looked at them yet."""

    path: bytes
    stat: os.stat_result
    xattrs: dict[bytes, bytes]
    files: list[bytes]
    links: list[Link]
    first: bool = True


class Selection:
    """What of a tree is asked for; patterns are those of gitignore files, relative to the root.

    Without ``include`` everything is. What ``exclude`` matches is left out, and a directory that it matches is not
    entered. With ``one_file_system`` the file system of the root is not left. ``apart`` are directories that are
    never entered, by device and inode, so that no other way to them leads in. Paths of more than ``longest`` bytes
    are only named, and not entered.
    """

    def __init__(
        self,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        *,
        one_file_system: bool = False,
        apart: Collection[tuple[int, int]] = (),
        longest: int = LONGEST_PATH,
    ):
        self.include = _patterns(include) if include else None
        self.exclude = _patterns(exclude) if exclude else None
        self.one_file_system, self.apart, self.longest = one_file_system, apart, longest
        self.is_everything = self.include is None and self.exclude is None

    def enters(self, path: bytes) -> bool:
        return self.exclude is None or not self.exclude.match_file(_text(path) + "/")

    def takes(self, path: bytes) -> bool:
        if self.exclude is not None and self.exclude.match_file(_text(path)):
            return False
        return self.include is None or self.include.match_file(_text(path))

    def takes_directory(self, path: bytes) -> bool:
        return self.include is None or self.include.match_file(_text(path) + "/")


def identity(facts: os.stat_result) -> tuple[int, int]:
    """Of a directory, whatever it is called."""
    return facts.st_dev, facts.st_ino


def identities(paths: Iterable[Path]) -> frozenset[tuple[int, int]]:
    """Of those of these directories that are there."""
    found = set()
    for path in paths:
        with suppress(OSError):
            found.add(identity(path.stat()))
    return frozenset(found)


def _patterns(lines: Iterable[str]) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # takes 60 ms, which helpers that only open files need not wait for

    return GitIgnoreSpec.from_lines(lines, _without_going_back(), backend="simple")


@cache
def _without_going_back() -> "type[GitIgnoreSpecPattern]":
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    class Pattern(GitIgnoreSpecPattern):
        """The same, but each star except the last of a part of a path is content with the first place where what
        stands behind it fits: trying all of them takes minutes for some names, and finds nothing more."""

        __slots__ = ()

        @staticmethod
        def _translate_segment_glob(pattern: str, range_error: str) -> str:
            regex = GitIgnoreSpecPattern._translate_segment_glob(pattern, range_error)
            if "[" in pattern or regex.count(STAR) < 2:  # a bracket may match a slash, which no star does
                return regex
            first, *between, last = regex.split(STAR)
            return first + "".join(f"(?>{STAR}?{each})" for each in between if each) + STAR + last

    return Pattern


def walk(root: int, selection: Selection) -> Iterator[Directory | Skipped]:
    """The directories below the descriptor ``root``, itself first, each before what is in it, in order of name."""
    found = _walk(root, selection)
    return found if selection.include is None else _with_parents(found, selection)


def _walk(root: int, selection: Selection) -> Iterator[Directory | Skipped]:
    device, waiting = os.fstat(root).st_dev, [b""]
    while waiting:
        path = waiting.pop()
        below = yield from _directory(root, path, selection, device)
        waiting.extend(join(path, name) for name in reversed(below))


def _with_parents(found: Iterator[Directory | Skipped], selection: Selection) -> Iterator[Directory | Skipped]:
    """Leave out directories of which nothing is included, unless they lead to something that is."""
    parents: list[Directory] = []
    for each in found:
        if isinstance(each, Skipped):
            yield each
            continue
        while parents and not _is_in(each.path, parents[-1].path):
            parents.pop()
        if each.files or each.links or selection.takes_directory(each.path):
            yield from parents
            parents.clear()
            yield each
        elif each.first:
            parents.append(each)


def _is_in(path: bytes, parent: bytes) -> bool:
    return path == parent or not parent or path.startswith(parent + b"/")


def _directory(
    root: int, path: bytes, selection: Selection, device: int
) -> Generator[Directory | Skipped, None, list[bytes]]:
    """One directory in pieces; returns the names of the directories in it that are to be entered."""
    try:
        descriptor = open_directory(root, path)
    except OSError as error:
        yield Skipped(path, reason(error), error.errno)
        return []
    try:
        facts = os.fstat(descriptor)
        if selection.one_file_system and facts.st_dev != device:
            yield Skipped(path, "another file system")
            return []
        if identity(facts) in selection.apart:
            yield Skipped(path, APART)
            return []
        below: list[bytes] = []
        only = device if selection.one_file_system else None
        with os.scandir(descriptor) as entries:
            for first, found in _portions(entries):
                files, others = _sorted_out(found, path, selection, below)
                for names in (files, others, below):
                    yield from _too_long(path, names, selection.longest)
                links, skipped = _look(descriptor, path, others, only)
                yield Directory(path, facts, read_xattrs(descriptor), files, links, first)
                yield from skipped
        below.sort()
        return below
    except OSError as error:
        yield Skipped(path, reason(error), error.errno)
        return []
    finally:
        os.close(descriptor)


def _portions(entries: Iterator[os.DirEntry]) -> Iterator[tuple[bool, list[os.DirEntry]]]:
    """At most AT_ONCE at a time, and whether they are the first; once none where there are none."""
    first = True
    while (found := list(islice(entries, AT_ONCE))) or first:
        yield first, found
        first = False


def _sorted_out(
    found: list[os.DirEntry], path: bytes, selection: Selection, below: list[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """The names that are asked for: of regular files, and of what is neither that nor a directory. Directories to be
    entered are added to ``below``."""
    files: list[bytes] = []
    others: list[bytes] = []
    for entry in found:
        name = entry.name.encode(ENCODING, ERRORS)
        if entry.is_file(follow_symlinks=False):
            files.append(name)
        elif not entry.is_dir(follow_symlinks=False):
            others.append(name)
        elif selection.enters(join(path, name)):
            below.append(name)
    if not selection.is_everything:
        files, others = ([name for name in names if selection.takes(join(path, name))] for names in (files, others))
    # In a directory that changes meanwhile a name may come twice.
    return sorted(set(files)), sorted(set(others))


def _too_long(path: bytes, names: list[bytes], longest: int) -> Iterator[Skipped]:
    """Takes away the names in a directory that would make a path too long."""
    room = longest - len(join(path, b""))
    if room < LONGEST_NAME:
        long = [name for name in names if len(name) > room]
        names[:] = [name for name in names if len(name) <= room]
        for name in long:
            yield Skipped(join(path, name), "its path is too long", errno.ENAMETOOLONG)


def _look(descriptor: int, path: bytes, names: list[bytes], device: int | None) -> tuple[list[Link], list[Skipped]]:
    """What these names in a directory are that are not called regular files."""
    links: list[Link] = []
    skipped: list[Skipped] = []
    for name in names:
        try:
            facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISLNK(facts.st_mode):
                links.append(Link(name, facts, os.readlink(name, dir_fd=descriptor)))
            else:
                skipped.append(Skipped(join(path, name), other_kind(facts, device)))
        except OSError as error:
            skipped.append(Skipped(join(path, name), reason(error), error.errno))
    return links, skipped


def other_kind(facts: os.stat_result, device: int | None = None) -> str:
    """Why a thing that is no regular file is not taken; with ``device`` given, those of others are another reason."""
    if device is not None and facts.st_dev != device:
        return "another file system"
    return OTHER_KINDS.get(stat.S_IFMT(facts.st_mode), "became something else")


def looked_at(
    root: int, directory: Directory, device: int | None = None
) -> Iterator[tuple[bytes, os.stat_result] | Skipped]:
    """The regular files of a directory that ``walk`` has found below ``root``, with what they are. With ``device``
    those of others are skipped."""
    try:
        descriptor = open_directory(root, directory.path)
    except OSError as error:
        yield Skipped(directory.path, reason(error), error.errno)
        return
    try:
        for name in directory.files:
            path = join(directory.path, name)
            try:
                facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError as error:
                yield Skipped(path, reason(error), error.errno)
                continue
            taken = stat.S_ISREG(facts.st_mode) and device in (None, facts.st_dev)
            yield (name, facts) if taken else Skipped(path, other_kind(facts, device))
    finally:
        os.close(descriptor)


def open_directory(root: int, path: bytes) -> int:
    """A descriptor of the directory at ``path`` below ``root``; the caller closes it. No part may be a link."""
    descriptor = os.open(b".", OPEN_DIRECTORY, dir_fd=root)
    for name in path.split(b"/") if path else ():
        try:
            below = os.open(name, OPEN_DIRECTORY, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def open_file(directory: int, name: bytes) -> int:
    """A descriptor of what may be a regular file: look with fstat before reading. The caller closes it."""
    return os.open(name, OPEN_FILE, dir_fd=directory)


NONE: dict[bytes, bytes] = {}


def read_xattrs(descriptor: int) -> dict[bytes, bytes]:
    """Extended attributes, POSIX ACLs (system.posix_acl_*) among them; empty where there are none or no support."""
    try:
        names = os.listxattr(descriptor)
    except OSError:
        return NONE
    if not names:
        return NONE
    found: dict[bytes, bytes] = {}
    for name in sorted(names):
        with suppress(OSError):  # gone since, or for others to read
            found[os.fsencode(name)] = os.getxattr(descriptor, name)
    return found


class Owner(NamedTuple):
    """Who owns a file, by number and by name; a name is empty where there is none."""

    uid: int
    gid: int
    uname: bytes
    gname: bytes


class Owners:
    """Owners of files, their names looked up once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Owner] = {}

    def of(self, facts: os.stat_result) -> Owner:
        ids = facts.st_uid, facts.st_gid
        owner = self._known.get(ids)
        if owner is None:
            user = _name_of(lambda: pwd.getpwuid(ids[0]).pw_name)
            group = _name_of(lambda: grp.getgrgid(ids[1]).gr_name)
            owner = self._known[ids] = Owner(*ids, user, group)
        return owner


def _name_of(look_up: Callable[[], str]) -> bytes:
    try:
        return os.fsencode(look_up())
    except KeyError:
        return b""


BECAME_OTHERS = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO)
"""What opening or reading says of a link, a directory or a socket."""


def is_unreadable(number: int | None) -> bool:
    """Whether this errno says that something is there and cannot be read; not that it is gone, or another thing."""
    return number is not None and number != errno.ENOENT and number not in BECAME_OTHERS


def reason(error: OSError) -> str:
    """Why a thing could not be read, in few words."""
    if error.errno == errno.ENOENT:
        return "vanished"
    if error.errno in BECAME_OTHERS:
        return "became something else"
    return error.strerror or str(error)


def join(path: bytes, name: bytes) -> bytes:
    return b"%b/%b" % (path, name) if path else name


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
