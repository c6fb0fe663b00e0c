"""Long steps: work that lasts minutes or hours, in a process of its own that keeps the lease of its run.

A process of the queue claims the run and hands it over; the supervisor of the host starts ``manage.py run_step RUN
FENCE``, and that calls ``run_step`` here. The step does all its work in one turn. It tells how far it is with
``turn.progress = {...}`` and looks at ``turn.cancel_requested``, which is kept up to date.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from . import doorbell, engine
from .engine import NOT_WRITTEN, Kind, Turn
from .models import ACTIVE, Run

log = logging.getLogger(__name__)


def run_step(
    run_id: int,
    fence: int,
    kinds: dict[str, Kind],
    *,
    lost: Callable[[], None],
    began: Callable[[Turn], None] = lambda turn: None,
) -> None:
    """Do the long turn of a run that was claimed with this fence, and those that follow it at once: starting a
    process takes longer than some of them. Nothing happens when somebody claimed the run since.

    ``lost`` is called, in another thread, when the lease cannot be kept: it has to end this process with everything
    that it started, for somebody else may be at work on the same run. ``began`` is given the
    turn before its work begins.
    """
    run = Run.objects.filter(pk=run_id, fence=fence, state__in=ACTIVE).first()
    if run is None:
        return
    while run is not None and _take(Turn(run, kinds[run.kind]), lost, began):
        run = _claim_long(run_id, kinds)
    doorbell.ring_now(run_id)


def _take(turn: Turn, lost: Callable[[], None], began: Callable[[Turn], None]) -> bool:
    """Do the turn under a heartbeat. Whether another one may follow at once."""
    heart = Heart(turn, lost)
    if not heart.beat():
        return False
    began(turn)
    heart.start()
    try:
        return engine.take(turn) == 0
    finally:
        heart.stop()


def _claim_long(run_id: int, kinds: dict[str, Kind]) -> Run | None:
    """The run, if its next turn is a long one and nobody else was faster."""
    waiting = Run.objects.filter(pk=run_id, state__in=ACTIVE).first()
    if waiting is None or not Turn(waiting, kinds[waiting.kind]).is_long:
        return None
    return engine.claim(run_id)


class Heart(threading.Thread):
    """Every HEARTBEAT_SECONDS: renews the lease, writes the progress, and hears of a cancel."""

    def __init__(self, turn: Turn, lost: Callable[[], None]) -> None:
        super().__init__(daemon=True, name="heart")
        self.turn, self.lost = turn, lost
        self.over = threading.Event()
        self.kept_at = time.monotonic()
        self.written: dict | None = None

    def run(self) -> None:
        try:
            while not self.over.wait(settings.HEARTBEAT_SECONDS):
                if not self._is_kept():
                    self.lost()
                    return
        finally:
            connection.close()

    def stop(self) -> None:
        self.over.set()
        self.join()

    def _is_kept(self) -> bool:
        """A database that does not answer is waited for as long as the lease certainly lasts."""
        try:
            return self.beat()
        except NOT_WRITTEN as error:
            log.warning("heartbeat not written: %s", error, extra={"run": self.turn.run.pk})
            connection.close()
            return time.monotonic() - self.kept_at < settings.LEASE_SECONDS - settings.HEARTBEAT_SECONDS

    def beat(self) -> bool:
        """Whether the lease is ours and renewed, or was given back by our own commit a moment ago."""
        run, progress, began = self.turn.run, self.turn.progress, time.monotonic()
        mine = Run.objects.filter(pk=run.pk, fence=run.fence, lease_owner=run.lease_owner, state__in=ACTIVE)
        columns = {"lease_until": Now() + timedelta(seconds=settings.LEASE_SECONDS)}
        if progress != self.written:
            columns |= {"progress": progress, "version": F("version") + 1}
        if not mine.update(**columns):
            return Run.objects.filter(pk=run.pk, fence=run.fence, lease_owner="").exists()
        self.written, self.kept_at = progress, began
        run.cancel_requested_at = mine.values_list("cancel_requested_at", flat=True).first()
        return True
