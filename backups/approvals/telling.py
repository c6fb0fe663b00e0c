"""What the page of a request says to one person: all that is needed to decide, and why there is no button."""

from backups import clock
from backups.access import may

from . import rules
from .facts import facts_of, person_of, voters
from .models import ApprovalRequest, RequestState, Review
from .story import story_of


def told(asked: ApprovalRequest, user) -> dict:
    """Names for the template. ``no_vote`` is why this person cannot decide; empty when they can."""
    facts, now, person = facts_of(asked), clock.now(), person_of(user)
    case = rules.Attempt(facts, person, now, asked.digest)
    no_vote = rules.refusal(rules.WHO, case) or rules.refusal(rules.REJECT, case)
    own = user.pk == asked.requester_id
    return {
        "story": story_of(asked),
        "expired": rules.is_expired(facts, now),
        "counted": rules.counted(facts),
        "own": own,
        "voters": _names(asked, user),
        "may_vote": no_vote is None,
        "has_approved": user.pk in {ballot.person.key for ballot in facts.ballots},
        "may_withdraw": may(user, "restore.request") and rules.refusal(rules.WITHDRAW, case) is None,
        "may_comment": may(user, "request.comment") and asked.is_open,
        "to_review": asked.review == Review.DUE and rules.refusal(rules.REVIEW, case) is None,
        "own_review": asked.review == Review.DUE and own,
        "plan_templates": [asked.template, "backups/approvals/_plan.html"],
        "waits": asked.state == RequestState.PENDING,
        "last_vote": rules.counted(facts) + 1 >= facts.needed,
    }


def _names(asked: ApprovalRequest, user) -> list[str]:
    """Who can approve of it: you first."""
    if not asked.needed or not asked.is_open:
        return []
    return sorted((("You" if voter == user else str(voter)) for voter in voters(asked.requester)), key=_you_first)


def _you_first(name: str) -> tuple[bool, str]:
    return name != "You", name
