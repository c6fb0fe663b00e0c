"""The kinds of restores of indices, and their steps."""

from backups.restores import services
from backups.restores.beginning import check_again
from backups.restores.job import Job
from backups.runs import Kind, Step

from .copying import copy
from .judging import end, judge
from .looking import fresh
from .overwriting import keep
from .proving import prove
from .swapping import swap


def look(job: Job) -> dict:
    """The plan of this run, made anew."""
    return fresh(job.plan)


CHECK = Step("Check everything again", check_again(look))
COPY = Step("Restore beside what is live", copy)
JUDGE = Step("Verify what was restored", judge)
SWAP_STEP = Step("Swap", swap)
PROVE = Step("Verify what is in place", prove)

BESIDE = Kind(services.BESIDE, "Restore", (CHECK, COPY, JUDGE, Step("Write it down", end)), cancellable=True)
SWAP = Kind(services.SWAP, "Restore by swap", (CHECK, COPY, JUDGE, SWAP_STEP, PROVE), cancellable=True)
UNDO = Kind(services.UNDO, "Roll back", (CHECK, SWAP_STEP, PROVE), cancellable=True)
IN_PLACE = Kind(
    services.IN_PLACE,
    "Restore in place",
    (CHECK, Step("Take a safety snapshot", keep), Step("Restore in place", copy), JUDGE, Step("Write it down", end)),
    cancellable=True,
)
