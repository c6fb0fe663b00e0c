"""What a Redis server is, as far as backing it up and restoring to it go."""

import re
from dataclasses import dataclass, field

from .connection import Connection
from .errors import NotRedis

RDB_VERSIONS = (((7, 4), 12), ((7, 2), 11), ((7, 0), 10), ((5, 0), 9), ((4, 0), 8), ((3, 2), 7))
"""From which version of Redis on a server takes which RDB version."""
RDB_OF_VALKEY = 11
OLDEST_RDB = 6
PRIMARY, REPLICA = "primary", "replica"


@dataclass(frozen=True)
class About:
    """``databases`` counts keys, of those that have any. ``memory`` and ``maxmemory`` are bytes, 0 for no limit.
    ``linked``: a replica is connected with its primary. ``modules`` are names. ``run_id`` is another one whenever the
    server was started."""

    product: str
    version: str
    role: str
    linked: bool
    read_only: bool
    loading: bool
    cluster: bool
    memory: int
    maxmemory: int
    policy: str
    databases: dict[int, int] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    run_id: str = ""

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:3])

    @property
    def rdb_version(self) -> int:
        """The highest that RESTORE takes here."""
        if self.product == "Valkey":
            return RDB_OF_VALKEY
        return next((rdb for since, rdb in RDB_VERSIONS if self.numbers >= since), OLDEST_RDB)

    @property
    def evicts(self) -> bool:
        """It throws keys away when it is full, also those without an expiry."""
        return self.maxmemory > 0 and self.policy.startswith("allkeys")

    def knows(self, *since: int) -> bool:
        """By Redis's numbers; Valkey began with 7.2 and counts on."""
        return self.numbers >= since


def about(connection: Connection) -> About:
    """One INFO. Raises ``Forbidden`` without +info."""
    answer = connection.call("INFO")
    if not isinstance(answer, bytes) or b"redis_version:" not in answer:
        where = connection.access.where
        raise NotRedis(f"{where} answers INFO, but not as Redis would.", repr(answer)[:200])
    text = answer.decode(errors="replace")
    facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("module:"))
    valkey = facts.get("valkey_version")
    return About(
        product="Valkey" if valkey else "Redis",
        version=valkey or facts["redis_version"],
        role=REPLICA if facts.get("role") == "slave" else PRIMARY,
        linked=facts.get("master_link_status", "up") == "up",
        read_only=facts.get("slave_read_only") == "1",
        loading=facts.get("loading") == "1",
        cluster=facts.get("cluster_enabled") == "1",
        memory=_number(facts, "used_memory"),
        maxmemory=_number(facts, "maxmemory"),
        policy=facts.get("maxmemory_policy", "noeviction"),
        databases={int(number): int(keys) for number, keys in re.findall(r"^db(\d+):keys=(\d+)", text, re.MULTILINE)},
        modules=tuple(re.findall(r"^module:name=([^,\r\n]+)", text, re.MULTILINE)),
        run_id=facts.get("run_id", ""),
    )


def _number(facts: dict[str, str], name: str) -> int:
    text = facts.get(name, "0")
    return int(text) if text.isdecimal() else 0
