"""The doorbell: asks the queue to look at a run. Nothing depends on it arriving; the ticker rings again."""

import logging

from django.db import transaction
from django_q.tasks import async_task

# The one string in the house that points up: the task that the queue runs.
TASK = "backups.worker.tasks.look_at_run"

log = logging.getLogger(__name__)


def ring(run_id: int) -> None:
    """Ring once the present transaction is committed (at once outside one)."""
    transaction.on_commit(lambda: ring_now(run_id))


def ring_now(run_id: int) -> None:
    """Ring, and shrug when the queue cannot be reached: the run is safe in its row."""
    try:
        async_task(TASK, run_id)
    except Exception:  # noqa: BLE001 - any broker, any fault; the act it belongs to is already committed
        log.warning("doorbell not delivered", extra={"run": run_id}, exc_info=True)
