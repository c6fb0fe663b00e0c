"""Collectors: the ticker claims rows that are due and sends a task for each; the task does the calls.

The ticker itself goes nowhere. A task that is lost lets the lease run out, and the row is due again.
"""

from django.conf import settings
from django_q.brokers import get_broker
from django_q.tasks import async_task

from backups.archives.locations import collector as archives
from backups.archives.models import ArchiveLocation
from backups.clusters import collector as clusters
from backups.clusters import leases
from backups.clusters.models import Cluster
from backups.repositories import collector as repositories
from backups.repositories.models import Repository
from backups.snapshots import collector as snapshots

# Runs come first: a queue that is this long gets no more looks.
MOST_WAITING = 4


def ring_due_collectors() -> None:
    """Send a task for each cluster, repository, and location of this host that is due, a few at a time, the longest
    due first."""
    for rows, task in (
        (Cluster.objects.filter(credentials__purpose="everyday", credentials__in_use=True), "cluster"),
        (snapshots.answering(Repository.objects), "repository"),
        (ArchiveLocation.objects.filter(host=settings.WORKER_HOST), "location"),
    ):
        in_order = leases.due(rows).order_by("collect_at", "pk").values_list("pk", "collect_fence")
        for pk, fence in list(in_order[:MOST_WAITING]):
            if get_broker().queue_size() >= MOST_WAITING:
                return
            if claimed := leases.claim(rows.model.objects, pk, fence):
                async_task(f"backups.worker.tasks.collect_{task}", pk, claimed)


def collect_cluster(pk: int, fence: int) -> None:
    """The cluster, and which repositories it has."""
    if clusters.collect(pk, fence):
        repositories.collect(pk, fence)


def collect_repository(pk: int, fence: int) -> None:
    """The snapshots of one repository."""
    snapshots.collect(pk, fence)


def collect_location(pk: int, fence: int) -> None:
    """What lies in a directory of this host."""
    archives.collect(pk, fence)
