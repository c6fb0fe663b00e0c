"""Safety copies: those whose time is over go, unless something needs them. How each form goes is in the steps."""

from datetime import timedelta
from itertools import islice

from django.db.models import Exists, OuterRef, Q

from backups import clock
from backups.approvals.models import ApprovalRequest
from backups.audit import act
from backups.audit.acts import Act
from backups.runs import queue_run
from backups.runs.models import Effect, Run
from backups.snapshots import services as snapshots
from backups.snapshots.models import Snapshot

from .copies import why_not_deletable
from .holds import Held, holds_on, of_request
from .models import CopyForm, SafetyCopy, SafetyCopyState

DELETE_INDEX, DELETE_FILES = "delete_safety_copy", "delete_safety_files"
KINDS = {CopyForm.INDEX: DELETE_INDEX, CopyForm.SNAPSHOT: snapshots.DELETE}

# After a run that could not remove it the next one waits so long.
AGAIN_AFTER = timedelta(hours=6)
AT_A_TIME = 20

UNKNOWN = "Whether run {} changed live data is not known. Somebody has to look, and this may be what is left of it."


def due():
    """Those that are kept past their time, oldest first; not those that could not be removed a short while ago."""
    lately = Run.objects.filter(pk=OuterRef("removed_by"), ended_at__gt=clock.now() - AGAIN_AFTER)
    over = SafetyCopy.objects.filter(state=SafetyCopyState.KEPT, keep_until__lte=clock.now())
    return over.exclude(Exists(lately)).select_related("run", "snapshot").order_by("keep_until")


def holds_on_copy(copy: SafetyCopy) -> list[Held]:
    """What needs it although its time is over: the run that it belongs to, a request to put it back, a run that did
    so and nobody knows what came of it, a hold on its snapshot."""
    found = []
    if not copy.run.is_over:
        found.append(Held(f"run:{copy.run_id}", f"{copy.run} goes on", "", works=True))
    found += [Held(f"run:{run.pk}", UNKNOWN.format(run.pk), "") for run in _unclear(copy)]
    requests = ApprovalRequest.objects.holding().filter(source=f"run:{copy.run_id}").select_related("requester")
    found += map(of_request, requests)
    if copy.snapshot:
        found += [held for held in holds_on(copy.snapshot) if held.key != f"safety_copy:{copy.pk}"]
    return found


def _unclear(copy: SafetyCopy):
    """Runs that are over and keep their locks, because nobody knows what they did: the one that made the copy, and
    those that were to put it back."""
    sources = [f"run:{copy.run_id}", *([f"snapshot:{copy.snapshot_id}"] if copy.snapshot_id else [])]
    unclear = Run.objects.filter(effect=Effect.UNKNOWN, ended_at__isnull=False, locks__isnull=False)
    return unclear.filter(Q(pk=copy.run_id) | Q(request__source__in=sources)).distinct().order_by("pk")


def queue_expired() -> None:
    """Queue a run for each safety copy whose time is over, as many as are good at a time. The ticker of every host
    calls this."""
    free = (
        copy for copy in due() if not holds_on_copy(copy) and not (copy.snapshot and why_not_deletable(copy.snapshot))
    )
    for copy in islice(free, AT_A_TIME):
        queue_removal(copy)


def queue_removal(copy: SafetyCopy) -> Run | None:
    """Queue the run that removes it; None where somebody was faster, or something came to need it."""
    with act(None, reason=f"Safety copy of {copy.of}, kept until {copy.keep_until:%d %b %Y %H:%M} UTC.") as a:
        mine = SafetyCopy.objects.filter(pk=copy.pk, state=SafetyCopyState.KEPT, keep_until__lte=clock.now())
        if not mine.update(state=SafetyCopyState.REMOVING):
            return None
        run = queue_run(
            KINDS.get(copy.form, DELETE_FILES),
            actor=None,
            subject=f"remove safety copy {copy}"[:300],
            subject_url=copy.run.get_absolute_url(),
            params={"copy": copy.pk} | _snapshot_params(copy),
            reason=a.reason,
            host=copy.host,
        )
        SafetyCopy.objects.filter(pk=copy.pk).update(removed_by=run)
    return run


def record_end(a: Act, run: Run, *, removed: bool, gone: bool = False) -> None:
    """What became of the safety copy that this run was to remove, if it was one. ``gone``: what is there is not what
    was made, or nothing is. Part of a commit."""
    pk = run.params.get("copy")
    if pk is None:
        return
    ended = SafetyCopyState.REMOVED if removed else SafetyCopyState.MISSING
    over = {"state": ended, "ended_at": clock.now()} if removed or gone else {"state": SafetyCopyState.KEPT}
    moved = SafetyCopy.objects.filter(pk=pk, state=SafetyCopyState.REMOVING, removed_by=run).update(**over)
    if moved and removed:
        copy = SafetyCopy.objects.get(pk=pk)
        a.record("safety_copy.removed", copy, change={"of": copy.of, "form": copy.form}, run=run.pk)


def record_snapshot_gone(a: Act, run: Run, snapshot: Snapshot, *, deleted: bool) -> None:
    """The repository does not have this snapshot any more, so what was kept in it is no way back: it was ``deleted``
    by this run, which may be a deletion that people approved, or it was gone before. Part of a commit."""
    ended = SafetyCopyState.REMOVED if deleted else SafetyCopyState.MISSING
    held = SafetyCopy.objects.filter(snapshot=snapshot, state__in=(SafetyCopyState.KEPT, SafetyCopyState.REMOVING))
    for copy in held:
        SafetyCopy.objects.filter(pk=copy.pk).update(state=ended, ended_at=clock.now())
        if deleted:
            a.record("safety_copy.removed", copy, change={"of": copy.of, "form": copy.form}, run=run.pk)


def give_up(run: Run) -> None:
    """The engine gave the run up: it is looked at again later."""
    if pk := run.params.get("copy"):
        mine = SafetyCopy.objects.filter(pk=pk, state=SafetyCopyState.REMOVING, removed_by=run)
        mine.update(state=SafetyCopyState.KEPT)


def shown():
    """Those that pages show: what is kept or going, the first to go first."""
    states = (SafetyCopyState.WANTED, SafetyCopyState.KEPT, SafetyCopyState.REMOVING)
    rows = SafetyCopy.objects.filter(Q(state__in=states))
    return rows.select_related("run", "cluster", "snapshot", "removed_by").order_by("keep_until", "pk")


def _snapshot_params(copy: SafetyCopy) -> dict:
    """It was made to go: that it may be the last good one of its repository is no reason to keep it."""
    if copy.form != CopyForm.SNAPSHOT:
        return {}
    return {"snapshot": copy.snapshot_id, "uuid": copy.snapshot.uuid, "last_good": True}
