"""Entries, the head of their chain, checkpoints, and what verifications found."""

from django.conf import settings
from django.db import models

from backups.access import may

from .actions import ACTIONS


class Outcome(models.TextChoices):
    SUCCESS = "success", "Done"
    FAILURE = "failure", "Failed"
    DENIED = "denied", "Denied"
    UNKNOWN = "unknown", "Unknown"


class EntryQuerySet(models.QuerySet):
    def visible_to(self, user) -> models.QuerySet:
        """Auditors and administrators see all entries, operators and approvers their own, viewers none. What is
        numbered below 1 is no entry: somebody forged it, and ``verify`` says so."""
        entries = self.filter(seq__gte=1)
        if may(user, "entry.read_all"):
            return entries
        return entries.filter(actor=user) if may(user, "entry.read_own") else self.none()


class AuditEntry(models.Model):
    """One thing that happened. ``text`` is the truth and is what the digest covers; the other columns serve
    filters and are compared with it by ``verify``. Never updated, never deleted: triggers refuse it."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    action = models.CharField(max_length=40)
    outcome = models.CharField(max_length=8, choices=Outcome)
    severity = models.SmallIntegerField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor_name = models.CharField(max_length=150)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=300)
    reason = models.TextField()
    run = models.BigIntegerField(null=True)
    text = models.TextField()
    prev = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    mac = models.CharField(max_length=64)

    objects = EntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(outcome__in=Outcome.values), name="entry_outcome_is_known"),
            models.CheckConstraint(condition=models.Q(seq__gte=1), name="entry_numbers_begin_with_1"),
        ]
        indexes = [
            models.Index(fields=["object_type", "object_id", "-seq"], name="entry_by_object"),
            models.Index(fields=["actor", "-seq"], name="entry_by_actor"),
            models.Index(fields=["action", "-seq"], name="entry_by_action"),
            models.Index(fields=["run", "-seq"], name="entry_by_run"),
            models.Index(fields=["outcome", "-seq"], name="entry_by_outcome"),
        ]

    def __str__(self) -> str:
        return f"Entry {self.seq}"

    @property
    def pattern(self) -> str:
        """The sentence with {actor} and {object} still open: a page may put links there."""
        action = ACTIONS.get(self.action)
        return action.sentence if action else "{actor}: {object}"

    @property
    def sentence(self) -> str:
        """What happened, as plain text."""
        return self.pattern.format(**self.names)

    @property
    def names(self) -> dict[str, str]:
        """What the sentence is filled with; the name that it begins with has a capital letter."""
        names = {"actor": self.actor_name, "object": self.object_name}
        for name, text in names.items():
            if self.pattern.startswith(f"{{{name}}}"):
                names[name] = text[:1].upper() + text[1:]
        return names


class AuditHead(models.Model):
    """One row: number and digest of the newest entry. Locked last in every act."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    seq = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="0" * 64)
    at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Head {self.seq}"


class Checkpoint(models.Model):
    """A signed statement: at this time the newest entry had this number and digest. Also written to a file."""

    at = models.DateTimeField()
    seq = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    host = models.CharField(max_length=255)
    signature = models.CharField(max_length=88)

    class Meta:
        indexes = [models.Index(fields=["seq"], name="checkpoint_by_entry")]

    def __str__(self) -> str:
        return f"Checkpoint at entry {self.seq}"


class Verification(models.Model):
    """What one look at the chain found. ``problem`` is empty when all was well up to ``seq``."""

    at = models.DateTimeField()
    since = models.BigIntegerField()
    seq = models.BigIntegerField()
    problem = models.TextField()
    first_bad = models.BigIntegerField(null=True)

    class Meta:
        indexes = [models.Index(fields=["-at"], name="verification_by_time")]

    def __str__(self) -> str:
        return f"Verification up to entry {self.seq}"
