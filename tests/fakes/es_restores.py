"""Restores of the fake Elasticsearch: what one does to the indices, step by step."""

import copy
import time
from dataclasses import dataclass, field

from tests.fakes.es_state import Index, Snapshot, uuid

RESTORING = "restore"
EMPTY = {"type": "EMPTY_STORE", "source": {}}
EXISTING = {"type": "EXISTING_STORE", "source": {}}
COPIED = {"type": "LOCAL_SHARDS", "source": {}}
CORRUPT = (
    "failed shard on node: failed recovery, failure org.x.RecoveryFailedException: no\n\tat a.b(C.java:1)\n"
    "Caused by: org.apache.lucene.index.CorruptIndexException: verification failed (hardware problem?)\n\t... 4\n"
)


@dataclass
class Restore:
    repository: str
    snapshot: Snapshot
    indices: dict[str, str]
    """The name of each index here to its name in the snapshot."""
    looks: int = 0
    held: bool = False
    lost: dict[tuple[str, int], str] = field(default_factory=dict)
    """Shards of the snapshot whose data cannot be read, with the reason."""
    uuid: str = field(default_factory=uuid)
    started: float = field(default_factory=time.time)
    over: bool = False
    before: dict[str, Index] = field(default_factory=dict)

    def begin(self, indices: dict[str, Index], *, aliases: bool) -> None:
        """Every target is there, with no shard active."""
        for name, source in self.indices.items():
            made = self._content(source)
            made.name, made.uuid = name, uuid()
            made.aliases = made.aliases if aliases else {}
            if name in indices:
                there = self.before[name] = indices[name]
                made.uuid, made.aliases = there.uuid, made.aliases or there.aliases
            made.lose(dict.fromkeys(range(made.primaries), RESTORING))
            made.origins = {shard: self._origin(source, "INDEX") for shard in range(made.primaries)}
            indices[name] = made

    def look(self, indices: dict[str, Index]) -> None:
        """Somebody reads how far it is."""
        if not self.held and self.looks <= 0:
            self.end(indices)
        self.looks -= 1

    def end(self, indices: dict[str, Index]) -> None:
        self.over = True
        missing = {(failure["index"], failure["shard_id"]) for failure in self.snapshot.failures}
        for name, source in self.indices.items():
            index = indices[name]
            shards = range(index.primaries)
            index.lose({shard: self.lost[source, shard] for shard in shards if (source, shard) in self.lost})
            index.origins = {shard: self._origin(source, "DONE") for shard in shards if shard not in index.down}
            for shard in [shard for shard in shards if (source, shard) in missing]:
                index.make_empty(shard)
                index.origins[shard] = EMPTY

    def forget(self, indices: dict[str, Index]) -> None:
        """The cluster was restarted. An index that was restored in place is green, with what it held before; any
        other one has no shard."""
        self.over = True
        for name in self.indices:
            if name in self.before:
                indices[name] = self.before[name]
                indices[name].state = "open"
            else:
                indices[name].lose(dict.fromkeys(indices[name].down, "cluster recovered"))

    def without(self, name: str) -> None:
        """The index was deleted meanwhile, which is how a restore is cancelled."""
        self.indices.pop(name, None)
        self.over = self.over or not self.indices

    def described(self, indices: dict[str, Index]) -> dict:
        shards = [
            {"index": {"index_name": name, "index_uuid": indices[name].uuid}, "shard": shard, "state": "INIT"}
            for name in self.indices
            for shard in range(indices[name].primaries)
        ]
        entry = {"snapshot": self.snapshot.name, "repository": self.repository, "state": "STARTED"}
        return entry | {"indices": list(self.indices), "shards": shards}

    def _content(self, source: str) -> Index:
        held = self.snapshot.contents.get(source)
        made = copy.deepcopy(held) if held else Index(source, primaries=self.snapshot.indices[source])
        made.state, made.health = "open", "green"
        return made

    def _origin(self, source: str, stage: str) -> dict:
        where = {"repository": self.repository, "snapshot": self.snapshot.name, "version": "8.19.0", "index": source}
        restored = where | {"restoreUUID": self.uuid}
        return {"type": "SNAPSHOT", "stage": stage, "started": self.started, "source": restored}
