"""Gives back what a restore holds whose effect nobody knew, after somebody has looked."""

from backups import clock
from backups.access import Denied, may
from backups.accounts.services import MIN_REASON
from backups.audit import act
from backups.retention.models import SafetyCopyState
from backups.runs.models import Effect, Run

from .services import RestoreError
from .targets import words


def clear_locks(run: Run, *, actor, reason: str) -> None:
    """``reason`` is what was found. Safety copies that were being made are missing from then on: nobody makes them
    any more, and whether anything of them is there is not known. Not by the one who asked for the restore. Raises
    RestoreError and Denied."""
    if not may(actor, "lock.clear") or actor == run.actor:
        raise Denied("lock.clear", "Somebody else than the one who asked for the restore clears its locks.")
    reason = reason.strip()
    if len(reason) < MIN_REASON:
        raise RestoreError(f"Say what you found in at least {MIN_REASON} characters.")
    if not run.is_over or run.effect != Effect.UNKNOWN:
        raise RestoreError("Its locks go by themselves when it is over.")
    with act(actor, reason=reason) as a:
        held = [words(target) for target in run.locks.values_list("target", flat=True)]
        if not held:
            raise RestoreError("It holds nothing any more.")
        run.locks.all().delete()
        unmade = run.safety_copies.filter(state=SafetyCopyState.WANTED)
        change = {"targets": held} | ({"missing": names} if (names := [copy.name for copy in unmade]) else {})
        unmade.update(state=SafetyCopyState.MISSING, ended_at=clock.now())
        a.record("lock.cleared", run, change=change, run=run.pk)
