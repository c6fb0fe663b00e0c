"""Verbs on requests: file one, say something about it, withdraw it, review a start without approval."""

import json
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from backups import clock
from backups.access import Denied, may
from backups.accounts.services import MIN_REASON
from backups.audit import act
from backups.audit.acts import Act

from . import mail, moves, rules
from .errors import ApprovalError
from .facts import ASKS, facts_of, person_now, voters
from .models import ApprovalRequest, Comment, MailAbout, RequestState, Review, Risk, digest_of

SENT_BEFORE = "This was already sent; the first one counts."
OVERDUE = (
    "A start of yours without approval is overdue for review. Have it reviewed before you break the glass again."
)


def file_request(
    *,
    actor,
    kind: str,
    title: str,
    risk: str,
    risk_reason: str,
    text: str,
    template: str,
    summary: dict,
    subject: str,
    reason: str,
    key: str,
    source: str = "",
    subject_url: str = "",
    params: dict | None = None,
    host: str = "",
    ticket: str = "",
    earlier: ApprovalRequest | None = None,
    break_glass: bool = False,
) -> ApprovalRequest:
    """Ask for something that needs other people. ``text`` is canonical JSON and is frozen from here on.

    ``key`` is unique for ever: what is sent twice is one request. What needs nobody (R0, or ``break_glass``) is
    approved at once and its run queued. Raises ApprovalError with the field that is wrong, and Denied. Joins the act
    that is open.
    """
    _check_right(actor, break_glass)
    needed = 0 if break_glass else settings.APPROVALS_NEEDED[risk]
    json.loads(text)  # a text that cannot be shown must not be asked for
    reason = reason.strip()
    _check_words(actor, reason, risk, break_glass)
    _check_quorum(actor, needed)
    _check_earlier(earlier)
    now = clock.now()
    request = ApprovalRequest(
        **{"kind": kind, "title": title, "risk": risk, "risk_reason": risk_reason, "needed": needed},
        **{"text": text, "digest": digest_of(text), "template": template, "summary": summary, "source": source},
        **{"subject": subject, "subject_url": subject_url, "params": params or {}, "host": host},
        **{"requester": actor, "reason": reason, "ticket": ticket.strip(), "key": key, "earlier": earlier},
        **_times(risk, needed, now),
        **({"break_glass": True} | _review_due(now) if break_glass else {}),
    )
    with act(actor, reason=reason) as a:
        _insert(request)
        _record_filed(a, request)
        if not needed:
            moves.approve(a, request, now)
        _tell_filed(request)
    return request


def comment(request: ApprovalRequest, *, actor, text: str, asks_change: bool = False) -> Comment:
    """Say something about a request. ``asks_change``: another plan is wanted first; it decides nothing. Raises
    ApprovalError when nothing is said or the request is closed, and Denied."""
    if not may(actor, "request.comment"):
        raise Denied("request.comment")
    text = text.strip()
    if not text:
        raise ApprovalError("Write what you want to say.", "comment")
    with act(actor) as a:
        locked = moves.lock(request)
        if not locked.is_open:
            raise ApprovalError(rules.OVER)
        said = Comment.objects.create(
            request=locked, author=actor, text=text, asks_change=asks_change, at=clock.now()
        )
        a.record("request.change_asked" if asks_change else "request.commented", locked, change={"text": text})
    return said


def withdraw(request: ApprovalRequest, *, actor) -> None:
    """Take a request back before its run begins: its requester, or an administrator. Raises ApprovalError, Denied."""
    with act(actor) as a:
        locked = moves.lock(request)
        case = rules.Attempt(facts_of(locked), person_now(actor), clock.now())
        refused = rules.refusal(rules.WITHDRAW, case)
        if refused and refused.guard == "who":
            raise Denied("restore.request", refused.why)
        if refused:
            raise ApprovalError(refused.why)
        own = actor.pk == locked.requester_id
        moves.close(locked, RequestState.CANCELLED, f"Withdrawn by {actor}.")
        a.record("request.withdrawn", locked, run=locked.run_id)
        if not own:
            mail.post(locked, MailAbout.ENDED, [locked.requester])


def review(request: ApprovalRequest, *, actor, accepted: bool, note: str) -> None:
    """Look at a start without approval afterwards, and say whether it was right. Not by the one who did it. Raises
    ApprovalError, and Denied."""
    if not may(actor, "request.review"):
        raise Denied("request.review")
    note = note.strip()
    if len(note) < MIN_REASON:
        raise ApprovalError(f"Say what you found in at least {MIN_REASON} characters.", "note")
    with act(actor, reason=note) as a:
        locked = moves.lock(request)
        now = clock.now()
        refused = rules.refusal(rules.REVIEW, rules.Attempt(facts_of(locked), person_now(actor), now))
        if refused and refused.guard == "another":
            raise Denied("request.review", refused.why)
        if refused:
            raise ApprovalError(refused.why)
        found = Review.ACCEPTED if accepted else Review.VIOLATION
        ApprovalRequest.objects.filter(pk=locked.pk, review=Review.DUE).update(
            review=found, reviewed_by=actor, reviewed_at=now, review_note=note
        )
        a.record("request.reviewed", locked, change={"review": found}, run=locked.run_id)


def holds(source: str) -> list[ApprovalRequest]:
    """The requests because of which this (like ``snapshot:12``) must not be deleted."""
    return list(ApprovalRequest.objects.holding().filter(source=source).select_related("requester"))


def _check_right(actor, break_glass: bool) -> None:
    rights = ("restore.break_glass",) if break_glass else ASKS
    if not any(may(actor, right) for right in rights):
        raise Denied(rights[0])


def _check_words(actor, reason: str, risk: str, break_glass: bool) -> None:
    if len(reason) < MIN_REASON:
        raise ApprovalError(f"Say why in at least {MIN_REASON} characters. Whoever decides reads this.", "reason")
    if break_glass and risk == Risk.R0:
        raise ApprovalError("This needs no approval, so there is no glass to break.", "break_glass")
    if break_glass and overdue_reviews(actor).exists():
        raise ApprovalError(OVERDUE, "break_glass")


def _check_earlier(earlier: ApprovalRequest | None) -> None:
    if earlier is not None and earlier.is_open:
        raise ApprovalError(f"{earlier.number} is still open. Withdraw it before you send its new form.")


def _check_quorum(actor, needed: int) -> None:
    """Better said now than after a day of waiting for people who are not there."""
    there = voters(actor).count() if needed else 0
    if there >= needed:
        return
    why = f"Other people have to approve this: {needed}. Active approvers besides you: {there}."
    why += " An administrator can make somebody approver under People."
    if may(actor, "restore.break_glass"):
        why += " In an emergency you may break the glass: it starts at once, everybody is told, and it is reviewed."
    raise ApprovalError(why)


def overdue_reviews(actor):
    """Starts without approval of this person that nobody looked at in time."""
    return ApprovalRequest.objects.filter(requester=actor, review=Review.DUE, review_due_at__lte=clock.now())


def _times(risk: str, needed: int, now: datetime) -> dict:
    """When it is asked and when silence ends it, and the rules of this day."""
    hours = settings.APPROVAL_HOURS_R3 if risk == Risk.R3 else settings.APPROVAL_HOURS
    start = timedelta(minutes=settings.START_WINDOW_MINUTES)
    policy = {"needed": needed, "expires_after": hours * 3600, "start_within": start.total_seconds()}
    return {"requested_at": now, "expires_at": now + timedelta(hours=hours), "policy": policy}


def _review_due(now: datetime) -> dict:
    return {"review": Review.DUE, "review_due_at": now + timedelta(hours=settings.REVIEW_HOURS)}


def _insert(request: ApprovalRequest) -> None:
    try:
        with transaction.atomic():
            request.save(force_insert=True)
    except IntegrityError as error:
        if ApprovalRequest.objects.filter(key=request.key).exists():
            raise ApprovalError(SENT_BEFORE) from error
        raise


def _record_filed(a: Act, request: ApprovalRequest) -> None:
    change = {"digest": request.digest, "risk": request.risk, "needed": request.needed}
    a.record("request.filed", request, change=change)
    if request.break_glass:
        a.record("request.glass_broken", request, change={"digest": request.digest, "risk": request.risk})


def _tell_filed(request: ApprovalRequest) -> None:
    if request.break_glass:
        mail.post(request, MailAbout.BROKEN, voters(request.requester))
    elif request.needed:
        people = voters(request.requester)
        mail.post(request, MailAbout.FILED, people)
        mail.remind(request, people)
