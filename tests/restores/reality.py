"""Situations before a restore, made by chance from a seed, for a real server: does it what the plan says?

A plan foresees, for each index, whether the server takes it. What the server says is asked by sending the very calls
of the mode, for this index alone, as if nothing stood in the way.
"""

import json
import random
from dataclasses import dataclass, field

from backups.restores.indices.asked import REPLICAS, TIER, Mode

PARTIAL, NEWER = "partial", "newer"


@dataclass
class Situation:
    """``live`` is what became of the index since its snapshot, ``cluster`` are settings while the restore is sent,
    ``snapshot`` says what is wrong with that: PARTIAL (it has no shard of the index) or NEWER (than the server)."""

    mode: str
    live: str
    options: dict = field(default_factory=dict)
    cluster: dict = field(default_factory=dict)
    beside: str = ""
    """What is there already under the new name: an index (open, closed) or an alias."""
    snapshot: str = ""

    def __str__(self) -> str:
        return ", ".join(map(str, (self.mode, self.live, self.options, self.cluster, self.beside, self.snapshot)))


DISK = "cluster.routing.allocation.disk.watermark"
READ_ONLY, NO_MORE_SHARDS = {"cluster.blocks.read_only": True}, {"cluster.max_shards_per_node": 1}
ONLY_DELETIONS = {"cluster.blocks.read_only_allow_delete": True}
FULL = {f"{DISK}.low": "100000gb", f"{DISK}.high": "100000gb", f"{DISK}.flood_stage": "1mb"}
LIVE = ("open", "closed", "missing", "other shards", "an alias")
TEMPLATES = ("restored-{index}", "UPPER-{index}", "_{index}", "same", "{index}", "a b{index}", "x-{index}-y")
BESIDE = ("", "", "open", "closed", "alias")
CLUSTER = ({}, {}, {}, {}, READ_ONLY, ONLY_DELETIONS, NO_MORE_SHARDS, FULL)
SETTINGS = ({}, {REPLICAS: 1}, {"index.refresh_interval": "5s"}, {TIER: "data_hot,data_content"}, {TIER: "nonsense"})
RESETS = ((), ("index.blocks.*",), ("index.routing.allocation.*",), ("index.lifecycle.name",))
ANYWHERE = ("index.routing.allocation.*",)
"""For an index that no node may have: that it is nowhere is why the snapshot has no shard of it."""

FIRST = (
    Situation(Mode.BESIDE, "open"),
    Situation(Mode.BESIDE, "open", {"template": "UPPER-{index}"}),
    Situation(Mode.BESIDE, "open", beside="open"),
    Situation(Mode.BESIDE, "open", beside="alias"),
    Situation(Mode.BESIDE, "open", {}, READ_ONLY),
    Situation(Mode.BESIDE, "open", {}, NO_MORE_SHARDS),
    Situation(Mode.BESIDE, "open", {}, FULL),
    Situation(Mode.BESIDE, "open", {"aliases": True}),
    Situation(Mode.MISSING, "missing", {"global_state": True}),
    Situation(Mode.BESIDE, "open", snapshot=NEWER),
    Situation(Mode.BESIDE, "open", {"resets": ANYWHERE}, snapshot=PARTIAL),
    Situation(Mode.IN_PLACE, "closed", {}, NO_MORE_SHARDS),
    Situation(Mode.BESIDE, "open", beside="closed"),
    Situation(Mode.MISSING, "missing", {"aliases": True}),
    Situation(Mode.MISSING, "an alias"),
    Situation(Mode.SWAP, "closed"),
    Situation(Mode.SWAP, "open", {}, NO_MORE_SHARDS),
    Situation(Mode.SWAP, "open", {}, FULL),
    Situation(Mode.IN_PLACE, "other shards"),
    Situation(Mode.IN_PLACE, "open", {}, FULL),
    Situation(Mode.BESIDE, "open", {"resets": ANYWHERE, "partial": True}, snapshot=PARTIAL),
    Situation(Mode.BESIDE, "open", {"partial": True}, snapshot=PARTIAL),
    Situation(Mode.MISSING, "missing", {"resets": ANYWHERE, "partial": True}, snapshot=PARTIAL),
    Situation(Mode.SWAP, "open", {"resets": ANYWHERE, "partial": True}, snapshot=PARTIAL),
    Situation(Mode.IN_PLACE, "closed", {"resets": ANYWHERE, "partial": True}, snapshot=PARTIAL),
)
"""Those that every seed has; the others are made by chance."""


def situations(number: int, seed: int) -> list[Situation]:
    chance = random.Random(seed)
    return [*FIRST, *(_made(chance) for _ in range(number - len(FIRST)))][:number]


def _made(chance: random.Random) -> Situation:
    mode = chance.choice((Mode.BESIDE, Mode.BESIDE, Mode.MISSING, Mode.SWAP, Mode.ALIAS, Mode.IN_PLACE))
    options = {
        "aliases": chance.random() < 0.4,
        "settings": chance.choice(SETTINGS),
        "resets": chance.choice(RESETS),
        "global_state": mode in (Mode.MISSING, Mode.IN_PLACE) and chance.random() < 0.2,
    }
    beside = ""
    if mode == Mode.BESIDE:
        options["template"], beside = chance.choice(TEMPLATES), chance.choice(BESIDE)
    snapshot = chance.choice(("",) * 8 + (NEWER,))
    return Situation(mode, chance.choice(LIVE), options, dict(chance.choice(CLUSTER)), beside, snapshot)


class Stage:
    """Sets a situation on a server: one index with a write alias, snapshotted; another one beside it."""

    def __init__(self, server, index: str, other: str) -> None:
        self.server, self.index, self.other = server, index, other
        self.alias = f"{index}-writes"

    def ask(self, method: str, path: str, body: dict | None = None) -> dict:
        return self.server.request(method, path, None if body is None else json.dumps(body).encode())

    def prepare(self, snapshot: str) -> None:
        """Before the snapshot."""
        if snapshot == PARTIAL:
            nowhere = {"index.routing.allocation.require._name": "nowhere", "number_of_replicas": 0}
            self._missing()
            self.ask("PUT", f"/{self.index}?timeout=1s&wait_for_active_shards=0", {"settings": nowhere})
        add = {"index": self.index, "alias": self.alias, "is_write_index": True}
        self.ask("POST", "/_aliases", {"actions": [{"add": add}]})

    def set(self, situation: Situation, new_name: str) -> None:
        """After the snapshot."""
        if situation.snapshot == PARTIAL:
            self._missing()
            self.ask("PUT", f"/{self.index}", {"settings": {"number_of_replicas": 0}})
        getattr(self, f"_{situation.live.replace(' ', '_')}")()
        if situation.beside and new_name:
            self._beside(situation.beside, new_name)

    def _open(self) -> None:
        """As it was."""

    def _closed(self) -> None:
        self.ask("POST", f"/{self.index}/_close")

    def _missing(self) -> None:
        self.ask("DELETE", f"/{self.index}")

    def _other_shards(self) -> None:
        self._missing()
        self.ask("PUT", f"/{self.index}", {"settings": {"number_of_shards": 3, "number_of_replicas": 0}})

    def _an_alias(self) -> None:
        self._missing()
        self.ask("POST", "/_aliases", {"actions": [{"add": {"index": self.other, "alias": self.index}}]})

    def _beside(self, what: str, name: str) -> None:
        if what == "alias":
            self.ask("POST", "/_aliases", {"actions": [{"add": {"index": self.other, "alias": name}}]})
            return
        self.ask("PUT", f"/{name}", {"settings": {"number_of_replicas": 0}})
        if what == "closed":
            self.ask("POST", f"/{name}/_close")
