"""Refreshes what is known of a location: whether it can be used, its room, and the archives in it.

Only the worker of its host can do that. What touches the files is in ``folder`` and ``opening``, and is waited for
with a limit; what becomes of our rows is in ``adopting``. Rows are read before the files: one that was made in
between is not called gone. An archive with a run of ours at work is left to that run.
"""

import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from backups import clock
from backups.audit import act
from backups.clusters import leases
from backups.runs.models import Run

from .. import cybersift_restore, services
from ..models import HOLDS_NAME, THERE, ArchiveLocation, ArchiveState, CheckState
from ..patience import Hung, within
from . import folder, opening
from .adopting import Look, known
from .folder import Seen, Unusable
from .matching import Known, Work, match
from .opening import Opened

LOOK_SECONDS, OPEN_SECONDS = 10, 30
SOON_SECONDS = 5
# A share that is away for a moment must not cost the archives on it their proofs.
GONE_AFTER = timedelta(minutes=10)
NAMED = 5

WERE_THERE = (*THERE, ArchiveState.MISSING)


def collect(pk: int, fence: int) -> None:
    """One look under a lease that was claimed. A late one writes nothing."""
    mine = ArchiveLocation.objects.filter(host=settings.WORKER_HOST)
    location = mine.filter(pk=pk, collect_fence=fence).first()
    if location is None:
        return
    rows = known(location.archives.filter(state__in=HOLDS_NAME).order_by("pk"), _busy())
    expected = location.looked_at is not None and location.archives.filter(state__in=WERE_THERE).exists()
    try:
        seen = _look(location, expected=expected)
    except Unusable as trouble:
        _unusable(location, fence, trouble, rows)
        return
    deleted = services.being_deleted()  # asked for after the files: one that is over by now has moved its row
    rows = [row._replace(busy=row.busy or row.pk in deleted) for row in rows]
    work = match(rows, seen.files, time.time_ns())
    _record(location, fence, seen, work, _open(location, work, fence))


def _busy() -> set[int]:
    """Archives that a run of ours makes or reads, or is about to."""
    runs = Run.objects.active()
    made = runs.filter(kind=services.KIND).values_list("archive_run__archive", flat=True)
    read = runs.filter(kind=services.VERIFY).values_list("params__archive", flat=True)
    return {*made, *read}


def _look(location: ArchiveLocation, *, expected: bool) -> Seen:
    program = Path(cybersift_restore.__file__).read_bytes()
    keys = Path(settings.KEYS_DIR)
    try:
        return within(
            LOOK_SECONDS, lambda: folder.look(location.directory, program, keys_dir=keys, expected=expected)
        )
    except Hung as error:
        raise Unusable(
            f"{location.path} has not answered for {LOOK_SECONDS} s. Its share or its disk hangs: look at the server "
            "of the share."
        ) from error


def _open(location: ArchiveLocation, work: Work, turn: int) -> Opened:
    """What could be opened in time; one that takes too long hides no other."""
    files, opened = [file for file, _ in work.to_open], Opened()
    try:
        within(OPEN_SECONDS, lambda: opening.open_some(opened, location, files, turn))
    except Hung:
        slow = f"An archive takes more than {OPEN_SECONDS} s to open. Tried again with the next looks."
        return Opened(dict(opened.columns), opened.unreadable | {"": slow})
    return opened


def _record(location: ArchiveLocation, fence: int, seen: Seen, work: Work, opened: Opened) -> None:
    columns = _columns(location, seen, opened) | {"space_free": seen.free, "space_total": seen.total}
    if not seen.trouble:
        again = opened.left or work.unsettled
        columns |= leases.done(SOON_SECONDS if again else settings.COLLECT_SECONDS)
    with act(None) as a:
        if not leases.still_mine(ArchiveLocation.objects, location.pk, fence, **columns):
            return
        look = Look(a, location)
        look.gone(work.gone)
        for file, row in work.to_open:
            if file.name in opened.columns:
                look.opened(file.name, opened.columns[file.name], row)
        look.tell()


def _columns(location: ArchiveLocation, seen: Seen, opened: Opened) -> dict:
    if seen.trouble:
        return _failed(location, seen.trouble)
    columns = {"state": CheckState.GOOD, "failures": 0, "failing_since": None, "looked_at": clock.now()}
    notes = [*seen.notes, *list(opened.unreadable.values())[:NAMED]]
    if (more := len(opened.unreadable) - NAMED) > 0:
        notes.append(f"And {more} more cannot be read.")
    return columns | {"message": "\n".join(notes), "detail": ""}


def _failed(location: ArchiveLocation, trouble: Unusable) -> dict:
    now, failures = clock.now(), location.failures + 1
    columns = {"state": CheckState.BAD, "message": trouble.message, "detail": trouble.detail, "looked_at": now}
    columns |= {"failures": failures, "failing_since": location.failing_since or now}
    return columns | leases.done(leases.wait_for_repository(failures))


def _unusable(location: ArchiveLocation, fence: int, trouble: Unusable, rows: list[Known]) -> None:
    """Nothing of it can be seen. What is surely not there is missing once that lasts."""
    columns = _failed(location, trouble)
    lasts = columns["looked_at"] - columns["failing_since"] >= GONE_AFTER
    gone = [row for row in rows if not row.is_run_s] if trouble.gone and lasts else []
    with act(None) as a:
        if leases.still_mine(ArchiveLocation.objects, location.pk, fence, **columns):
            look = Look(a, location)
            look.gone(gone)
            look.tell()
