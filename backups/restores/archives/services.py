"""Verbs on plans of restores from an archive."""

from backups.access import Denied, may
from backups.archives import cybersift_restore as reader
from backups.archives.models import Archive
from backups.restores import kinds
from backups.restores.models import RestorePlan
from backups.restores.services import RestoreError, asked_for, replacing
from backups.retention.models import SafetyCopyState
from backups.runs import queue_run
from backups.runs.models import Effect, Run

from .asked import Asked


def new_token() -> str:
    """16 digits that stand in the names of what a restore makes on a disk, which the program for bare hosts takes for
    its own; the newest comes last."""
    return reader.new_id()


def queue_plan(*, actor, archive: Archive, options: dict, earlier: int | None = None) -> Run:
    """Ask the worker of the archive's host to look and make a plan, which takes a while: a run, whose result names
    the plan. Reads only. ``options`` are those of ``asked.Asked``; ``earlier`` is the request that the new one takes
    the place of. Raises Denied."""
    if not may(actor, "restore.request"):
        raise Denied("restore.request")
    return queue_run(
        kinds.PLAN_FILES,
        actor=actor,
        subject=f"plan a restore from {archive}",
        subject_url=archive.get_absolute_url(),
        params={"archive": archive.pk, "options": options, **replacing(earlier)},
        host=archive.kept_on,
    )


def queue_form(chosen: dict, archive: Archive, *, actor) -> Run:
    """The same from what a person chose in the form."""
    asked = Asked(
        token=new_token(),
        folders=tuple(chosen["folders"]),
        only=tuple(chosen["only"]),
        to=chosen["to"],
        remove=chosen["remove"],
        by_hash=chosen["by_hash"],
        redis=tuple(chosen["redis"]),
        identity=chosen.get("identity", ""),
    )
    return queue_plan(actor=actor, archive=archive, options=asked.as_options())


def queue_again(plan: RestorePlan, *, actor, skip: list[str] = (), earlier: int | None = None) -> Run:
    """Make a plan of the same anew; ``skip`` are paths that are taken out of it from now on. Raises Denied."""
    earlier = asked_for(plan) or earlier
    if plan.undoes_id:
        return queue_undo(plan.undoes.request.plan, actor=actor, earlier=earlier)
    options = plan.options | {"token": new_token(), "skip": sorted({*plan.options["skip"], *skip})}
    return queue_plan(actor=actor, archive=plan.archive, options=options, earlier=earlier)


def queue_undo(plan: RestorePlan, *, actor, earlier: int | None = None) -> Run:
    """The same for a plan that takes back what the restore of this one did. Raises Denied and RestoreError."""
    if not may(actor, "restore.request"):
        raise Denied("restore.request")
    run = plan.request.run if plan.request_id else None
    if run is None or run.kind not in (kinds.FILES, kinds.FILES_UNDO) or run.effect != Effect.APPLIED:
        raise RestoreError("There is nothing of this run that could be taken back.")
    states = set(run.safety_copies.values_list("state", flat=True))
    if states - {SafetyCopyState.KEPT}:
        raise RestoreError("What was kept of this restore was put back or removed, so there is no way back.")
    return queue_run(
        kinds.PLAN_FILES,
        actor=actor,
        subject=f"plan to take back run {run.pk}",
        subject_url=run.get_absolute_url(),
        params={"undoes": run.pk, **replacing(earlier)},
        host=run.host,
    )
