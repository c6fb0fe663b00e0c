"""Whatever dies between claim, work and commit, in whatever order: what the engine promises holds."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from backups.access.models import User
from backups.runs import Done, RunError, Turn, advance, queue_run, request_cancel
from backups.runs.engine import Fenced, Outcome, _work, claim, commit
from backups.runs.models import TERMINAL, Effect, Run, RunState, StepState

from .fakes import World, assert_true_history

pytestmark = pytest.mark.db
WHICH = st.integers(0, 3)


class Killed(BaseException):
    """The process is gone; nothing of ours runs any more."""


def die(a) -> None:
    raise Killed


class Workers(RuleBasedStateMachine):
    """One run, any number of workers. What a worker holds (a claim, or work that is not committed) may go on or be
    lost at any time, long after its lease too."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.kinds = {"make": self.world.kind()}
        self.run = queue_run("make", actor=None, subject="a thing")
        self.claimed: list[Run] = []
        self.worked: list[tuple[Turn, Outcome]] = []
        self.ends = 0

    # --- what a worker does ------------------------------------------------------------------------------
    @rule(late=st.booleans())
    def claims(self, late):
        if late:
            self.time_passes()
        run = claim(self.run.pk)
        if run is not None:
            self.claimed.append(run)

    @precondition(lambda self: self.claimed)
    @rule(which=WHICH)
    def works(self, which):
        run = self.claimed.pop(which % len(self.claimed))
        turn = Turn(run, self.kinds[run.kind])
        self.worked.append((turn, _work(turn)))

    @precondition(lambda self: self.worked)
    @rule(which=WHICH)
    def commits(self, which):
        turn, outcome = self.worked.pop(which % len(self.worked))
        newest = self._newest(turn)
        try:
            commit(turn, outcome)
        except Fenced:
            assert not newest
        else:
            assert newest
            self.ends += isinstance(outcome, Done)

    @precondition(lambda self: self.claimed or self.worked)
    @rule()
    def another_is_sent(self):
        """While others hold what they hold, the doorbell rings for one more."""
        before = Run.objects.get(pk=self.run.pk)
        advance(self.run.pk, self.kinds)
        after = Run.objects.get(pk=self.run.pk)
        self.ends += after.is_over and not before.is_over

    @precondition(lambda self: len(self.worked) > 1)
    @rule()
    def cancel(self):
        try:
            request_cancel(self.run, actor=User.objects.get(username="operator"))
        except RunError:
            run = Run.objects.get(pk=self.run.pk)
            assert run.is_over or run.cancel_requested_at

    # --- where it may die --------------------------------------------------------------------------------
    @precondition(lambda self: self.worked)
    @rule(which=WHICH)
    def dies_in_the_commit(self, which):
        turn, outcome = self.worked.pop(which % len(self.worked))
        turn.write(die)
        before = Run.objects.filter(pk=self.run.pk).values().get()
        with pytest.raises((Killed, Fenced)):
            commit(turn, outcome)
        assert Run.objects.filter(pk=self.run.pk).values().get() == before

    @precondition(lambda self: self.claimed or self.worked)
    @rule(which=WHICH)
    def dies(self, which):
        """Before its work, or after it: then the effect is there and the commit is not."""
        held = self.claimed or self.worked
        held.pop(which % len(held))

    # --- what holds at every moment ----------------------------------------------------------------------
    @invariant()
    def history_is_true(self):
        assert_true_history(self.run)
        assert self.ends == self.run.is_over

    @invariant()
    def nothing_is_doubled(self):
        assert self.world.made["a thing"] <= 1
        numbers = list(self.run.log.values_list("number", flat=True))
        assert numbers == list(range(1, self.run.lines + 1))

    @invariant()
    def the_effect_is_what_the_run_says(self):
        if self.run.state == RunState.SUCCEEDED:
            assert self.world.made["a thing"] == 1
        if self.run.is_over and self.run.effect == Effect.NONE:
            assert not self.world.made
        if self.run.is_over:
            assert not self.run.steps.filter(state__in=[StepState.WAITING, StepState.RUNNING]).exists()

    def teardown(self):
        """Left alone, with its leases over, every run comes to one of its ends."""
        for _ in range(60):
            if Run.objects.get(pk=self.run.pk).state in TERMINAL:
                break
            self.time_passes()
            self.ends += isinstance(self._whole_turn(), Done)
        self.history_is_true()
        self.nothing_is_doubled()
        assert self.run.is_over

    def time_passes(self):
        """Leases end, and what waits comes due."""
        mine = Run.objects.filter(pk=self.run.pk)
        mine.update(next_at=None)
        mine.exclude(lease_until=None).update(lease_until="2000-01-01T00:00:00Z")

    def _whole_turn(self) -> Outcome:
        turn = Turn(claim(self.run.pk), self.kinds["make"])
        outcome = _work(turn)
        commit(turn, outcome)
        return outcome

    def _newest(self, turn: Turn) -> bool:
        run = Run.objects.get(pk=self.run.pk)
        return run.fence == turn.run.fence and not run.is_over


def test_whatever_dies_the_promises_hold(cast):
    run_state_machine_as_test(
        Workers,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],  # what fails is shown as it was found: to shorten it takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
