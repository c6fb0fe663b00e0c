"""The run that makes the plan of a restore from an archive: it compares, which may take minutes, and writes nothing
but the plan."""

from backups import clock
from backups.archives.format.errors import Cancelled
from backups.archives.models import Archive
from backups.restores import kinds, services
from backups.restores.indices.plan import Plan
from backups.runs import Done, Kind, Step, Turn
from backups.runs.models import Effect, Run, RunState

from . import services as own
from .asked import Asked
from .finding import find
from .plan import make_plan
from .undo import finding as undoing
from .undo.plan import make_undo_plan


def plan(turn: Turn) -> Done:
    """Params: ``archive`` and ``options``; or ``undoes``, the run to be taken back. Result: ``plan``, the key."""
    try:
        made, source = _undoing(turn) if "undoes" in turn.run.params else _restoring(turn)
    except Cancelled:
        return Done(RunState.CANCELLED, Effect.NONE, "Nothing was changed.")
    turn.write(lambda a: _keep(turn, made, source))
    return Done(RunState.SUCCEEDED, Effect.NONE, made.document["consequence"])


def _restoring(turn: Turn) -> tuple[Plan, dict]:
    archive = Archive.objects.select_related("location", "made_by__run").get(pk=turn.run.params["archive"])
    asked = Asked.of(turn.run.params["options"])
    found = find(asked, archive, clock.now(), lambda: turn.cancel_requested)
    return make_plan(asked, found), {"archive": archive}


def _undoing(turn: Turn) -> tuple[Plan, dict]:
    run = Run.objects.get(pk=turn.run.params["undoes"])
    asked = undoing.asked_for(run, own.new_token())
    found = undoing.find(asked, run, clock.now(), lambda: turn.cancel_requested)
    return make_undo_plan(asked, found), {"undoes": run}


def _keep(turn: Turn, made: Plan, source: dict) -> None:
    kept = services.keep_plan(made, actor=turn.run.actor, **source)
    result = turn.memory | {"plan": kept.pk}
    Run.objects.filter(pk=turn.run.pk).update(result=result, subject_url=kept.get_absolute_url())


PLAN = Kind(
    kinds.PLAN_FILES,
    "Plan a restore from an archive",
    (Step("Compare with what is there", plan, long=True),),
    cancellable=True,
)
