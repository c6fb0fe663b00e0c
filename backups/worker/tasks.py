"""What django-q2 runs. Arguments are numbers only: the queue stores them as pickles."""

import time

from django.conf import settings
from django_q.brokers import get_broker

from backups.approvals import mail
from backups.audit.origin import origin_context
from backups.runs import advance

from . import collecting, long_steps, pulse
from .kinds import KINDS

BUDGET_SECONDS = 5
"""A task follows one run for so long; then the ticker rings again, so that no run keeps a worker for itself."""


def look_at_run(run_id: int) -> None:
    """Do the turns of a run that are due, one after the other, as long as nobody else waits for this process."""
    end = time.monotonic() + BUDGET_SECONDS
    pulse.touch(pulse.TASK)
    with origin_context(command="worker", host=settings.WORKER_HOST):
        while (wait := advance(run_id, KINDS, long_steps.hand_over)) is not None and time.monotonic() + wait < end:
            if wait and get_broker().queue_size():
                return
            time.sleep(wait)
            pulse.touch(pulse.TASK)


def beat() -> None:
    """A task that proves that this host's queue still hands out tasks; the supervisor looks at the file's time."""
    pulse.touch(pulse.TASK)


def collect_cluster(pk: int, fence: int) -> None:
    """Refresh a cluster under a lease that the ticker claimed."""
    pulse.touch(pulse.TASK)
    with origin_context(command="collector", host=settings.WORKER_HOST):
        collecting.collect_cluster(pk, fence)


def collect_repository(pk: int, fence: int) -> None:
    """Refresh a repository under a lease that the ticker claimed."""
    pulse.touch(pulse.TASK)
    with origin_context(command="collector", host=settings.WORKER_HOST):
        collecting.collect_repository(pk, fence)


def collect_location(pk: int, fence: int) -> None:
    """Look at a directory with archives under a lease that the ticker claimed."""
    pulse.touch(pulse.TASK)
    with origin_context(command="collector", host=settings.WORKER_HOST):
        collecting.collect_location(pk, fence)


def send_mail() -> None:
    """Send a few letters. A mail server that does not answer keeps this task for some seconds, and nothing else."""
    pulse.touch(pulse.TASK)
    mail.send_due()
