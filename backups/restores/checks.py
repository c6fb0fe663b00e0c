"""A plan for a form: looks at the cluster, writes nothing there, and keeps the plan in a row."""

from backups import clock
from backups.clusters.connection import CHECK_SECONDS
from backups.gateways.errors import GatewayError
from backups.retention.models import SafetyCopyState
from backups.runs import Turn
from backups.runs.models import Run
from backups.snapshots.models import Snapshot

from . import document, services
from .archives import looking as archives
from .indices import looking, undo
from .indices.asked import Asked
from .indices.finding import find
from .indices.plan import make_plan
from .models import RestorePlan


def check_plan(turn: Turn) -> dict:
    """Params: ``snapshot`` and ``options``. Result: ``error`` and ``detail``, or ``plan``, the key of the plan."""
    params = turn.run.params
    snapshot = Snapshot.objects.select_related("repository__cluster", "profile").get(pk=params["snapshot"])
    asked = Asked.of(params["options"])
    try:
        made = make_plan(asked, find(asked, snapshot, clock.now(), patience=CHECK_SECONDS))
    except GatewayError as error:
        return {"error": error.message, "detail": error.detail}
    turn.write(lambda a: _keep(turn.run, made, snapshot=snapshot, cluster=snapshot.repository.cluster))
    return {}


def check_undo(turn: Turn) -> dict:
    """Params: ``undoes`` (the run to be taken back) and ``token``. Result as of ``check_plan``."""
    run = Run.objects.get(pk=turn.run.params["undoes"])
    before = run.request.plan
    kept = undo.kept_of(run.safety_copies.filter(state=SafetyCopyState.KEPT))
    try:
        here = undo.find(before.cluster, kept, turn.run.params["token"], CHECK_SECONDS)
    except GatewayError as error:
        return {"error": error.message, "detail": error.detail}
    made = undo.make_undo_plan(kept, here, run=run.pk, token=turn.run.params["token"], risk=before.risk)
    turn.write(lambda a: _keep(turn.run, made, cluster=before.cluster, undoes=run))
    return {}


def compare_plan(turn: Turn) -> dict:
    """Params: ``plan``. Result: ``error`` and ``detail``, or ``stale`` (what makes the plan out of date, by name) and
    ``moved`` (what is different and does not matter)."""
    rows = RestorePlan.objects.select_related("snapshot__repository__cluster", "snapshot__profile", "cluster")
    plan = rows.get(pk=turn.run.params["plan"])
    try:
        fresh = archives.fresh(plan) if plan.is_of_files else looking.fresh(plan)
    except GatewayError as error:
        return {"error": error.message, "detail": error.detail}
    frozen = plan.document
    moved = document.moved(frozen, fresh) + document.moved_files(frozen, fresh)
    return {"stale": document.drift(frozen, fresh), "moved": moved}


def _keep(run: Run, made, **source) -> None:
    plan = services.keep_plan(made, actor=run.actor, **source)
    Run.objects.filter(pk=run.pk).update(result={"plan": plan.pk})
