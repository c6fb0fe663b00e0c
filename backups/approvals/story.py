"""What happened to a request, as people tell it: filed, said, voted, approved, started, ended. From the rows, because
not everybody may read the log."""

from datetime import datetime
from typing import NamedTuple

from .models import ApprovalRequest, RequestState, Review


class Event(NamedTuple):
    """``kind`` is the colour of the mark (ok run wait warn fail idle), ``icon`` what stands in it; ``text`` is what
    the person said."""

    at: datetime | None
    kind: str
    icon: str
    title: str
    who: str = ""
    text: str = ""


def story_of(request: ApprovalRequest) -> list[Event]:
    """Oldest first; the last one says what it waits for, while it does."""
    told = [_filed(request), *_talk(request), *_decided(request), *_run(request), *_review(request)]
    return [*sorted(told, key=lambda event: event.at), *_now(request)]


def _filed(request: ApprovalRequest) -> Event:
    if request.break_glass:
        return Event(request.requested_at, "fail", "alert-triangle", "Broke the glass", str(request.requester))
    return Event(request.requested_at, "ok", "send", "Asked", str(request.requester))


def _talk(request: ApprovalRequest):
    for vote in request.votes.select_related("person"):
        kind, icon, title = ("ok", "check", "Approved") if vote.approves else ("fail", "x", "Rejected")
        yield Event(vote.at, kind, icon, title, str(vote.person), vote.comment)
    for said in request.comments.select_related("author"):
        kind, title = ("warn", "Asks for a change") if said.asks_change else ("", "Comment")
        yield Event(said.at, kind, "file-text", title, str(said.author), said.text)


def _decided(request: ApprovalRequest):
    if request.approved_at:
        what = "Has all approvals" if request.needed else "Needs no approval"
        what = "Goes without approval" if request.break_glass else what
        yield Event(request.approved_at, "ok", "user-check", what)
    if request.state == RequestState.STARTED:
        yield Event(request.ended_at, "run", "player-play", "Work began")
    elif request.ended_at and request.state != RequestState.REJECTED:  # the vote tells that
        yield Event(request.ended_at, "", "ban", request.get_state_display(), text=request.ending)


def _run(request: ApprovalRequest):
    if request.state == RequestState.STARTED and request.run.ended_at:
        run = request.run
        ends = {"succeeded": ("ok", "check", "Done"), "partial": ("warn", "alert-triangle", "Ended incomplete")}
        kind, icon, title = ends.get(run.state, ("fail", "x", run.get_state_display()))
        yield Event(run.ended_at, kind, icon, title, text=run.error)


def _review(request: ApprovalRequest):
    if request.reviewed_at:
        fine = request.review == Review.ACCEPTED
        kind, icon = ("ok", "check") if fine else ("fail", "x")
        title = "Reviewed: it was right" if fine else "Reviewed: it was against the rules"
        yield Event(request.reviewed_at, kind, icon, title, str(request.reviewed_by), request.review_note)


def _now(request: ApprovalRequest) -> list[Event]:
    if request.state == RequestState.PENDING:
        return [Event(None, "wait", "clock-pause", "Waits for approval")]
    if request.state == RequestState.APPROVED:
        return [Event(None, "wait", "clock-pause", "Waits for its run to begin")]
    if request.state == RequestState.STARTED and request.run.ended_at is None:
        return [Event(None, "run", "loader-2", "Work goes on")]
    if request.review == Review.DUE:
        return [Event(None, "warn", "eye", "Waits for review")]
    return []
