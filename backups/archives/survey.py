"""What a folder holds of what is asked for, in numbers: for the preview of a profile and before each archive."""

import difflib
import errno
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from backups.gateways.filetree import Directory, Selection, Skipped, identity, join, looked_at, walk

from .sources import Source

OFTEN = 200
"""So many directories are looked at between two questions whether to go on."""
FLOWS = frozenset((b"flow.json.gz", b"flow.xml.gz"))
"""NiFi writes its flow here, also while it runs."""
REPOSITORIES = frozenset((b"content_repository", b"flowfile_repository", b"provenance_repository"))
"""NiFi keeps what flows through it here; copied while it runs, they do not fit together."""


@dataclass
class Survey:
    """Files and bytes that would be read, and those that the patterns leave out. ``newest`` is seconds since 1970.
    ``whole`` is False where time ran out: everything is "at least" then. ``error`` says why there is nothing.
    ``flow`` is a flow of NiFi among the files, ``nifi_data`` are its repositories of which something would be read.
    """

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
    flow: str = ""
    nifi_data: list[str] = field(default_factory=list)
    whole: bool = True
    error: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it is known that an archive would hold nothing of it."""
        return bool(self.error) or (self.whole and not self.files and not self.links)

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
    found = Survey(source.name)
    wanted = source.selection()
    try:
        root = os.open(source.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        found.error = why_not(source.path, error)
        return found
    if identity(os.fstat(root)) in source.apart:
        os.close(root)
        found.error = f"{source.path} is a place where the console keeps archives or keys: it goes into no archive."
        return found
    counting, end = _Counting(found, wanted, root), time.monotonic() + seconds
    try:
        for number, each in enumerate(walk(root, source.selection(everything=True) if excluded else wanted)):
            counting.see(each)
            if time.monotonic() > end or (number % OFTEN == 0 and cancelled and cancelled()):
                found.whole = False
                break
    finally:
        os.close(root)
    _note_root(found, source)
    return found


class _Counting:
    """Counts what a walk brings. It may bring more than is wanted: what is not goes to the excluded."""

    def __init__(self, found: Survey, wanted: Selection, root: int) -> None:
        self.found, self.wanted, self.root = found, wanted, root
        self.entered: dict[bytes, bool] = {b"": True}
        """Directories by path, whether an archive goes into them: a walk brings each before what is in it."""

    def see(self, each: Directory | Skipped) -> None:
        if isinstance(each, Skipped):
            self._skip(each)
            return
        inside = self._enters(each.path)
        for file in looked_at(self.root, each):
            if isinstance(file, Skipped):
                self._skip(file)
                continue
            name, facts = file
            path = join(each.path, name)
            if inside and self._takes(path):
                self.found.take(path, facts)
                self._note(each.path, name)
            else:
                self.found.excluded += 1
                self.found.excluded_bytes += facts.st_size
        self.found.links += sum(inside and self._takes(join(each.path, link.name)) for link in each.links)

    def _enters(self, path: bytes) -> bool:
        known = self.entered.get(path)
        if known is None:
            known = self._enters(path.rpartition(b"/")[0]) and self.wanted.enters(path)
            self.entered[path] = known
        return known

    def _takes(self, path: bytes) -> bool:
        return self.wanted.is_everything or self.wanted.takes(path)

    def _skip(self, skipped: Skipped) -> None:
        """A directory that may not be read is missed where it would be entered, anything else where it would be
        taken."""
        if skipped.errno in (None, errno.ENOENT):
            self.found.skipped += self._is_asked_for(skipped.path)
        else:
            self.found.unreadable += self._is_asked_for(skipped.path)

    def _is_asked_for(self, path: bytes) -> bool:
        if not path:
            return True
        if not self._enters(path):
            return False
        return self._takes(path) or (self.wanted.include is not None and self.wanted.takes_directory(path))

    def _note(self, folder: bytes, name: bytes) -> None:
        if name in FLOWS and not self.found.flow:
            self.found.flow = _text(join(folder, name))
        if b"_repository" in folder:
            parts = folder.split(b"/")
            self.found.nifi_data += [
                _text(part) for part in parts if part in REPOSITORIES and _text(part) not in self.found.nifi_data
            ]


def _note_root(found: Survey, source: Source) -> None:
    """The folder that was asked for may be one of NiFi's itself."""
    inside = [part for part in Path(source.path).parts if os.fsencode(part) in REPOSITORIES]
    if found.files:
        found.nifi_data += [part for part in inside if part not in found.nifi_data]


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


def _text(path: bytes) -> str:
    return path.decode("utf-8", "replace")
