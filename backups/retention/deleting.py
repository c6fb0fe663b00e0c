"""Deletes one copy that nothing holds."""

from backups.access import Denied, may
from backups.audit import act
from backups.runs import queue_run
from backups.runs.models import Run

from .copies import (
    Copy,
    RetentionError,
    checked_reason,
    delete_kind,
    host_of,
    is_last_good,
    kind_of,
    locked,
    place_of,
    why_not_deletable,
)
from .holds import Held, holds_on


class AlreadySent(RetentionError):
    """This form was sent before; ``run`` is what came of it."""

    def __init__(self, run: Run) -> None:
        super().__init__("This form was already sent. The deletion was started once.")
        self.run = run


class IsHeld(RetentionError):
    """Something holds it; ``held`` says what."""

    def __init__(self, copy: Copy, held: list[Held]) -> None:
        said = "; ".join(each.sentence for each in held)
        super().__init__(f"{copy} is held. {said}. Only an approved request deletes it before that.")
        self.held = held


def queue_delete(*, actor, copy: Copy, reason: str, typed_name: str = "", form_key: str = "") -> Run:
    """Queue the run that deletes a copy which nothing holds. The last good one of its profile is deleted only for
    somebody who typed its name. Raises RetentionError (IsHeld, AlreadySent) and Denied."""
    if not may(actor, "copy.delete"):
        raise Denied("copy.delete")
    key = f"{delete_kind(copy)}:{form_key}" if form_key else ""
    if key and (sent := Run.objects.filter(key=key).first()):
        raise AlreadySent(sent)
    reason = checked_reason(reason)
    with act(actor, reason=reason):
        copy = locked(copy)
        refuse_undeletable(copy, typed_name)
        if held := holds_on(copy):
            raise IsHeld(copy, held)
        return queue_run(
            delete_kind(copy),
            actor=actor,
            subject=subject_of(copy),
            subject_url=copy.get_absolute_url(),
            params=params_of(copy) | {"last_good": is_last_good(copy)},
            key=key,
            reason=reason,
            host=host_of(copy),
        )


def refuse_undeletable(copy: Copy, typed_name: str) -> None:
    """Raises RetentionError for what nobody can delete now, and for the last good copy without its name."""
    if why := why_not_deletable(copy):
        raise RetentionError(why)
    if is_last_good(copy) and typed_name != copy.name:
        raise RetentionError(
            f"This is the last good copy of {copy.profile or place_of(copy)}. Type its name, {copy.name}, to delete "
            "it all the same.",
            "typed_name",
        )


def subject_of(copy: Copy) -> str:
    return f"Delete {kind_of(copy)} {copy}"


def params_of(copy: Copy) -> dict:
    """Which copy, and by what its run knows it again: another one of the same name is not touched."""
    if kind_of(copy) == "snapshot":
        return {"snapshot": copy.pk, "uuid": copy.uuid}
    return {"archive": copy.pk, "size": copy.size, "mtime_ns": copy.mtime_ns}
