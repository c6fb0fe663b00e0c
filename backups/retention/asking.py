"""Asks for the deletion of a held copy: what other people decide about, frozen."""

import uuid
from datetime import datetime

from backups.access import Denied, may
from backups.approvals.errors import ApprovalError
from backups.approvals.models import OPEN, ApprovalRequest, Risk
from backups.approvals.services import file_request
from backups.audit import act
from backups.audit.chain import canonical
from backups.snapshots.models import Snapshot
from backups.templatetags.formats import count_of, size, stamp

from .copies import (
    Copy,
    RetentionError,
    bytes_of,
    checked_reason,
    delete_kind,
    host_of,
    is_last_good,
    kind_of,
    locked,
    place_of,
    source_of,
)
from .deleting import params_of, refuse_undeletable, subject_of
from .holds import Held, holds_on

TEMPLATE = "backups/retention/_deletion.html"
RISK = Risk.R3
RISK_REASON = "A deletion cannot be undone, and something keeps this copy."


def ask_delete(
    *, actor, copy: Copy, reason: str, typed_name: str = "", ticket: str = "", form_key: str = ""
) -> ApprovalRequest:
    """File a request to delete a copy that is held. Raises RetentionError when nothing holds it, when something
    restores from it at this moment, when it was asked for before, and Denied."""
    if not may(actor, "copy.ask_delete"):
        raise Denied("copy.ask_delete")
    reason = checked_reason(reason)
    with act(actor, reason=reason):
        copy = locked(copy)
        refuse_undeletable(copy, typed_name)
        held = holds_on(copy)
        _refuse_unaskable(copy, held)
        text = canonical(document_of(copy, held))
        try:
            return file_request(
                actor=actor,
                kind=delete_kind(copy),
                title=subject_of(copy),
                risk=RISK,
                risk_reason=RISK_REASON,
                text=text,
                template=TEMPLATE,
                summary=_summary(copy, held),
                source=source_of(copy),
                subject=subject_of(copy),
                subject_url=copy.get_absolute_url(),
                params=params_of(copy) | {"last_good": is_last_good(copy), "document": text},
                host=host_of(copy),
                reason=reason,
                ticket=ticket,
                key=f"ask_{delete_kind(copy)}:{form_key or uuid.uuid4().hex}",
            )
        except ApprovalError as error:
            raise RetentionError(str(error), error.field or None) from error


def open_request(copy: Copy) -> ApprovalRequest | None:
    """The one that asks for its deletion and is not decided, or has not begun."""
    return ApprovalRequest.objects.filter(kind=delete_kind(copy), source=source_of(copy), state__in=OPEN).first()


def document_of(copy: Copy, held: list[Held]) -> dict:
    """What is frozen: which copy, where, how much, whether the last good one, and what holds it."""
    document = {
        "what": kind_of(copy),
        "name": copy.name,
        "place": place_of(copy),
        "profile": str(copy.profile or ""),
        "bytes": bytes_of(copy),
        "last_good": is_last_good(copy),
        "holds": [{"key": each.key, "words": each.sentence, "reason": each.reason} for each in held],
    }
    if isinstance(copy, Snapshot):
        return document | _made(copy.started_at) | {"uuid": copy.uuid, "indices": copy.indices.count()}
    where = {"host": copy.kept_on, "path": str(copy.path)}
    return document | _made(copy.made_at) | {"sha256": copy.sha256, "files": copy.files} | where


def _made(at: datetime | None) -> dict:
    return {"made": stamp(at) if at else ""}


def _refuse_unaskable(copy: Copy, held: list[Held]) -> None:
    if not held:
        raise RetentionError(f"Nothing holds {copy}: an administrator can delete it without a request.")
    if works := next((each for each in held if each.works), None):
        raise RetentionError(f"{copy} is being restored from: {works.words}. Wait until that is over.")
    if earlier := open_request(copy):
        raise RetentionError(f"{earlier.number} asks for this already.")


def _summary(copy: Copy, held: list[Held]) -> dict:
    """For the list of requests, and the sentence above its page."""
    known = bytes_of(copy)
    kept_by = "; ".join(each.words for each in held)
    tags = [kind_of(copy).capitalize(), count_of(len(held), "hold"), *([size(known)] if known is not None else [])]
    return {"text": f"{copy} in {place_of(copy)} would be gone for good. What keeps it: {kept_by}.", "tags": tags}
