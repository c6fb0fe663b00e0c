"""Requests, votes and what people say about them."""

import hashlib
import json

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.urls import reverse

from backups.runs.models import Run

DIGEST_LENGTH = 64


def digest_of(text: str) -> str:
    """SHA-256 of a frozen text, in hex: what a vote is about."""
    return hashlib.sha256(text.encode()).hexdigest()


class Risk(models.TextChoices):
    """How much harm it could do; decides how many people have to agree."""

    R0 = "R0", "Scratch: nothing live is touched"
    R1 = "R1", "Adds to what is live"
    R2 = "R2", "Replaces what is live"
    R3 = "R3", "Cannot be undone, or changes the whole system"


class RequestState(models.TextChoices):
    """pending -> approved | rejected | expired | cancelled | invalidated;
    approved -> started | rejected | expired | cancelled | invalidated.

    ``approved``: its run is queued and has not begun; until it does, an approver may still reject. ``invalidated``:
    something that people agreed to is not so any more. ``started``: its run has begun, and says the rest.
    """

    PENDING = "pending", "Waiting for approval"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Withdrawn"
    INVALIDATED = "invalidated", "Out of date"
    STARTED = "started", "Started"


OPEN = (RequestState.PENDING, RequestState.APPROVED)

TRANSITIONS: dict[str, set[str]] = {
    RequestState.PENDING: {
        *(RequestState.APPROVED, RequestState.REJECTED, RequestState.EXPIRED),
        *(RequestState.CANCELLED, RequestState.INVALIDATED),
    },
    RequestState.APPROVED: {
        *(RequestState.STARTED, RequestState.REJECTED, RequestState.EXPIRED),
        *(RequestState.CANCELLED, RequestState.INVALIDATED),
    },
}


class Review(models.TextChoices):
    """What came of looking at a break-glass start afterwards."""

    NONE = "", "Not needed"
    DUE = "due", "To be reviewed"
    ACCEPTED = "accepted", "Accepted"
    VIOLATION = "violation", "Against the rules"


class RequestQuerySet(models.QuerySet):
    def open(self) -> models.QuerySet:
        return self.filter(state__in=OPEN)

    def holding(self) -> models.QuerySet:
        """Those whose source must not be deleted: they wait, or their run is not over."""
        return self.filter(Q(state__in=OPEN) | Q(state=RequestState.STARTED, run__ended_at=None))


class ApprovalRequest(models.Model):
    """One request. ``text`` is frozen: the JSON that ``template`` shows, and ``digest`` its SHA-256.

    ``kind``, ``params`` and ``host`` are those of the run that is queued at quorum. ``source`` names what it needs
    (like ``snapshot:12``), which is held as long as the request is open. ``policy`` is the site's, as it was when
    this was asked. ``earlier`` is the request that this one takes the place of.
    """

    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=300)
    risk = models.CharField(max_length=2, choices=Risk)
    risk_reason = models.TextField()
    needed = models.PositiveSmallIntegerField()
    text = models.TextField()
    digest = models.CharField(max_length=DIGEST_LENGTH)
    template = models.CharField(max_length=100)
    summary = models.JSONField(default=dict)
    source = models.CharField(max_length=64, blank=True)
    subject = models.CharField(max_length=300)
    subject_url = models.CharField(max_length=300, blank=True)
    params = models.JSONField(default=dict)
    host = models.CharField(max_length=255, blank=True)
    policy = models.JSONField(default=dict)

    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="requests")
    reason = models.TextField()
    ticket = models.CharField(max_length=60, blank=True)
    key = models.CharField(max_length=200, unique=True)
    earlier = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="later")
    state = models.CharField(max_length=11, choices=RequestState, default=RequestState.PENDING)
    ending = models.TextField(blank=True)
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True)
    start_before = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    run = models.OneToOneField(Run, null=True, on_delete=models.PROTECT, related_name="request")

    break_glass = models.BooleanField(default=False)
    review = models.CharField(max_length=9, choices=Review, default=Review.NONE, blank=True)
    review_due_at = models.DateTimeField(null=True)
    reviewed_at = models.DateTimeField(null=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    review_note = models.TextField(blank=True)

    objects = RequestQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=RequestState.values), name="request_state_is_known"),
            models.CheckConstraint(condition=Q(risk__in=Risk.values), name="request_risk_is_known"),
            models.CheckConstraint(condition=Q(review__in=Review.values), name="request_review_is_known"),
            models.CheckConstraint(condition=Exact(Length("digest"), DIGEST_LENGTH), name="request_has_a_digest"),
            models.CheckConstraint(
                condition=Q(break_glass=True)
                | Q(risk=Risk.R0)
                | Q(risk__in=(Risk.R1, Risk.R2), needed__gte=1)
                | Q(risk=Risk.R3, needed__gte=2),
                name="request_needs_enough_votes",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=(RequestState.APPROVED, RequestState.STARTED))
                | Q(approved_at__isnull=False, start_before__isnull=False, run__isnull=False),
                name="request_approved_has_run",
            ),
            models.CheckConstraint(
                condition=Q(state__in=OPEN, ended_at=None) | (~Q(state__in=OPEN) & Q(ended_at__isnull=False)),
                name="request_ended_when_closed",
            ),
            models.CheckConstraint(
                condition=Q(break_glass=False, review=Review.NONE) | (Q(break_glass=True) & ~Q(review=Review.NONE)),
                name="request_break_glass_is_reviewed",
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by=None) | ~Q(reviewed_by=F("requester")), name="request_reviewed_by_another"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "-id"], name="request_by_state"),
            models.Index(fields=["requester", "-id"], name="request_by_requester"),
            models.Index(fields=["source", "state"], name="request_by_source"),
            models.Index(fields=["review"], condition=Q(review=Review.DUE), name="request_to_review"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("approvals:detail", args=[self.pk])

    @property
    def number(self) -> str:
        """How people call it: RR-0012."""
        return f"RR-{self.pk:04d}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def document(self) -> dict:
        """What was frozen."""
        return json.loads(self.text)


class Vote(models.Model):
    """What one person decided about one digest. Never changed: who approved and then has second thoughts rejects,
    which ends the request, and both votes stay. ``requester`` is copied, so that the database itself sees that nobody
    votes on a request of their own."""

    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="votes")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes")
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    approves = models.BooleanField()
    digest = models.CharField(max_length=DIGEST_LENGTH)
    comment = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["request", "person", "approves"], name="vote_once_per_person"),
            models.CheckConstraint(condition=~Q(person=F("requester")), name="vote_not_on_own_request"),
            models.CheckConstraint(condition=Exact(Length("digest"), DIGEST_LENGTH), name="vote_has_a_digest"),
            models.CheckConstraint(condition=Q(approves=True) | ~Q(comment=""), name="vote_against_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.person} {'approves' if self.approves else 'rejects'} {self.request.number}"


class Comment(models.Model):
    """What somebody said about a request. ``asks_change``: they want another plan before they decide."""

    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    text = models.TextField()
    asks_change = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.author} on {self.request.number}"


class MailAbout(models.TextChoices):
    FILED = "filed", "Somebody has to decide"
    HALF = "half", "Half of the time to decide is over"
    LAST = "last", "Hardly any time is left to decide"
    BROKEN = "broken", "The glass was broken"
    APPROVED = "approved", "It was approved"
    ENDED = "ended", "It ended without being carried out"


class Mail(models.Model):
    """One letter to one person about one request: written in the act that is told of, sent by the worker.

    ``next_at`` is when the next try is due; null when it was sent (``sent_at``) or given up. ``error`` says why the
    last try failed.
    """

    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="mails")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    about = models.CharField(max_length=8, choices=MailAbout)
    tries = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["request", "person", "about"], name="mail_once_per_person"),
            models.CheckConstraint(condition=Q(about__in=MailAbout.values), name="mail_subject_is_known"),
            models.CheckConstraint(condition=Q(sent_at=None) | Q(next_at=None), name="mail_sent_once"),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="mail_to_send"),
        ]

    def __str__(self) -> str:
        return f"{self.about} {self.request_id} to {self.person_id}"
