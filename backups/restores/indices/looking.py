"""A plan made anew from what is on the cluster now, to hold the frozen one against."""

from backups import clock
from backups.restores.models import RestorePlan
from backups.retention.models import SafetyCopyState

from . import undo
from .asked import Asked
from .finding import find
from .plan import make_plan


def fresh(plan: RestorePlan) -> dict:
    """The document that the same plan would have now. Reads only; raises gateway errors."""
    if plan.undoes_id:
        return _fresh_undo(plan)
    asked = Asked.of(plan.options)
    return make_plan(asked, find(asked, plan.snapshot, clock.now())).document


def _fresh_undo(plan: RestorePlan) -> dict:
    token, run = plan.options["token"], plan.undoes
    kept = undo.kept_of(run.safety_copies.filter(state=SafetyCopyState.KEPT))
    here = undo.find(plan.cluster, kept, token)
    return undo.make_undo_plan(kept, here, run=run.pk, token=token, risk=plan.risk).document
