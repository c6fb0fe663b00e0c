"""A process that dies at a chosen point of a run, in the process of the test.

A point is the moment before a call to the cluster, and the moment before a turn is written down: between two of them
nothing happens that anybody outside could see. So whoever died after a call died before the next point.
"""

from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.errors import OutcomeUnknown
from backups.runs import advance, engine
from backups.runs.models import Run
from backups.worker.kinds import KINDS

NEVER = -1
MOST_TURNS = 3000


class Died(BaseException):
    """As by kill -9: nobody catches it."""


class Points:
    """Counts the points that a run passes; dies at the one that was chosen."""

    def __init__(self, monkeypatch) -> None:
        self.passed: list[str] = []
        self.lost = self.died = ""
        self._on = False
        self.count()
        self.stop()
        send, commit = Client.send, engine.commit

        def sending(client, call, *more):
            point = f"{call.method} {call.target}"
            self._pass(point)
            if self._loses(point):
                if self._done:
                    send(client, call, *more)
                raise OutcomeUnknown("No answer came.")
            return send(client, call, *more)

        def committing(turn, outcome):
            self._pass(f"commit of step {turn.run.step}")
            return commit(turn, outcome)

        monkeypatch.setattr(Client, "send", sending)
        monkeypatch.setattr(engine, "commit", committing)

    def count(self, dies_at: int = NEVER, *, dies_after: str = "", loses: int = NEVER, done: bool = True) -> None:
        """From now on, beginning with point 0, and with write 0. ``dies_after`` is how the call begins that is the
        last one. The answer of the write ``loses`` does not come; ``done`` says whether it was carried out."""
        self.passed, self._dies_at, self._dies_after, self._on = [], dies_at, dies_after, True
        self._write_to_lose, self._done, self._writes = loses, done, 0
        self.died = ""

    def stop(self) -> None:
        self._on = False

    def _pass(self, point: str) -> None:
        if not self._on:
            return
        self.passed.append(point)
        last = self.passed[-2] if len(self.passed) > 1 else ""
        called = bool(self._dies_after) and last.startswith(self._dies_after)
        if len(self.passed) - 1 == self._dies_at or (called and not self.died):
            self.died = point
            raise Died(point)

    def _loses(self, point: str) -> bool:
        if not self._on or not is_write(point):
            return False
        self._writes += 1
        if self._writes - 1 == self._write_to_lose:
            self.lost = point
            return True
        return False


def before_calls(monkeypatch):
    """``before(call, act)``: ``act`` is called once, right before the first call that begins so is sent."""
    send, waiting = Client.send, {}

    def sending(client, call, *more):
        for begins in [begins for begins in waiting if f"{call.method} {call.target}".startswith(begins)]:
            waiting.pop(begins)()
        return send(client, call, *more)

    monkeypatch.setattr(Client, "send", sending)
    return waiting.__setitem__


def lose_answer(monkeypatch, begins: str) -> list[str]:
    """The first call that begins so is carried out, and its answer is lost. Returns a list that has it by then."""
    send, lost = Client.send, []

    def sending(client, call, *more):
        answer, point = send(client, call, *more), f"{call.method} {call.target}"
        if point.startswith(begins) and is_write(point) and not lost:
            lost.append(point)
            raise OutcomeUnknown("No answer came.")
        return answer

    monkeypatch.setattr(Client, "send", sending)
    return lost


def is_write(point: str) -> bool:
    """Whether the point is before a call that changes something."""
    return not point.startswith(("GET", "commit")) and "_refresh" not in point


def work(run: Run, before_turn=lambda number: None) -> Run:
    """Turn after turn to the end; whenever the process dies, its lease runs out and another one goes on."""
    for number in range(MOST_TURNS):
        before_turn(number)
        Run.objects.filter(pk=run.pk).update(next_at=None)
        try:
            advance(run.pk, KINDS)
        except Died:
            Run.objects.filter(pk=run.pk).update(lease_owner="", lease_until=None)
        run.refresh_from_db()
        if run.is_over:
            return run
    raise AssertionError(f"{run} is still {run.state} at step {run.step}: {run.result}")
