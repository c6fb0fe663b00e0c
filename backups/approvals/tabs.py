"""The tabs of the inbox."""

from dataclasses import dataclass, field

from django.db.models import QuerySet

from backups.access import may

from .inbox import to_review, waiting_for
from .models import OPEN, ApprovalRequest, RequestState

MOST_WAITING = 100

# What a list shows of a row: the frozen text may be long, and a page has a hundred rows.
LEFT_OUT = ("text", "params", "policy", "risk_reason")


@dataclass(frozen=True)
class Tab:
    """``rows`` in the order of the page; ``is_long``: by pages, newest first. ``count`` is shown where it is worth
    it, ``hot`` where somebody has to do something."""

    name: str
    title: str
    rows: QuerySet
    is_long: bool = True
    count: int = 0
    hot: bool = False
    reviews: list = field(default_factory=list)


def tabs_for(user, wanted: str) -> tuple[list[Tab], Tab]:
    """All tabs of this person, and the one that is open: the one they want, or the first where something waits."""
    waiting, reviews = waiting_for(user), list(to_review(user).defer(*LEFT_OUT)[:MOST_WAITING])
    all_ = _lean(ApprovalRequest.objects)
    mine = all_.filter(requester=user)
    tabs = [
        Tab("open", "All open", all_.filter(state__in=OPEN)),
        Tab("decided", "Decided", all_.exclude(state__in=(*OPEN, RequestState.EXPIRED))),
        Tab("expired", "Expired", all_.filter(state=RequestState.EXPIRED)),
    ]
    if may(user, "restore.request"):
        tabs.insert(0, Tab("mine", "Your requests", mine, count=mine.filter(state__in=OPEN).count()))
    if may(user, "request.vote") or may(user, "request.review"):
        number = waiting.count() + len(reviews)
        rows = _lean(waiting)[:MOST_WAITING]
        tabs.insert(0, Tab("waiting", "Waiting for you", rows, False, number, hot=True, reviews=reviews))
    return tabs, next((tab for tab in tabs if tab.name == wanted), tabs[0])


def _lean(rows) -> QuerySet:
    return rows.select_related("requester", "run").prefetch_related("votes__person").defer(*LEFT_OUT)
