"""Opens archives that nobody knows: footer and manifest of ours, the first header of others. Never their data.

Files only, no rows. Whatever a file says of itself is hostile until it was held against what a row can keep, so it is
a helper process that opens it (``format.facts_worker``): one that takes too much of the processor or of memory is
ended, and not tried again until the file changes.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from backups.audit.acts import storable
from backups.templatetags.formats import size

from .. import cybersift_restore as reader
from .. import reading
from ..format.facts_worker import TOO_MUCH
from ..format.readers import HOME
from ..models import ArchiveLocation, ArchiveState, Codec
from .folder import File

MOST = 20
SECONDS = 5
"""So many files are opened in one look, and a further one only while so much time has not passed."""
CPU_SECONDS, MEMORY = 10, 1 << 30
"""So much of the processor and of memory may one file take."""
MOST_TEXT = 64 << 20
"""Bytes of a manifest that is read to its end, those of some 250,000 files; of a longer one only the head is."""
WAIT_SECONDS = 20
"""A file of which nothing is known after this lies on a share or a disk that hangs."""
CODECS = {"GzipBlocks": Codec.GZIP, "ZstdBlocks": Codec.ZSTD, "PlainTar": Codec.TAR}
STOPPED = (signal.SIGKILL, signal.SIGTERM)
"""What ends a helper from outside, and says nothing of the file."""
DAMAGED = "It cannot be read as an archive: it is damaged, not finished, or none."
NOT_READ = {"sources": [], "redis": [], "keys": None}


@dataclass
class Opened:
    """``columns`` of Archive by name, ``unreadable`` why by name; ``left``: how many were not tried."""

    columns: dict[str, dict] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    left: int = 0


def open_some(opened: Opened, location: ArchiveLocation, files: Sequence[File], turn: int) -> None:
    """As many as fit into one look, into ``opened`` as it goes; the next ``turn`` begins with another one."""
    first = turn % len(files) if files else 0
    opened.left, end = len(files), time.monotonic() + SECONDS
    for file in [*files[first:], *files[:first]][:MOST]:
        if opened.left < len(files) and time.monotonic() > end:
            break
        opened.left -= 1
        try:
            opened.columns[file.name] = look_into(location, file)
        except reader.Unavailable as error:
            opened.unreadable[file.name] = str(error)


def look_into(location: ArchiveLocation, file: File) -> dict:
    """Columns of Archive: facts, and state found or damaged. Raises the reader's Unavailable."""
    known = {"size": file.size, "mtime_ns": file.mtime_ns}
    try:
        with _read(location.directory / file.name) as content:
            encrypted = content.read(len(reader.AGE)) == reader.AGE
            if file.name.endswith(".age") and not encrypted:
                raise reader.Damaged("Its name says that it is encrypted with age, and it does not begin like that.")
            facts = {} if encrypted else _facts(file, content)
            return known | {"state": ArchiveState.FOUND, "encrypted": encrypted} | facts
    except reader.Damaged as error:
        text = str(error)
        why = f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."  # which may name files, and is not for everybody
        return known | {"state": ArchiveState.DAMAGED, "message": DAMAGED, "detail": storable(why)}


@contextmanager
def _read(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as content:
            yield content
    except OSError as error:
        raise reader.Unavailable(f"{path.name} cannot be read: {error.strerror}") from error


def _facts(file: File, content: BinaryIO) -> dict:
    said, ended = _told(file, content)
    error, text = said.pop("error", ""), said.pop("text", "")
    too_much = error == TOO_MUCH or ended < 0 and -ended not in STOPPED
    if error and not too_much:
        raise getattr(reader, error)(text)
    if ended and not too_much:
        raise reader.Unavailable(f"{file.name} could not be opened: the helper for that ended with {ended}.")
    if not said:
        return NOT_READ | {"message": _too_much("It could not be opened")}
    codec, foreign = {"codec": CODECS[said.pop("codec")]}, said.pop("foreign")
    if foreign:
        made_at = datetime.fromtimestamp(file.mtime_ns / 10**9, UTC)
        return codec | {"foreign": True, "made_at": made_at, "backup_id": "", "manifest_sha256": ""}
    columns = codec | reading.believed(said) | {"foreign": False}
    columns["finished_at"] = columns["made_at"]
    if too_much:
        columns |= NOT_READ | {"message": _too_much("Its list of files could not be read")}
    return columns


def _too_much(what: str) -> str:
    return f"{what} within {CPU_SECONDS} s and {size(MEMORY)} of memory. Verify it: that takes the time it needs."


def _told(file: File, content: BinaryIO) -> tuple[dict, int]:
    """What the helper printed, all in one, and how it ended."""
    limits = map(str, (CPU_SECONDS, MEMORY, MOST_TEXT))
    command = [sys.executable, "-m", "backups.archives.format.facts_worker", *limits]
    output = {"stdin": content, "stdout": subprocess.PIPE}
    try:
        done = subprocess.run(command, **output, timeout=WAIT_SECONDS, cwd=HOME, check=False)
    except subprocess.TimeoutExpired as slow:
        if slow.output:  # what it is at is work: the file itself could be read
            return _joined(slow.output), -signal.SIGXCPU
        raise reader.Unavailable(
            f"{file.name} takes more than {WAIT_SECONDS} s to open. Tried again with the next looks."
        ) from None
    return _joined(done.stdout), done.returncode


def _joined(lines: bytes) -> dict:
    said: dict = {}
    for line in lines.splitlines():
        said |= json.loads(line)
    return said
