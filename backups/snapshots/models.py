"""What is protected, the snapshots that came of it, and what they hold."""

import hashlib
import json
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.urls import reverse

from backups.clusters.models import Cluster
from backups.repositories.models import Repository
from backups.runs.models import Run


def default_patterns() -> list[str]:
    """Everything but the indices whose names begin with a dot: those belong to the server."""
    return ["*", "-.*"]


class ProfileQuerySet(models.QuerySet):
    def with_last_good(self) -> models.QuerySet:
        """``last_good_at``: when its newest verified snapshot began."""
        good = Snapshot.objects.filter(profile=models.OuterRef("pk"), state=SnapshotState.VERIFIED)
        newest = good.order_by("-started_at").values("started_at")[:1]
        return self.annotate(last_good_at=models.Subquery(newest))


class SnapshotProfile(models.Model):
    """What is protected and where to: the answers a person would otherwise give at every start."""

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="profiles")
    name = models.CharField(max_length=60)
    repository = models.ForeignKey(Repository, on_delete=models.PROTECT, related_name="profiles")
    patterns = models.JSONField(default=default_patterns)
    name_template = models.CharField(max_length=200, default="<snapshot-{now/d}>")
    global_state = models.BooleanField(default=False)
    partial = models.BooleanField(default=False)
    time_field = models.CharField(max_length=200, default="@timestamp")

    objects = ProfileQuerySet.as_manager()

    class Meta:
        ordering = ["cluster__name", "name"]
        constraints = [models.UniqueConstraint(fields=["cluster", "name"], name="profile_name_once_per_cluster")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("snapshots:profile", args=[self.pk])

    @property
    def digest(self) -> str:
        """Changes with every field: a form that was made from another digest is out of date."""
        fields = [self.name, self.repository_id, self.patterns, self.name_template, self.time_field]
        fields += [self.global_state, self.partial]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()

    @property
    def last_good(self) -> "Snapshot | None":
        return self.snapshots.filter(state=SnapshotState.VERIFIED).order_by("-started_at").first()


class SnapshotState(models.TextChoices):
    """wanted -> running -> verified | partial | failed; wanted, running -> cancelled | unknown.

    ``wanted`` means: the name is taken by us, and the call may or may not have reached the cluster. ``unknown``
    means that nobody could find out whether there is one: somebody must look.

    What the collector finds: ``found`` is a whole one that somebody else made; what it was to hold is not known.
    ``damaged``: the repository lists it, but its files cannot be read. ``missing``: it was there, and is gone without
    us. ``deleted``: a run of ours deleted it, and saw that it is gone.
    """

    WANTED = "wanted", "Wanted"
    RUNNING = "running", "Running"
    VERIFIED = "verified", "Verified"
    PARTIAL = "partial", "Partial"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    MISSING = "missing", "Missing"
    UNKNOWN = "unknown", "Unknown"
    FOUND = "found", "Found"
    DAMAGED = "damaged", "Damaged"
    DELETED = "deleted", "Deleted"


# States in which a snapshot of this name exists in the repository, or may.
HOLDS_NAME = (
    *(SnapshotState.WANTED, SnapshotState.RUNNING, SnapshotState.VERIFIED, SnapshotState.PARTIAL),
    *(SnapshotState.UNKNOWN, SnapshotState.FOUND, SnapshotState.DAMAGED),
)

# States that say that all of its files were right, as far as anybody looked.
WHOLE = (SnapshotState.VERIFIED, SnapshotState.PARTIAL, SnapshotState.FOUND)


class SnapshotQuerySet(models.QuerySet):
    def with_index_count(self) -> models.QuerySet:
        # A subquery for each row that is shown: a join would count the indices of all snapshots first.
        mine = SnapshotIndex.objects.filter(snapshot=models.OuterRef("pk")).order_by().values("snapshot")
        count = models.Subquery(mine.annotate(count=models.Count("pk")).values("count"))
        return self.annotate(index_count=Coalesce(count, 0))


class Snapshot(models.Model):
    """One Elasticsearch snapshot. Its name is fixed here before the cluster hears of it."""

    repository = models.ForeignKey(Repository, on_delete=models.PROTECT, related_name="snapshots")
    profile = models.ForeignKey(SnapshotProfile, null=True, on_delete=models.SET_NULL, related_name="snapshots")
    run = models.OneToOneField(Run, null=True, on_delete=models.PROTECT, related_name="snapshot")
    name = models.CharField(max_length=255)
    uuid = models.CharField(max_length=40, blank=True)
    state = models.CharField(max_length=9, choices=SnapshotState, default=SnapshotState.WANTED)
    global_state = models.BooleanField(default=False)
    partial = models.BooleanField(default=False)
    sent_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    shards_total = models.PositiveIntegerField(null=True)
    shards_failed = models.PositiveIntegerField(null=True)
    bytes_total = models.PositiveBigIntegerField(null=True)
    bytes_new = models.PositiveBigIntegerField(null=True)
    failures = models.JSONField(default=list)
    message = models.TextField(blank=True)

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "name"],
                condition=Q(state__in=HOLDS_NAME),
                name="snapshot_name_once_per_repository",
            ),
            models.CheckConstraint(condition=Q(state__in=SnapshotState.values), name="snapshot_state_is_known"),
        ]
        indexes = [
            models.Index(fields=["profile", "state", "-started_at"], name="snapshot_by_profile"),
            models.Index(fields=["profile", "-id"], name="snapshot_of_profile"),
            models.Index(fields=["repository", "-id"], name="snapshot_of_repository"),
            models.Index(fields=["state", "-id"], name="snapshot_by_state"),
            models.Index(fields=["name", "-id"], name="snapshot_by_name"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("snapshots:detail", args=[self.pk])

    @property
    def closed_at(self) -> datetime | None:
        """When it ended; for one that came to nothing when its run did, because nobody follows it since. None while
        it goes on, and where it is not known."""
        if self.ended_at or self.goes_on or not self.run:
            return self.ended_at
        return self.run.ended_at

    @property
    def goes_on(self) -> bool:
        return self.state in (SnapshotState.WANTED, SnapshotState.RUNNING)

    @property
    def claims_data(self) -> bool:
        """Its state says that data is there, which nobody has read."""
        return self.state in WHOLE

    @property
    def shards_complete(self) -> int:
        return (self.shards_total or 0) - (self.shards_failed or 0)


class Counted(models.TextChoices):
    """How much is known about the documents that an index had in the snapshot."""

    EXACT = "exact", "Counted"
    WITHIN = "within", "Between two counts"
    NOT_COUNTED = "not_counted", "Not counted"


class Mapping(models.Model):
    """A mapping, kept once: it may have megabytes, and most indices have that of the day before. ``digest`` is the
    SHA-256 of its JSON with sorted keys."""

    digest = models.CharField(max_length=64, primary_key=True)
    body = models.JSONField()

    def __str__(self) -> str:
        return self.digest

    @classmethod
    def of(cls, body: dict) -> "Mapping":
        """The row for this mapping, not saved."""
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return cls(digest=hashlib.sha256(text.encode()).hexdigest(), body=body)


class IndexQuerySet(models.QuerySet):
    def totals(self) -> dict:
        """Documents and bytes of all of them, as counted before the snapshot."""
        return self.aggregate(documents=models.Sum("documents_before"), bytes=models.Sum("bytes"))


class SnapshotIndex(models.Model):
    """One index in a snapshot, as the live cluster had it just before and just after: the server keeps none of it.

    ``max_seq_no`` is the list of the primaries' highest sequence numbers. The same before and after means that
    nothing was written in between, so the documents of the snapshot are exactly counted.
    """

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="indices")
    name = models.CharField(max_length=255)
    uuid = models.CharField(max_length=40, blank=True)
    state = models.CharField(max_length=5)
    documents_before = models.BigIntegerField(null=True)
    documents_after = models.BigIntegerField(null=True)
    max_seq_no_before = models.JSONField(null=True)
    max_seq_no_after = models.JSONField(null=True)
    counted = models.CharField(max_length=11, choices=Counted, default=Counted.NOT_COUNTED)
    bytes = models.BigIntegerField(null=True)
    primaries = models.PositiveIntegerField(null=True)
    aliases = models.JSONField(default=dict)
    mapping = models.ForeignKey(Mapping, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    settings = models.JSONField(default=dict)

    objects = IndexQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "snapshot indices"
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "name"], name="index_once_per_snapshot"),
            models.CheckConstraint(condition=Q(counted__in=Counted.values), name="counted_is_known"),
        ]

    def __str__(self) -> str:
        return self.name
