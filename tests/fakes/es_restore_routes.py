"""The requests of a restore that the fake Elasticsearch knows: the restore itself, and what is read of it."""

import re
import time
from collections.abc import Mapping

from tests.fakes import es_streams
from tests.fakes.es_restores import EMPTY, RESTORING
from tests.fakes.es_routes import MULTI, Request, Route, _chosen, _repository, collecting
from tests.fakes.es_state import Index, Problem, Snapshot, no_index

ROUTES: list[Route] = []
route = collecting(ROUTES)
KNOWN = {
    "indices",
    "ignore_unavailable",
    "include_global_state",
    "include_aliases",
    "partial",
    "rename_pattern",
    "rename_replacement",
    "index_settings",
    "ignore_index_settings",
    "feature_states",
}
FIXED = ("index.number_of_shards", "index.uuid", "index.version.created", "index.creation_date")
OPEN = (
    "because an open index with same name already exists in the cluster. Either close or delete the existing index "
    "or restore the index under a different name by providing a rename pattern and replacement name"
)
NOWHERE = "index.routing.allocation.require._name"
SHARDS = "Validation Failed: 1: this action would add [{}] shards, but this cluster currently has [{}]/[{}] maximum"


@route(
    "POST",
    "/_snapshot/{repository}/{snapshot}/_restore",
    "cluster:admin/snapshot/restore",
    ("wait_for_completion", "master_timeout"),
)
def restore(request: Request) -> dict:
    fake, body = request.fake, request.body or {}
    name = f"{request.named['repository']}:{request.named['snapshot']}"
    try:
        indices = _targets(request, body)
    except Problem:
        fake.refused[name] += 1
        raise
    fake.accepted[name] += 1
    snapshot = fake.repositories[request.named["repository"]].snapshots[request.named["snapshot"]]
    started = fake.new_restore(request.named["repository"], snapshot, indices)
    if NOWHERE in body.get("index_settings", {}):
        shards = ((source, shard) for source in indices.values() for shard in range(snapshot.indices[source]))
        started.lost = dict.fromkeys(shards, "restore_source")
    started.begin(fake.indices, aliases=body.get("include_aliases", True))
    fake.streams |= _streams(body, snapshot)
    fake.restores.append(started)
    if not _all_missing(snapshot, indices):
        return {"accepted": True}
    started.end(fake.indices)
    shards = sum(snapshot.indices[index] for index in indices.values())
    counted = {"total": shards, "failed": shards, "successful": 0}
    return {"snapshot": {"snapshot": snapshot.name, "indices": list(indices), "shards": counted}}


def _all_missing(snapshot: Snapshot, indices: dict[str, str]) -> bool:
    """Whether the snapshot has no shard of these: nobody has to wait for the end."""
    missing = {(failure["index"], failure["shard_id"]) for failure in snapshot.failures}
    return {(index, shard) for index in indices.values() for shard in range(snapshot.indices[index])} <= missing


def _targets(request: Request, body: dict) -> dict[str, str]:
    """New name to the name in the snapshot, or the refusal."""
    fake = request.fake
    known = KNOWN if fake.dialect.feature_states else KNOWN - {"feature_states"}
    for key in sorted(set(body) - known):
        raise Problem(400, "illegal_argument_exception", f"Unknown parameter {key}")
    repository, name = _repository(request), request.named["snapshot"]
    snapshot = repository.snapshots.get(name)
    if snapshot is None or snapshot.running:
        raise Problem(500, "snapshot_restore_exception", f"[{repository.name}:{name}] snapshot does not exist")
    where = f"[{repository.name}:{name}/{snapshot.uuid}] "
    chosen = list(body.get("indices") or snapshot.indices)
    for index in chosen:
        if index not in snapshot.indices and index not in snapshot.data_streams:
            raise no_index(index, resource=False)
    if "6" in fake.blocks:
        raise Problem(403, "cluster_block_exception", f"blocked by: [FORBIDDEN/6/{fake.blocks['6']}];")
    _check_settings(body, where)
    targets: dict[str, str] = {}
    for index, of_stream in es_streams.chosen(snapshot, chosen).items():
        new = _renamed(body, index, of_stream=of_stream)
        if new in targets:
            words = f"indices [{targets[new]}] and [{index}] are renamed into the same index [{new}]"
            raise Problem(500, "snapshot_restore_exception", where + words)
        targets[new] = index
    for new, index in targets.items():
        _check_target(request, where, snapshot, new, index)
    es_streams.check_names(fake, _streams(body, snapshot))
    _check_aliases(request, body, snapshot, targets)
    _check_limit(request, snapshot, targets)
    return targets


def _streams(body: dict, snapshot: Snapshot) -> dict[str, list[str]]:
    """The data streams that come with a restore, each with the indices behind it."""
    return {
        _renamed(body, name): [_renamed(body, index, of_stream=True) for index in snapshot.data_streams[name]]
        for name in body.get("indices") or ()
        if name in snapshot.data_streams
    }


def _renamed(body: dict, index: str, *, of_stream: bool = False) -> str:
    pattern, replacement = body.get("rename_pattern"), body.get("rename_replacement")
    if pattern is None or replacement is None:
        return index
    if of_stream:
        return es_streams.PREFIX + _renamed(body, index.removeprefix(es_streams.PREFIX))
    return re.sub(pattern, re.sub(r"\$(\d)", r"\\g<\1>", replacement), index)


def _check_settings(body: dict, where: str) -> None:
    for words, settings in (
        ("modify", body.get("index_settings", {})),
        ("remove", body.get("ignore_index_settings", ())),
    ):
        for name in set(settings) & set(FIXED):
            raise Problem(500, "snapshot_restore_exception", f"{where}cannot {words} setting [{name}] on restore")


def _check_target(request: Request, where: str, snapshot: Snapshot, new: str, index: str) -> None:
    fake, there = request.fake, request.fake.indices.get(new)
    failed = any(failure["index"] == index for failure in snapshot.failures)
    if failed and not (request.body or {}).get("partial"):
        words = f"index [{index}] wasn't fully snapshotted - cannot restore"
        raise Problem(500, "snapshot_restore_exception", where + words)
    if there is None:
        _check_name(fake, new)
        return
    words = ""
    if there.state == "open":
        words = f"cannot restore index [{new}] {OPEN}"
    elif failed:
        words = f"cannot restore partial index [{new}] because such index already exists"
    elif there.primaries != snapshot.indices[index]:
        of = f"[{there.primaries}] shards from a snapshot of index [{index}] with [{snapshot.indices[index]}] shards"
        words = f"cannot restore index [{new}] with {of}"
    if words:
        raise Problem(500, "snapshot_restore_exception", where + words)


def _check_name(fake, new: str) -> None:
    wrong = ""
    if any(new in index.aliases for index in fake.indices.values()):
        wrong = "already exists as alias"
    elif new != new.lower():
        wrong = "must be lowercase"
    elif new[:1] in "_-+":
        wrong = "must not start with '_', '-', or '+'"
    if wrong:
        more = {"index_uuid": "_na_", "index": new}
        raise Problem(400, "invalid_index_name_exception", f"Invalid index name [{new}], {wrong}", **more)


def _check_aliases(request: Request, body: dict, snapshot: Snapshot, targets: dict[str, str]) -> None:
    """Those of the snapshot, against the indices that are here."""
    for new, index in targets.items() if body.get("include_aliases", True) else ():
        held = snapshot.contents.get(index)
        for alias in held.aliases if held else ():
            if alias in request.fake.indices:
                words = f"the following duplicates were found [{alias} (alias of [{new}/x]) conflicts with index]"
                unique = f"index, alias, and data stream names need to be unique, but {words}"
                raise Problem(500, "illegal_state_exception", unique)


def _check_limit(request: Request, snapshot: Snapshot, targets: dict[str, str]) -> None:
    """Not applied to what is restored in place."""
    fake = request.fake
    now = sum(index.primaries for index in fake.indices.values() if index.state == "open")
    more = sum(snapshot.indices[index] for new, index in targets.items() if new not in fake.indices)
    if more and now + more > fake.shards_most:
        words = SHARDS.format(more, now, fake.shards_most)
        raise Problem(400, "validation_exception", f"{words} normal shards open;")


@route("GET", "/_cluster/state/customs", "cluster:monitor/state", MULTI)
def customs(request: Request) -> dict:
    fake = request.fake
    for one in fake.running_restores():
        one.look(fake.indices)
    found = [one.described(fake.indices) for one in fake.running_restores()]
    return {"restore": {"snapshots": found}} if fake.restores else {}


@route("GET", "/_cluster/state/metadata,routing_table/{names}", "cluster:monitor/state", MULTI)
def routing(request: Request) -> dict:
    indices = request.fake.indices
    names = _chosen(request)
    tables = {name: {"shards": _routing(indices[name])} for name in names}
    dialect = request.fake.dialect
    states = {name: {"state": indices[name].state, "settings": indices[name].settings(dialect)} for name in names}
    return {"metadata": {"indices": states}, "routing_table": {"indices": tables}}


def _routing(index: Index) -> dict:
    def state(shard: int) -> str:
        if index.active(shard):
            return "STARTED"
        return "INITIALIZING" if index.down.get(shard) == RESTORING else "UNASSIGNED"

    return {str(shard): [{"state": state(shard), "primary": True}] for shard in range(index.primaries)}


@route("GET", "/_cluster/state/blocks", "cluster:monitor/state", MULTI)
def blocks(request: Request) -> dict:
    found = {number: {"description": words, "levels": ["write"]} for number, words in request.fake.blocks.items()}
    return {"blocks": {"global": found} if found else {}}


@route("GET", "/{names}/_recovery", "indices:monitor/recovery", MULTI | {"detailed", "active_only"})
def recovery(request: Request) -> dict:
    indices = request.fake.indices
    found = {name: {"shards": _recoveries(indices[name])} for name in _chosen(request)}
    return {name: value for name, value in found.items() if value["shards"]}


def _recoveries(index: Index) -> list[dict]:
    """Of the shards that are active or on their way: one that failed is not there."""
    there = [shard for shard in range(index.primaries) if index.active(shard) or index.down.get(shard) == RESTORING]
    return [_recovery(shard, index.origins.get(shard, EMPTY)) for shard in there]


def _recovery(shard: int, origin: dict) -> dict:
    size = {"total_in_bytes": 1000, "reused_in_bytes": 0, "recovered_in_bytes": 1000, "percent": "100.0%"}
    return {
        "id": shard,
        "type": origin["type"],
        "stage": origin.get("stage", "DONE"),
        "primary": True,
        "start_time_in_millis": int(origin.get("started", time.time()) * 1000),
        "source": origin["source"],
        "index": {"size": size, "files": {"total": 4, "reused": 0, "recovered": 4, "percent": "100.0%"}},
    }


@route("POST", "/{names}/_refresh", "indices:admin/refresh", MULTI)
def refresh(request: Request) -> dict:
    shards = sum(request.fake.indices[name].primaries for name in _chosen(request))
    return {"_shards": {"total": shards, "successful": shards, "failed": 0}}


@route("GET", "/{names}/_count", "indices:data/read/search", MULTI)
def count(request: Request) -> dict:
    (name,) = _chosen(request, closed=False)
    index = request.fake.indices[name]
    there = [shard for shard in range(index.primaries) if index.active(shard)]
    if not there:
        raise _nobody_answers(index, request.fake.dialect.unanswered)
    number = index.documents if len(there) == index.primaries else sum(index.seq_nos[shard] + 1 for shard in there)
    failed = index.primaries - len(there) if request.fake.dialect.counts_failures else 0
    shards = {"total": index.primaries, "successful": len(there), "skipped": 0, "failed": failed}
    return {"count": number, "_shards": shards}


@route("GET", "/{names}/_search", "indices:data/read/search", MULTI)
def search(request: Request) -> dict:
    """Only what is newer, index by index."""
    indices = {name: request.fake.indices[name] for name in _chosen(request)}
    buckets = [{"key": name, "doc_count": index.newer} for name, index in indices.items() if index.newer]
    total = sum(index.primaries for index in indices.values())
    shards = {"total": total, "successful": total, "skipped": 0, "failed": 0}
    return {"_shards": shards, "aggregations": {"indices": {"buckets": buckets}}}


def _nobody_answers(index: Index, own: Mapping | None) -> Problem:
    cause = {"type": "no_shard_available_action_exception", "reason": None, **(own or {})}
    failed = [] if own is None else [{"shard": 0, "index": index.name, "node": None, "reason": cause}]
    more = {"phase": "query", "grouped": True, "failed_shards": failed}
    problem = Problem(503, "search_phase_execution_exception", "all shards failed", **more)
    problem.body["error"]["root_cause"] = [] if own is None else [cause]
    return problem


@route("GET", "/_cluster/allocation/explain", "cluster:monitor/allocation/explain", {"include_disk_info"})
def explain(request: Request) -> dict:
    name, shard = request.body["index"], request.body["shard"]
    if name not in request.fake.indices:
        raise no_index(name, resource=False)
    index = request.fake.indices[name]
    if shard >= index.primaries:
        more = {"index_uuid": index.uuid, "shard": str(shard), "index": name}
        raise Problem(404, "shard_not_found_exception", "no such shard", **more)
    if index.active(shard):
        return {"index": name, "shard": shard, "primary": True, "current_state": "started"}
    reason = index.down.get(shard, "")
    info = {"reason": "ALLOCATION_FAILED" if "Caused by" in reason else "NEW_INDEX_RESTORED", "details": reason}
    deciders = [
        {"decider": "restore_in_progress", "decision": "NO", "explanation": "shard has failed to be restored"},
        {"decider": "filter", "decision": "NO", "explanation": "node does not match index setting [x]"},
    ]
    words = {"allocate_explanation": "Elasticsearch isn't allowed to allocate this shard to any of the nodes."}
    return words | {"unassigned_info": info, "node_allocation_decisions": [{"deciders": deciders}]}


@route("GET", "/_nodes/stats/fs", "cluster:monitor/nodes/stats")
def nodes_stats(request: Request) -> dict:
    fake = request.fake
    roles = ["data", "ingest", fake.dialect.manager_role]
    total = {"total_in_bytes": 1000, "available_in_bytes": 900} | fake.disk
    return {"nodes": {fake.node_id: {"name": fake.node_name, "roles": roles, "fs": {"total": total}}}}
