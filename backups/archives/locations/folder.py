"""Looks at the directory of a location: whether it can be used, what room there is, and what lies in it.

Files only, no rows: on a share that hangs, every line in here may take long, so the caller does not wait for ever.
"""

import errno
import os
import shlex
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from backups.templatetags.formats import count_of

from .. import names
from ..format.partials import PARTIAL, remove_partials

PROGRAM = "cybersift_restore.py"
PROBE = ".cybersift-may-write"


class File(NamedTuple):
    name: str
    size: int
    mtime_ns: int


class Unusable(Exception):
    """Why archives cannot be written there, or not even be seen. ``gone``: nothing of it is there."""

    def __init__(self, message: str, detail: str = "", *, gone: bool = False) -> None:
        super().__init__(message)
        self.message, self.detail, self.gone = message, detail, gone


@dataclass
class Seen:
    """``free`` and ``total`` are bytes, as a program without special rights may use them. ``odd`` counts names that
    cannot be shown, ``growing`` archives without an end that are still being written as far as one can tell.
    ``trouble`` is what stands against writing; ``notes`` are sentences on what does no harm."""

    free: int
    total: int
    files: dict[str, File] = field(default_factory=dict)
    odd: int = 0
    growing: int = 0
    notes: list[str] = field(default_factory=list)
    trouble: Unusable | None = None


def look(directory: Path, program: bytes, *, keys_dir: Path, expected: bool) -> Seen:
    """What is there now. Removes what dead writers left, and puts ``program`` beside the archives.

    ``expected``: archives were seen there before. A directory with nothing of ours in it is then no longer the same:
    it is left alone. Raises Unusable where the files cannot be listed.
    """
    try:
        if Path(os.path.realpath(directory)).is_relative_to(os.path.realpath(keys_dir)):
            raise Unusable(f"{directory} leads to the console's own keys. Choose another directory.")
        seen = _list(directory)
        if expected and not seen.files and not os.path.lexists(directory / PROGRAM):
            raise Unusable(
                f"Nothing of what was in {directory} is there. Is the share mounted? If it was emptied on purpose, "
                f"say so on that host: touch {shlex.quote(str(directory / PROGRAM))}",
                gone=True,
            )
    except OSError as error:
        raise _unusable(directory, error) from error
    try:
        _try_to_write(directory)
    except OSError as error:
        seen.trouble = _not_writable(directory, error)
    else:
        _tidy(directory, seen)
        _put_program(directory, program, seen)
    _note(seen)
    return seen


def _list(directory: Path) -> Seen:
    room = os.statvfs(directory)
    seen = Seen(room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize)
    with os.scandir(directory) as entries:
        for entry in entries:
            seen.growing += bool(PARTIAL.fullmatch(entry.name))
            if not names.is_archive(entry.name):
                continue
            if not entry.name.isprintable():
                seen.odd += 1
            elif file := _file(entry):
                seen.files[file.name] = file
    return seen


def _note(seen: Seen) -> None:
    if seen.growing:
        seen.notes.append(f"{count_of(seen.growing, 'archive is', 'archives are')} being written at the moment.")
    if seen.odd:
        seen.notes.append(
            f"{count_of(seen.odd, 'file has a name', 'files have names')} that cannot be shown. Left out."
        )


def _file(entry: os.DirEntry) -> File | None:
    """A regular file; a link to one is not the archive itself, and one that vanishes meanwhile is not there."""
    with suppress(FileNotFoundError):
        facts = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(facts.st_mode):
            return File(entry.name, facts.st_size, facts.st_mtime_ns)
    return None


def _try_to_write(directory: Path) -> None:
    probe = directory / PROBE
    os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    probe.unlink(missing_ok=True)


def _tidy(directory: Path, seen: Seen) -> None:
    with suppress(OSError):
        if removed := len(remove_partials(directory)):
            seen.growing -= removed
            seen.notes.append(f"{count_of(removed, 'unfinished file')} that a dead writer had left removed just now.")


def _put_program(directory: Path, program: bytes, seen: Seen) -> None:
    """The reader of archives, where it is missing or another one. Whoever fails at it does no harm."""
    place = directory / PROGRAM
    try:
        if _is_small_file(place, len(program)) and place.read_bytes() == program:
            return
        put(place, program)
    except OSError as error:
        seen.notes.append(
            f"{PROGRAM}, which reads archives without the console, cannot be put there: {error.strerror}."
        )


def put(place: Path, content: bytes) -> None:
    """A file that lies beside the archives for everybody to read, whole or not at all."""
    new = place.with_name(f".{place.name}.new")
    new.unlink(missing_ok=True)
    with new.open("xb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    new.replace(place)


def put_checksum(archive: Path, sha256: str) -> None:
    """``<name>.sha256`` beside an archive, as ``sha256sum -c`` reads it. A location that takes none goes without."""
    with suppress(OSError):
        put(archive.with_name(f"{archive.name}.sha256"), f"{sha256}  {archive.name}\n".encode())


def _is_small_file(place: Path, size: int) -> bool:
    """A regular file of this size; whatever else may stand there is not read."""
    with suppress(FileNotFoundError):
        facts = place.lstat()
        return stat.S_ISREG(facts.st_mode) and facts.st_size == size
    return False


def _unusable(directory: Path, error: OSError) -> Unusable:
    if error.errno == errno.ENOENT:
        return Unusable(f"There is no directory {directory}. Make it, or mount its share.", str(error), gone=True)
    if error.errno == errno.ENOTDIR:
        return Unusable(f"{directory} is no directory.", str(error))
    if error.errno in (errno.EACCES, errno.EPERM):
        return Unusable(f"The worker may not read {directory}. Give its user the right to.", str(error))
    return Unusable(f"{directory} cannot be read: {error.strerror}. Look at its disk or its share.", str(error))


def _not_writable(directory: Path, error: OSError) -> Unusable:
    if error.errno in (errno.EACCES, errno.EPERM):
        return Unusable(f"The worker may not write to {directory}. Give its user the right to.", str(error))
    if error.errno == errno.EROFS:
        return Unusable(f"{directory} is mounted for reading only.", str(error))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unusable(f"The disk of {directory} is full. Remove old archives, or make room.", str(error))
    return Unusable(f"{directory} cannot be written to: {error.strerror}.", str(error))
