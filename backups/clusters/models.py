"""A cluster and its credentials."""

import hashlib
import json

from django.db import models
from django.db.models import Q
from django.urls import reverse


class ClusterState(models.TextChoices):
    UNCHECKED = "unchecked", "Not checked yet"
    GOOD = "good", "Connected"
    BAD = "bad", "No contact"


class Collected(models.Model):
    """What a collector keeps of its own on the row that it refreshes: when it is due (None: at once), its lease and
    fence, and for how long it has failed. Times of claims are the database's."""

    collect_at = models.DateTimeField(null=True)
    collect_until = models.DateTimeField(null=True)
    collect_fence = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class Cluster(Collected):
    """One Elasticsearch or OpenSearch. What it is and how it does is what the last look found."""

    name = models.CharField(max_length=60, unique=True)
    addresses = models.JSONField(default=list)
    ca_file = models.CharField(max_length=255, blank=True)
    product = models.CharField(max_length=20, blank=True)
    version = models.CharField(max_length=20, blank=True)
    uuid = models.CharField(max_length=40, blank=True)
    cluster_name = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=9, choices=ClusterState, default=ClusterState.UNCHECKED)
    message = models.TextField(blank=True)
    detail = models.TextField(blank=True)
    health = models.JSONField(default=dict)
    nodes = models.JSONField(default=list)
    indices = models.JSONField(default=dict)
    loss_told = models.BooleanField(default=False)
    looked_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ClusterState.values), name="cluster_state_is_known")
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("clusters:detail", args=[self.pk])

    @property
    def tries_every(self) -> int:
        """Seconds between two tries while it does not answer."""
        if not self.collect_at or not self.looked_at:
            return 10
        return max(1, round((self.collect_at - self.looked_at).total_seconds()))

    @property
    def digest(self) -> str:
        """Changes with everything that a person may change: a form made from another digest is out of date."""
        newest = max((credential.pk for credential in self.credentials.all()), default=0)
        fields = [self.name, self.addresses, self.ca_file, newest]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()

    @property
    def everyday(self) -> "ClusterCredential | None":
        return self.credential(Purpose.EVERYDAY)

    @property
    def restricted(self) -> "ClusterCredential | None":
        return self.credential(Purpose.RESTRICTED)

    def credential(self, purpose: str) -> "ClusterCredential | None":
        """The credential in use for this purpose."""
        return next((c for c in self.credentials.all() if c.purpose == purpose and c.in_use), None)


class Purpose(models.TextChoices):
    EVERYDAY = "everyday", "Everyday"
    RESTRICTED = "restricted", "Restricted"


class CredentialState(models.TextChoices):
    """unchecked -> good | bad. A good one is put to use, and the one before it is removed."""

    UNCHECKED = "unchecked", "Not checked yet"
    GOOD = "good", "Good"
    BAD = "bad", "Refused"


class ClusterCredential(models.Model):
    """A user of a cluster with a sealed password. Saved first, then checked by the worker, then put to use."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="credentials")
    purpose = models.CharField(max_length=10, choices=Purpose)
    username = models.CharField(max_length=255)
    sealed = models.TextField(blank=True)
    state = models.CharField(max_length=9, choices=CredentialState, default=CredentialState.UNCHECKED)
    in_use = models.BooleanField(default=False)
    may = models.JSONField(default=dict)
    message = models.TextField(blank=True)
    detail = models.TextField(blank=True)
    saved_at = models.DateTimeField(auto_now_add=True)
    checked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "purpose"], condition=Q(in_use=True), name="one_credential_in_use"
            ),
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="purpose_is_known"),
            models.CheckConstraint(condition=Q(state__in=CredentialState.values), name="credential_state_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.username} ({self.purpose}) of {self.cluster}"

    @property
    def context(self) -> str:
        """What the sealed password is bound to: a box copied to another row does not open."""
        return f"cluster:{self.cluster_id}:{self.purpose}:{self.username}"
