"""What was found on a cluster, for tests of plans: a snapshot of three indices, a cluster with two of them."""

from dataclasses import replace
from datetime import UTC, datetime

from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.room import NodeRoom, Room
from backups.gateways.elasticsearch.snapshots import SnapshotFacts
from backups.gateways.elasticsearch.swapping import AutoCreate
from backups.restores.indices.asked import Asked, Mode
from backups.restores.indices.found import Found, Live, Recorded

NOW = datetime(2026, 11, 22, 9, 42, tzinfo=UTC)
TAKEN = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
GIB = 2**30


def room(**different) -> Room:
    given = {
        "nodes": (NodeRoom("n1", 100 * GIB, 60 * GIB),),
        "watermark_low": "85%",
        "shards_now": 10,
        "shards_most": 1000,
        "read_only": False,
        "create_blocked": False,
    }
    return Room(**given | different)


def snapshot(**different) -> SnapshotFacts:
    given = SnapshotFacts(
        name="nightly-1",
        uuid="snapshot-uuid",
        state="SUCCESS",
        indices=("alerts", "logs-1", "logs-2"),
        shards_total=3,
        shards_failed=0,
        shards_successful=3,
        started_at=TAKEN,
        ended_at=TAKEN,
        failures=(),
        metadata={},
        global_state=False,
    )
    return replace(given, **different)


def recorded(documents: int = 50, **different) -> Recorded:
    given = {"low": documents, "high": documents, "counted": "exact", "bytes": GIB, "primaries": 1}
    return Recorded(**given | different)


def live(name: str, **different) -> Live:
    given = {"uuid": f"uuid-{name}", "state": "open", "documents": 57, "bytes": GIB, "newer": 7}
    return Live(name, **given | different)


def found(**different) -> Found:
    """logs-1 and logs-2 are on the cluster, alerts is missing."""
    lives = different.get("live", {name: live(name) for name in ("logs-1", "logs-2")})
    given = Found(
        at=NOW,
        cluster="soc-prod",
        cluster_uuid="cluster-uuid",
        version="8.19.0",
        capabilities=Capabilities.parse("elasticsearch", "8.19.0"),
        repository="nightly",
        snapshot=snapshot(),
        recorded={name: recorded() for name in ("alerts", "logs-1", "logs-2")},
        names={name: one.state for name, one in lives.items()},
        aliases={},
        streams=frozenset(),
        live=lives,
        room=room(),
        auto_create=AutoCreate(None, None, "true"),
    )
    return replace(given, **different)


def asked(*names: str, mode: str = Mode.BESIDE, **different) -> Asked:
    return Asked(names or ("alerts", "logs-1", "logs-2"), mode, "0a1b2c3d", **different)
