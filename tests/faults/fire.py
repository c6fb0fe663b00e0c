"""Consoles under fire: snapshots and archives are queued, faults strike, and at the end the figures tell what became
of them."""

import os
import random
import signal
import socket
import time
from collections import Counter

from django.core.management import call_command

from backups.access.models import User
from backups.archives.models import Archive, ArchiveLocation, ArchiveProfile, ArchiveState
from backups.archives.services import queue_archive
from backups.audit import verify
from backups.audit.models import AuditEntry
from backups.runs.models import TERMINAL, TRANSITIONS, Run
from backups.snapshots.services import queue_snapshot
from tests.factories import connected_cluster, registered_repository
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.faults.kinds import KINDS, plan
from tests.faults.place import Place
from tests.faults.processes import Console, send, table

SETTLE_SECONDS = 180
COMPLETE_SECONDS = 90


class Fire:
    """``burn()`` gives the figures."""

    def __init__(self, place: Place, faults: int, seed: int) -> None:
        self.place, self.random = place, random.Random(seed)
        self.plan = plan(faults, self.random, place)
        self.done: Counter = Counter()
        self.queued = 0
        self.started: set[int] = set()
        self.frozen: list[tuple[int, float]] = []
        self.fake = _elasticsearch()
        self.consoles = [self._console(host) for host in place.hosts]

    def burn(self) -> dict:
        self._prepare()
        for kind in self.plan:
            self.queue("a"), self.queue("b"), self.queue_archive()
            self.pause(self.random.uniform(0.3, 2.0))
            self._strike(kind)
        self.wait(lambda: not Run.objects.active().exists(), SETTLE_SECONDS, "runs are still active", fail=False)
        self._thaw(all_of_them=True)
        figures = self._figures()
        self._stop()
        return figures | {"orphans": len(self.started & set(table()))}

    def queue(self, word: str) -> Run:
        self.queued += 1
        name = f"{word}-{self.queued}"
        return queue_snapshot(actor=self.actor, repository=self.repository, name=name, patterns=["*"])

    def queue_archive(self, profile: ArchiveProfile | None = None) -> Run:
        self.queued += 1
        profile = profile or self.random.choice(self.profiles)
        return queue_archive(actor=self.actor, profile=profile, name=f"archive-{self.queued}")

    def pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._thaw()
            time.sleep(0.05)

    def wait(self, condition, seconds: float, what: str, *, fail: bool = True) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._thaw()
            if condition():
                return
            time.sleep(0.1)
        if fail:
            raise AssertionError(f"{what} (logs: {self.place.home})")

    def lease_holder(self, console: Console) -> int:
        """A worker of this host that is in the middle of a turn, if one shows within 2 s; else any."""
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for owner in Run.objects.exclude(lease_owner="").values_list("lease_owner", flat=True):
                host, pid, _ = owner.split(":")
                if host == console.host and int(pid) in console.workers:
                    return int(pid)
            time.sleep(0.01)
        workers: list[int] = []  # none while the queue is being replaced
        self.wait(lambda: workers.extend(console.workers) or workers, COMPLETE_SECONDS, "no workers")
        return self.random.choice(workers)

    def long_step_of(self, console: Console) -> int:
        """A long step at work on this host, somewhere in its middle; one is queued for it."""
        profile = next(each for each in self.profiles if each.host == console.host)
        self.queue_archive(profile)
        self.wait(lambda: console.long_step, COMPLETE_SECONDS, "no long step")
        self.pause(self.random.uniform(0, 1.5))
        found: list[int] = []
        self.wait(lambda: found.append(console.long_step) or found[-1], COMPLETE_SECONDS, "no long step")
        return found[-1]

    def _console(self, host: str) -> Console:
        return Console(host, _free_port(), self.place.environ(host), self.place.home / f"{host}.log")

    def _prepare(self) -> None:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            call_command("init", stdout=nowhere)
        self.actor = User.objects.get()
        self.repository = registered_repository(connected_cluster(self.fake))
        self.profiles = [_profile(self.place, host) for host in self.place.hosts]
        for console in self.consoles:
            console.start()
        self.wait(lambda: all(console.complete for console in self.consoles), COMPLETE_SECONDS, "no start")

    def _strike(self, kind: str) -> None:
        self.wait(lambda: all(c.complete for c in self.consoles), COMPLETE_SECONDS, f"nothing to hit with {kind}")
        self.started |= {pid for console in self.consoles for pid in console.everybody}
        KINDS[kind].strike(self, self.random.choice(self.consoles))
        self.done[kind] += 1

    def _stop(self) -> None:
        self.started |= {pid for console in self.consoles for pid in console.everybody}
        for console in self.consoles:
            console.process.send_signal(signal.SIGTERM)
        for console in self.consoles:
            console.process.wait(60)
        self.fake.stop()

    def _thaw(self, *, all_of_them: bool = False) -> None:
        for pid, until in self.frozen[:]:
            if all_of_them or time.monotonic() >= until:
                send([pid], signal.SIGCONT)
                self.frozen.remove((pid, until))

    def _figures(self) -> dict:
        runs = list(Run.objects.all())
        accepted = self.fake.accepted
        archives = list(Archive.objects.select_related("location"))
        return {
            "faults": dict(sorted(self.done.items())),
            "runs": len(runs),
            "succeeded": sum(run.state == "succeeded" for run in runs),
            "lost": sum(run.state != "succeeded" for run in runs),
            "doubled": sum(count > 1 for count in accepted.values()),
            "effects missing": sum(not accepted.get(_name(run)) for run in runs if run.kind == "snapshot")
            + sum(each.state != ArchiveState.VERIFIED or not each.path.is_file() for each in archives),
            "left behind": sum(len(_strangers(profile.location)) for profile in self.profiles),
            "wrong histories": sum(not is_path(history(run)) for run in runs),
            "chain": verify.verify().problem or "intact",
            "troubles": [f"{run.pk} {run.state} {run.error}" for run in runs if run.state != "succeeded"],
        }


def _elasticsearch() -> FakeElasticsearch:
    """A cluster with something to copy, whose snapshots take longer than most turns."""
    fake = FakeElasticsearch().start()
    fake.add_index("events-1", 100)
    fake.add_repository("nightly")
    fake.snapshots_take(2)
    return fake


def _profile(place: Place, host: str) -> ArchiveProfile:
    """Of a tree that takes a moment to pack. It lies beside the homes: their disk is small."""
    tree, folder = place.home / f"tree-{host}", place.home / f"archives-{host}"
    (tree / "params").mkdir(parents=True)
    folder.mkdir()
    for number in range(300):
        (tree / f"params/p{number}.json").write_text(f'{{"rate": {number}}}')
    for number in range(3):
        (tree / f"weights-{number}.bin").write_bytes(os.urandom(20 << 20))
    location = ArchiveLocation.objects.create(name=host, host=host, path=str(folder))
    source = {"name": "tree", "path": str(tree), "include": [], "exclude": []}
    return ArchiveProfile.objects.create(name=host, location=location, sources=[source])


def _strangers(location: ArchiveLocation) -> list[str]:
    """Files in a location that no archive accounts for, but the reader and the indexes that lie beside them."""
    known = {archive.name for archive in location.archives.all()}
    beside = {f".{name}.index" for name in known} | {f"{name}.sha256" for name in known} | {"cybersift_restore.py"}
    return [file.name for file in location.directory.iterdir() if file.name not in known | beside]


def _name(run: Run) -> str:
    return run.subject.removeprefix("snapshot ")


def history(run: Run) -> list[str]:
    """The states that it went through, as the log has them."""
    actions = AuditEntry.objects.filter(run=run.pk, action__startswith="run.").order_by("seq")
    actions = actions.exclude(action="run.cancel_requested")
    return [action.removeprefix("run.") for action in actions.values_list("action", flat=True)]


def is_path(states: list[str]) -> bool:
    """queued first, each next state allowed by the transition table, one terminal entry at the end."""
    steps = zip(states, states[1:], strict=False)
    allowed = all(after in TRANSITIONS.get(before, ()) for before, after in steps)
    return states[:1] == ["queued"] and allowed and sum(state in TERMINAL for state in states) == 1


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
