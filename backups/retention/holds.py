"""Holds: a person's, a request's, and that of a safety copy which is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from backups import clock
from backups.access import Denied, may
from backups.approvals.models import ApprovalRequest, RequestState
from backups.archives.models import HOLDS_NAME as ARCHIVE_NAMES
from backups.audit import act
from backups.snapshots.models import HOLDS_NAME as SNAPSHOT_NAMES
from backups.snapshots.models import Snapshot
from backups.templatetags.formats import stamp

from .copies import DELETES, Copy, RetentionError, checked_reason, deletions, kind_of, locked, source_of
from .models import Hold, SafetyCopyState

LONGEST = timedelta(days=3660)
ENDED_AT_A_TIME = 100


@dataclass(frozen=True)
class Held:
    """What holds a copy. ``key`` names it for good, like hold:3. ``until`` is None where no date is known.
    ``works``: something restores from the copy at this moment."""

    key: str
    words: str
    reason: str
    until: datetime | None = None
    about: ApprovalRequest | None = None
    works: bool = False

    @property
    def url(self) -> str:
        """The page that says more; empty where there is none."""
        return self.about.get_absolute_url() if self.about else ""

    @property
    def hold_pk(self) -> int | None:
        """Of a person's hold, which can be released."""
        kind, _, pk = self.key.partition(":")
        return int(pk) if kind == "hold" else None

    @property
    def sentence(self) -> str:
        return f"{self.words}, {f'until {stamp(self.until)}' if self.until else 'until it is over'}"


def holds_on(copy: Copy) -> list[Held]:
    """What holds this snapshot or archive now. A request to delete it holds nothing."""
    persons = copy.holds.in_force(clock.now()).select_related("placed_by")
    requests = requests_on(copy).select_related("requester")
    return [*map(_of_person, persons), *map(of_request, requests), *_of_safety_copies(copy)]


def requests_on(copy: Copy):
    """Requests that need it."""
    return ApprovalRequest.objects.holding().filter(source=source_of(copy)).exclude(kind__in=DELETES)


def place_hold(*, actor, copy: Copy, reason: str, until: datetime) -> Hold:
    """Nobody deletes the copy before ``until``. Raises RetentionError and Denied."""
    if not may(actor, "hold.place"):
        raise Denied("hold.place")
    reason, now = checked_reason(reason), clock.now()
    if not now < until <= now + LONGEST:
        raise RetentionError("Give an end that lies in the future, within ten years.", "until")
    with act(actor, reason=reason) as a:
        copy = locked(copy)
        if why := why_not_holdable(copy):
            raise RetentionError(why)
        refuse_while_deleted(copy)
        hold = Hold.objects.create(
            **{kind_of(copy): copy}, placed_by=actor, placed_at=now, reason=reason, until=until
        )
        a.record("hold.placed", copy, change={"hold": hold.pk, "until": until})
    return hold


def why_not_holdable(copy: Copy) -> str:
    """Why there is nothing to hold; empty where there is, or may be."""
    return (
        "" if copy.state in (*SNAPSHOT_NAMES, *ARCHIVE_NAMES) else f"{copy} is not there: there is nothing to hold."
    )


def release_hold(hold: Hold, *, actor, reason: str) -> None:
    """End a person's hold before its time. Raises RetentionError and Denied."""
    if not may(actor, "hold.release"):
        raise Denied("hold.release")
    reason, now = checked_reason(reason), clock.now()
    with act(actor, reason=reason) as a:
        if not Hold.objects.in_force(now).filter(pk=hold.pk).update(released_at=now, released_by=actor):
            raise RetentionError("This hold is over, or somebody released it before.")
        change = {"hold": hold.pk, "placed_by": str(hold.placed_by), "until": hold.until}
        a.record("hold.released", hold.snapshot or hold.archive, change=change)


def record_ended() -> None:
    """An entry for each hold whose time is over, once. The ticker calls this."""
    over = Hold.objects.filter(released_at=None, until__lte=clock.now())
    for hold in over.select_related("snapshot", "archive")[:ENDED_AT_A_TIME]:
        with act(None) as a:
            if Hold.objects.filter(pk=hold.pk, released_at=None).update(released_at=hold.until):
                a.record("hold.ended", hold.snapshot or hold.archive, change={"hold": hold.pk})


def refuse_while_deleted(copy: Copy) -> None:
    """For whoever is about to need this copy, in an act that has ``locked`` it: too late once its deletion has begun.
    Until then the deletion is what has to give way. Raises RetentionError."""
    run = deletions(copy).active().first()
    if run is not None and run.result.get("announced"):
        raise RetentionError(f"Too late: run {run.pk} has begun to delete {copy}.")


def _of_person(hold: Hold) -> Held:
    return Held(f"hold:{hold.pk}", f"Hold by {hold.placed_by}", hold.reason, hold.until)


def of_request(request: ApprovalRequest) -> Held:
    """A request's hold is derived: there as long as the request is open or its run goes on."""
    words = f"{request.number} by {request.requester}: {request.title}"
    works = request.state == RequestState.STARTED
    return Held(f"request:{request.pk}", words, request.reason, None, request, works)


def _of_safety_copies(copy: Copy) -> list[Held]:
    if not isinstance(copy, Snapshot):
        return []
    kept = copy.safety_copies.filter(state__in=(SafetyCopyState.WANTED, SafetyCopyState.KEPT))
    return [
        Held(f"safety_copy:{each.pk}", f"Safety copy of run {each.run_id}", f"Copy of {each.of}", each.keep_until)
        for each in kept
    ]
