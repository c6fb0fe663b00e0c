"""manage.py run_step RUN FENCE: one long step, started by the supervisor of the worker."""

import os
import signal

from django.conf import settings
from django.core.management.base import BaseCommand

from backups.audit.origin import origin_context
from backups.runs import long
from backups.worker.kinds import KINDS

NICE = 10


class ToldToEnd(Exception):
    """The worker of this host ends. The run goes on when it, or another one, works again."""


class Command(BaseCommand):
    help = "Used by the worker itself: does the long step of a run that it has claimed."

    def add_arguments(self, parser) -> None:
        parser.add_argument("run", type=int)
        parser.add_argument("fence", type=int)

    def handle(self, *args, run: int, fence: int, **options) -> None:
        signal.signal(signal.SIGTERM, _told_to_end)
        os.nice(NICE)
        with origin_context(command="run_step", host=settings.WORKER_HOST):
            long.run_step(run, fence, KINDS, lost=_end_all)


def _told_to_end(*_) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the way out is not interrupted again
    raise ToldToEnd


def _end_all() -> None:
    """This process leads a session of its own: whatever it started ends with it."""
    os.killpg(os.getpgrp(), signal.SIGKILL)
