"""Whose a snapshot is that was found in a repository."""

from datetime import timedelta

from backups.clusters.connection import capabilities_of
from backups.gateways.elasticsearch.snapshots import SnapshotFacts

from .models import Snapshot

CLOCKS_DIFFER = timedelta(seconds=2)


def ours(snapshot: Snapshot, found: SnapshotFacts) -> bool:
    """Whether this row's run made what was found. Servers without metadata leave only the time and the indices."""
    if capabilities_of(snapshot.repository.cluster).metadata:
        return found.metadata.get("run_id") == snapshot.run.key
    if snapshot.sent_at is None or found.started_at is None:
        return False
    asked = set(snapshot.indices.values_list("name", flat=True))
    return found.started_at >= snapshot.sent_at - CLOCKS_DIFFER and set(found.indices) == asked
