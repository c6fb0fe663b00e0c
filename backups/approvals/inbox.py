"""Who has something to do with a request: what waits for a person."""

from django.db.models import QuerySet
from django.db.models.functions import Now

from backups.access import may

from .models import ApprovalRequest, RequestState, Review


def waiting_for(user) -> QuerySet:
    """Requests that this person may vote on and has not, those that expire first at the top. Asked by every page: one
    query, by an index."""
    if not may(user, "request.vote"):
        return ApprovalRequest.objects.none()
    pending = ApprovalRequest.objects.filter(state=RequestState.PENDING, needed__gt=0, expires_at__gt=Now())
    return pending.exclude(requester=user).exclude(votes__person=user).order_by("expires_at", "pk")


def to_review(user) -> QuerySet:
    """Starts without approval that this person may look at, and that nobody has looked at, those due first at the
    top."""
    if not may(user, "request.review"):
        return ApprovalRequest.objects.none()
    return ApprovalRequest.objects.filter(review=Review.DUE).exclude(requester=user).order_by("review_due_at", "pk")
