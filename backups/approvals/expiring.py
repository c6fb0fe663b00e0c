"""What time does to requests. Every guard looks at the clock itself; this only writes down what is so already."""

from django.db.models import Q

from backups import clock
from backups.audit import act

from . import mail, moves
from .errors import ApprovalError
from .models import OPEN, ApprovalRequest, MailAbout, RequestState

SILENCE = "Nobody decided in time."
TOO_FEW = "Too few people approved in time."
LATE = "Work did not begin in time after the approval."


def expire_due() -> int:
    """Close what nobody decided in time, and what was approved and did not begin in time. The ticker calls this on
    every host. Returns how many it closed."""
    now = clock.now()
    late = Q(state=RequestState.PENDING, expires_at__lte=now) | Q(state=RequestState.APPROVED, start_before__lte=now)
    due = ApprovalRequest.objects.filter(late, state__in=OPEN).select_related("requester")
    return sum(_expire(request, now) for request in due[:100])


def _expire(request: ApprovalRequest, now) -> bool:
    column = "expires_at__lte" if request.state == RequestState.PENDING else "start_before__lte"
    try:
        with act(None) as a:
            moves.close(request, RequestState.EXPIRED, _why(request), {"state": request.state, column: now})
            a.record("request.expired", request, run=request.run_id)
            mail.post(request, MailAbout.ENDED, [request.requester])
    except ApprovalError:
        return False  # somebody decided, or it began, a moment ago
    return True


def _why(request: ApprovalRequest) -> str:
    if request.state == RequestState.APPROVED:
        return LATE
    return TOO_FEW if request.votes.exists() else SILENCE
