"""A plan made anew from what is there now, to hold the frozen one against."""

from collections.abc import Callable

from backups import clock
from backups.restores.job import Job
from backups.restores.models import RestorePlan

from .asked import Asked
from .finding import find
from .plan import make_plan
from .rows import FILE
from .undo import finding as undoing
from .undo.plan import make_undo_plan


def fresh(plan: RestorePlan, cancelled: Callable[[], bool] = lambda: False) -> dict:
    """The document that the same plan would have now. Reads only; raises Cancelled."""
    asked = Asked.of(plan.options)
    if plan.undoes_id:
        return make_undo_plan(asked, undoing.find(asked, plan.undoes, clock.now(), cancelled)).document
    return make_plan(asked, find(asked, plan.archive, clock.now(), cancelled)).document


def look(job: Job) -> dict:
    """The same for a run that begins: without files, whose names do not go into what is said of a run."""
    document = fresh(job.plan, lambda: job.turn.cancel_requested)
    return document | {"rows": [row for row in document["rows"] if row["kind"] != FILE]}
