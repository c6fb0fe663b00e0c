"""Admission: whether the run of a request may begin, asked again at the last moment.

A run's first step works out its plan anew and asks ``admission`` with the digest of that; in the commit of the same
turn ``begin`` moves the request, so that it begins once and in time. Whoever opens the restricted credential asks
``require_started``.
"""

from dataclasses import dataclass

from django.conf import settings

from backups import clock
from backups.audit.acts import Act
from backups.runs.models import Run

from . import mail, moves, rules
from .errors import ApprovalError, NotAdmitted
from .facts import facts_of, is_sealed, logged
from .models import ApprovalRequest, MailAbout, RequestState, digest_of

READY, WAIT, REFUSED = "ready", "wait", "refused"

ACTIONS = {
    RequestState.EXPIRED: "request.expired",
    RequestState.INVALIDATED: "request.invalidated",
    RequestState.CANCELLED: "request.withdrawn",
}


@dataclass(frozen=True)
class Admission:
    """``why`` is for people. ``closes`` is the state for ``close_unstarted`` where the run has to close its request;
    empty where that is closed already."""

    state: str
    why: str = ""
    closes: str = ""


def request_of(run: Run) -> ApprovalRequest:
    """The request that this run carries out. Raises NotAdmitted where there is none, or where it has another run."""
    request = ApprovalRequest.objects.filter(run=run).select_related("requester").first()
    if request is None or run.params.get("request") != request.pk:
        raise NotAdmitted("This run belongs to no approved request.")
    return request


def admission(run: Run, digest: str) -> Admission:
    """Whether this run may begin (or has begun). ``digest`` is that of the plan as it is now."""
    try:
        request = request_of(run)
    except NotAdmitted as error:
        return Admission(REFUSED, str(error))
    if request.state == RequestState.STARTED:
        return Admission(READY)
    return _admission(request, digest)


def begin(a: Act, request: ApprovalRequest) -> None:
    """The run of this request begins: part of the commit of its turn. Nothing happens when it has begun before.
    Raises NotAdmitted when it may not (any more); nothing of the act remains then."""
    locked = moves.lock(request)
    if locked.state == RequestState.STARTED:
        return
    # Asked again under the lock: since the step asked, somebody may have lost the role, or the time may have run out.
    found = _admission(locked, locked.digest)
    if found.state != READY:
        raise NotAdmitted(found.why)
    try:
        moves.start(locked, clock.now())
    except ApprovalError as error:
        raise NotAdmitted(str(error)) from error
    a.record("request.started", locked, change={"digest": locked.digest}, run=locked.run_id)


def close_unstarted(a: Act, request: ApprovalRequest, state: str, why: str) -> None:
    """The run ends without having begun, and with it its request: invalidated, expired or cancelled. Part of the
    commit of its turn. A request that is closed already stays as it is."""
    locked = moves.lock(request)
    if locked.is_open:
        moves.close(locked, state, why)
        a.record(ACTIONS[state], locked, change={"why": why}, run=locked.run_id)
        mail.post(locked, MailAbout.ENDED, [locked.requester])


def require_started(run: Run) -> ApprovalRequest:
    """The request of a run that has begun: asked before a restricted credential is opened. Raises NotAdmitted when it
    has not begun, the log has no entry of that, or its text is not the one that was agreed to."""
    request = request_of(run)
    if request.state != RequestState.STARTED:
        raise NotAdmitted(f"{request.number} has not been started.")
    if run.is_over:
        raise NotAdmitted("This run is over.")
    if digest_of(request.text) != request.digest:
        raise NotAdmitted(f"The text of {request.number} was changed after it was filed.")
    if (run.pk, request.digest) not in logged(request).started:
        raise NotAdmitted(f"The log has no entry of the start of {request.number} by this run.")
    return request


def _admission(request: ApprovalRequest, digest: str) -> Admission:
    case = rules.Start(facts_of(request), digest, clock.now(), live_policy(request), is_sealed(request))
    refused = rules.refusal(rules.START, case)
    if refused is None:
        return Admission(READY)
    if refused.guard == "sealed":
        return Admission(WAIT, refused.why)
    if refused.guard == "approved":
        return Admission(
            REFUSED, f"{request.number}: {request.get_state_display().lower()}. {request.ending}".strip()
        )
    late = refused.guard == "in time"
    return Admission(REFUSED, refused.why, RequestState.EXPIRED if late else RequestState.INVALIDATED)


def live_policy(request: ApprovalRequest) -> int:
    """How many approvals the site asks for today."""
    return 0 if request.break_glass else settings.APPROVALS_NEEDED[request.risk]
