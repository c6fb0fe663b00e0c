"""The fault run: a real console (web, worker, database) at work on snapshots, while its processes are killed.

    python tests/faults/run.py 40        40 faults; prints the table, exits 1 when something was lost or doubled

Elasticsearch is the fake one of the tests, in this process: it keeps working while the console dies, and counts the
creates it accepted for each name.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

HOME = Path(tempfile.mkdtemp(prefix="console-faults-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cybersift_backup_site.settings")
os.environ |= {
    "CONSOLE_HOME": str(HOME),
    "HTTPS": "no",
    "LEASE_SECONDS": "4",
    "HEARTBEAT_SECONDS": "1",
    "STALL_SECONDS": "10",
    "LOG_LEVEL": "WARNING",
}
KINDS = ("worker", "monitor", "pusher", "sentinel", "main", "ticker", "supervisor", "up", "tree", "web", "freeze")
KINDS += ("broker", "locked", "elasticsearch")
LOCKED_SECONDS = 10
UNWELL_SECONDS = 4
FROZEN_SECONDS = 6
SETTLE_SECONDS = 180
FOLLOW = 2
"""The step of a snapshot run in which its call was accepted."""

import django  # noqa: E402

from cybersift_backup_site import keys  # noqa: E402

keys.make_keys(HOME / "keys")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django_q.models import OrmQ  # noqa: E402

from backups.access.models import User  # noqa: E402
from backups.audit import verify  # noqa: E402
from backups.audit.models import AuditEntry  # noqa: E402
from backups.runs.models import TERMINAL, TRANSITIONS, Run  # noqa: E402
from backups.snapshots.services import queue_snapshot  # noqa: E402
from backups.worker.supervisor import die_with_parent  # noqa: E402
from tests.factories import connected_cluster, registered_repository  # noqa: E402
from tests.fakes.elasticsearch import FakeElasticsearch  # noqa: E402
from tests.faults.processes import Console, below, children, send, table  # noqa: E402


class FaultRun:
    """One console under fire. ``run()`` gives the figures."""

    def __init__(self, faults: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.faults = faults
        self.plan = [kind for _ in range(-(-faults // len(KINDS))) for kind in self.random.sample(KINDS, len(KINDS))]
        self.done: Counter = Counter()
        self.started: set[int] = set()
        self.fake = _elasticsearch()
        self.frozen: list[tuple[int, float]] = []
        self.log = (HOME / "console.log").open("ab")

    def run(self) -> dict:
        call_command("migrate", verbosity=0)
        call_command("init", stdout=open(os.devnull, "w"))  # noqa: SIM115, PTH123
        self.actor = User.objects.get()
        self.repository = registered_repository(connected_cluster(self.fake))
        self._start()
        for number, kind in enumerate(self.plan[: self.faults]):
            for part in ("a", "b"):
                name = f"fault-{number}-{part}"
                queue_snapshot(actor=self.actor, repository=self.repository, name=name, patterns=["*"])
            self._pause(self.random.uniform(0.3, 2.5))
            self._fault(kind)
        self._settle()
        figures = self._figures()
        self._stop()
        return figures | {"orphans": len(self.started & set(table()))}

    def _start(self) -> None:
        self.port = self.port if hasattr(self, "port") else _free_port()
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up", "--bind", f"127.0.0.1:{self.port}"],
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
            preexec_fn=die_with_parent,  # a killed fault run leaves nobody behind
        )
        self.console = Console(self.process.pid)
        self._wait(lambda: len(self.console.workers) >= 1 and self.console.web, 60, "the console did not start")

    def _stop(self) -> None:
        self.started |= {self.process.pid, *below(self.process.pid)}
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.fake.stop()

    def _fault(self, kind: str) -> None:
        self._thaw()
        self._wait(lambda: len(self.console.workers) >= 1 and self.console.web, 60, f"nothing to hit with {kind}")
        self.started |= {self.process.pid, *below(self.process.pid)}
        getattr(self, f"_fault_{kind}")()
        self.done[kind] += 1

    def _fault_worker(self) -> None:
        send([self._lease_holder() or self.random.choice(self.console.workers)])

    def _fault_sentinel(self) -> None:
        send([self.console.sentinel])

    def _fault_main(self) -> None:
        send([self.console.main])

    def _fault_supervisor(self) -> None:
        send([self.console.supervisor])

    def _fault_ticker(self) -> None:
        send([self.console.ticker])

    def _fault_monitor(self) -> None:
        self._replace(self.console.monitor)

    def _fault_pusher(self) -> None:
        self._replace(self.console.pusher)

    def _replace(self, pid: int) -> None:
        """Kill one that the sentinel replaces, and see who the new one is. Where the whole queue is replaced instead,
        all of them are new."""
        sentinel = self.console.sentinel
        before = set(children(sentinel))
        send([pid])
        self._wait(lambda: self.console.sentinel != sentinel or set(children(sentinel)) - before, 60, "not replaced")
        for new in sorted(set(children(sentinel)) - before)[:1]:
            self.console.replaced(pid, new)

    def _fault_up(self) -> None:
        """The others die with it, each with its parent."""
        self.process.kill()
        self.process.wait()
        self._start()

    def _fault_elasticsearch(self) -> None:
        """The cluster is unwell for some seconds while snapshots go on: 503, a sign-in page, 401, or silence. All
        runs have sent their call by then: before that, a bad answer ends a run, as it should."""
        self.fake.hold_snapshots()
        queue_snapshot(
            actor=self.actor, repository=self.repository, name=f"unwell-{self.done.total()}", patterns=["*"]
        )
        self._wait(lambda: not Run.objects.active().filter(step__lt=FOLLOW).exists(), 90, "a run does not begin")
        kind = self.random.choice(("busy", "html", "password", "away"))
        self.done[f"elasticsearch {kind}"] += 1
        getattr(self, f"_unwell_{kind}")()
        self.fake.release()

    def _unwell_busy(self) -> None:
        for _ in range(12):
            self.fake.answer_next(503, {"error": {"type": "cluster_block_exception", "reason": "no master"}})
        self._pause(UNWELL_SECONDS)

    def _unwell_html(self) -> None:
        self.fake.answer_html()
        self._pause(UNWELL_SECONDS)
        self.fake.answer_html(False)

    def _unwell_password(self) -> None:
        name, password = self.fake.everyday
        self.fake.set_password(name, "another")
        self._pause(UNWELL_SECONDS)
        self.fake.set_password(name, password)

    def _unwell_away(self) -> None:
        self.fake.go_away()
        self._pause(UNWELL_SECONDS)
        self.fake.come_back()

    def _fault_web(self) -> None:
        send([self.console.web])

    def _fault_tree(self) -> None:
        send([self.process.pid, *below(self.process.pid)])
        self.process.wait()
        self._start()

    def _fault_freeze(self) -> None:
        pid = self._lease_holder() or self.random.choice(self.console.workers)
        send([pid], signal.SIGSTOP)
        self.frozen.append((pid, time.monotonic() + FROZEN_SECONDS))

    def _fault_broker(self) -> None:
        OrmQ.objects.all().delete()

    def _fault_locked(self) -> None:
        lock = sqlite3.connect(HOME / "db.sqlite3", timeout=20, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        self._pause(LOCKED_SECONDS)
        lock.execute("ROLLBACK")
        lock.close()

    def _lease_holder(self) -> int | None:
        """A worker that is in the middle of a turn, if one shows within 2 s."""
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for owner in Run.objects.exclude(lease_owner="").values_list("lease_owner", flat=True):
                if int(owner.split(":")[1]) in self.console.workers:
                    return int(owner.split(":")[1])
            time.sleep(0.01)
        return None

    def _thaw(self, *, all_of_them: bool = False) -> None:
        for pid, until in self.frozen[:]:
            if all_of_them or time.monotonic() >= until:
                send([pid], signal.SIGCONT)
                self.frozen.remove((pid, until))

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._thaw()
            time.sleep(0.05)

    def _settle(self) -> None:
        self._wait(
            lambda: (self._thaw(), not Run.objects.active().exists())[1],
            SETTLE_SECONDS,
            "runs are still active",
            fail=False,
        )
        self._thaw(all_of_them=True)

    def _wait(self, condition, seconds: float, what: str, *, fail: bool = True) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.1)
        if fail:
            raise AssertionError(f"{what} (log: {HOME / 'console.log'})")

    def _figures(self) -> dict:
        runs = list(Run.objects.all())
        histories = {run.pk: _history(run) for run in runs}
        accepted = self.fake.accepted
        return {
            "faults": dict(sorted(self.done.items())),
            "runs": len(runs),
            "succeeded": sum(run.state == "succeeded" for run in runs),
            "lost": sum(run.state not in TERMINAL for run in runs) + sum(run.state != "succeeded" for run in runs),
            "doubled": sum(count > 1 for count in accepted.values()),
            "effects missing": sum(not accepted.get(_name(run)) for run in runs),
            "second creates refused by the cluster": sum(self.fake.refused.values()),
            "wrong histories": sum(not _is_path(history) for history in histories.values()),
            "chain": verify.verify().problem or "intact",
            "database": connection.vendor,
        }


def _elasticsearch() -> FakeElasticsearch:
    """A cluster with something to copy, whose snapshots take longer than most turns."""
    fake = FakeElasticsearch().start()
    fake.add_index("events-1", 100)
    fake.add_repository("nightly")
    fake.snapshots_take(2)
    return fake


def _name(run: Run) -> str:
    return run.subject.removeprefix("snapshot ")


def _history(run: Run) -> list[str]:
    actions = AuditEntry.objects.filter(run=run.pk, action__startswith="run.").order_by("seq")
    return [action.removeprefix("run.") for action in actions.values_list("action", flat=True)]


def _is_path(history: list[str]) -> bool:
    """queued first, each next state allowed by the transition table, one terminal entry at the end."""
    steps = zip(history, history[1:], strict=False)
    allowed = all(after in TRANSITIONS.get(before, ()) for before, after in steps)
    return history[:1] == ["queued"] and allowed and sum(state in TERMINAL for state in history) == 1


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def main() -> None:
    faults = int(sys.argv[1]) if len(sys.argv) > 1 else len(KINDS)
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    print(f"{faults} faults, seed {seed}, home {HOME}", flush=True)
    began = time.monotonic()
    figures = FaultRun(faults, seed).run()
    figures["seconds"] = round(time.monotonic() - began)
    print(json.dumps(figures, indent=1))
    bad = any(figures[name] for name in ("lost", "doubled", "effects missing", "wrong histories", "orphans"))
    sys.exit(1 if bad or figures["chain"] != "intact" else 0)


if __name__ == "__main__":
    main()
