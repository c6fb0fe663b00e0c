"""The run engine: claim a run, do one turn of it, commit. See the package's docstring for the words."""

import logging
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime

from backups import clock
from backups.audit import act

from . import log as run_log
from .models import ACTIVE, TERMINAL, Effect, Level, Run, RunState, RunStep, StepState

LONGEST_WAIT = timedelta(minutes=5)

# How long a long step waits until it is asked again whether the host has a place for it.
PLACE_WAIT = timedelta(seconds=2)

MAX_CLAIMS = 20
"""So many claims without a commit mean that every attempt kills its worker."""

POISONED = f"Every attempt to go on died before it could be written down. Given up after {MAX_CLAIMS} attempts."
CHECK_BROKE = "This check broke off. Try it again; the log of the worker says why."

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stay:
    """The same step again, after ``wait`` seconds; never longer than LONGEST_WAIT."""

    wait: float = 0


@dataclass(frozen=True)
class Next:
    """The next step, after ``wait`` seconds; ``note`` is a line under the step that is done."""

    note: str = ""
    wait: float = 0


@dataclass(frozen=True)
class Done:
    """The run is over. ``error`` is a sentence for people, ``detail`` the raw cause."""

    state: str
    effect: str = Effect.NONE
    note: str = ""
    error: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        if self.state not in TERMINAL:
            raise ValueError(f"A run cannot end as {self.state}.")


Outcome = Stay | Next | Done


@dataclass(frozen=True)
class Step:
    """``work`` does one turn of this step. It is repeated until it says Next or Done, and after a crash. ``long``:
    its turn takes more than 5 s, so it is done in a process of its own (see ``long``)."""

    title: str
    work: Callable[["Turn"], Outcome]
    long: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of run. ``cancellable`` is what may be said to a person who wants to cancel; ``on_failure`` tidies
    rows when the engine itself gives the run up."""

    name: str
    title: str
    steps: tuple[Step, ...]
    cancellable: bool = False
    on_failure: Callable[[Run], None] | None = None


@dataclass
class Turn:
    """What a step works with: the run as claimed, and what its commit shall write.

    ``write(function)`` adds a change of other rows to the commit: it runs in the commit's transaction, after the
    fence was checked, and gets the open act. Network calls happen in the step, before; never in there.
    """

    run: Run
    kind: Kind | None = None
    lines: list[tuple[str, str]] = field(default_factory=list)
    writes: list[Callable] = field(default_factory=list)
    progress: dict | None = None
    result: dict | None = None
    began_at: datetime = field(default_factory=clock.now)

    @property
    def cancel_requested(self) -> bool:
        return self.run.cancel_requested_at is not None

    @property
    def is_long(self) -> bool:
        return self.kind is not None and self.kind.steps[self.run.step].long

    def log(self, text: str, level: str = Level.INFO) -> None:
        self.lines.append((level, text))

    def write(self, function: Callable) -> None:
        self.writes.append(function)

    @property
    def memory(self) -> dict:
        """The run's result as this turn leaves it: what a step keeps between its turns."""
        return self.run.result if self.result is None else self.result

    def remember(self, **facts) -> None:
        """Keep facts for this and the next turns: JSON, and moments as datetime. ``mend`` (act, label, url) is shown
        with the error of the run to those who may."""
        plain = {name: v.isoformat() if isinstance(v, datetime) else v for name, v in facts.items()}
        self.result = self.memory | plain

    def forget(self, *names: str) -> None:
        self.result = {name: value for name, value in self.memory.items() if name not in names}

    def moment(self, name: str) -> datetime | None:
        """A moment that was kept."""
        return parse_datetime(self.memory[name]) if name in self.memory else None


NOT_WRITTEN = (OperationalError, InterfaceError, run_log.NotWritten)
"""The database or the disk of the run's log is away, locked or full. No fault of the run."""


class Fenced(Exception):
    """Somebody else has claimed the run since; whatever this turn wanted to write is void."""


def advance(
    run_id: int, kinds: dict[str, Kind], hand_over: Callable[[int, int], bool] = lambda run_id, fence: False
) -> float | None:
    """Do one turn of a run if it is due and free; the turn of a long step is given to ``hand_over(run, fence)``,
    which says whether this host has a place for it now.

    Returns the seconds until the next turn is due (0: at once), or None when there is nothing to follow: the run
    is over, not due, leased by another, or this turn was void. A step that raises counts as an attempt that died,
    but gives its lease back: the run comes again in a moment, MAX_CLAIMS times at most. When the database does not
    answer, or a disk is full, nothing can be given back: the run comes again when its lease ends, however often.
    """
    try:
        run = claim(run_id)
    except NOT_WRITTEN as error:
        logger.warning("not claimed: %s; the run is rung for again", error, extra={"run": run_id})
        return None
    if run is None:
        return None
    turn = Turn(run, kinds.get(run.kind))
    if turn.is_long and run.claims <= MAX_CLAIMS:
        _pass_on(run, hand_over)
        return None
    return take(turn)


def take(turn: Turn) -> float | None:
    """Do the turn of a run that is claimed, and commit it. Returns what ``advance`` returns."""
    run_id = turn.run.pk
    try:
        outcome = _work(turn)
        commit(turn, outcome)
    except Fenced:
        logger.warning("turn void: claimed by another since", extra={"run": run_id})
        return None
    except NOT_WRITTEN as error:
        logger.warning("not written: %s; the run comes again after its lease", error, extra={"run": run_id})
        _spare_attempts(turn.run)
        return None
    except Exception as error:
        logger.exception("turn failed", extra={"run": run_id})
        _after_error(turn, error)
        return None
    return None if isinstance(outcome, Done) else outcome.wait


def _pass_on(run: Run, hand_over: Callable[[int, int], bool]) -> None:
    """The lease goes along. Without a place the run waits for one; that is no attempt."""
    if hand_over(run.pk, run.fence):
        return
    Run.objects.filter(pk=run.pk, fence=run.fence, state__in=ACTIVE).update(
        lease_owner="", lease_until=None, claims=run.claims - 1, next_at=Now() + PLACE_WAIT
    )


def _work(turn: Turn) -> Outcome:
    if turn.run.claims > MAX_CLAIMS:
        return _give_up(turn, POISONED)
    if turn.kind is None:
        return _give_up(turn, f"This version of the console does not know the kind {turn.run.kind!r}.")
    return turn.kind.steps[turn.run.step].work(turn)


def claim(run_id: int) -> Run | None:
    """Take the lease of a run; None when it is over, not due, or somebody else's.

    One UPDATE decides. The database's clock is used on both sides, because the clocks of hosts differ.
    """
    owner = f"{settings.WORKER_HOST}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
    claimed = (
        due(Run.objects.filter(pk=run_id))
        .filter(Q(host="") | Q(host=settings.WORKER_HOST))
        .update(
            lease_owner=owner,
            lease_until=Now() + timedelta(seconds=settings.LEASE_SECONDS),
            fence=F("fence") + 1,
            claims=F("claims") + 1,
        )
    )
    if not claimed:
        return None
    # The owner is unique to this claim: if somebody claimed it again in between, it is theirs.
    return Run.objects.filter(pk=run_id, lease_owner=owner).first()


def due(runs):
    """Of these runs, those that anybody may claim now.

    No turn waits longer than LONGEST_WAIT and no lease lasts longer than LEASE_SECONDS: a time beyond that was
    written by a clock that was wrong, and must not keep the run for ever. ``ended_at`` says the same as the state
    (a constraint holds them together), and has the index that answers this question every second.
    """
    now, lease = Now(), timedelta(seconds=settings.LEASE_SECONDS)
    return runs.filter(
        Q(next_at=None) | Q(next_at__lte=now) | Q(next_at__gt=now + LONGEST_WAIT),
        Q(lease_until=None) | Q(lease_until__lt=now) | Q(lease_until__gt=now + 2 * lease),
        ended_at=None,
    )


def commit(turn: Turn, outcome: Outcome) -> None:
    """Write what a turn did, in one act, if its fence is still the newest. Raises Fenced otherwise."""
    run, now = turn.run, clock.now()
    with act(None) as a:
        changed = Run.objects.filter(pk=run.pk, fence=run.fence, state__in=ACTIVE).update(
            **_columns(turn, outcome, now)
        )
        if not changed:
            raise Fenced(run.pk)
        if run.state == RunState.QUEUED and not run.is_check:
            a.record("run.running", run, run=run.pk)
        _write_steps(turn, outcome, now)
        for function in turn.writes:
            function(a)
        run_log.append(run, turn.lines)
        if isinstance(outcome, Done):
            _end(a, run, outcome)


def _columns(turn: Turn, outcome: Outcome, now: datetime) -> dict:
    """The run's own columns after this turn."""
    columns = {
        "state": outcome.state if isinstance(outcome, Done) else RunState.RUNNING,
        "version": F("version") + 1,
        "claims": 0,
        "lease_owner": "",
        "lease_until": None,
        "started_at": turn.run.started_at or turn.began_at,
        "lines": F("lines") + len(turn.lines),
    }
    if turn.progress is not None:
        columns["progress"] = turn.progress
    if turn.result is not None:
        columns["result"] = turn.result
    if isinstance(outcome, Done):
        columns |= {"effect": outcome.effect, "error": outcome.error, "error_detail": outcome.detail[:20_000]}
        columns |= {"ended_at": now, "next_at": None}
    else:
        columns["next_at"] = Now() + timedelta(seconds=outcome.wait) if outcome.wait else None
        columns["step"] = turn.run.step + isinstance(outcome, Next)
    return columns


def _write_steps(turn: Turn, outcome: Outcome, now: datetime) -> None:
    """Keep the rows that the page shows in line with what happened. They are made with the first turn."""
    run = turn.run
    steps = RunStep.objects.filter(run=run)
    if run.state == RunState.QUEUED and turn.kind and not run.is_check:
        RunStep.objects.bulk_create(
            RunStep(run=run, number=number, title=step.title) for number, step in enumerate(turn.kind.steps)
        )
    here = steps.filter(number=run.step)
    here.filter(started_at=None).update(started_at=turn.began_at, state=StepState.RUNNING)
    if isinstance(outcome, Next):
        here.update(state=StepState.SUCCEEDED, ended_at=now, note=outcome.note)
        steps.filter(number=run.step + 1).update(started_at=now, state=StepState.RUNNING)
    elif isinstance(outcome, Done):
        here.update(state=_step_end(outcome.state), ended_at=now, note=outcome.note)
        steps.filter(number__gt=run.step).update(state=StepState.SKIPPED)


def _step_end(state: str) -> str:
    ends = {RunState.SUCCEEDED: StepState.SUCCEEDED, RunState.CANCELLED: StepState.CANCELLED}
    return ends.get(state, StepState.FAILED)


def _end(a, run: Run, outcome: Done) -> None:
    run_log.close(run)
    if not run.is_check:
        good = outcome.state in (RunState.SUCCEEDED, RunState.CANCELLED)
        change = {"effect": outcome.effect} | ({"error": outcome.error} if outcome.error else {})
        a.record(f"run.{outcome.state}", run, outcome="success" if good else "failure", change=change, run=run.pk)


def _give_up(turn: Turn, why: str) -> Done:
    """End a run that cannot go on. Only the very first claim proves that no earlier attempt did anything."""
    turn.log(why, Level.ERROR)
    if turn.kind and turn.kind.on_failure:
        turn.write(lambda a: _tidy(turn))
    effect = Effect.NONE if turn.run.fence == 1 else Effect.UNKNOWN
    return Done(RunState.FAILED, effect, error=why)


def _tidy(turn: Turn) -> None:
    """Let the kind tidy its rows; a fault in that must not keep the run from ending."""
    try:
        with transaction.atomic():
            turn.kind.on_failure(turn.run)
    except OperationalError:
        raise
    except Exception:
        logger.exception("tidying up failed", extra={"run": turn.run.pk})


def _after_error(turn: Turn, error: Exception) -> None:
    """A step raised. A check ends, because a person waits for its answer; every other run comes again."""
    if turn.run.is_check:
        with suppress(Fenced):
            commit(Turn(turn.run, turn.kind), Done(RunState.FAILED, error=CHECK_BROKE, detail=type(error).__name__))
    else:
        _release_soon(turn.run, error)


def _spare_attempts(run: Run) -> None:
    """A disk that is full for hours must not use up the attempts. Not the last one: what it did is not known."""
    with suppress(OperationalError, InterfaceError):
        Run.objects.filter(pk=run.pk, fence=run.fence, state__in=ACTIVE).update(claims=1)


def _release_soon(run: Run, error: Exception) -> None:
    """After an error in a step: let the run come again in a moment, longer each time, instead of a whole lease."""
    wait = min(2**run.claims, 60)
    with transaction.atomic():
        released = Run.objects.filter(pk=run.pk, fence=run.fence, state__in=ACTIVE).update(
            lease_owner="",
            lease_until=None,
            next_at=Now() + timedelta(seconds=wait),
            lines=F("lines") + 1,
            version=F("version") + 1,
        )
        if released:
            text = f"An attempt failed ({type(error).__name__}). Trying again in {wait} s."
            run_log.append(run, [(Level.WARNING, text)])
