"""Restores on a real server: asked for and carried out as people do it, and what is there before and afterwards."""

import json

from backups.repositories.models import Repository
from backups.restores.indices.asked import Mode
from backups.restores.models import RestorePlan
from backups.runs.models import Run
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from tests.elasticsearch.scene import Scene
from tests.restores.asking import Asking
from tests.restores.place import UNDO_ALIAS, UNDO_IN_PLACE, UNDO_SWAP

AUTO_CREATE = "action.auto_create_index"


class Restoring(Asking):
    """One index of 50 documents with an alias, snapshotted, and 7 more documents since."""

    def __init__(
        self, scene: Scene, cast, *, shards: int = 1, text: str = "x", repository: Repository | None = None, **slow
    ) -> None:
        """``slow`` are settings of a repository that is made for this."""
        super().__init__(cast)
        self.scene, self.server = scene, scene.server
        self.index = scene.index("logs", 50, shards=shards, text=text)
        self.alias = f"{self.index}-alias"
        add = {"add": {"index": self.index, "alias": self.alias}}
        self.server.request("POST", "/_aliases", json.dumps({"actions": [add]}).encode())
        self.repository = repository or scene.repository(scene.cluster(), **slow)
        self.snapshot = self.take()
        scene.write(self.index, 7)
        # Its files are no longer those of the snapshot: a restore in place would use them again.
        self.server.request("POST", f"/{self.index}/_forcemerge?max_num_segments=1")

    def take(self, name: str = "snap-1", **options) -> Snapshot:
        run = queue_snapshot(actor=None, repository=self.repository, name=name, patterns=[self.index], **options)
        self.work(run)
        return Snapshot.objects.get(run=run)

    def planned(self, mode: str = Mode.SWAP, **options) -> RestorePlan:
        return self.plan(self.snapshot, [self.index], mode, **options)

    def agreed(self, mode: str = Mode.SWAP, **options) -> Run:
        """Approved, and not begun."""
        return self.agree(self.planned(mode, **options))

    def seen(self) -> dict:
        """Of every index of this test: documents, aliases, whether it is open, whether it takes writes."""
        fields = "metadata.indices.*.state,metadata.indices.*.aliases,metadata.indices.*.settings.index.blocks"
        path = f"/_cluster/state/metadata/*{self.scene.prefix}*?expand_wildcards=all&filter_path={fields}"
        found = self.server.request("GET", path).get("metadata", {}).get("indices", {})
        return {name: self._one(name, facts) for name, facts in found.items()}

    def _one(self, name: str, facts: dict) -> tuple:
        blocked = str(facts.get("settings", {}).get("index", {}).get("blocks", {}).get("write", "")) == "true"
        if facts["state"] != "open":
            return None, sorted(facts["aliases"]), facts["state"], blocked
        self.server.request("POST", f"/{name}/_refresh")
        count = self.server.request("GET", f"/{name}/_count")
        whole = count["_shards"]["successful"] == count["_shards"]["total"]
        return count["count"] if whole else "broken", sorted(facts["aliases"]), facts["state"], blocked

    def kept(self, run: Run) -> dict[str, str]:
        """The safety copies of a run, by name."""
        return dict(run.safety_copies.values_list("name", "state"))

    def auto_create(self) -> str | None:
        found = self.server.request("GET", "/_cluster/settings?flat_settings=true")["persistent"]
        return found.get(AUTO_CREATE)

    def described(self, name: str) -> tuple:
        """Mapping and settings, without what is new in every index. ``name`` may be an alias of one."""
        (found,) = self.server.request("GET", f"/{name}").values()
        index = found["settings"]["index"]
        own = ("uuid", "creation_date", "version", "provided_name", "resize", "routing", "blocks", "history")
        own += ("routing_partition_size",)  # which a clone has by name, as every other index has it
        return found["mappings"], {key: value for key, value in index.items() if key not in own}

    def folder(self):
        return self.server.path_repo / self.scene.prefix

    def expected(self, run: Run, way: str) -> dict:
        """What is to be seen after a good end; ``way`` is a mode, or the way back of one."""
        row = run.request.plan.document["rows"][0]
        snapped, live = (50, [self.alias], "open", False), (57, [self.alias], "open", False)
        kept = {row["before"]: ((50 if way in (UNDO_SWAP, UNDO_ALIAS) else 57), [], "open", False)}
        if way == Mode.BESIDE:
            return {self.index: live, row["target"]: (50, [], "open", False)}
        if way == Mode.ALIAS:
            return {row["work"]: (50, sorted([self.index, self.alias]), "open", False)} | kept
        if way == Mode.SWAP:
            return {self.index: snapped} | kept
        if way == Mode.IN_PLACE:
            return {self.index: snapped}
        return {self.index: live} | ({} if way == UNDO_IN_PLACE else kept)
