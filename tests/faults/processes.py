"""The processes of a running console: found in /proc, killed and frozen by name."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from backups.worker.supervisor import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
"""WORKER_PROCESSES of a fault run."""


def table() -> dict[int, tuple[int, int]]:
    """pid -> (parent, session) of every living process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                found[int(entry.name)] = (int(fields[1]), int(fields[3]))
    return found


def below(pid: int) -> list[int]:
    """All descendants of a process, parents first."""
    parents, found = table(), [pid]
    for one in found:
        found += [child for child, (parent, _) in parents.items() if parent == one]
    return found[1:]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    return sorted(child for child, (parent, _) in table().items() if parent == pid)


class Console:
    """``manage.py up`` of one host and the processes below it. Each property is None (or empty) while it is not
    there."""

    arguments = ("up", "--bind", "127.0.0.1:{port}")

    def __init__(self, host: str, port: int, environ: dict[str, str], log: Path) -> None:
        self.host, self.port, self.environ, self.log = host, port, environ, log
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self._known: int | None = None
        self._others: list[int | None] = [None, None]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), *(each.format(port=self.port) for each in self.arguments)],
                env={**os.environ, **self.environ},
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,  # a killed fault run leaves nobody behind
            )

    @property
    def up(self) -> int:
        return self.process.pid

    @property
    def everybody(self) -> list[int]:
        return [self.up, *below(self.up)]

    @property
    def complete(self) -> bool:
        return bool(self.workers and self.web)

    def kill_all(self) -> None:
        send(self.everybody)
        self.process.wait()

    def _child(self, pid: int | None, word: str) -> int | None:
        return next((child for child in children(pid) if word in command(child)), None) if pid else None

    @property
    def web(self) -> int | None:
        return self._child(self.up, "gunicorn")

    @property
    def supervisor(self) -> int | None:
        return self._child(self.up, "manage.py worker")

    @property
    def ticker(self) -> int | None:
        return self._child(self.supervisor, "--part ticker")

    @property
    def long_step(self) -> int | None:
        return self._child(self.supervisor, "run_step")

    @property
    def main(self) -> int | None:
        return self._child(self.supervisor, "--part queue")

    @property
    def sentinel(self) -> int | None:
        return next(iter(children(self.main)), None) if self.main else None

    @property
    def monitor(self) -> int | None:
        return self._monitor_and_pusher()[0]

    @property
    def pusher(self) -> int | None:
        return self._monitor_and_pusher()[1]

    @property
    def workers(self) -> list[int]:
        """Empty until the queue is complete: only then is known who is who."""
        others = self._monitor_and_pusher()
        return [pid for pid in children(self.sentinel) if pid not in others] if all(others) else []

    def replaced(self, old: int, new: int) -> None:
        """The sentinel started another monitor or pusher."""
        self._others = [new if pid == old else pid for pid in self._others]

    def _monitor_and_pusher(self) -> list[int | None]:
        """A new sentinel starts its workers, then these two. Remembered, because all of them are replaced by
        processes with higher numbers."""
        sentinel = self.sentinel
        if sentinel != self._known:
            found = children(sentinel) if sentinel else []
            if len(found) < WORKERS + 2:
                return [None, None]
            self._known, self._others = sentinel, found[WORKERS : WORKERS + 2]
        return self._others


class Worker(Console):
    """``manage.py worker`` alone: without pages to show it is there much sooner."""

    arguments = ("worker",)

    @property
    def supervisor(self) -> int | None:
        return self.up


def send(pids: list[int], number: int = signal.SIGKILL) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
