"""What a person asks for, as a value: the options of a plan."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SCRATCH = "restored-"
"""Copies whose names begin so are nobody's live data."""


class Mode:
    """What becomes of an index whose name exists on the cluster.

    ``beside``: every chosen index becomes a renamed copy. ``missing``: only what is missing is restored. ``swap``:
    restored beside, proven, then put in the place of the live one, which is kept as a clone. ``alias``: the same, but
    the name becomes an alias of the restored index. ``in_place``: closed and overwritten, with a safety snapshot
    before.
    """

    BESIDE, MISSING, SWAP, ALIAS, IN_PLACE = "beside", "missing", "swap", "alias", "in_place"
    REPLACING = (SWAP, ALIAS, IN_PLACE)


MODES = {
    Mode.BESIDE: "Restore next to it under a new name",
    Mode.MISSING: "Leave it, and restore only what is missing",
    Mode.SWAP: "Replace it by swap",
    Mode.ALIAS: "Replace it, and make the name an alias",
    Mode.IN_PLACE: "Replace it in place",
}

REPLICAS = "index.number_of_replicas"
TIER = "index.routing.allocation.include._tier_preference"

RESETS = {
    "index.lifecycle.name": "Lifecycle policy, which may delete an old index at once",
    "index.lifecycle.rollover_alias": "Rollover alias of the lifecycle policy",
    "index.plugins.index_state_management.policy_id": "State management policy (OpenSearch)",
    "index.blocks.*": "Blocks against reading and writing",
    "index.routing.allocation.*": "Rules on which node it may lie",
}
"""The settings that may be left behind."""


@dataclass(frozen=True)
class Asked:
    """``names`` are exact names of indices in the snapshot, ``streams`` of data streams. ``template`` makes the new
    names of ``beside``; ``skip`` are those that were taken out in the plan. ``token`` is in the names of what the
    restore makes. ``freed`` are those that shall take writes again: a safety snapshot keeps the block that it was
    taken under. ``least`` is the risk that the plan has at least: that of a restore which is taken back."""

    names: tuple[str, ...]
    mode: str
    token: str
    template: str = "restored-{index}"
    skip: frozenset[str] = frozenset()
    aliases: bool = False
    partial: bool = False
    global_state: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    resets: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    freed: frozenset[str] = frozenset()
    least: str = ""

    def as_options(self) -> dict:
        """JSON, for a row."""
        lists = {"names": list(self.names), "resets": list(self.resets), "streams": list(self.streams)}
        return asdict(self) | lists | {"skip": sorted(self.skip), "freed": sorted(self.freed)}

    @classmethod
    def of(cls, options: Mapping) -> "Asked":
        """From ``as_options``; older ones name no streams, nothing that is freed, and no least risk."""
        lists = {key: tuple(options.get(key, ())) for key in ("names", "resets", "streams")}
        sets = {key: frozenset(options.get(key, ())) for key in ("skip", "freed")}
        return cls(**{**options, **lists, **sets})

    def working(self, name: str) -> str:
        """What the copy is called until it is proven; behind an alias it keeps that name."""
        return f"{'restored' if self.mode == Mode.ALIAS else 'restoring'}-{self.token}-{name}"

    def before(self, name: str) -> str:
        """What the safety copy of a replaced index is called. Its own name comes last, so that patterns like logs-*
        do not find it."""
        return f"before-{self.token}-{name}"
