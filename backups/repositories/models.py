"""A snapshot repository."""

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from backups.clusters.models import Cluster, Collected


class RepositoryState(models.TextChoices):
    """wanted -> registered | failed; registered -> missing when the cluster does not know it any more."""

    WANTED = "wanted", "Being registered"
    REGISTERED = "registered", "Registered"
    FAILED = "failed", "Not registered"
    MISSING = "missing", "Missing"


# So long it is said that snapshots vanished.
LATELY = timedelta(hours=24)

# States of snapshots that are in their repository; a failed one is there when the server gave it a uuid.
THERE = Q(state__in=("running", "verified", "partial", "found", "damaged")) | Q(state="failed") & ~Q(uuid="")


class RepositoryQuerySet(models.QuerySet):
    def targets(self) -> models.QuerySet:
        """Where a snapshot can go: registered, and not as read-only. The server keeps settings as texts."""
        writable = Q(settings__readonly__isnull=True) | Q(settings__readonly__in=["false", False])
        return self.filter(writable, state=RepositoryState.REGISTERED)

    def with_snapshot_count(self) -> models.QuerySet:
        # For each repository by the index on its snapshots; a join would sort all snapshots first.
        snapshots = self.model._meta.get_field("snapshots").related_model.objects
        mine = snapshots.filter(THERE, repository=models.OuterRef("pk")).order_by().values("repository")
        count = models.Subquery(mine.annotate(count=models.Count("pk")).values("count"))
        return self.annotate(snapshot_count=Coalesce(count, 0))


class Repository(Collected):
    """A place that a cluster keeps snapshots in. ``settings`` are Elasticsearch's own (location, compress).
    ``message`` is about registering and verifying, ``collect_message`` about reading its list of snapshots.
    ``damaged`` counts its damaged snapshots. ``vanished`` counts those that vanished about ``vanished_at`` without
    being expected to: others remove their own all the time, but not ours, and not the last ones."""

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="repositories")
    name = models.CharField(max_length=128)
    type = models.CharField(max_length=20, default="fs")
    settings = models.JSONField(default=dict)
    uuid = models.CharField(max_length=40, blank=True)
    state = models.CharField(max_length=10, choices=RepositoryState, default=RepositoryState.WANTED)
    message = models.TextField(blank=True)
    detail = models.TextField(blank=True)
    nodes = models.JSONField(default=list)
    verified_at = models.DateTimeField(null=True)
    registered_at = models.DateTimeField(null=True)
    collected_at = models.DateTimeField(null=True)
    collect_message = models.TextField(blank=True)
    collect_detail = models.TextField(blank=True)
    damaged = models.PositiveIntegerField(default=0)
    vanished = models.PositiveIntegerField(default=0)
    vanished_at = models.DateTimeField(null=True)

    objects = RepositoryQuerySet.as_manager()

    class Meta:
        ordering = ["cluster__name", "name"]
        verbose_name_plural = "repositories"
        constraints = [
            models.UniqueConstraint(fields=["cluster", "name"], name="repository_name_once_per_cluster"),
            models.CheckConstraint(condition=Q(state__in=RepositoryState.values), name="repository_state_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.cluster}"

    def get_absolute_url(self) -> str:
        return reverse("repositories:detail", args=[self.pk])

    @property
    def failing(self) -> list[str]:
        """Names of the nodes that could not use it when it was last verified."""
        return [node["name"] for node in self.nodes if node["state"] == "failed"]

    @property
    def failing_words(self) -> str:
        """For the pill: 1 of 5 nodes fails."""
        failing = len(self.failing)
        return f"{failing} of {len(self.nodes)} nodes {'fails' if failing == 1 else 'fail'}"

    @property
    def damaged_words(self) -> str:
        """For the pill: 3 snapshots damaged."""
        return f"{self.damaged:,} snapshot{'s' if self.damaged > 1 else ''} damaged"

    @property
    def is_verified(self) -> bool:
        """Registered, and every node could write when it was last verified. That says nothing about old snapshots:
        a verification passes on an emptied folder too. To a read-only one nobody writes."""
        return self.is_good and self.verified_at is not None and not self.is_readonly

    @property
    def is_good(self) -> bool:
        """Registered, and nothing is known against it. What others registered may never have been verified here."""
        return self.is_registered and not self.message

    @property
    def vanished_lately(self) -> int:
        return self.vanished if self.vanished_at and timezone.now() - self.vanished_at < LATELY else 0

    @property
    def is_registered(self) -> bool:
        return self.state == RepositoryState.REGISTERED

    @property
    def is_readonly(self) -> bool:
        """Registered so that this cluster never writes there."""
        return str(self.settings.get("readonly", False)).lower() == "true"

    @property
    def location(self) -> str:
        return self.settings.get("location", "")
