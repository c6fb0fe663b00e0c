"""Votes. Whoever approved may reject later, until work begins: that ends the request, and both votes stay."""

from backups import clock
from backups.access import Denied
from backups.audit import act

from . import mail, moves, rules
from .errors import ApprovalError, StalePlan
from .facts import facts_of, person_now
from .models import ApprovalRequest, MailAbout, RequestState, Vote


def approve(request: ApprovalRequest, *, actor, digest: str, comment: str = "") -> ApprovalRequest:
    """Approve of the plan with this digest; the last approval that is needed queues the run. Returns the request as
    it is then. Raises ApprovalError (StalePlan when that is not the plan), and Denied."""
    with act(actor, reason=comment.strip()) as a:
        locked = moves.lock(request)
        _check(rules.APPROVE, locked, actor, digest)
        vote = _cast(locked, actor, digest, comment, approves=True)
        facts = facts_of(locked, voting=actor)
        said = f"{rules.counted(facts)} of {locked.needed}"
        a.record("request.voted", locked, change={"digest": digest, "approvals": said})
        if rules.reached(facts):
            moves.approve(a, locked, vote.at)
            mail.post(locked, MailAbout.APPROVED, [locked.requester])
    return locked


def reject(request: ApprovalRequest, *, actor, digest: str, comment: str) -> ApprovalRequest:
    """One rejection ends a request, as long as its run has not begun, and says why. Raises as ``approve`` does."""
    why = comment.strip()
    if not why:
        raise ApprovalError("Say why you reject this: the person who asked will want to know.", "comment")
    with act(actor, reason=why) as a:
        locked = moves.lock(request)
        _check(rules.REJECT, locked, actor, digest)
        _cast(locked, actor, digest, comment, approves=False)
        moves.close(locked, RequestState.REJECTED, why)
        a.record("request.rejected", locked, change={"digest": digest}, run=locked.run_id)
        mail.post(locked, MailAbout.ENDED, [locked.requester])
    return locked


def _check(guards: rules.Guards, request: ApprovalRequest, actor, digest: str) -> None:
    """Who it is comes first: that is denied, and the log says so. Then whether it can be done."""
    case = rules.Attempt(facts_of(request), person_now(actor), clock.now(), digest)
    if refused := rules.refusal(rules.WHO, case):
        raise Denied("request.vote", refused.why)
    if refused := rules.refusal(guards, case):
        raise (StalePlan if refused.guard == "digest" else ApprovalError)(refused.why)


def _cast(request: ApprovalRequest, actor, digest: str, comment: str, *, approves: bool) -> Vote:
    return Vote.objects.create(
        request=request,
        person=actor,
        requester_id=request.requester_id,
        approves=approves,
        digest=digest,
        comment=comment.strip(),
        at=clock.now(),
    )
