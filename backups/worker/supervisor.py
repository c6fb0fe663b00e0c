"""Keeps child processes alive: starts each in a session of its own, replaces one that ended or stalls.

Every process below dies with its parent (PR_SET_PDEATHSIG, Linux), so that a killed supervisor leaves nobody
behind who goes on working. An idle django-q2 worker that is killed can hang its whole cluster for good (it dies
holding the queue's lock); that shows only as tasks that never run, which is what the pulse is for.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from django.conf import settings

from . import pulse

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 15
STARTING_SECONDS = 15
ASK_SECONDS = 2
KILL_SECONDS = 10

log = logging.getLogger(__name__)
_parent = os.getpid()


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends; end at once if that has happened already."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != _parent:
        os._exit(1)


def let_forks_die_with_parent() -> None:
    """The same for every process that this one forks from now on (django-q2's sentinel, workers, monitor, pusher)."""

    def remember() -> None:
        global _parent
        _parent = os.getpid()

    os.register_at_fork(before=remember, after_in_child=die_with_parent)


class Child:
    """One supervised process. ``ailing`` returns why it must be replaced, or an empty text; it is asked every
    ASK_SECONDS, for it may have to look through all processes of the machine."""

    def __init__(
        self,
        name: str,
        argv: list[str],
        *,
        environ: Mapping[str, str] | None = None,
        ailing: Callable[["Child"], str] = lambda child: "",
    ) -> None:
        self.name, self.argv, self.environ, self.ailing = name, argv, environ, ailing
        self.process: subprocess.Popen | None = None
        self.started_at = 0.0
        self.start_again_at = 0.0
        self.asked_at = float("-inf")
        self.lacking_since: float | None = None
        self.delay = 1.0

    @property
    def seconds_alive(self) -> float:
        return time.monotonic() - self.started_at

    def start(self) -> None:
        global _parent
        _parent = os.getpid()
        self.started_at, self.lacking_since = time.monotonic(), None
        self.process = subprocess.Popen(
            self.argv,
            env={**os.environ, **(self.environ or {})},
            start_new_session=True,  # Ctrl-C in the terminal reaches the supervisor only
            preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread
        )

    def watch(self) -> None:
        """Start, leave alone, or replace: whatever is right at this moment."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_again_at:
                self._try_to_start(now)
            return
        code = self.process.poll()
        why = f"ended with {code}" if code is not None else self._ask(now)
        if why:
            self.delay = 1.0 if self.seconds_alive > 60 else min(self.delay * 2, 30)
            log.warning("%s %s; starting it again in %d s", self.name, why, self.delay)
            self.kill()
            self.start_again_at = now + self.delay

    def _ask(self, now: float) -> str:
        if now - self.asked_at < ASK_SECONDS:
            return ""
        self.asked_at = now
        return self.ailing(self)

    def _try_to_start(self, now: float) -> None:
        try:
            self.start()
        except (OSError, subprocess.SubprocessError):  # no memory, no processes left: that may pass
            log.exception("%s cannot be started; trying again in %d s", self.name, self.delay)
            self.start_again_at = now + self.delay

    def stop(self) -> None:
        """Ask the main process to end; it passes that on to its own."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End whatever is left of the child's session. A process that waits for a dead disk (state D) does not end;
        it is left behind rather than waited for: what it still does is void, for its lease is over by then."""
        if self.process is None:
            return
        deadline = time.monotonic() + KILL_SECONDS
        while members := session_members(self.process.pid):
            if time.monotonic() > deadline:
                log.error("%s: %s cannot be killed; going on without", self.name, members)
                break
            for pid in members:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.process.poll()
            time.sleep(0.05)
        self.process.poll()
        self.process = None


class Supervisor:
    """``run()`` watches the children until SIGTERM or SIGINT; a second signal ends them at once. ``passing`` are the
    ones that come and go: asked for with each round."""

    def __init__(self, children: list[Child], passing: Callable[[], Iterable[Child]] = tuple) -> None:
        self.children, self.passing = children, passing
        self.signals = 0

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._count)
        while not self.signals:
            for child in [*self.children, *self.passing()]:
                child.watch()
            time.sleep(0.2)
        self._stop()

    def _stop(self) -> None:
        children = [*self.children, *self.passing()]
        for child in children:
            child.stop()
        deadline = time.monotonic() + GRACE_SECONDS
        for child in children:
            while (
                child.process is not None
                and child.process.poll() is None
                and self.signals < 2
                and time.monotonic() < deadline
            ):
                time.sleep(0.05)
            child.kill()

    def _count(self, *_) -> None:
        self.signals += 1


def session_members(session: int) -> list[int]:
    """Living processes of a session (zombies left out)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def queue_ails(child: Child) -> str:
    """Processes missing for STALL_SECONDS, or no task was run in that time although one is sent every few seconds."""
    if child.seconds_alive < STARTING_SECONDS:
        return ""
    # Main, sentinel, monitor, pusher and workers. The sentinel replaces one that ended within a second, but it hangs
    # for good when a worker is killed in the moment in which it hands in its result: the others would go on alone.
    missing = 4 + settings.WORKER_PROCESSES - len(session_members(child.process.pid))
    now = time.monotonic()
    child.lacking_since = (child.lacking_since or now) if missing > 0 else None
    if child.lacking_since and now - child.lacking_since > settings.STALL_SECONDS:
        return f"has lacked {missing} of its processes for {now - child.lacking_since:.0f} s"
    silent = min(pulse.age(pulse.TASK), child.seconds_alive)
    return f"has run no task for {silent:.0f} s" if silent > settings.STALL_SECONDS else ""


def ticker_ails(child: Child) -> str:
    """A tick takes milliseconds; one that waits for a locked database takes 20 s at most."""
    silent = min(pulse.age(pulse.TICK), child.seconds_alive)
    return f"has not ticked for {silent:.0f} s" if silent > settings.STALL_SECONDS else ""


def worker_children() -> list[Child]:
    """The two halves of a worker."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker", "--part"]
    return [
        Child("queue", [*command, "queue"], ailing=queue_ails),
        Child("ticker", [*command, "ticker"], ailing=ticker_ails),
    ]
