"""Kinds of runs for the tests of the engine, and a world outside in which they have their effect."""

from collections import Counter

from backups.audit.models import AuditEntry
from backups.runs import Done, Kind, Next, Stay, Step
from backups.runs.models import TERMINAL, TRANSITIONS, Effect, Run, RunState


class World:
    """An outside world that gives things names, like a snapshot repository: ``made`` counts every creation."""

    def __init__(self) -> None:
        self.owner: dict[str, str] = {}
        self.made: Counter[str] = Counter()

    def make(self, name: str, owner: str) -> None:
        """Idempotent by name, as every external effect must be: who finds its own thing adopts it."""
        if self.owner.get(name) == owner:
            return
        assert name not in self.owner, f"{name} belongs to {self.owner[name]}"
        self.owner[name] = owner
        self.made[name] += 1

    def kind(self) -> Kind:
        """Look, make, wait for some turns, done. Obeys a cancel as long as nothing was made."""
        return Kind("make", "Make a thing", (Step("Look", self._look), Step("Make", self._make), Step("Wait", wait)))

    def _look(self, turn):
        if turn.cancel_requested:
            return Done(RunState.CANCELLED, Effect.NONE, "Nothing was made.")
        turn.log("looked")
        return Next("The name is free")

    def _make(self, turn):
        self.make(turn.run.subject, turn.run.key)
        turn.log("made")
        return Next()


def wait(turn):
    looks = turn.run.progress.get("looks", 0) + 1
    turn.progress = {"looks": looks}
    return Stay() if looks < 6 else Done(RunState.SUCCEEDED, Effect.APPLIED)


def one_step(name: str, work, **options) -> dict[str, Kind]:
    """KINDS with one kind of one step."""
    return {name: Kind(name, name.capitalize(), (Step("Only", work),), **options)}


def succeed(turn):
    return Done(RunState.SUCCEEDED)


def states_of(run: Run) -> list[str]:
    """The states that a run went through, as its entries tell them."""
    entries = AuditEntry.objects.filter(run=run.pk, action__startswith="run.").order_by("seq")
    states = [action.removeprefix("run.") for action in entries.values_list("action", flat=True)]
    return [state for state in states if state in RunState.values]


def assert_true_history(run: Run) -> None:
    """The entries are a path of TRANSITIONS to the run's state, and at most one of them is its end."""
    run.refresh_from_db()
    states = states_of(run)
    assert states[0] == RunState.QUEUED
    for before, after in zip(states, states[1:], strict=False):
        assert after in TRANSITIONS[before], states
    assert states[-1] == run.state
    assert sum(state in TERMINAL for state in states) == run.is_over
