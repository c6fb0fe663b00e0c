"""What was found before a plan is made, as values. Nothing here asks anybody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.room import Room
from backups.gateways.elasticsearch.snapshots import SnapshotFacts
from backups.gateways.elasticsearch.streams import Template
from backups.gateways.elasticsearch.swapping import AutoCreate


@dataclass(frozen=True)
class Recorded:
    """What the console wrote down of an index when its snapshot was made. ``low`` and ``high`` bound the documents;
    they are the same where the count is exact, and None where nobody counted."""

    low: int | None = None
    high: int | None = None
    counted: str = "not_counted"
    bytes: int | None = None
    primaries: int | None = None
    aliases: Mapping[str, Any] = field(default_factory=dict)
    mapping: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Live:
    """An index as the cluster has it now. ``newer``: documents that were written after the snapshot began, None where
    that cannot be told."""

    name: str
    uuid: str
    state: str
    documents: int | None = None
    bytes: int | None = None
    primaries: int = 1
    replicas: str = "1"
    aliases: Mapping[str, Any] = field(default_factory=dict)
    mapping: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    newer: int | None = None

    @property
    def blocked(self) -> bool:
        """Whether it takes no writes."""
        return str(self.settings.get("index", {}).get("blocks", {}).get("write", "")).lower() == "true"


@dataclass(frozen=True)
class Found:
    """``names`` has every index of the cluster with its state, ``aliases`` every alias with its indices. ``problem``
    says why the snapshot could not be read, ``lacking`` what the restricted credential may not do, ``rate`` how many
    bytes a second this cluster restored before, ``busy`` the targets that another restore has locked, ``safety`` is
    the key of the repository that a safety snapshot would go to, ``newest_id`` the highest ``version_id`` of a
    snapshot that the cluster reads (None: not asked, or not told), ``closed_shards`` how many primary shards are
    of closed indices, which no limit counts, ``templates`` are read where streams are asked
    for."""

    at: datetime
    cluster: str
    cluster_uuid: str
    version: str
    capabilities: Capabilities
    repository: str
    snapshot: SnapshotFacts | None
    recorded: Mapping[str, Recorded]
    names: Mapping[str, str]
    aliases: Mapping[str, tuple[str, ...]]
    streams: frozenset[str]
    live: Mapping[str, Live]
    room: Room
    auto_create: AutoCreate | None = None
    lacking: tuple[str, ...] = ()
    rate: float | None = None
    busy: frozenset[str] = frozenset()
    problem: str = ""
    safety: int | None = None
    newest_id: int | None = None
    closed_shards: int = 0
    templates: tuple[Template, ...] = ()
