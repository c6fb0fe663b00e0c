"""manage.py worker: the supervised worker of this host."""

import os

from django.core.management.base import BaseCommand
from django_q.cluster import Cluster

from backups.worker import supervisor
from backups.worker.long_steps import LongSteps
from backups.worker.ticker import Ticker


class Command(BaseCommand):
    help = "Works on runs until it is told to end (SIGTERM or Ctrl-C). One per host."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--part", choices=["queue", "ticker"], help="used by the supervisor itself")

    def handle(self, *args, part: str | None = None, **options) -> None:
        if part == "queue":
            supervisor.let_forks_die_with_parent()
            cluster = Cluster()
            cluster.start()
            cluster.sentinel.join()
            # Not the interpreter's way out: queue threads may wait for processes that are gone.
            os._exit(0)
        elif part == "ticker":
            Ticker().run()
        else:
            supervisor.Supervisor(supervisor.worker_children(), LongSteps().present).run()
