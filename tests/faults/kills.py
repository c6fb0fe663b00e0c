"""A worker whose processes are killed with -9 at random moments, one after the other, with a look after every kill at
what became of the work."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from django.core.management import call_command
from django.db.models import Q

from backups.access.models import User
from backups.audit import verify
from backups.runs import RunError, request_cancel
from backups.runs.models import ACTIVE, Run
from tests.faults.place import Place
from tests.faults.processes import Worker, below, send, table

WAIT_SECONDS = 180
CANCELLED, AGAIN = 0.25, 0.3
AGAIN_SECONDS = 2


class Kills:
    """``burn(kills)``; then ``seen`` counts what happened, and ``wrong`` names what should not have. What is at work,
    and what has to hold afterwards, says a subclass: ``prepare``, ``strike`` (one kill), ``settle`` and ``leave``."""

    missing = ""
    """Why it cannot be tested here."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place, self.random = place, random.Random(seed)
        self.seen: Counter = Counter()
        self.wrong: list[str] = []
        self.killed: set[int] = set()
        self.worker = Worker("a", 0, place.environ("a") | {"LONG_STEPS": "2"}, place.home / "a.log")

    def burn(self, kills: int) -> None:
        try:
            self._begin()
            self.prepare()
            self.until("a worker", lambda: self.worker.workers)
            for _ in range(kills):
                self.strike()
            self.settle()
            self._stop()
        finally:
            self.leave()

    def _begin(self) -> None:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            call_command("init", people=self.place.home / "people", stdout=nowhere)
        self.cast = {person.username: person for person in User.objects.all()}
        self.worker.start()

    def prepare(self) -> None:
        raise NotImplementedError

    def strike(self) -> None:
        raise NotImplementedError

    def settle(self) -> None:
        """What has to be so at the end, before the worker is stopped."""

    def leave(self) -> None:
        """Stop what was started."""

    def _stop(self) -> None:
        self.wrong += [f"audit chain: {problem}" for problem in [verify.verify().problem] if problem]
        self.killed |= {*self.worker.everybody}
        self.worker.process.send_signal(signal.SIGTERM)
        self.worker.process.wait(60)
        self.until("processes", lambda: not self.killed & set(table()))

    # ---- The kill ------------------------------------------------------------------------------------------

    def pause(self, most: float) -> None:
        time.sleep(self.random.uniform(0, most))

    def kill(self, part: str) -> str:
        """Kill a ``step``, a ``helper``, the ``worker`` or ``everything``, or where there is none what it would be a
        part of; returns what it was."""
        self.killed |= {*self.worker.everybody}
        step = self.worker.long_step
        helpers = below(step) if step else []
        if part == "helper" and helpers:
            send([self.random.choice(helpers)])
        elif part in ("helper", "step") and step:
            part = "step"
            send([step])
        else:
            part = "everything" if part == "everything" else "worker"
            self.kill_worker(with_all=part == "everything")
        return part

    def kill_worker(self, *, with_all: bool) -> None:
        """The supervisor, with which all others die; or all of them at once."""
        everybody = self.worker.everybody
        self.killed |= {*everybody}
        send(everybody if with_all else [self.worker.supervisor])
        self.worker.process.wait()

    def note(self, part: str, run: Run) -> str:
        """Count it; returns where the run was, in words."""
        run.refresh_from_db()
        where = f"step {run.step + 1}" if not run.is_over else "the end"
        self.seen[f"killed: {part}"] += 1
        self.seen[f"killed in {where}"] += 1
        return where

    def cancel_some(self, run: Run) -> str:
        """Somebody cancels a part of them right after the kill; returns that in words."""
        if not run.is_over and self.random.random() < CANCELLED:
            with suppress(RunError):  # it is over by now
                request_cancel(run, actor=self.cast["operator"])
                return " and cancelled"
        return ""

    def start_again(self) -> None:
        if self.worker.process.poll() is not None:
            self.worker.start()

    def kill_again(self, run: Run) -> str:
        """A part of them is killed once more, while it goes on or is taken back; returns that in words."""
        if self.random.random() >= AGAIN:
            return ""
        newer = Run.objects.filter(Q(fence__gt=run.fence) | ~Q(ended_at=None), pk=run.pk)
        self.until(f"run {run.pk} to go on", newer.exists)
        self.pause(AGAIN_SECONDS)
        run.refresh_from_db()
        if run.is_over:
            return ""
        self.kill_worker(with_all=True)
        self.start_again()
        self.seen["killed again"] += 1
        return " and again"

    # ---- Waiting -------------------------------------------------------------------------------------------

    @staticmethod
    def is_at(run: Run, step: int) -> bool:
        """Whether it has come so far, or is over."""
        run.refresh_from_db()
        return run.is_over or run.step >= step

    def is_at_work(self, run: Run, step: int) -> bool:
        """The same of a long step, whose process is there."""
        run.refresh_from_db()
        return run.is_over or (run.step >= step and bool(self.worker.long_step))

    def over(self, run: Run) -> Run:
        """Wait until the worker has ended it."""
        self.until(f"the end of run {run.pk}", lambda: not Run.objects.active().filter(pk=run.pk).exists())
        run.refresh_from_db()
        return run

    def until(self, what: str, condition: Callable[[], object], *, every: float = 0.02) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain for {what} (log: {self.worker.log}); so far: {self.wrong}")
            time.sleep(every)


def leased(run: Run) -> str:
    """What is wrong with a run that is over and still held."""
    held = run.state in ACTIVE or run.lease_owner or run.lease_until
    return f"it is {run.state} and leased by {run.lease_owner!r}" if held else ""
