"""The kinds of restores of indices, and their steps."""

from collections.abc import Callable

from backups.restores import kinds
from backups.restores.beginning import check_again
from backups.restores.job import Job
from backups.runs import Kind, Step, Turn

from . import removing
from .copying import copy
from .job import IndicesJob
from .judging import end, judge
from .looking import fresh
from .overwriting import keep
from .proving import prove
from .swapping import swap


def look(job: Job) -> dict:
    """The plan of this run, made anew."""
    return fresh(job.plan)


def or_back(step: Callable[[Turn], object]) -> Callable[[Turn], object]:
    """The step, until something has to be taken back: then the turns that follow do that."""

    def turn_of(turn: Turn):
        return removing.remove(IndicesJob.of(turn)) if "removing" in turn.memory else step(turn)

    return turn_of


CHECK = Step("Check everything again", check_again(look))
COPY = Step("Restore beside what is live", or_back(copy))
JUDGE = Step("Verify what was restored", or_back(judge))
SWAP_STEP = Step("Swap", or_back(swap))
PROVE = Step("Verify what is in place", prove)

BESIDE = Kind(kinds.BESIDE, "Restore", (CHECK, COPY, JUDGE, Step("Write it down", end)), cancellable=True)
SWAP = Kind(kinds.SWAP, "Restore by swap", (CHECK, COPY, JUDGE, SWAP_STEP, PROVE), cancellable=True)
UNDO = Kind(kinds.UNDO, "Roll back", (CHECK, SWAP_STEP, PROVE), cancellable=True)
IN_PLACE = Kind(
    kinds.IN_PLACE,
    "Restore in place",
    (
        CHECK,
        Step("Take a safety snapshot", or_back(keep)),
        Step("Restore in place", or_back(copy)),
        JUDGE,
        Step("Write it down", end),
    ),
    cancellable=True,
)
