"""The first step of every restore: whether it may begin, and whether the plan still holds.

Nothing is changed before its last turn, which takes the locks, moves the request to started and writes the entry
about the restricted credential, all in one commit.
"""

from collections.abc import Callable

from backups.approvals.admission import READY, WAIT, admission, begin, close_unstarted
from backups.approvals.models import RequestState
from backups.archives.format.errors import Cancelled
from backups.gateways.errors import GatewayError
from backups.runs import Done, Next, Stay, Turn
from backups.runs.models import Effect, Level, RunState

from . import document, locks
from .job import Job
from .models import TargetLock
from .targets import words

Look = Callable[[Job], dict]
"""Makes the plan anew and gives its document. Raises gateway errors, and Cancelled."""

ASK_AGAIN = 5


def check_again(look: Look, *, credential: bool = True) -> Callable[[Turn], object]:
    """The step for a kind of restore whose plans ``look`` makes. ``credential``: it uses the restricted one."""

    def step(turn: Turn):
        job = Job.of(turn)
        if turn.cancel_requested:
            return _cancelled(job)
        admitted = admission(turn.run, job.digest)
        if admitted.state == WAIT:
            return Stay(1)
        if admitted.state != READY:
            return _closed(job, admitted.closes, admitted.why)
        if other := _busy(job):
            return _wait(turn, f"{words(other.target)} is being restored by run {other.run_id}.")
        try:
            fresh = look(job)
        except GatewayError as error:
            return _wait(turn, error.message)
        except Cancelled:
            return _cancelled(job)
        if stale := document.drift(job.document, fresh):
            return _stale(job, stale)
        for line in document.moved(job.document, fresh):
            turn.log(line)
        return _begun(job, credential=credential)

    return step


def targets(job: Job) -> list[str]:
    """What the restore locks: every name that it gives, replaces or uses on the way."""
    return job.document["locks"]


def _busy(job: Job) -> TargetLock | None:
    return locks.in_the_way(job.turn.run, targets(job))


def _wait(turn: Turn, why: str) -> Stay:
    """The request's window to start in ends this by itself."""
    if turn.memory.get("waits_for") != why:
        turn.log(f"{why} Waiting.", Level.WARNING)
    turn.remember(waits_for=why)
    return Stay(ASK_AGAIN)


def _stale(job: Job, said: list[str]) -> Done:
    for line in said:
        job.turn.log(line, Level.ERROR)
    why = f"The plan is out of date: {said[0]}{f' ({len(said) - 1} more)' if len(said) > 1 else ''}"
    return _closed(job, RequestState.INVALIDATED, f"{why.rstrip('.')}. Make a new plan and ask again.")


def _cancelled(job: Job) -> Done:
    return _closed(job, RequestState.CANCELLED, "Cancelled before anything was changed.", RunState.CANCELLED)


def _closed(job: Job, state: str, why: str, ends_as: str = RunState.FAILED) -> Done:
    """Over before it began; with the run its request."""
    turn = job.turn
    turn.log(why, Level.ERROR if ends_as == RunState.FAILED else Level.DONE)
    if state:
        turn.write(lambda a: close_unstarted(a, job.plan.request, state, why))
    failed = ends_as == RunState.FAILED
    return Done(ends_as, Effect.NONE, "" if failed else why, error=why if failed else "")


def _begun(job: Job, *, credential: bool) -> Next:
    turn = job.turn
    turn.forget("waits_for")
    turn.write(lambda a: locks.take(turn.run, targets(job)))
    turn.write(lambda a: begin(a, job.plan.request))
    if credential:
        turn.write(lambda a: a.record("credential.used", turn.run, run=turn.run.pk))
    return Next("Everything is as planned")
