"""Restores from an archive, of folders and a Redis database, that are killed at a random moment; and the way back.

Every one has to end by itself. What is there then is the same as in the archive, or as before, by rsync and by the
digest of all keys; nothing else lies beside it, and safety copies are where their rows say. Killed are processes of
the worker, or the Redis server itself in the middle of its data.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from backups.approvals import voting
from backups.archives.models import Archive, ArchiveLocation, ArchiveProfile, CheckState, RedisServer
from backups.archives.services import queue_archive
from backups.restores import services
from backups.restores.archives import services as archive_services
from backups.restores.archives.asked import Asked, Database, RedisMode
from backups.restores.models import RestorePlan, TargetLock
from backups.retention.models import CopyForm, SafetyCopy, SafetyCopyState
from backups.runs.models import Effect, Run, RunState
from backups.worker.kinds import KINDS
from deploy.sandbox.redis import Redis
from tests.faults.fire import history, is_path
from tests.faults.kills import Kills, leased
from tests.faults.place import Place
from tests.gateways.redis.servers import DEBUG, KEPT, QUICK, Server, fill
from tests.restores.archives.conftest import REASON, copied, differences
from tests.restores.archives.test_folders import harm
from tests.restores.archives.test_redis import harm as harm_redis

FOLDERS = ("models", "params")
PARTS = ("step", "helper", "worker", "everything", "Redis")
LASTS = (1.2, 0.5, 1.0, 0.5, 0.8, 0.2)
"""Seconds that each of the steps takes, about; the first one has the start of their process in it."""
SMALL, BIG, KEYS = 600, 6, 30_000


@dataclass
class Struck:
    """A restore, or the way back of the restore ``first``, with what was there before it began."""

    remove: bool
    mode: str
    found: Path
    digest: bytes
    first: "Struck | None" = None
    run: Run | None = None


class FileKills(Kills):
    """Folders are exchanged as a whole or entry by entry, a database at one stroke or key by key, as chance has it;
    what was done is taken back by the next one."""

    big = BIG
    """Files of 3 MB."""

    def __init__(self, place: Place, seed: int) -> None:
        super().__init__(place, seed)
        (place.home / "redis").mkdir()
        self.redis = Server(Redis(folder=place.home / "redis", options=[*QUICK, *DEBUG, *KEPT]))
        self.tree, self.packed, self.next = place.home / "opt", place.home / "packed", None
        self.tree.mkdir()

    def prepare(self) -> None:
        self._fill_tree()
        self._fill_redis()
        self.packed_digest = self.redis.digest()
        self.server = RedisServer.objects.create(
            name="state", host="a", address=f"127.0.0.1:{self.redis.process.port}", state=CheckState.GOOD
        )
        self.over(queue_archive(actor=self.cast["operator"], profile=self._profile()))
        self.archive = Archive.objects.get()

    def _fill_tree(self) -> None:
        (self.packed / "models/detector").mkdir(parents=True)
        (self.packed / "params").mkdir()
        for number in range(SMALL):
            (self.packed / f"params/p{number}.json").write_text(f'{{"rate": {number}}}')
        for number in range(self.big):
            (self.packed / f"models/detector/{number}.bin").write_bytes(os.urandom(3 << 20))
        (self.packed / "models/detector/weights.bin").write_bytes(os.urandom(3 << 20))
        self._unpack_tree()

    def _unpack_tree(self) -> None:
        for old in self.tree.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for name in FOLDERS:
            copied(self.packed / name, self.tree / name)

    def _fill_redis(self) -> None:
        fill(self.redis)
        for begin in range(0, KEYS, 1000):
            words = (word for n in range(begin, begin + 1000) for word in (f"many:{n}", f"value {n} " * 10))
            self.redis.call("MSET", *words)

    def _profile(self) -> ArchiveProfile:
        (self.place.home / "archives").mkdir()
        location = ArchiveLocation.objects.create(name="a", host="a", path=str(self.place.home / "archives"))
        sources = [{"name": name, "path": str(self.tree / name), "include": [], "exclude": []} for name in FOLDERS]
        profile = ArchiveProfile.objects.create(name="a", location=location, sources=sources)
        profile.redis.add(self.server)
        return profile

    def leave(self) -> None:
        self.redis.process.stop()

    # ---- The kill ------------------------------------------------------------------------------------------

    def strike(self) -> None:
        struck, self.next = self.next or self._harmed(), None
        struck.run = run = self._agreed(self._planned(struck))
        part, step = self.random.choice(PARTS), self.random.randrange(len(KINDS[run.kind].steps))
        self.until(f"step {step} of run {run.pk}", lambda: self.is_at_work(run, step))
        self.pause(LASTS[step])
        where = self.note(part := self._kill(part), run)
        where += self.cancel_some(run)
        self.start_again()
        where += self.kill_again(run)
        self.over(run)
        what = f"{'back' if struck.first else 'forth'}, {'all' if struck.remove else 'some'}, {struck.mode}"
        self.seen[f"{what}: {run.state}, {run.effect}"] += 1
        said = f"{what}, run {run.pk}, {part} killed in {where}, ended {run.state}, {run.effect} ({run.error})"
        self.wrong += [f"{said}: {each}" for each in self._wrong_with(struck, part)]
        if run.effect == Effect.APPLIED and not struck.first:
            self.next = self._as_it_is(struck.remove, struck.mode, struck)

    def _kill(self, part: str) -> str:
        if part == "Redis":
            self.redis.restart()
            return part
        return self.kill(part)

    def _harmed(self) -> Struck:
        """The tree and the database are as they were packed, but for what somebody did to them since. The copies that
        lay in the tree are gone with it."""
        self._unpack_tree()
        SafetyCopy.objects.filter(form=CopyForm.FOLDER).update(state=SafetyCopyState.REMOVED)
        self._fill_redis()
        self.harm()
        return self._as_it_is(self.random.random() < 0.5, self.random.choice((RedisMode.REPLACE, RedisMode.MERGE)))

    def harm(self) -> None:
        harm(self.tree)
        harm_redis(self.redis)

    def _as_it_is(self, remove: bool, mode: str, first: Struck | None = None) -> Struck:
        found = self.place.home / ("restored" if first else "found")
        shutil.rmtree(found, ignore_errors=True)
        return Struck(remove, mode, copied(self.tree, found), self.redis.digest(), first)

    def _planned(self, struck: Struck) -> RestorePlan:
        if struck.first:
            run = archive_services.queue_undo(struck.first.run.request.plan, actor=self.cast["operator"])
        else:
            redis = (Database("state", 0, self.server.pk, struck.mode, ""),)
            asked = Asked(token=archive_services.new_token(), folders=FOLDERS, remove=struck.remove, redis=redis)
            options = asked.as_options()
            run = archive_services.queue_plan(actor=self.cast["operator"], archive=self.archive, options=options)
        return RestorePlan.objects.get(pk=self.over(run).result["plan"])

    def _agreed(self, plan: RestorePlan) -> Run:
        request = services.ask(actor=self.cast["operator"], plan=plan, reason=REASON, typed_name=plan.place)
        voting.approve(request, actor=self.cast["approver"], digest=request.digest)
        request.refresh_from_db()
        return request.run

    # ---- What is wrong afterwards --------------------------------------------------------------------------

    def _wrong_with(self, struck: Struck, part: str = "") -> Iterator[str]:
        run, done = struck.run, struck.run.effect == Effect.APPLIED
        if held := leased(run):
            yield held
        if not is_path(history(run)):
            yield f"a wrong history: {history(run)}"
        # A server that is away while it is read again leaves what is in place unproven.
        good = (RunState.SUCCEEDED, RunState.PARTIAL) if part == "Redis" else (RunState.SUCCEEDED,)
        if run.effect == Effect.UNKNOWN or done != (run.state in good):
            yield "that is no end that is told, or no good one"
        if TargetLock.objects.exists():
            yield f"locks are left: {[lock.target for lock in TargetLock.objects.all()]}"
        yield from self._wrong_copies()
        yield from self._wrong_data(struck, done)

    def _wrong_data(self, struck: Struck, done: bool) -> Iterator[str]:
        before = struck.first or struck
        if done and not struck.first:
            yield from self._wrong_restored(struck)
            return
        expected, digest = (before.found, before.digest) if done else (struck.found, struck.digest)
        if unlike := [line for name in FOLDERS for line in differences(expected / name, self.tree / name)]:
            yield f"the folders are not as before: {unlike[:5]}"
        if self.redis.digest() != digest:
            yield "the databases are not as before"

    def _wrong_restored(self, struck: Struck) -> Iterator[str]:
        command = ["rsync", "-anAXO", "--checksum", "--itemize-changes", *(["--delete"] if struck.remove else [])]
        done = subprocess.run(
            [*command, f"{self.packed}/", f"{self.tree}/"], capture_output=True, text=True, check=True
        )
        if unlike := [line for line in done.stdout.splitlines() if ".before-" not in line]:
            yield f"the folders are not as packed: {unlike[:5]}"
        if (self.tree / "params/new.json").exists() is struck.remove:
            yield f"params/new.json is {'still' if struck.remove else 'not'} there"
        if struck.mode == RedisMode.REPLACE and self.redis.digest() != self.packed_digest:
            yield "the databases are not as packed"
        if self.redis.call("GET", "text") != b"words " * 50 or self.redis.call("HLEN", "hash:600") != 600:
            yield "keys are not as packed"
        if (self.redis.call("GET", "newer") is None) is (struck.mode == RedisMode.MERGE):
            yield "a key that is newer than the archive is there and should not be, or the other way round"

    def _wrong_copies(self) -> Iterator[str]:
        """Every copy that is kept lies where its row says, and nothing else lies there."""
        if SafetyCopy.objects.filter(state=SafetyCopyState.WANTED).exists():
            yield "a safety copy is still wanted"
        kept = SafetyCopy.objects.filter(state=SafetyCopyState.KEPT)
        dumps = {Path(copy.name).name for copy in kept.filter(form=CopyForm.DUMP)}
        there = {path.name for path in settings.SAFETY_DIR.iterdir()} if settings.SAFETY_DIR.exists() else set()
        if there != dumps:
            yield f"in the directory of dumps is {sorted(there)}, not {sorted(dumps)}"
        folders = {Path(copy.name).name for copy in kept.filter(form=CopyForm.FOLDER)}
        if (beside := {path.name for path in self.tree.iterdir()}) != folders | {*FOLDERS}:
            yield f"beside the folders is {sorted(beside)}, not {sorted(folders)}"
