"""The doorbell: asks the queue of this host to look at a run. Nothing depends on it arriving: the tickers of all
hosts ring again, each for its own queue."""

import logging

from django.db import transaction
from django_q.brokers import get_broker
from django_q.tasks import async_task

# The one string in the house that points up: the task that the queue runs.
TASK = "backups.worker.tasks.look_at_run"

LONG_QUEUE = 100

log = logging.getLogger(__name__)


def ring(run_id: int) -> None:
    """Ring once the present transaction is committed (at once outside one)."""
    transaction.on_commit(lambda: ring_now(run_id))


def ring_now(run_id: int) -> None:
    """Ring, and shrug when the queue cannot be reached: the run is safe in its row."""
    try:
        deliver(run_id)
    except Exception as error:  # noqa: BLE001 - any broker, any fault; the act it belongs to is already committed
        log.warning("doorbell not delivered: %s", error, extra={"run": run_id})


def deliver(run_id: int) -> None:
    """Ring at once; raises whatever the broker raises."""
    if get_broker().queue_size() < LONG_QUEUE:  # where no worker runs, nobody empties it
        async_task(TASK, run_id)
