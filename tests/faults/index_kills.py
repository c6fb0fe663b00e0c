"""Restores of indices on a real Elasticsearch, whose worker is killed at a random moment of each.

Every one has to end by itself: done, taken back, or failed with nothing changed. Then documents, aliases, write
blocks, mapping and settings are as planned or as before, ``action.auto_create_index`` is as it was, no working index
and no lock is left, and the safety copy is there where the plan says so.
"""

import itertools
import random
import string
import time
from collections.abc import Iterator
from dataclasses import dataclass

from backups.clusters.models import Cluster
from backups.restores.indices.asked import Mode
from backups.restores.models import TargetLock
from backups.retention.models import SafetyCopyState
from backups.runs.models import Effect, Run, RunState
from backups.worker.kinds import KINDS
from deploy.sandbox import elasticsearch
from tests.elasticsearch.restoring import Restoring
from tests.elasticsearch.scene import Scene
from tests.faults.fire import history, is_path
from tests.faults.kills import Kills, leased
from tests.faults.place import Place
from tests.faults.processes import send
from tests.restores.place import UNDO_IN_PLACE, UNDONE

MODES = (Mode.SWAP, Mode.IN_PLACE, Mode.ALIAS, Mode.BESIDE)
BACK = {mode: way for way, mode in UNDONE.items()}
PARTS = ("turn", "worker", "everything")
"""What is killed: the process that is in the middle of a turn of the restore; the supervisor, with which all others
die; or all of them at once."""
LASTS, LAST_LASTS = 0.7, 0.1
"""Seconds that a step takes, about, and the last one."""
SLOW = {"max_restore_bytes_per_sec": "500kb", "max_snapshot_bytes_per_sec": "500kb"}
TEXT = "".join(random.Random(7).choices(string.printable, k=8_000))


class ByWorker(Restoring):
    """The people ask, and the worker that is to be killed does all the rest."""

    def __init__(self, kills: "IndexKills") -> None:
        self.work = kills.over
        super().__init__(Scene(kills.server), kills.cast, text=TEXT, repository=kills.repository)

    def seal(self) -> None:
        """The worker makes the checkpoint."""

    def take(self, name: str = "", **options):
        return super().take(name or f"of-{self.scene.prefix}", **options)

    def leave(self) -> None:
        for name in self.seen():
            self.server.request("DELETE", f"/{name}")


@dataclass
class Struck:
    """A restore, or the way back of the restore ``first``, and what was there before it began."""

    restoring: ByWorker
    way: str
    first: Run | None = None

    def begin(self) -> None:
        restoring = self.restoring
        plan = restoring.plan_back(self.first) if self.first else restoring.planned(self.way)
        self.seen, self.described = restoring.seen(), restoring.described(restoring.index)
        self.run = restoring.agree(plan)

    @property
    def keeps(self) -> set[str]:
        """The safety copies that the plan says."""
        document = self.run.request.plan.document
        if self.way in (Mode.IN_PLACE, UNDO_IN_PLACE):
            return {document["safety"]["name"]}
        return {row["before"] for row in document["rows"] if row["before"]}


class IndexKills(Kills):
    """Each mode in turn, and what was done is taken back by the next one."""

    def __init__(self, place: Place, seed: int) -> None:
        super().__init__(place, seed)
        place.home.chmod(0o711)  # an ordinary account may have to pass through
        self.server = elasticsearch.start(place.home / "elasticsearch")
        self.modes, self.next = itertools.cycle(MODES), None

    def prepare(self) -> None:
        self.server.wait_ready()
        scene = Scene(self.server)
        cluster = scene.cluster()
        cluster.uuid = self.server.request("GET", "/_cluster/state/version")["cluster_uuid"]
        Cluster.objects.filter(pk=cluster.pk).update(uuid=cluster.uuid)
        self.repository = scene.repository(cluster, **SLOW)

    def leave(self) -> None:
        self.server.stop()

    def strike(self) -> None:
        struck, self.next = self.next or Struck(ByWorker(self), next(self.modes)), None
        struck.begin()
        run, part = struck.run, self._kill_at_random(struck.run)
        where = self.note(part, run)
        where += self.cancel_some(run)
        self.start_again()
        where += self.kill_again(run)
        self.over(run)
        self.seen[f"{struck.way}: {run.state}, {run.effect}"] += 1
        said = f"{struck.way}, run {run.pk}, {part} killed in {where}, ended {run.state}, {run.effect} ({run.error})"
        self.wrong += [f"{said}: {what}" for what in wrong_with(struck)]
        if run.state == RunState.SUCCEEDED and struck.way in BACK:
            self.next = Struck(struck.restoring, BACK[struck.way], run)
        else:
            struck.restoring.leave()

    def _kill_at_random(self, run: Run) -> str:
        steps = len(KINDS[run.kind].steps)
        step, part = self.random.randrange(steps), self.random.choice(PARTS)
        self.until(f"step {step} of run {run.pk}", lambda: self.is_at(run, step))
        self.pause(LASTS if step < steps - 1 else LAST_LASTS)
        if part == "turn" and (pid := self._at_work(run)):
            send([pid])
            return part
        part = "everything" if part == "everything" else "worker"
        self.kill_worker(with_all=part == "everything")
        return part

    def _at_work(self, run: Run) -> int | None:
        """The process in the middle of a turn of this run, if one shows before it is over."""
        end = time.monotonic() + 2
        while time.monotonic() < end:
            owner = Run.objects.values_list("lease_owner", flat=True).get(pk=run.pk)
            if owner and (pid := int(owner.split(":")[1])) in self.worker.everybody:
                return pid
        return None


def wrong_with(struck: Struck) -> Iterator[str]:
    """What is not as it has to be after the end."""
    run, restoring = struck.run, struck.restoring
    done = run.effect == Effect.APPLIED
    if held := leased(run):
        yield held
    if not is_path(history(run)):
        yield f"a wrong history: {history(run)}"
    if run.effect == Effect.UNKNOWN or done != (run.state == RunState.SUCCEEDED):
        yield "that is no end that is told, or no good one"
    if run.state == RunState.FAILED and not run.error:
        yield "it failed without a word"
    if TargetLock.objects.exists():
        yield f"locks are left: {[lock.target for lock in TargetLock.objects.all()]}"
    expected, seen = restoring.expected(run, struck.way) if done else struck.seen, restoring.seen()
    if seen != expected:
        yield f"there is {seen}, not {expected}"
    if restoring.described(restoring.index) != struck.described:
        yield f"it is described as {restoring.described(restoring.index)}, not {struck.described}"
    if restoring.auto_create() is not None:
        yield f"action.auto_create_index is {restoring.auto_create()}"
    yield from _wrong_copies(struck, done)


def _wrong_copies(struck: Struck, done: bool) -> Iterator[str]:
    copies = struck.restoring.kept(struck.run)
    expected = dict.fromkeys(struck.keeps, SafetyCopyState.KEPT) if done else {}
    there = {name: state for name, state in copies.items() if state != SafetyCopyState.REMOVED}
    # A safety snapshot that was whole before the end stays until its time is over.
    snapped = struck.way in (Mode.IN_PLACE, UNDO_IN_PLACE) and {*there} <= struck.keeps and not done
    if there != expected and not (snapped and {*there.values()} <= {SafetyCopyState.KEPT}):
        yield f"the safety copies are {copies}, not {expected}"
    snapshots = {
        each["snapshot"]: each["state"] for each in struck.restoring.scene.snapshots(struck.restoring.repository)
    }
    if expected and struck.way in (Mode.IN_PLACE, UNDO_IN_PLACE) and {*map(snapshots.get, expected)} != {"SUCCESS"}:
        yield f"the safety snapshot is not there: {snapshots}"
    used = SafetyCopyState.USED if done and struck.way != UNDO_IN_PLACE else SafetyCopyState.KEPT
    if struck.first and {*struck.restoring.kept(struck.first).values()} != {used}:
        yield f"the copies of the restore before are {struck.restoring.kept(struck.first)}, not {used}"
