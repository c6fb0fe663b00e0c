"""The guards of a request: pure predicates over plain facts. Services ask them inside the transaction that decides;
``tests/approvals/explorer.py`` walks through everything that can happen with the very same tables.

Every guard answers with a sentence that says why not, or with an empty string. A table is asked in its order, so that
the person hears the plainest reason first. Moments are anything that can be compared: datetimes here, numbers there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .models import OPEN, RequestState, Review

Moment = Any


@dataclass(frozen=True)
class Person:
    """Who somebody is at this very moment. ``breaker``: may break the glass."""

    key: int
    name: str = ""
    active: bool = True
    approver: bool = False
    asker: bool = False
    breaker: bool = False
    administrator: bool = False


@dataclass(frozen=True)
class Ballot:
    """An approval that was given. ``person`` is as they are now, not as they were then; ``recorded`` is whether the
    log has an entry of it, which a row that somebody put into the table has not."""

    person: Person
    digest: str
    recorded: bool = True


@dataclass(frozen=True)
class Facts:
    """A request. ``text_digest`` is that of its text as it is now, ``digest`` the one in its row, ``filed_digest``
    the one that the log has of the day it was filed. ``as_filed`` is whether its risk, the approvals that it needs
    and whether the glass was broken are what the log has of that day."""

    state: str
    requester: Person
    needed: int
    digest: str
    text_digest: str
    filed_digest: str
    expires_at: Moment
    start_before: Moment = None
    break_glass: bool = False
    review: str = Review.NONE
    ballots: tuple[Ballot, ...] = ()
    as_filed: bool = True


class Attempt(NamedTuple):
    """Somebody wants to do something to a request, having seen the plan with this digest."""

    facts: Facts
    person: Person
    now: Moment
    digest: str = ""


class Start(NamedTuple):
    """A run wants to begin. ``digest`` is that of the plan as it is now, ``policy`` how many approvals the site asks
    for today, ``sealed`` whether a checkpoint covers the votes (or need not)."""

    facts: Facts
    digest: str
    now: Moment
    policy: int
    sealed: bool


class Refusal(NamedTuple):
    guard: str
    why: str


Guards = Mapping[str, Callable[[Any], str]]


def refusal(guards: Guards, case: Attempt | Start) -> Refusal | None:
    """The first guard of the table that does not let this case pass, and why."""
    for name, guard in guards.items():
        if why := guard(case):
            return Refusal(name, why)
    return None


def unless(fine: bool, why: str) -> str:
    return "" if fine else why


def is_expired(facts: Facts, now: Moment) -> bool:
    """Whether its time is over, whether or not anybody wrote that down yet."""
    if facts.state == RequestState.PENDING:
        return now >= facts.expires_at
    return facts.state == RequestState.APPROVED and now >= facts.start_before


OVER = "This request is not open any more."
LATE = "This request has expired. Ask again with a new plan."
OWN = "You asked for this, so someone else decides."
NO_VOTES = "This request needs no approval, so nobody votes on it."
STALE = "This is not the plan that you were shown. Look at it again before you decide."

WHO: Guards = {
    "active": lambda case: unless(case.person.active, "Your account is deactivated."),
    "role": lambda case: unless(case.person.approver, "Only approvers vote."),
    "own": lambda case: unless(case.person.key != case.facts.requester.key, OWN),
}
"""Who may vote at all: what fails here is denied, and is in the log."""

APPROVE: Guards = {
    "pending": lambda case: unless(case.facts.state == RequestState.PENDING, "This request is not pending any more."),
    "in time": lambda case: unless(not is_expired(case.facts, case.now), LATE),
    "once": lambda case: unless(
        case.person.key not in {ballot.person.key for ballot in case.facts.ballots}, "You approved this before."
    ),
    "digest": lambda case: unless(case.digest == case.facts.digest, STALE),
}

# Whoever approved may still have second thoughts, and whoever did not may see what others missed, until work begins.
REJECT: Guards = {
    "open": lambda case: unless(case.facts.state in OPEN, OVER),
    "in time": lambda case: unless(not is_expired(case.facts, case.now), LATE),
    "votes": lambda case: unless(case.facts.needed > 0, NO_VOTES),
    "digest": lambda case: unless(case.digest == case.facts.digest, STALE),
}

WITHDRAW: Guards = {
    "who": lambda case: unless(
        case.person.active and (case.person.administrator or case.person.key == case.facts.requester.key),
        "Only the person who asked, and administrators, can withdraw a request.",
    ),
    "open": lambda case: unless(case.facts.state in OPEN, OVER),
}

REVIEW: Guards = {
    "another": lambda case: unless(
        case.person.key != case.facts.requester.key, "You broke the glass, so someone else reviews it."
    ),
    "due": lambda case: unless(case.facts.review == Review.DUE, "This request waits for no review."),
    "closed": lambda case: unless(case.facts.state not in OPEN, "It can be reviewed once it has started or ended."),
}

COUNTS: dict[str, Callable[[Facts, Ballot], str]] = {
    "active": lambda facts, ballot: unless(ballot.person.active, "is deactivated"),
    "role": lambda facts, ballot: unless(ballot.person.approver, "is no approver any more"),
    "own": lambda facts, ballot: unless(ballot.person.key != facts.requester.key, "asked for this"),
    "digest": lambda facts, ballot: unless(ballot.digest == facts.text_digest, "approved another plan"),
    "recorded": lambda facts, ballot: unless(ballot.recorded, "has no vote in the log"),
}
"""What an approval needs to count at this moment: the words follow the person's name."""


def lost(facts: Facts, ballot: Ballot) -> str:
    """Why this approval does not count now; empty when it does."""
    return next((why for guard in COUNTS.values() if (why := guard(facts, ballot))), "")


def counted(facts: Facts) -> int:
    """How many people approve of this at this moment; nobody counts twice."""
    return len({ballot.person.key for ballot in facts.ballots if not lost(facts, ballot)})


def reached(facts: Facts) -> bool:
    """Whether the approvals suffice under the rules of the day it was filed."""
    return facts.as_filed and counted(facts) >= facts.needed


def _quorum(case: Start) -> str:
    facts, needed = case.facts, max(case.facts.needed, case.policy)
    if facts.break_glass or counted(facts) >= needed:
        return ""
    gone = [f"{ballot.person.name} {why}" for ballot in facts.ballots if (why := lost(facts, ballot))]
    stricter = (
        "" if needed == facts.needed else f" The rules ask for {needed} by now, when it was filed {facts.needed}."
    )
    return f"{counted(facts)} of {needed} approvals count now{': ' if gone else ''}{', '.join(gone)}.{stricter}"


START: Guards = {
    "approved": lambda case: unless(case.facts.state == RequestState.APPROVED, "This request is not approved."),
    "in time": lambda case: unless(
        not is_expired(case.facts, case.now), "Work did not begin in time after the approval."
    ),
    "whole": lambda case: unless(
        case.facts.text_digest == case.facts.digest == case.facts.filed_digest,
        "The text of this request was changed after it was filed.",
    ),
    "as filed": lambda case: unless(
        case.facts.as_filed, "What this request needs to be approved was changed after it was filed."
    ),
    "drift": lambda case: unless(
        case.digest == case.facts.digest, "What would be done now is not what was frozen in the request."
    ),
    "requester": lambda case: unless(
        case.facts.requester.active and case.facts.requester.asker,
        f"{case.facts.requester.name} may not ask for this any more.",
    ),
    "glass": lambda case: unless(
        case.facts.requester.breaker or not case.facts.break_glass,
        f"{case.facts.requester.name} may not break the glass any more.",
    ),
    "quorum": _quorum,
    "sealed": lambda case: unless(case.sealed, "Waits until a checkpoint of the log covers the votes."),
}
