"""One restore on a real server, from the call to the verdict, as the steps of a run do it; and ways to spoil it."""

from datetime import UTC, datetime
from pathlib import Path

from backups.gateways.elasticsearch import restores
from backups.gateways.elasticsearch.answers import acknowledged
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.restores import ShardRecovery
from backups.restores.verdict import Target, Verdict, judge
from tests.gateways.scenes import RealScene, until

BESIDE = ("^(.+)$", "$1-copy")


class Attempt:
    """Of one index."""

    def __init__(
        self, scene: RealScene, repository: str, snapshot: str, target: Target, client: Client | None = None
    ):
        self.repository, self.snapshot, self.target = repository, snapshot, target
        self.client = client or scene.client("restricted")
        self.capabilities = scene.capabilities
        self.failures = scene.finished(repository, snapshot).failures
        self.known = {one.restore_uuid for one in self.recoveries()} - {""}

    def start(self, **options) -> "Attempt":
        rename = BESIDE if self.target.name != self.target.source else None
        options = {"rename": rename, "capabilities": self.capabilities} | options
        call = restores.restore_call(self.repository, self.snapshot, [self.target.source], **options)
        self.sent_at = datetime.now(UTC)
        restores.restore(self.client, call, "run-1")
        return self

    def recoveries(self) -> tuple[ShardRecovery, ...]:
        return restores.recoveries(self.client, [self.target.name])

    def runs(self) -> bool:
        return restores.entry(self.client, self.repository, self.snapshot, [self.target.name]) is not None

    def verdict(self, **instead) -> Verdict:
        """When the entry is gone in two looks, and nothing is on its way."""
        name = self.target.name
        until(lambda: not self.runs() and not self.runs() and restores.settled(self.client, [name]))
        active = restores.shards_active(self.client, [name])
        gone = [shard for shard, there in active.get(name, {}).items() if not there]
        facts = {
            "active": active,
            "recoveries": self.recoveries(),
            "counts": restores.counts(self.client, [name]),
            "repository": self.repository,
            "snapshot": self.snapshot,
            "sent_at": self.sent_at,
            "restore_uuid": None,
            "failures": self.failures,
            "known_uuids": self.known,
            "reasons": {name: restores.why_unassigned(self.client, name, gone[0])} if gone else {},
        }
        return judge([self.target], **facts | instead)


def prepared(scene: RealScene, shards: int = 1, **settings) -> tuple[str, Target]:
    """A repository with a snapshot of an index of 300 documents, and what a restore beside that aims at."""
    index, repository = scene.add_index("logs", 300, primaries=shards), scene.add_repository(**settings)
    scene.start_snapshot(repository, "s1", [index])
    scene.finished(repository, "s1")
    return repository, Target(f"{index}-copy", index, shards, recorded=300, counted="exact")


def cleared(scene: RealScene) -> None:
    """Copies first: a repository that is in use stays."""
    names = ",".join(scene.server.request("GET", f"/{scene.prefix}*/_settings?expand_wildcards=all"))
    if names:
        scene.server.request("DELETE", f"/{names}")
    scene.clear()


def in_place(target: Target) -> Target:
    return Target(target.source, target.source, target.primaries, recorded=target.recorded, counted=target.counted)


def data_of(scene: RealScene, repository: str) -> list[Path]:
    """The data of shards in the repository, the biggest first."""
    files = scene.server.path_repo.joinpath(repository).rglob("__*")
    return sorted(files, key=lambda file: -file.stat().st_size)


def rewrite(scene: RealScene, index: str) -> None:
    """Its files are no longer those of the snapshot: a restore in place would use them instead of the snapshot's."""
    scene.server.request("POST", f"/{index}/_forcemerge?max_num_segments=1")


def send(client: Client, call) -> None:
    acknowledged(call, client.send(call))
