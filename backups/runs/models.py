"""A run, its steps, its log, and the hosts that work on runs."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from .progress import Progress, measure


class RunState(models.TextChoices):
    """queued -> running -> succeeded | partial | failed | cancelled; queued -> cancelled | failed."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Success"
    PARTIAL = "partial", "Partial"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ACTIVE = (RunState.QUEUED, RunState.RUNNING)
TERMINAL = (RunState.SUCCEEDED, RunState.PARTIAL, RunState.FAILED, RunState.CANCELLED)

# What may follow what; the tests hold every run's entries against it.
TRANSITIONS = {
    RunState.QUEUED: {RunState.RUNNING, RunState.FAILED, RunState.CANCELLED},
    RunState.RUNNING: set(TERMINAL),
}


CHECK, LONG_CHECK = "check", "long_check"
CHECKS = (CHECK, LONG_CHECK)
"""The kinds that are no backup or change: a look at the outside world for a form, of seconds or of minutes."""


class Effect(models.TextChoices):
    """What a run left in the outside world."""

    NONE = "none", "Nothing was changed"
    APPLIED = "applied", "Applied"
    ROLLED_BACK = "rolled_back", "Rolled back"
    UNKNOWN = "unknown", "Unknown: somebody must look"


class RunQuerySet(models.QuerySet):
    def history(self) -> models.QuerySet:
        """What pages list: everything but checks, which are tests and previews of a form."""
        return self.exclude(kind__in=CHECKS)

    def active(self) -> models.QuerySet:
        return self.filter(state__in=ACTIVE)

    def visible_to(self, user) -> models.QuerySet:
        """Everybody sees all runs; a check belongs to the one who asked."""
        return self.filter(~Q(kind__in=CHECKS) | Q(actor=user))


class Run(models.Model):
    """One execution of anything. Claimed, advanced and committed by ``engine``; never deleted by people."""

    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=9, choices=RunState, default=RunState.QUEUED)
    effect = models.CharField(max_length=11, choices=Effect, default=Effect.NONE)
    subject = models.CharField(max_length=300)
    subject_url = models.CharField(max_length=300, blank=True)
    params = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    reason = models.TextField(blank=True)
    host = models.CharField(max_length=255, blank=True)

    step = models.PositiveSmallIntegerField(default=0)
    progress = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    error_detail = models.TextField(blank=True)
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    lease_owner = models.CharField(max_length=300, blank=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveBigIntegerField(default=0)
    claims = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)

    version = models.PositiveBigIntegerField(default=0)
    lines = models.PositiveIntegerField(default=0)
    log_sha256 = models.CharField(max_length=64, blank=True)
    queued_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=RunState.values), name="run_state_is_known"),
            models.CheckConstraint(condition=Q(effect__in=Effect.values), name="run_effect_is_known"),
            models.CheckConstraint(
                condition=Q(state__in=ACTIVE, ended_at=None) | Q(state__in=TERMINAL, ended_at__isnull=False),
                name="run_ended_when_terminal",
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "-id"], name="run_by_kind"),
            models.Index(fields=["state", "-id"], name="run_by_state"),
            models.Index(fields=["-ended_at", "state"], name="run_by_end"),
            models.Index(fields=["actor", "-id"], name="run_by_actor"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}: {self.subject}"

    def get_absolute_url(self) -> str:
        return reverse("runs:detail", args=[self.pk])

    @property
    def is_over(self) -> bool:
        return self.state in TERMINAL

    @property
    def is_check(self) -> bool:
        """A test or preview of a form: no entries, no steps, hidden from history, removed after a day."""
        return self.kind in CHECKS

    @property
    def no_cancel(self) -> str:
        """Why this run cannot be cancelled; empty when it can. Said by whoever queued it."""
        return self.params.get("no_cancel", "")

    @property
    def actor_name(self) -> str:
        return str(self.actor) if self.actor else "system"

    @property
    def measured(self) -> Progress | None:
        """How far it is, where its steps count something."""
        return measure(self.progress, over=self.is_over)


class StepState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    SKIPPED = "skipped", "Not reached"


class RunStep(models.Model):
    """What the page shows of a run's way: one row per step, made when the run is queued."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=100)
    state = models.CharField(max_length=9, choices=StepState, default=StepState.WAITING)
    note = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="step_once_per_run"),
            models.CheckConstraint(condition=Q(state__in=StepState.values), name="step_state_is_known"),
        ]

    def __str__(self) -> str:
        return f"Step {self.number + 1}: {self.title}"


class Level(models.TextChoices):
    INFO = "info", "INFO"
    DONE = "done", "DONE"
    CALL = "call", "CALL"
    NAME = "name", "NAME"
    WARNING = "warning", "WARN"
    ERROR = "error", "FAIL"


SHOWN_TO = {Level.CALL: "raw.read", Level.NAME: "archive.look"}
"""Lines of these levels are for those with a right."""


class RunLogLine(models.Model):
    """One line of a run's log. ``call`` lines hold a request exactly as it was sent, ``name`` lines what files in an
    archive, or about to go into one, are called: no other line, and no error of a run, says that."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="log", db_index=False)
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=7, choices=Level)
    text = models.TextField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="line_once_per_run")]

    def __str__(self) -> str:
        return f"{self.level}: {self.text[:80]}"


class WorkerHost(models.Model):
    """A host that works on runs. ``beat_at`` is written by its ticker: older than 15 s means nobody works there."""

    name = models.CharField(max_length=255, primary_key=True)
    beat_at = models.DateTimeField()
    started_at = models.DateTimeField()
    version = models.CharField(max_length=20, blank=True)

    def __str__(self) -> str:
        return self.name
