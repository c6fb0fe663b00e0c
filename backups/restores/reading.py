"""What pages of restores read."""

from collections import Counter

from backups.approvals.models import ApprovalRequest
from backups.approvals.tabs import LEFT_OUT
from backups.gateways.elasticsearch.streams import stream_of
from backups.repositories.models import RepositoryState
from backups.retention.models import SafetyCopyState
from backups.runs.models import Effect, Run
from backups.snapshots.models import WHOLE, Snapshot

from .models import RestorePlan
from .targets import words

RESTORABLE = WHOLE
NOT_IN_PLACE = (Effect.NONE, Effect.ROLLED_BACK)


def snapshots():
    """Those that can be restored from, newest first."""
    rows = Snapshot.objects.filter(state__in=RESTORABLE, repository__state=RepositoryState.REGISTERED)
    return rows.select_related("repository__cluster", "profile").order_by("-started_at", "-pk")


def places(snapshot: Snapshot):
    """The rows of this very snapshot on every cluster that can read it: one snapshot has one uuid everywhere."""
    same = snapshots().filter(uuid=snapshot.uuid) if snapshot.uuid else snapshots().filter(pk=snapshot.pk)
    return same.order_by("repository__cluster__name", "pk")


def held_names(snapshot: Snapshot) -> list[str]:
    """The indices that the snapshot holds, as far as anybody knows."""
    names = snapshot.indices.values_list("name", flat=True)
    if not names and snapshot.uuid:
        others = Snapshot.objects.filter(uuid=snapshot.uuid, indices__isnull=False)
        names = others.values_list("indices__name", flat=True).distinct()
    return sorted(names)


def held_streams(held: list[str]) -> dict[str, int]:
    """The data streams whose indices the snapshot holds, as their names tell, with how many these are. Whether it
    holds the stream itself is asked when a plan is made."""
    return dict(sorted(Counter(stream for name in held if (stream := stream_of(name))).items()))


def held_facts(snapshot: Snapshot) -> dict:
    """Size and primary shards of the indices that the snapshot holds, by name, where they were recorded."""
    rows = snapshot.indices.values_list("name", "bytes", "primaries")
    return {name: {"bytes": size, "primaries": primaries} for name, size, primaries in rows}


def plan_like(pk: int | None) -> RestorePlan | None:
    """The plan of a snapshot whose choices a new one begins with."""
    rows = RestorePlan.objects.filter(pk=pk, snapshot__isnull=False).select_related("request")
    return rows.first() if pk else None


def history():
    """Plans that were asked for, newest first."""
    rows = RestorePlan.objects.filter(request__isnull=False).select_related("request__run", "request__requester")
    return rows.defer("text", "options", *(f"request__{column}" for column in LEFT_OUT))


def way_back(run: Run | None) -> list:
    """The safety copies of a restore that can still be put back. What was not changed, or is as it was again, needs
    none: a safety snapshot that was made for it stays until its time is over."""
    if run is None or (run.is_over and run.effect in NOT_IN_PLACE):
        return []
    return list(run.safety_copies.filter(state=SafetyCopyState.KEPT))


def left_locked(run: Run | None) -> list[str]:
    """What a restore still holds that is over, because nobody knows what it did."""
    if run is None or not run.is_over:
        return []
    return [words(target) for target in run.locks.values_list("target", flat=True)]


def earlier_request(pk: int | None, actor) -> ApprovalRequest | None:
    """The closed request of this person that a new one takes the place of."""
    mine = ApprovalRequest.objects.filter(pk=pk, requester=actor) if pk else ApprovalRequest.objects.none()
    return next((request for request in mine if not request.is_open), None)
