"""Opens archives that nobody knows: footer and manifest of ours, the first header of others. Never their data.

Files only, no rows. Whatever a file says of itself is hostile until it was held against what a row can keep.
"""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC

from django.core.exceptions import ValidationError

from backups.audit.acts import storable

from .. import cybersift_restore as reader
from .. import reading
from ..models import Archive, ArchiveLocation, ArchiveState, Codec
from .folder import File

MOST = 20
SECONDS = 5
"""So many files are opened in one look, and a further one only while so much time has not passed."""
CODECS = {reader.GzipBlocks: Codec.GZIP, reader.ZstdBlocks: Codec.ZSTD, reader.PlainTar: Codec.TAR}
ODD = re.compile(r"\\u0000|\\ud[89a-f]")
"""What no database keeps in JSON: NUL, and halves of characters."""


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
    archive = Archive(location=location, name=file.name)
    try:
        if _is_encrypted(archive):
            return known | {"state": ArchiveState.FOUND, "encrypted": True}
        if archive.name.endswith(".age"):
            raise reader.Damaged("Its name says that it is encrypted with age, and it does not begin like that.")
        return known | {"state": ArchiveState.FOUND, "encrypted": False} | _facts(archive)
    except reader.ArchiveError as error:
        if isinstance(error, reader.Unavailable):
            raise
        text = str(error)
        message = f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."
        return known | {"state": ArchiveState.DAMAGED, "message": storable(message)}


def _is_encrypted(archive: Archive) -> bool:
    try:
        with archive.path.open("rb") as file:
            return file.read(len(reader.AGE)) == reader.AGE
    except OSError as error:
        raise reader.Unavailable(f"{archive.name} cannot be read: {error.strerror}") from error


def _facts(archive: Archive) -> dict:
    with reading.opened(archive) as found:
        codec = {"codec": CODECS[type(found.codec)]}
        if not found.has_checksums:
            if codec["codec"] != Codec.ZSTD:  # that one may need another program, and an unknown amount of memory
                next(found.walk(), None)
            return codec | reading.facts_of(archive.path, found).columns
        try:
            columns = reading.facts_of(archive.path, found).columns
            return codec | _that_fit(columns) | {"finished_at": columns["made_at"].astimezone(UTC)}
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, ValidationError) as error:
            raise reader.Damaged("what its manifest says of it cannot be believed") from error


def _that_fit(columns: dict) -> dict:
    """The same, as a database keeps them. Raises ValidationError and ValueError."""
    plain = json.dumps([columns["redis"], columns["sources"]], allow_nan=False)
    if ODD.search(plain) or columns["made_at"].tzinfo is None:
        raise ValueError("odd characters in it, or a time without a zone")
    whole = columns | {name: storable(columns[name]) for name in ("host", "backup_id")}
    whole["made_at"] = columns["made_at"].astimezone(UTC)  # near the ends of time some zones lie beyond them
    judged = whole.keys() - {"redis", "sources"}
    Archive(**whole).clean_fields(exclude={each.name for each in Archive._meta.fields} - judged)
    return whole
