"""Situations before a restore, made by chance from a seed, for a real server: does it what the plan says?

A plan foresees, for each index, whether the server takes it. What the server says is asked by sending the very call
of the mode, for this index alone, as if nothing stood in the way.
"""

import json
import random
from dataclasses import dataclass, field

from backups.restores.indices.asked import Mode


@dataclass
class Situation:
    """``live`` is what became of the index since its snapshot, ``cluster`` are settings while the restore is sent."""

    mode: str
    live: str
    options: dict = field(default_factory=dict)
    cluster: dict = field(default_factory=dict)
    beside: str = ""
    """What is there already under the new name: an index (open, closed) or an alias."""

    def __str__(self) -> str:
        return f"{self.mode}, {self.live}, {self.options}, {self.cluster}, {self.beside}"


LIVE = ("open", "closed", "missing", "other shards", "an alias")
TEMPLATES = ("restored-{index}", "UPPER-{index}", "_{index}", "same", "{index}", "a b{index}", "x-{index}-y")
BESIDE = ("", "", "open", "closed", "alias")
CLUSTER = ({}, {}, {}, {"cluster.blocks.read_only": True}, {"cluster.max_shards_per_node": 1})
SETTINGS = ({}, {"index.number_of_replicas": 1}, {"index.refresh_interval": "5s"})
RESETS = ((), ("index.blocks.*",), ("index.routing.allocation.*",), ("index.lifecycle.name",))
FIRST = (
    Situation(Mode.BESIDE, "open"),
    Situation(Mode.BESIDE, "open", {"template": "UPPER-{index}"}),
    Situation(Mode.BESIDE, "open", {"template": "restored-{index}"}, beside="open"),
    Situation(Mode.BESIDE, "open", {"template": "restored-{index}"}, beside="alias"),
    Situation(Mode.BESIDE, "open", {}, {"cluster.blocks.read_only": True}),
    Situation(Mode.BESIDE, "open", {}, {"cluster.max_shards_per_node": 1}),
    Situation(Mode.BESIDE, "open", {"aliases": True}, {}),
    Situation(Mode.MISSING, "missing", {"global_state": True}),
    Situation(Mode.MISSING, "missing", {"aliases": True}),
    Situation(Mode.MISSING, "an alias"),
    Situation(Mode.IN_PLACE, "other shards"),
    Situation(Mode.IN_PLACE, "closed", {}, {"cluster.max_shards_per_node": 1}),
)
"""Those that every test has; more are made by chance."""


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
    return Situation(mode, chance.choice(LIVE), options, dict(chance.choice(CLUSTER)), beside)


class Stage:
    """Sets a situation on a server: one index with a write alias, snapshotted; another one beside it."""

    def __init__(self, server, index: str, other: str) -> None:
        self.server, self.index, self.other = server, index, other
        self.alias = f"{index}-writes"

    def ask(self, method: str, path: str, body: dict | None = None) -> dict:
        return self.server.request(method, path, None if body is None else json.dumps(body).encode())

    def prepare(self) -> None:
        add = {"index": self.index, "alias": self.alias, "is_write_index": True}
        self.ask("POST", "/_aliases", {"actions": [{"add": add}]})

    def set(self, situation: Situation, new_name: str) -> None:
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
