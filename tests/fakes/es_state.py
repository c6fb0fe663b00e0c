"""What the fake Elasticsearch remembers, in the shapes that the real one shows."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fakes.es_dialects import Dialect

GRANTED = {
    "cluster:monitor/main": ("cluster", "monitor,manage,all"),
    "cluster:monitor/health": ("cluster", "monitor,manage,all"),
    "cluster:monitor/nodes/info": ("cluster", "monitor,manage,all"),
    "cluster:monitor/state": (
        "cluster",
        "cross_cluster_replication,read_ccr,transport_client,manage_ccr,monitor,manage,all",
    ),
    "cluster:admin/repository/get": ("cluster", "monitor_snapshot,create_snapshot,manage,all"),
    "cluster:admin/repository/put": ("cluster", "manage,all"),
    "cluster:admin/repository/delete": ("cluster", "manage,all"),
    "cluster:admin/repository/verify": ("cluster", "manage,all"),
    "cluster:admin/snapshot/get": ("cluster", "monitor_snapshot,create_snapshot,manage,all"),
    "cluster:admin/snapshot/status": ("cluster", "monitor_snapshot,create_snapshot,manage,all"),
    "cluster:admin/snapshot/create": ("cluster", "create_snapshot,manage,all"),
    "cluster:admin/snapshot/delete": ("cluster", "manage,all"),
    "cluster:admin/snapshot/restore": ("cluster", "manage,all"),
    "cluster:admin/settings/update": ("cluster", "manage,all"),
    "cluster:monitor/settings": ("cluster", "monitor,manage,all"),
    "cluster:monitor/nodes/stats": ("cluster", "monitor,manage,all"),
    "cluster:monitor/allocation/explain": ("cluster", "monitor,manage,all"),
    "indices:monitor/recovery": ("index", "monitor,cross_cluster_replication,manage,all"),
    "indices:admin/refresh": ("index", "maintenance,manage,all"),
    "indices:admin/resize": ("index", "manage,all"),
    "indices:admin/settings/update": ("index", "manage,all"),
    "indices:admin/close": ("index", "manage_follow_index,manage,all"),
    "indices:admin/open": ("index", "manage,all"),
    "indices:admin/aliases": ("index", "manage,all"),
    "indices:admin/delete": ("index", "delete_index,manage,all"),
    "indices:data/read/search": ("index", "read,all"),
    "indices:monitor/stats": ("index", "monitor,cross_cluster_replication,manage,all"),
    "indices:admin/get": ("index", "view_index_metadata,manage,all"),
}
"""Action to the kind and the names of the privileges that allow it, as 8.19 writes them."""

IMPLIED = {
    "cluster": {"manage": {"monitor", "monitor_snapshot", "create_snapshot"}, "create_snapshot": set()},
    "index": {"manage": {"monitor", "view_index_metadata"}},
}


def uuid() -> str:
    return secrets.token_urlsafe(16)


@dataclass
class User:
    password: str
    cluster: frozenset[str] = frozenset()
    index: frozenset[str] = frozenset()
    role: str = ""

    def has(self, kind: str, privilege: str) -> bool:
        held = self.cluster if kind == "cluster" else self.index
        return privilege in held or any(privilege in IMPLIED[kind].get(name, ()) for name in held)

    def may(self, action: str) -> bool:
        kind, names = GRANTED[action]
        return any(self.has(kind, name) for name in names.split(","))


@dataclass
class Index:
    name: str
    documents: int = 0
    primaries: int = 1
    replicas: str = "0"
    state: str = "open"
    hidden: bool = False
    system: bool = False
    """Belongs to a feature of the server: the feature states of a snapshot bring it."""
    health: str = "green"
    aliases: dict[str, dict] = field(default_factory=dict)
    mapping: dict = field(default_factory=lambda: {"properties": {"@timestamp": {"type": "date"}}})
    bytes_each: int = 100
    uuid: str = field(default_factory=uuid)
    seq_nos: list[int] = field(default_factory=list)
    blocked: bool = False
    """For writes."""
    cloned: bool = False
    """Made by a clone with its block taken away, which stays in the settings as nothing."""
    down: dict[int, str] = field(default_factory=dict)
    """Shards whose primary is not active, each with the reason."""
    origins: dict[int, dict] = field(default_factory=dict)
    """How each shard came to its data, as its recovery shows it; others were created empty."""

    def __post_init__(self):
        self.seq_nos = self.seq_nos or [-1] * self.primaries
        documents, self.documents = self.documents, 0
        self.write(documents)

    def write(self, documents: int) -> None:
        for number in range(documents):
            self.seq_nos[number % self.primaries] += 1
        self.documents += documents

    def active(self, shard: int) -> bool:
        return shard not in self.down and (self.health != "red" or bool(self.down))

    def lose(self, shards: dict[int, str]) -> None:
        """These are the shards that are not active now."""
        self.down, self.health = dict(shards), "red" if shards else "green"

    def make_empty(self, shard: int) -> None:
        self.documents -= self.seq_nos[shard] + 1
        self.seq_nos[shard] = -1

    @property
    def bytes(self) -> int:
        return self.documents * self.bytes_each + 249 * self.primaries

    def settings(self, dialect: Dialect) -> dict:
        settings = {
            **dialect.index_settings,
            "number_of_shards": str(self.primaries),
            "provided_name": self.name,
            "creation_date": "1795463183624",
            "number_of_replicas": self.replicas,
            "uuid": self.uuid,
            "version": {"created": "8536000"},
        }
        if self.hidden and dialect.hides:
            settings["hidden"] = "true"
        if self.state == "close":
            settings["verified_before_close"] = "true"
        if self.blocked or self.cloned:
            settings["blocks"] = {"write": "true" if self.blocked else None}
        return {"index": settings}


@dataclass
class Snapshot:
    name: str
    indices: dict[str, int]
    """Name to number of primary shards, at the moment of the create."""
    metadata: Any
    global_state: bool
    seconds: float = 0.0
    held: bool = False
    outcome: str = "SUCCESS"
    failures: list[dict] = field(default_factory=list)
    uuid: str = field(default_factory=uuid)
    started: float = field(default_factory=time.time)
    ended: float = 0.0
    shard_bytes: int = 1000
    copied: int = 0
    """How many shards are done while it runs."""
    lingers: int = 0
    """After a delete: how many reads still see it."""
    deleted: bool = False
    contents: dict[str, Index] = field(default_factory=dict)
    """Its indices as they were when it was made."""
    data_streams: dict[str, list[str]] = field(default_factory=dict)
    """Each with the indices behind it."""

    @property
    def running(self) -> bool:
        if not self.ended and not self.held and time.time() >= self.started + self.seconds:
            self.ended = time.time()
        return not self.ended

    def end(self, outcome: str = "", failures: list[dict] | None = None) -> None:
        """It is over now, whatever it was told before."""
        self.outcome = outcome or self.outcome
        self.failures = self.failures if failures is None else failures
        self.held, self.ended = False, time.time()

    @property
    def shards(self) -> int:
        return sum(self.indices.values())

    def described(self, repository: str, dialect: Dialect) -> dict:
        running = self.running
        failed = 0 if running else self._failed()
        return {
            "snapshot": self.name,
            "uuid": self.uuid,
            **self._own_keys(repository, dialect),
            "version_id": dialect.index_version or 6000099,
            "version": "8.19.0",
            "indices": list(self.indices),
            "include_global_state": self.global_state,
            **({} if self.metadata is None else {"metadata": self.metadata}),
            "state": "IN_PROGRESS" if running else self.outcome,
            **({"reason": "it failed"} if not running and self.outcome == "FAILED" else {}),
            "start_time": _iso(self.started),
            "start_time_in_millis": int(self.started * 1000),
            "end_time": _iso(self.ended),
            "end_time_in_millis": int(self.ended * 1000),
            "duration_in_millis": 0 if running else int((self.ended - self.started) * 1000),
            "failures": [] if running else self.failures,
            "shards": {
                "total": self.shards,
                "failed": failed,
                "successful": 0 if running else self.shards - failed,
            },
        }

    def brief(self, repository: str, dialect: Dialect) -> dict:
        """One line of a list for which no file of the snapshot is read."""
        kept = ("snapshot", "uuid", "repository", "indices", "data_streams", "state")
        described = self.described(repository, dialect)
        listed = {name: described[name] for name in kept if name in described}
        return listed | ({"data_streams": []} if "data_streams" in listed else {})

    def _own_keys(self, repository: str, dialect: Dialect) -> dict:
        every = {
            "repository": repository,
            "data_streams": sorted(self.data_streams),
            "feature_states": [],
            "remote_store_index_shallow_copy": False,
        }
        return {key: every[key] for key in dialect.described}

    def status(self, repository: str, dialect: Dialect) -> dict:
        """The answer of ``_status``, which on most servers says SUCCESS for PARTIAL too."""
        says = "SUCCESS" if self.outcome == "PARTIAL" and not dialect.status_says_partial else self.outcome
        return {
            "snapshot": self.name,
            "repository": repository,
            "uuid": self.uuid,
            "state": "STARTED" if self.running else says,
            "include_global_state": self.global_state,
            "shards_stats": self._shards_stats(self.shards, self._failed()),
            "stats": self._stats(),
            "indices": {name: self._index_status(name, count) for name, count in self.indices.items()},
        }

    def _failed(self) -> int:
        return self.shards if self.outcome == "FAILED" else len(self.failures)

    def _index_status(self, name: str, shards: int) -> dict:
        lost = {failure["shard_id"] for failure in self.failures if failure["index"] == name}
        if self.outcome == "FAILED":
            lost = set(range(shards))
        return {
            "shards_stats": self._shards_stats(shards, len(lost)),
            "stats": self._stats(),
            "shards": {str(number): self._shard_status(number in lost) for number in range(shards)},
        }

    def _shard_status(self, lost: bool) -> dict:
        if self.running:
            return {"stage": "STARTED", "stats": self._stats(), "node": "the-only-node"}
        if lost:
            return {"stage": "FAILURE", "stats": self._stats(), "reason": "primary shard is not allocated"}
        return {"stage": "DONE", "stats": self._stats()}

    def _shards_stats(self, total: int, failed: int) -> dict:
        started = max(0, total - self.copied) if self.running else 0
        failed = 0 if self.running else failed
        counts = {"initializing": 0, "started": started, "finalizing": 0}
        return counts | {"done": total - started - failed, "failed": failed, "total": total}

    def _stats(self) -> dict:
        whole = {"file_count": 4 * self.shards, "size_in_bytes": self.shard_bytes * self.shards}
        stats = {"incremental": whole}
        if self.running:
            done = self.shard_bytes * self.copied or self.shard_bytes * self.shards // 4
            stats["processed"] = {"file_count": self.shards, "size_in_bytes": done}
        times = {"start_time_in_millis": int(self.started * 1000), "time_in_millis": 0}
        return stats | {"total": whole} | times


@dataclass
class Repository:
    name: str
    type: str
    settings: dict
    uuid: str = ""
    snapshots: dict[str, Snapshot] = field(default_factory=dict)

    def described(self) -> dict:
        settings = {
            key: str(value).lower() if isinstance(value, bool) else value for key, value in self.settings.items()
        }
        return {"type": self.type, **({"uuid": self.uuid} if self.uuid else {}), "settings": settings}


class Problem(Exception):
    """A refusal in the shape of the real one."""

    def __init__(self, status: int, type: str, reason: str, *, cause: dict | None = None, **more):
        super().__init__(reason)
        self.status = status
        self.product = type != "security_exception"
        error = {"type": type, "reason": reason, **more}
        root = cause or error
        self.body: Mapping = {
            "error": {"root_cause": [root], **error, **({"caused_by": cause} if cause else {})},
            "status": status,
        }


def in_words(status: int, body: dict) -> Problem:
    """Some refusals are plain text."""
    problem = Problem(status, "", body["error"])
    problem.body = body
    return problem


def unrecognized(path: str, parameter: str) -> Problem:
    reason = f"request [{path}] contains unrecognized parameter: [{parameter}]"
    return Problem(400, "illegal_argument_exception", reason)


def no_index(name: str, *, resource: bool = True) -> Problem:
    more = {"resource.type": "index_or_alias", "resource.id": name} if resource else {}
    more |= {"index_uuid": "_na_", "index": name}
    return Problem(404, "index_not_found_exception", f"no such index [{name}]", **more)


def unauthorized(reason: str) -> Problem:
    realms = ['Basic realm="security", charset="UTF-8"', 'Bearer realm="security"', "ApiKey"]
    return Problem(401, "security_exception", reason, header={"WWW-Authenticate": realms})


def forbidden(action: str, user: str, role: str, names: str) -> Problem:
    kind, granted = GRANTED[action]
    on = f" on indices [{names}]" if kind == "index" and names else ""
    reason = (
        f"action [{action}] is unauthorized for user [{user}] with effective roles [{role}]{on}, "
        f"this action is granted by the {kind} privileges [{granted}]"
    )
    return Problem(403, "security_exception", reason)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
