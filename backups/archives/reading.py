"""Opens archives as the console does, and says what they are worth."""

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from backups import clock
from backups.access.secrets import SealError, unseal
from backups.audit.acts import storable
from backups.runs import Turn
from backups.runs.models import Level
from backups.templatetags.formats import count_of, size

from . import cybersift_restore as reader
from .format import facts, fast
from .format.age.opening import AgeFile, AgeSource
from .format.errors import Cancelled
from .locations import folder
from .models import Archive, ArchiveState

SAMPLE = 0.1
"""The part of an archive that is read back where its profile asks for a sample."""
MOST_DAMAGE = 1_000
"""So many damaged members of an archive are kept by name."""
ODD = re.compile(r"\\u0000|\\ud[89a-f]")
"""What no database keeps in JSON: NUL, and halves of characters."""


class NoKey(Exception):
    """The archive is encrypted, and this host holds public keys only."""


@dataclass
class Facts:
    """What an archive says of itself: ``columns`` of Archive, and the manifest's errors."""

    columns: dict
    errors: list[dict] = field(default_factory=list)


@contextmanager
def opened(archive: Archive) -> Iterator["reader.Archive | reader.Foreign"]:
    """The archive for as long as the context lasts. Raises the reader's errors, and NoKey."""
    if not archive.encrypted:
        with reader.open_archive(str(archive.path)) as found:
            yield found
        return
    with decrypted(archive, file_key=file_key_of(archive)) as found:
        yield found


@contextmanager
def decrypted(archive: Archive, **key) -> Iterator["reader.Archive | reader.Foreign"]:
    """An encrypted archive for as long as the context lasts; ``key`` is what ``AgeFile`` opens it with: ``file_key``
    or ``identities``. Raises the reader's errors."""
    try:
        file = archive.path.open("rb")
    except OSError as error:
        raise reader.Unavailable(f"{archive.path} cannot be read: {error.strerror}") from None
    with file:
        yield reader.opened(AgeSource(AgeFile(file, **key)))


def file_key_of(archive: Archive) -> bytes:
    """The key of this one archive, which the console keeps until it was read back. Raises NoKey."""
    made_by = archive.made_by
    if made_by is None or not made_by.sealed_key:
        raise NoKey
    try:
        return bytes.fromhex(unseal(made_by.key_context, made_by.sealed_key))
    except SealError as error:
        raise NoKey from error


def facts_of(path: Path, found: "reader.Archive | reader.Foreign") -> Facts:
    """Of ours by the manifest, without reading the data; of a foreign tar nothing is known but its size."""
    stat = path.stat()
    columns = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "foreign": not found.has_checksums}
    if not found.has_checksums:
        made_at = datetime.fromtimestamp(stat.st_mtime, UTC)
        return Facts(columns | {"made_at": made_at, "backup_id": "", "manifest_sha256": ""})
    said = facts.of_head(found.manifest.head, found.footer) | facts.of_all(found)
    return Facts(columns | _columns(said), found.manifest.errors)


def believed(said: dict) -> dict:
    """Columns of Archive by ``facts`` of an archive that anybody may have made, as a database keeps them. Raises the
    reader's Damaged."""
    with facts.believing():
        columns = _columns(said)
        plain = json.dumps([said.get("redis"), said.get("sources")], allow_nan=False)
        if ODD.search(plain) or columns["made_at"].tzinfo is None:
            raise ValueError("odd characters in it, or a time without a zone")
        columns |= {name: storable(columns[name]) for name in ("host", "backup_id")}
        columns["made_at"] = columns["made_at"].astimezone(UTC)  # near the ends of time some zones lie beyond them
        judged = columns.keys() - {"redis", "sources"}
        try:
            Archive(**columns).clean_fields(exclude={each.name for each in Archive._meta.fields} - judged)
        except ValidationError as error:
            raise ValueError("no such value can be") from error
        return columns


def _said(found: "reader.Archive") -> dict:
    """Columns of one of which nobody has read all so far."""
    head = facts.of_head(found.manifest.head, found.footer)
    return believed(head | facts.few(facts.of_all(found)))


def _columns(said: dict) -> dict:
    columns = dict(said)
    return columns | {"made_at": datetime.fromisoformat(columns.pop("created"))}


class InMemory(reader.Sink):
    """Keeps a small entry."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, piece: memoryview) -> None:
        self.data += piece


def header_of(found: "reader.Archive") -> dict:
    """BACKUP/header.json: what was known at the start, the sources among it."""
    kept = InMemory()
    with closing(found.read(found.extents[:1], 1)) as parts:
        for extent, stream in parts:
            reader.read_member(stream, extent.members[0], kept)
    header = json.loads(kept.data)
    return header if isinstance(header, dict) else {}


def file_in(found: "reader.Archive", path: str) -> "reader.Entry":
    """The entry that has the content of a file: of a hard link that of the file that came before. Raises Damaged."""
    with facts.believing():
        members = {member.path: member for member in found.manifest.members}
        member = members[members[path].target or path]
    if member.type != "f":
        raise reader.Damaged(f"{reader.printable(path)} is no file")
    return member


class ToFile(reader.Sink):
    """Puts the content of an entry into an empty file; what is not put stays zeros, a hole at its end too."""

    def __init__(self, descriptor: int, member: "reader.Entry"):
        self.descriptor, self.member, self.at = descriptor, member, 0

    def write(self, piece: memoryview) -> None:
        self.put(self.at, piece)
        self.at += len(piece)

    def put(self, place: int, piece: memoryview) -> None:
        while piece:
            done = os.pwrite(self.descriptor, piece, place)
            piece, place = piece[done:], place + done

    def finish(self) -> None:
        if self.member.sparse:
            os.ftruncate(self.descriptor, self.member.size)


def take_out(
    found: "reader.Archive | reader.Foreign",
    path: str,
    descriptor: int,
    progress: "reader.Progress" = reader.no_progress,
) -> None:
    """One regular file of an archive of ours into an empty file, by way of the block in which it begins; its checksum
    is right when this returns."""
    member = file_in(found, path)
    wanted, sink = member.path, ToFile(descriptor, member)
    extents = (each for each in found.extents if any(member.path == wanted for member in each.members))
    if (extent := next(extents, None)) is None:
        raise reader.Damaged(f"{reader.printable(path)} is not where the manifest says")
    with closing(found.read([extent], 1)) as parts:
        for each, stream in parts:
            reader.read_extent(
                found, each, stream, lambda member: sink if member.path == wanted else reader.Sink(), progress
            )


@dataclass
class Checked:
    """What a reading found. ``sampled`` is how much of the data was read, 1 for all of it; ``unchanged``: nothing is
    known that the row does not say. ``version`` is of the file that was read, ``said`` what it says of itself where
    nobody has read that before."""

    good: bool
    sentence: str
    message: str = ""
    problems: list[str] = field(default_factory=list)
    damage: list[tuple[str, str]] = field(default_factory=list)
    foreign: bool = False
    structure: bool = True
    sampled: float = 1.0
    cancelled: bool = False
    unchanged: bool = False
    missing: bool = False
    sha256: str = ""
    version: dict = field(default_factory=dict)
    said: dict = field(default_factory=dict)

    def columns(self) -> dict:
        """What the archive's row says from now on."""
        now = timezone.now()
        columns = {"structure_at": now, "structure_good": self.structure, "damage": self.damage[:MOST_DAMAGE]}
        columns |= self.said
        columns |= ({"sha256": self.sha256} if self.sha256 else {}) | self.version
        if self.missing:
            return {"state": ArchiveState.MISSING, "gone_at": now}
        if not self.good:
            detail = "" if self.structure else "\n".join(self.problems)
            damaged = {"checksums_at": now, "checksums_good": False, "detail": detail}
            return columns | damaged | {"state": ArchiveState.DAMAGED}
        if self.foreign:
            return columns | {"state": ArchiveState.FOUND}
        if self.sampled < 1:
            return columns | {"state": ArchiveState.FINISHED}
        return columns | {"state": ArchiveState.VERIFIED, "checksums_at": now, "checksums_good": True}


def check(turn: Turn, archive: Archive, *, sample: bool = False) -> Checked:
    """Read the archive and hold everything against its checksums. Never raises for what is wrong with the file."""
    before = _version(archive.path)
    checked = _check(turn, archive, sample=sample)
    if before == _version(archive.path):  # else somebody wrote to it meanwhile: the next look at the location says so
        checked.version = before
    return checked


def _version(path: Path) -> dict:
    """Columns by which a location sees that a file was written to; empty where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return {}
    return {"size": facts.st_size, "mtime_ns": facts.st_mtime_ns}


def _check(turn: Turn, archive: Archive, *, sample: bool) -> Checked:
    whole = Digest(archive)
    try:
        with opened(archive) as found:
            verified = _verified(turn, found, SAMPLE if sample else 1.0)
            foreign = not found.has_checksums
            said = {} if archive.keys is not None else {"foreign": True} if foreign else _said(found)
        sha256 = whole.hex()
    except Cancelled:
        return Checked(False, "Cancelled.", cancelled=True)
    except NoKey:
        return _compared(archive, whole.hex())
    except reader.Unavailable as error:
        if os.path.lexists(archive.path):  # which says nothing of what is in it
            return Checked(False, f"It could not be read, and is as it was: {error}", unchanged=True)
        directory = archive.path.parent
        if archive.location and archive.location.looked_at and folder.is_emptied(directory):
            return Checked(False, f"It could not be read. {folder.emptied(directory)}", unchanged=True)
        text = f"There is no file {archive.path} any more."
        return Checked(False, text, text, missing=True)
    except reader.ArchiveError as error:
        text = "The archive is damaged at its end or in its list of files. Do not count on it; make another one."
        return Checked(False, text, text, [str(error)], structure=False)
    finally:
        whole.stop()
    checked = _judged(verified, sha256, foreign=foreign)
    checked.said = said
    return checked


def _judged(verified: "reader.Verified", sha256: str, *, foreign: bool) -> Checked:
    if verified.damaged:
        return _damaged(verified)
    read = f"{count_of(verified.members, 'entry', 'entries')}, {size(verified.bytes)}"
    if foreign:
        return Checked(True, f"Every entry can be read: {read}. It has no checksums.", foreign=True, sha256=sha256)
    if verified.sampled < 1:
        text = f"A sample of {verified.sampled:.0%} was read back and is good: {read}. The structure of all is right."
        return Checked(True, text, sampled=verified.sampled, sha256=sha256)
    return Checked(True, f"Read back and good: {read}.", sha256=sha256)


def _verified(turn: Turn, found: "reader.Archive | reader.Foreign", sample: float) -> "reader.Verified":
    def cancelled() -> bool:
        return turn.cancel_requested

    try:
        return fast.verify(found, settings.ARCHIVE_JOBS, Telling.of(turn, found), cancelled, sample=sample)
    except fast.HelperDied as error:  # which says nothing of the archive
        turn.log(f"{error} Reading goes on without helpers.", Level.WARNING)
        return fast.verify(found, 1, Telling.of(turn, found), cancelled, sample=sample)


def _compared(archive: Archive, sha256: str) -> Checked:
    """Without the key: whether it is still the file that was read back once."""
    if not archive.sha256:
        text = (
            "It is encrypted, this host has public keys only, and no checksum of the file is known here. Verify it "
        )
        return Checked(False, text + "where a key is: cybersift_restore.py verify --identity FILE.", unchanged=True)
    if sha256 == archive.sha256:
        return Checked(True, "Unchanged: it is still the file that was read back, by its SHA-256.", unchanged=True)
    text = (
        "The file is not the one that was read back: its SHA-256 differs. Do not count on it; make another archive."
    )
    return Checked(False, text, text, structure=False)


def _damaged(verified: "reader.Verified") -> Checked:
    count = count_of(len(verified.damaged), "entry", "entries")
    text = f"The archive is damaged: {count} of it. Its page says which; the others can still be taken out of it."
    damage = [(reader.printable(path), why) for path, why in verified.damaged[:MOST_DAMAGE]]
    return Checked(False, text, text, [f"{path}: {why}" for path, why in damage], damage)


class Telling:
    """Writes down how far the reading is, of so many bytes where that is known, and ends it when the run was
    cancelled."""

    def __init__(self, turn: Turn, total: int | None):
        self.turn, self.done = turn, 0
        self.facts = {"bytes_total": total, "since": clock.now().isoformat()}

    @classmethod
    def of(cls, turn: Turn, found: "reader.Archive | reader.Foreign") -> "Telling":
        """For all that an archive holds."""
        return cls(turn, found.manifest.head["counts"]["bytes"] if found.has_checksums else None)

    def __call__(self, count: int) -> None:
        if self.turn.cancel_requested:
            raise Cancelled("cancelled")
        self.done += count
        self.turn.progress = self.facts | {"bytes_done": self.done, "at": clock.now().isoformat()}


class Digest:
    """The SHA-256 of the whole file, taken in a thread beside its reading: what ``sha256sum`` says of it."""

    def __init__(self, archive: Archive):
        self._path, self._digest, self._over = archive.path, hashlib.sha256(), threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._read, name="digest", daemon=True)
        self._thread.start()

    def hex(self) -> str:
        """When all of it has been read; empty when it could not be."""
        self._thread.join()
        return "" if self._error or self._over.is_set() else self._digest.hexdigest()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        try:
            with self._path.open("rb", buffering=0) as file:
                while not self._over.is_set() and (piece := file.read(4 << 20)):
                    self._digest.update(piece)
        except OSError as error:
            self._error = error
