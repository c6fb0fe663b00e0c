"""Plans, and the locks of restores on what they change."""

import json

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.urls import reverse

from backups.approvals.models import DIGEST_LENGTH, ApprovalRequest, RequestState, Risk
from backups.archives.models import Archive
from backups.clusters.models import Cluster
from backups.runs.models import Run
from backups.snapshots.models import Snapshot

from .targets import LONGEST


class RestorePlan(models.Model):
    """What a restore would do. ``text`` is its canonical JSON, ``digest`` the SHA-256 of that; both never change.

    ``options`` are what was asked, so that the plan can be made anew. ``blocked`` counts what stands in the way: a
    plan with any cannot be sent. ``undoes`` is the restore that this plan takes back.
    """

    snapshot = models.ForeignKey(Snapshot, null=True, on_delete=models.PROTECT, related_name="plans")
    archive = models.ForeignKey(Archive, null=True, on_delete=models.PROTECT, related_name="plans")
    cluster = models.ForeignKey(Cluster, null=True, on_delete=models.PROTECT, related_name="plans")
    undoes = models.ForeignKey(Run, null=True, on_delete=models.PROTECT, related_name="undone_by")
    title = models.CharField(max_length=300)
    options = models.JSONField(default=dict)
    text = models.TextField()
    digest = models.CharField(max_length=DIGEST_LENGTH)
    risk = models.CharField(max_length=2, choices=Risk)
    risk_reason = models.TextField(blank=True)
    blocked = models.PositiveIntegerField(default=0)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    request = models.OneToOneField(ApprovalRequest, null=True, on_delete=models.PROTECT, related_name="plan")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(snapshot__isnull=False, archive=None)
                | Q(snapshot=None, archive__isnull=False)
                | Q(snapshot=None, archive=None, undoes__isnull=False),
                name="plan_has_one_source",
            ),
            models.CheckConstraint(condition=Exact(Length("digest"), DIGEST_LENGTH), name="plan_has_a_digest"),
            models.CheckConstraint(condition=Q(risk__in=Risk.values), name="plan_risk_is_known"),
            models.CheckConstraint(condition=Q(request=None) | Q(blocked=0), name="plan_blocked_is_not_sent"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("restores:plan", args=[self.pk])

    @property
    def document(self) -> dict:
        """What was planned."""
        return json.loads(self.text)

    @property
    def replaces(self) -> bool:
        """Whether it takes the place of live data."""
        return self.risk in (Risk.R2, Risk.R3)

    @property
    def is_of_files(self) -> bool:
        """Whether it is about files or Redis data, not about indices."""
        return self.document["kind"] == "archive"

    @property
    def place(self) -> str:
        """Where it changes something: the name of the cluster, or the host. Typed by whoever replaces live data."""
        return self.cluster.name if self.cluster else self.document["target"]["host"]

    @property
    def came_to_nothing(self) -> bool:
        """Whether it was asked for, and ended without being carried out."""
        return bool(self.request_id) and not self.request.is_open and self.request.state != RequestState.STARTED

    @property
    def source_name(self) -> str:
        """What the request holds, so that it is not deleted: ``snapshot:12``, ``archive:5``, ``run:7``."""
        if self.snapshot_id:
            return f"snapshot:{self.snapshot_id}"
        return f"archive:{self.archive_id}" if self.archive_id else f"run:{self.undoes_id}"


class TargetLock(models.Model):
    """One thing that a restore changes, from its start to its end: ``index:<cluster uuid>:<name>``,
    ``path:<host>:<path>``, ``redis:<server>:<database>``. Two restores cannot hold the same."""

    target = models.CharField(max_length=LONGEST, unique=True)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="locks")
    taken_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.target
