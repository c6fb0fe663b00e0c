"""The ticker: every second on every host it does what nothing else may be trusted to do in time.

Each job has its own try/except and its own claim in the database, so that one bad row or one locked table stops
nothing else, and several hosts do no harm to each other.
"""

import hashlib
import json
import logging
import signal
import time

from django.conf import settings
from django.db import close_old_connections
from django.db.models import F
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.tasks import async_task

from backups.audit import act
from backups.audit.origin import origin_context
from backups.runs import doorbell
from backups.runs import services as runs
from backups.runs.engine import due
from backups.runs.models import Run

from . import pulse
from .kinds import PERIODIC

# A doorbell that waits in the queue is as good as the next one: more than a few per process only delay each other.
QUEUE_IS_LONG = 4 * settings.WORKER_PROCESSES

TELL_AGAIN_SECONDS = 60

# The settings that decide who may do what and for how long; their digest is in the entry of every start.
POLICY = (
    *(
        "SIGN_IN_TRIES",
        "SIGN_IN_WINDOW_SECONDS",
        "STEP_UP_SECONDS",
        "SESSION_IDLE_SECONDS",
        "SESSION_MAX_SECONDS",
    ),
    *("APPROVALS_NEEDED", "APPROVAL_HOURS", "APPROVAL_HOURS_R3", "START_WINDOW_MINUTES", "REVIEW_HOURS"),
    *("CLUSTER_ALLOW_HTTP", "CLUSTER_NETWORKS", "CHECKPOINT_SECONDS", "HTTPS", "BEHIND_PROXY"),
)

log = logging.getLogger(__name__)


class Ticker:
    """``run()`` goes on until SIGTERM."""

    def __init__(self) -> None:
        self.started_at = timezone.now()
        self.stopping = False
        self.last: dict[str, float] = {}
        self.start_is_recorded = False
        self.told_at: dict[str, float] = {}

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        with origin_context(command="ticker", host=settings.WORKER_HOST):
            while not self.stopping:
                began = time.monotonic()
                self.tick()
                time.sleep(max(0.05, 1 - (time.monotonic() - began)))

    def tick(self) -> None:
        """Everything that is due now. Never raises."""
        close_old_connections()
        if not self.start_is_recorded:
            self._every("start entry", 0, self._record_start)
        self._every("heartbeat", min(settings.HEARTBEAT_SECONDS, 5), lambda: runs.beat(self.started_at))
        self._every("doorbells", 0, ring_due_runs)
        self._every("queue beat", min(settings.HEARTBEAT_SECONDS, settings.STALL_SECONDS / 10), ring_beat)
        for periodic in PERIODIC:
            self._every(periodic.name, periodic.seconds, lambda job=periodic: job.due() and job.work())

    def _every(self, name: str, seconds: float, work) -> None:
        now = time.monotonic()
        if now - self.last.get(name, float("-inf")) < seconds:
            return
        self.last[name] = now
        try:
            pulse.touch(pulse.TICK)  # before every job: several in a row may each wait for a locked database
            work()
        except Exception as error:  # noqa: BLE001 - told by the next line; no job may end the ticker
            self._tell(name, error)
        else:
            self.told_at.pop(name, None)

    def _tell(self, name: str, error: Exception) -> None:
        """The first failure of a row with its traceback, then a line a minute: a database that is away for hours must
        not fill the disk."""
        told_at, now = self.told_at.get(name), time.monotonic()
        if told_at is None:
            log.error("tick failed: %s", name, exc_info=error)
        elif now - told_at >= TELL_AGAIN_SECONDS:
            log.error("tick still fails: %s (%s)", name, type(error).__name__)
        else:
            return
        self.told_at[name] = now

    def _record_start(self) -> None:
        """Again with every tick until it is written: the database may be locked at this very moment."""
        record_start()
        self.start_is_recorded = True

    def _stop(self, *_) -> None:
        self.stopping = True


def record_start() -> None:
    """Say in the log that the service works from now on, and under which policy."""
    policy = {name: str(getattr(settings, name)) for name in POLICY}
    digest = hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()
    with act(None) as a:
        host = settings.WORKER_HOST
        a.record("console.started", ("host", host, host), change={"version": settings.VERSION, "policy": digest})


def ring_due_runs() -> None:
    """Ring for every run that is due, free and for this host; new ones, which have no time yet, come first. A
    doorbell too many does no harm; a long queue is not made longer. Runs of a host that is away are left out: they
    would stand in front of all others for ever."""
    mine = Run.objects.filter(host__in=("", settings.WORKER_HOST))
    in_order = due(mine).order_by(F("next_at").asc(nulls_first=True), "pk")
    waiting = in_order.values_list("pk", flat=True)[:QUEUE_IS_LONG]
    if waiting and get_broker().queue_size() < QUEUE_IS_LONG:
        for run_id in waiting:
            doorbell.deliver(run_id)  # the first that fails ends this: told once, not for every run and second


def ring_beat() -> None:
    """Send the little task that proves that tasks are handed out; not when many wait already."""
    if get_broker().queue_size() < QUEUE_IS_LONG:
        async_task("backups.worker.tasks.beat")
