"""What the page of retention shows: everything that keeps a copy, and every safety copy with when it goes."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from backups import clock
from backups.approvals.models import ApprovalRequest
from backups.approvals.tabs import LEFT_OUT
from backups.archives.models import Archive
from backups.snapshots.models import Snapshot

from . import safety_copies
from .copies import DELETES, Copy
from .holds import of_request
from .models import Hold, SafetyCopy

MOST = 200
"""So many of each are shown."""

MODELS = {"snapshot": Snapshot, "archive": Archive}


@dataclass(frozen=True)
class Derived:
    """A request that is open, or whose run goes on, and the copy that it holds by that."""

    request: ApprovalRequest
    copy: Copy

    @property
    def copy_url(self) -> str:
        return url_of(self.copy)


@dataclass(frozen=True)
class Row:
    """A safety copy; ``waits`` says why it does not go although its time is over."""

    copy: SafetyCopy
    waits: str


def url_of(copy: Copy) -> str:
    """Its page of holds and deletion."""
    return reverse(f"retention:{copy._meta.model_name}", args=[copy.pk])


def holds_in_force() -> list[Hold]:
    rows = Hold.objects.in_force(clock.now()).select_related("snapshot__repository", "archive__location", "placed_by")
    return list(rows[:MOST])


def derived_holds() -> list[Derived]:
    """Of requests that need a snapshot or an archive."""
    rows = ApprovalRequest.objects.holding().exclude(source="").exclude(kind__in=DELETES).defer(*LEFT_OUT)
    wanted = [(request, *request.source.partition(":")[::2]) for request in rows.select_related("requester")[:MOST]]
    known = [each for each in wanted if each[1] in MODELS and each[2].isdigit()]
    found = {
        kind: model.objects.in_bulk([int(key) for _, named, key in known if named == kind])
        for kind, model in MODELS.items()
    }
    return [Derived(request, found[kind][int(key)]) for request, kind, key in known if int(key) in found[kind]]


def kept_copies() -> list[Row]:
    """Safety copies that are there, the first to go first."""
    copies = list(safety_copies.shown()[:MOST])
    asked = _requests_for(copies)
    return [Row(copy, _why_it_waits(copy, asked.get(f"run:{copy.run_id}"))) for copy in copies]


def _requests_for(copies: Iterable[SafetyCopy]) -> dict[str, ApprovalRequest]:
    sources = {f"run:{copy.run_id}" for copy in copies}
    rows = ApprovalRequest.objects.holding().filter(source__in=sources).select_related("requester").defer(*LEFT_OUT)
    return {request.source: request for request in rows}


def _why_it_waits(copy: SafetyCopy, request: ApprovalRequest | None) -> str:
    if request:
        return f"{of_request(request).words} needs it."
    if not copy.run.is_over:
        return f"Run {copy.run_id}, which made it, goes on."
    tried = copy.removed_by
    return f"Run {tried.pk} could not remove it." if tried and tried.is_over and copy.state == "kept" else ""
