"""Facts about a request for ``rules``: read from the tables as they are now, and from the log.

Whoever owns the database can write votes, and entries too. They cannot make the MAC of an entry or sign a checkpoint,
whose keys are files; so what the log says counts only where these are right.
"""

import hmac
import json
from typing import NamedTuple

from backups.access.models import User
from backups.access.roles import ACTS, ADMINISTRATOR, roles_for
from backups.audit import chain, keys
from backups.audit.checkpoints import signed_by, statement_of
from backups.audit.models import AuditEntry, Checkpoint

from .models import ApprovalRequest, Risk, digest_of
from .rules import Ballot, Facts, Person

ASKS = ("restore.request", "copy.ask_delete")
VOTED = ("request.voted", "request.glass_broken")

# What a checkpoint has to cover before it starts: later nobody can say that the votes were added afterwards.
SEALED = (Risk.R2, Risk.R3)


class Logged(NamedTuple):
    """What the log says of a request: its digest when it was filed, with the risk, how many approvals it needs and
    whether the glass was broken; who approved of which digest; which run began with which digest; and the number of
    the last entry that a checkpoint has to cover."""

    filed: str = ""
    terms: tuple[str, int, bool] | None = None
    votes: frozenset[tuple[int, str]] = frozenset()
    started: frozenset[tuple[int, str]] = frozenset()
    last: int = 0


def logged(request: ApprovalRequest) -> Logged:
    """Read from the text of genuine entries, which is what their MAC covers; never from their columns."""
    found = AuditEntry.objects.filter(object_type="approvalrequest", object_id=str(request.pk))
    rows = found.filter(action__in=("request.filed", "request.started", *VOTED)).order_by("seq")
    entries = [json.loads(entry.text) for entry in rows if _is_genuine(entry)]
    about = ("approvalrequest", str(request.pk))
    mine = [entry for entry in entries if (entry["object"]["type"], entry["object"]["id"]) == about]
    filed, broken, votes, started = (
        [entry for entry in mine if entry["action"] == f"request.{what}"]
        for what in ("filed", "glass_broken", "voted", "started")
    )
    said = filed[0]["change"] if filed else None
    return Logged(
        said["digest"] if said else "",
        (said["risk"], said["needed"], bool(broken)) if said else None,
        frozenset((entry["actor"]["id"], entry["change"]["digest"]) for entry in votes),
        frozenset((entry["run"], entry["change"]["digest"]) for entry in started),
        max((entry["seq"] for entry in mine if entry["action"] in VOTED), default=0),
    )


def _is_genuine(entry: AuditEntry) -> bool:
    if not (entry.text.isascii() and entry.digest.isascii() and entry.mac.isascii()):
        return False
    mac = chain.mac_of(entry.digest, keys.mac_key())
    return entry.digest == chain.digest_of(entry.text) and hmac.compare_digest(entry.mac, mac)


def person_of(user: User) -> Person:
    """``user`` as they were when this row was read; the roles count for themselves, whether or not the account is
    active."""
    return Person(
        key=user.pk,
        name=str(user),
        active=user.is_active,
        approver=_has_role_for(user, "request.vote"),
        asker=any(_has_role_for(user, act) for act in ASKS),
        breaker=_has_role_for(user, "restore.break_glass"),
        administrator=ADMINISTRATOR in user.roles,
    )


def _has_role_for(user: User, act: str) -> bool:
    return not ACTS[act].isdisjoint(user.roles)


def person_now(user: User) -> Person:
    """The same, read again: they may have been deactivated since they signed in."""
    return person_of(User.objects.prefetch_related("groups").get(pk=user.pk))


def facts_of(request: ApprovalRequest, voting: User | None = None) -> Facts:
    """The request and its approvals, each by the person as they are now. ``voting``: whoever votes in this very act,
    whose entry is written at its end."""
    votes = request.votes.filter(approves=True).select_related("person").prefetch_related("person__groups")
    said = logged(request)
    known = said.votes | ({(voting.pk, request.digest)} if voting else set())
    return Facts(
        state=request.state,
        requester=person_now(request.requester),
        needed=request.needed,
        digest=request.digest,
        text_digest=digest_of(request.text),
        filed_digest=said.filed,
        expires_at=request.expires_at,
        start_before=request.start_before,
        break_glass=request.break_glass,
        review=request.review,
        ballots=tuple(
            Ballot(person_of(vote.person), vote.digest, (vote.person_id, vote.digest) in known) for vote in votes
        ),
        as_filed=(request.risk, request.needed, request.break_glass) == said.terms,
    )


def is_sealed(request: ApprovalRequest) -> bool:
    """Whether a signed checkpoint covers the votes, where the risk asks for that."""
    if request.risk not in SEALED and not request.break_glass:
        return True
    last = logged(request).last
    newest = Checkpoint.objects.filter(seq__gte=last).order_by("-pk").first()
    return bool(last and newest) and signed_by(statement_of(newest), keys.public_key())


def voters(requester: User):
    """Everybody who may decide what this person asks for, by name."""
    able = User.objects.filter(is_active=True, groups__name__in=roles_for("request.vote"))
    return able.exclude(pk=requester.pk).distinct().order_by("name")
