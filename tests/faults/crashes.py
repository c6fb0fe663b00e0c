"""One kill after the other: a run of an archive is killed at a random moment, and what becomes of it is looked at.

The run has to end by itself, finished and verified or clearly failed; rows and files have to agree; both readers have
to read what is there; nothing may be left or held. Another run, queued right after the kill, has to work.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backups.archives import cybersift_restore as reader
from backups.archives.format import fast, index
from backups.archives.format.age.keys import Identity
from backups.archives.format.age.opening import AgeFile, AgeSource
from backups.archives.locations.folder import PROBE, PROGRAM
from backups.archives.models import Archive, ArchiveLocation, ArchiveProfile, ArchiveRecipient, ArchiveState, Codec
from backups.archives.services import queue_archive
from backups.runs.models import Run, RunState, StepState
from tests.faults.fire import history, is_path
from tests.faults.kills import Kills, leased
from tests.faults.place import Place

PARTS = ("step", "helper", "worker", "everything")
"""What is killed: the process of a long step or a helper of it, which the worker has to notice; the supervisor, with
which all others die; or all of them at once."""
LASTS = (1.0, 0.8, 0.6)
"""Seconds that each of the steps takes, about; the first one has the start of their process in it."""
SMALL, BIG = 600, 6
TRANSIENT = {PROBE, f".{PROGRAM}.new"}
"""The look at a location may be at work at any moment."""


class Crashes(Kills):
    """Runs that pack an archive."""

    def __init__(self, place: Place, seed: int) -> None:
        super().__init__(place, seed)
        self.identity = Identity(os.urandom(32))

    def prepare(self) -> None:
        self.profiles = self._profiles()

    def settle(self) -> None:
        self.until("the lease of the location", lambda: not ArchiveLocation.objects.exclude(collect_until=None))
        self.until("places of long steps", lambda: not list(self.place.home.glob("a/long-steps/a/*-*")))
        self.wrong += [f"left behind: {path}" for path in self._strangers()]

    def _profiles(self) -> list[ArchiveProfile]:
        """One of each codec, and one that is encrypted, of a tree that takes a moment to pack. All have one place."""
        tree, folder = self.place.home / "tree", self.place.home / "archives"
        (tree / "params").mkdir(parents=True)
        folder.mkdir()
        for number in range(SMALL):
            (tree / f"params/p{number}.json").write_text(f'{{"rate": {number}}}')
        for number in range(BIG):
            (tree / f"weights-{number}.bin").write_bytes(os.urandom(3 << 20))
        self.location = ArchiveLocation.objects.create(name="a", host="a", path=str(folder))
        sources = [{"name": "tree", "path": str(tree), "include": [], "exclude": []}]
        profiles = [
            ArchiveProfile.objects.create(name=name, location=self.location, sources=sources, codec=codec)
            for name, codec in (*zip(Codec.values, Codec.values, strict=True), ("age", Codec.GZIP))
        ]
        safe = ArchiveRecipient.objects.create(name="safe", key=str(self.identity.recipient))
        profiles[-1].recipients.add(safe)
        return profiles

    # ---- The kill ------------------------------------------------------------------------------------------

    def strike(self) -> None:
        run, part, step = self._queue(), self.random.choice(PARTS), self.random.randrange(len(LASTS))
        self.until(f"step {step} of run {run.pk}", lambda: self.is_at_work(run, step))
        self.pause(LASTS[step])
        part = self.kill(part)
        where = self.note(part, run)
        other = self._queue()
        self.start_again()
        for each in (run, other):
            self.over(each)
        self.wrong += [f"left behind after run {run.pk}: {name}" for name in self._strangers()]
        self.wrong += [f"run {run.pk}, {part} killed in {where}: {what}" for what in self._wrong_with(run)]
        self.wrong += [f"run {other.pk}, not killed: {what}" for what in self._wrong_with(other)]
        if other.state != RunState.SUCCEEDED:
            self.wrong.append(f"run {other.pk}, not killed: it failed")

    def _queue(self) -> Run:
        name = f"archive-{Run.objects.count()}"
        return queue_archive(actor=self.cast["operator"], profile=self.random.choice(self.profiles), name=name)

    # ---- What is wrong afterwards --------------------------------------------------------------------------

    def _wrong_with(self, run: Run) -> Iterator[str]:
        run.refresh_from_db()
        archive = Archive.objects.select_related("location", "made_by").get(made_by__run=run)
        self.seen[f"ended: {run.state}"] += 1
        if held := leased(run):
            yield held
        if not is_path(history(run)):
            yield f"a wrong history: {history(run)}"
        if archive.made_by.sealed_key:
            yield "the key of the file is still there"
        good = run.state == RunState.SUCCEEDED
        yield from self._wrong_with_good(run, archive) if good else _wrong_with_failed(run, archive)

    def _wrong_with_good(self, run: Run, archive: Archive) -> Iterator[str]:
        if archive.state != ArchiveState.VERIFIED:
            yield f"the archive is {archive.state}"
        if {*run.steps.values_list("state", flat=True)} != {StepState.SUCCEEDED}:
            yield "a step of it did not succeed"
        facts = archive.path.stat()
        if (facts.st_size, facts.st_mtime_ns) != (archive.size, archive.mtime_ns):
            yield "the row has another size or time than the file"
        sha256 = hashlib.sha256(archive.path.read_bytes()).hexdigest()
        beside = archive.path.with_name(f"{archive.name}.sha256").read_text()
        if sha256 != archive.sha256 or beside != f"{sha256}  {archive.name}\n":
            yield "the row, the file and the checksum beside it do not agree"
        with index.opened(index.index_of(archive.path), archive.manifest_sha256) as found:
            if len(found.search("*.json", 0, SMALL + 1)) != SMALL:
                yield "its index lacks files"
        yield from self._wrong_when_read(archive)

    def _wrong_when_read(self, archive: Archive) -> Iterator[str]:
        with self._opened(archive) as found:
            head, read = found.manifest.head, [_read(found, each) for each in (reader.verify, fast.verify)]
        if head["backup_id"] != str(archive.made_by.backup_id) or head["counts"]["files"] != archive.files:
            yield "the manifest is of another archive"
        if archive.files != SMALL + BIG or read[0] != read[1] or read[0][0] < SMALL + BIG or read[0][2]:
            yield f"read by both: {read}"

    @contextmanager
    def _opened(self, archive: Archive) -> Iterator[reader.Archive]:
        if not archive.encrypted:
            with reader.open_archive(str(archive.path)) as found:
                yield found
            return
        with archive.path.open("rb") as file:
            yield reader.opened(AgeSource(AgeFile(file, identities=[self.identity])))

    def _strangers(self) -> list[str]:
        """What lies in the location beside archives that are verified and what belongs to them."""
        good = {each.name for each in Archive.objects.filter(state=ArchiveState.VERIFIED)}
        known = good | {f".{name}.index" for name in good} | {f"{name}.sha256" for name in good}
        return sorted({path.name for path in self.location.directory.iterdir()} - known - TRANSIENT - {PROGRAM})


def _wrong_with_failed(run: Run, archive: Archive) -> Iterator[str]:
    if run.state != RunState.FAILED or not run.error:
        yield f"it is {run.state}: {run.error!r}"
    if archive.state != ArchiveState.FAILED or os.path.lexists(archive.path):
        yield f"it failed, and the archive is {archive.state}"


def _read(found: reader.Archive, verify: Callable) -> tuple:
    verified = verify(found)
    return verified.members, verified.bytes, verified.damaged
