"""Holds and safety copies."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from backups.archives.models import Archive
from backups.clusters.models import Cluster
from backups.runs.models import Run
from backups.snapshots.models import Snapshot


class HoldQuerySet(models.QuerySet):
    def in_force(self, now: datetime) -> models.QuerySet:
        """Those that keep something at the moment ``now``."""
        return self.filter(released_at=None, until__gt=now)


class Hold(models.Model):
    """A person's hold on one snapshot or archive: it is not deleted before ``until``."""

    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.PROTECT, related_name="holds")
    archive = models.ForeignKey(Archive, null=True, on_delete=models.PROTECT, related_name="holds")
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    placed_at = models.DateTimeField()
    reason = models.TextField()
    until = models.DateTimeField()
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    released_at = models.DateTimeField(null=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        ordering = ["until", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(snapshot=None, archive__isnull=False) | Q(snapshot__isnull=False, archive=None),
                name="hold_is_on_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"hold on {self.snapshot or self.archive}"


class SafetyCopyState(models.TextChoices):
    """wanted -> kept -> removing -> removed; kept -> used when it was put back; wanted, kept -> missing. removing ->
    kept when nothing was removed, -> missing when what is there is not what was made."""

    WANTED = "wanted", "Being made"
    KEPT = "kept", "Kept"
    USED = "used", "Put back"
    REMOVING = "removing", "Being removed"
    REMOVED = "removed", "Removed"
    MISSING = "missing", "Missing"


class CopyForm(models.TextChoices):
    """What it is: a clone of an index, a snapshot, a folder beside the restored one, a Redis dump in a file."""

    INDEX = "index", "Index"
    SNAPSHOT = "snapshot", "Snapshot"
    FOLDER = "folder", "Folder"
    DUMP = "dump", "Redis dump"


class SafetyCopy(models.Model):
    """What a restore kept of what it replaced. ``name`` is the index, or the path on ``host``; ``of`` is what it is a
    copy of. ``facts`` hold what putting it back has to prove: documents, aliases, settings, digests."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="safety_copies")
    form = models.CharField(max_length=8, choices=CopyForm)
    cluster = models.ForeignKey(Cluster, null=True, on_delete=models.PROTECT, related_name="safety_copies")
    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.PROTECT, related_name="safety_copies")
    host = models.CharField(max_length=255, blank=True)
    name = models.TextField()
    of = models.TextField()
    facts = models.JSONField(default=dict)
    bytes = models.PositiveBigIntegerField(null=True)
    state = models.CharField(max_length=8, choices=SafetyCopyState, default=SafetyCopyState.WANTED)
    made_at = models.DateTimeField(null=True)
    keep_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    removed_by = models.ForeignKey(Run, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "safety copies"
        constraints = [
            models.CheckConstraint(condition=Q(form__in=CopyForm.values), name="copy_form_is_known"),
            models.CheckConstraint(condition=Q(state__in=SafetyCopyState.values), name="copy_state_is_known"),
            models.CheckConstraint(
                condition=~Q(state=SafetyCopyState.KEPT) | Q(made_at__isnull=False, keep_until__isnull=False),
                name="copy_kept_has_an_end",
            ),
            models.UniqueConstraint(fields=["run", "form", "name"], name="copy_once_per_run"),
        ]
        indexes = [models.Index(fields=["state", "keep_until"], name="copy_by_end")]

    def __str__(self) -> str:
        return self.name
