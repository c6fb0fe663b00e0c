"""What a folder holds of what is asked for, in numbers: for the preview of a profile and before each archive."""

import difflib
import errno
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from backups.gateways.filetree import Directory, Selection, Skipped, join, looked_at, walk

from .sources import Source

OFTEN = 200
"""So many directories are looked at between two looks at the clock."""


@dataclass
class Survey:
    """Files and bytes that would be read, and those that the patterns leave out. ``newest`` is seconds since 1970.
    ``whole`` is False where time ran out: everything is "at least" then. ``error`` says why there is nothing."""

    name: str
    files: int = 0
    bytes: int = 0
    excluded: int = 0
    excluded_bytes: int = 0
    skipped: int = 0
    unreadable: int = 0
    links: int = 0
    newest: float = 0
    newest_name: str = ""
    largest: int = 0
    largest_name: str = ""
    whole: bool = True
    error: str = ""

    def as_json(self) -> dict:
        return asdict(self)

    def take(self, path: bytes, facts: os.stat_result) -> None:
        self.files += 1
        self.bytes += facts.st_size
        if facts.st_mtime > self.newest:
            self.newest, self.newest_name = facts.st_mtime, _text(path)
        if facts.st_size > self.largest or not self.largest_name:
            self.largest, self.largest_name = facts.st_size, _text(path)


def survey(
    source: Source,
    *,
    excluded: bool = False,
    seconds: float = float("inf"),
    cancelled: Callable[[], bool] | None = None,
) -> Survey:
    """Walk the folder without opening a file. With ``excluded`` what is left out is counted as well. Ends early after
    ``seconds``, and when ``cancelled`` says so."""
    found, wanted = (
        Survey(source.name),
        Selection(source.include, source.exclude, one_file_system=source.one_file_system),
    )
    everything = Selection(one_file_system=source.one_file_system)
    try:
        root = os.open(source.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        found.error = why_not(source.path, error)
        return found
    end, number = time.monotonic() + seconds, 0
    try:
        for number, each in enumerate(walk(root, everything if excluded else wanted)):
            if isinstance(each, Skipped):
                _skip(found, each)
            else:
                _count(found, root, each, wanted if excluded else None)
            if number % OFTEN == 0 and (time.monotonic() > end or (cancelled and cancelled())):
                found.whole = False
                break
    finally:
        os.close(root)
    return found


def why_not(path: str, error: OSError) -> str:
    """Why a folder cannot be read, and what was perhaps meant."""
    if error.errno == errno.ENOENT:
        return f"{path} does not exist.{_meant(path)}"
    if error.errno == errno.ENOTDIR:
        return f"{path} is no folder."
    if error.errno == errno.EACCES:
        return f"The worker may not read {path}. Give its user the right to read it and to enter the folders above."
    return f"{path} cannot be read: {error.strerror}."


def _meant(path: str) -> str:
    """A folder with nearly this name, where there is one."""
    parts = Path(path).parts
    known = Path(parts[0])
    for number, part in enumerate(parts[1:], 1):
        if (known / part).is_dir():
            known /= part
            continue
        try:
            beside = [entry.name for entry in os.scandir(known) if entry.is_dir()]
        except OSError:
            return ""
        close = difflib.get_close_matches(part, beside, n=1)
        guess = known / close[0] / Path(*parts[number + 1 :]) if close else None
        return f" Did you mean {guess}?" if guess and guess.is_dir() else ""
    return ""


def _count(found: Survey, root: int, directory: Directory, wanted: Selection | None) -> None:
    found.links += len(directory.links)
    for each in looked_at(root, directory):
        if isinstance(each, Skipped):
            _skip(found, each)
            continue
        path = join(directory.path, each[0])
        if wanted is not None and not _takes(wanted, path):
            found.excluded += 1
            found.excluded_bytes += each[1].st_size
        else:
            found.take(path, each[1])


def _takes(wanted: Selection, path: bytes) -> bool:
    """As the walk does it: nothing below a directory that is not entered."""
    if wanted.is_everything:
        return True
    above = path
    while b"/" in above:
        above = above.rpartition(b"/")[0]
        if not wanted.enters(above):
            return False
    return wanted.takes(path)


def _skip(found: Survey, skipped: Skipped) -> None:
    if skipped.errno is None or skipped.errno == errno.ENOENT:
        found.skipped += 1
    else:
        found.unreadable += 1


def _text(path: bytes) -> str:
    return path.decode("utf-8", "replace")
