"""Restores: started, followed, and everything that has to be read before one may be called good.

The server says little by itself. A restore that failed answers 200, its index may be yellow before anything was
copied and green with the data from before, and a shard that failed is missing from the list of recoveries. Here is
only what can be read; what it means is judged in ``backups.restores.verdict``. Source: the real servers.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from . import rename as renaming
from .answers import cut, need, unexpected
from .call import Call
from .capabilities import Capabilities
from .client import Client
from .errors import Answered, NotFound, OutcomeUnknown, Unreachable
from .indices import EVERY, chunks
from .names import exact, exact_list

RECOVERY_FIELDS = (
    "id",
    "primary",
    "type",
    "stage",
    "start_time_in_millis",
    *(f"source.{field}" for field in ("repository", "snapshot", "index", "restoreUUID")),
    *(f"index.size.{field}_in_bytes" for field in ("total", "reused", "recovered")),
    *(f"index.files.{field}" for field in ("total", "reused", "recovered")),
)
ROUTING_FIELDS = ",".join(
    ("metadata.indices.*.state", *(f"routing_table.indices.*.shards.*.{field}" for field in ("primary", "state")))
)
EXPLAINED = "unassigned_info.reason,unassigned_info.details,allocate_explanation,node_allocation_decisions.deciders"
ACTIVE = ("STARTED", "RELOCATING")

# What a count says of an index that cannot be searched now: it is closed, or none of its shards is there.
NOT_COUNTABLE = {"index_closed_exception", "search_phase_execution_exception"}

# Of an index that does not exist, and of a shard that an index does not have.
NO_SUCH = 404

# Deciders that only repeat that there was a restore; the reason is with another one, or in the details.
NO_REASON = {"restore_in_progress"}


@dataclass(frozen=True)
class Entry:
    """A restore that the cluster is still busy with. ``state`` is Elasticsearch's word, in upper case."""

    state: str
    indices: tuple[str, ...]
    shards_total: int
    shards_done: int
    shards_failed: int


@dataclass(frozen=True)
class ShardRecovery:
    """Where the data of one copy of a shard came from. Only one restored from a snapshot has the fields from
    ``repository`` to ``restore_uuid``, which is the same for all shards of one restore. ``started_at`` is by the
    server's clock; bytes and files count whole files only, so they are "at least"."""

    index: str
    shard: int
    primary: bool
    type: str
    stage: str
    repository: str
    snapshot: str
    source_index: str
    restore_uuid: str
    started_at: datetime | None
    bytes_total: int
    bytes_done: int
    files_total: int
    files_done: int


@dataclass(frozen=True)
class Count:
    """Documents in the shards that answered: all of them only when ``shards_successful`` is ``shards_total``."""

    documents: int
    shards_total: int
    shards_successful: int

    @property
    def whole(self) -> bool:
        return 0 < self.shards_total == self.shards_successful


def restore_call(
    repository: str,
    snapshot: str,
    indices: Sequence[str],
    *,
    rename: tuple[str, str] | None = None,
    include_aliases: bool = False,
    partial: bool = False,
    index_settings: Mapping[str, Any] | None = None,
    ignore_index_settings: Sequence[str] = (),
    global_state: bool = False,
    capabilities: Capabilities,
) -> Call:
    """Starts a restore of exactly these indices of the snapshot.

    Raises ``ValueError`` for what the server would take for something else, or does not know; ``BadRename`` for new
    names that it would refuse.
    """
    body: dict[str, Any] = {
        "indices": exact_list(indices, "A restore"),
        "ignore_unavailable": False,
        "include_global_state": global_state,
        "include_aliases": include_aliases,
        "partial": partial,
    }
    if rename is not None:
        renaming.targets(indices, rename)
        body["rename_pattern"], body["rename_replacement"] = rename
    if index_settings:
        body["index_settings"] = dict(index_settings)
    if ignore_index_settings:
        body["ignore_index_settings"] = list(ignore_index_settings)
    if capabilities.feature_states:
        # Without this word the global state brings system indices that nobody chose.
        body["feature_states"] = ["none"]
    parts = ("_snapshot", exact(repository), exact(snapshot), "_restore")
    return Call("POST", parts, {"wait_for_completion": False}, body)


def restore(client: Client, call: Call, opaque_id: str = "") -> None:
    """Send what ``restore_call`` made. Accepted is not done. Where the answer is lost (``OutcomeUnknown``) the
    ``recoveries`` of the targets tell whether it arrived."""
    body = client.send(call, opaque_id)
    # One that is over at once, because every shard failed, is described although nobody waits for it.
    described = isinstance(body.get("snapshot"), dict) and bool(body["snapshot"].get("indices"))
    if not described and need(call, body, "accepted", bool) is not True:
        raise unexpected(call, "it was not accepted")


def entry(client: Client, repository: str, snapshot: str, targets: Collection[str]) -> Entry | None:
    """The cluster's own note of our restore while it runs, or None. It is removed at the end, however that was, and
    when every node was restarted: its absence proves nothing but that no restore of these runs."""
    call = Call("GET", ("_cluster", "state", "customs"), {"filter_path": "restore"})
    body = client.send(call)
    # A cluster that never restored anything has not even the list.
    found = need(call, body["restore"], "snapshots", list) if "restore" in body else []
    for one in found:
        ours = (need(call, one, "repository", str), need(call, one, "snapshot", str)) == (repository, snapshot)
        if ours and set(targets) & set(need(call, one, "indices", list)):
            return _entry(call, one)
    return None


def recoveries(client: Client, targets: Collection[str]) -> tuple[ShardRecovery, ...]:
    """How each copy of each shard of these indices came to its data. Missing are an index that does not exist, a
    shard that has not begun, and **one that failed**."""
    found: list[ShardRecovery] = []
    for names in chunks(targets):
        fields = ",".join(f"*.shards.{field}" for field in RECOVERY_FIELDS)
        params = {"ignore_unavailable": True, "filter_path": fields}
        call = Call("GET", (",".join(map(exact, names)), "_recovery"), params)
        for index, value in client.send(call).items():
            found += [_recovery(call, index, shard) for shard in need(call, value, "shards", list)]
    return tuple(sorted(found, key=lambda one: (one.index, one.shard, not one.primary)))


def shards_active(client: Client, targets: Collection[str]) -> dict[str, dict[int, bool]]:
    """Index to number of shard to whether its primary is active. One that does not exist is missing.

    Read from the cluster state: the health of an index that does not exist answers only after its whole time-out.
    """
    found = _states(client, targets)
    return {name: {number: state in ACTIVE for number, state in states.items()} for name, states in found.items()}


def settled(client: Client, targets: Collection[str]) -> bool:
    """Whether no primary shard of these is just being started. The entry of a restore does not wait for shards that
    it makes empty, and there is none after a restart."""
    return all("INITIALIZING" not in states.values() for states in _states(client, targets).values())


def counts(client: Client, targets: Collection[str]) -> dict[str, Count]:
    """How many documents can be searched now. One that does not exist, is closed or has no shard is missing."""
    _refresh(client, targets)
    found: dict[str, Count] = {}
    for name in targets:
        if counted := _count(client, name):
            found[name] = counted
    return found


def why_unassigned(client: Client, index: str, shard: int) -> str:
    """Why the primary shard is nowhere, in the server's words, cut to the deepest cause. Empty when it is somewhere,
    or does not exist."""
    body = {"index": exact(index), "shard": shard, "primary": True}
    parts, params = ("_cluster", "allocation", "explain"), {"filter_path": EXPLAINED}
    try:
        found = client.send(Call("GET", parts, params, body))
    except Answered as error:
        if error.status == NO_SUCH:
            return ""
        raise
    info = found.get("unassigned_info")
    if not isinstance(info, dict):
        return ""
    details = str(info.get("details") or "")
    if "Caused by:" in details or "nested:" in details:
        return _root_of(details)
    return _root_of(_decided(found) or details or str(found.get("allocate_explanation") or info.get("reason") or ""))


def _entry(call: Call, found: dict) -> Entry:
    states = [need(call, shard, "state", str) for shard in found.get("shards") or ()]
    return Entry(
        state=need(call, found, "state", str).upper(),
        indices=tuple(sorted(map(str, found["indices"]))),
        shards_total=len(states),
        shards_done=states.count("SUCCESS"),
        shards_failed=states.count("FAILURE"),
    )


def _recovery(call: Call, index: str, found: Any) -> ShardRecovery:
    shard, started = need(call, found, "id", int), found.get("start_time_in_millis")
    source, copied = found.get("source") or {}, found.get("index") or {}
    size, files = copied.get("size") or {}, copied.get("files") or {}
    return ShardRecovery(
        index=index,
        shard=shard,
        primary=need(call, found, "primary", bool),
        type=need(call, found, "type", str).upper(),
        stage=need(call, found, "stage", str).upper(),
        repository=str(source.get("repository") or ""),
        snapshot=str(source.get("snapshot") or ""),
        source_index=str(source.get("index") or ""),
        restore_uuid=str(source.get("restoreUUID") or ""),
        started_at=datetime.fromtimestamp(started / 1000, UTC) if started else None,
        bytes_total=size.get("total_in_bytes", 0),
        bytes_done=size.get("recovered_in_bytes", 0) + size.get("reused_in_bytes", 0),
        files_total=files.get("total", 0),
        files_done=files.get("recovered", 0) + files.get("reused", 0),
    )


def _states(client: Client, targets: Collection[str]) -> dict[str, dict[int, str]]:
    """Index to number of shard to the state of its primary, in Elasticsearch's word."""
    found: dict[str, dict[int, str]] = {}
    for names in chunks(targets):
        parts = ("_cluster", "state", "metadata,routing_table", ",".join(map(exact, names)))
        body = client.send(Call("GET", parts, EVERY | {"filter_path": ROUTING_FIELDS}))
        routing = body.get("routing_table", {}).get("indices", {})
        for name in set(names) & set(body.get("metadata", {}).get("indices", {})):
            shards = routing.get(name, {}).get("shards", {})
            found[name] = {int(number): _primary_state(copies) for number, copies in sorted(shards.items())}
    return found


def is_active(copies: list[dict]) -> bool:
    """Whether the primary of these copies of a shard can be read and written."""
    return _primary_state(copies) in ACTIVE


def _primary_state(copies: list[dict]) -> str:
    return next((str(copy.get("state")) for copy in copies if copy.get("primary") is True), "")


def _refresh(client: Client, targets: Collection[str]) -> None:
    """Lets searches see all that was written. An index that lacks a primary shard is left alone: the server would
    wait a minute for it."""
    whole = [name for name, shards in shards_active(client, targets).items() if shards and all(shards.values())]
    for names in chunks(sorted(whole)):
        try:
            client.send(Call("POST", (",".join(names), "_refresh"), {"ignore_unavailable": True}))
        except OutcomeUnknown as error:
            # It changes no data, so it may be sent again like a read.
            raise Unreachable(error.message, error.detail) from error


def _count(client: Client, index: str) -> Count | None:
    call = Call("GET", (exact(index), "_count"))
    try:
        body = client.send(call)
    except Answered as error:
        if isinstance(error, NotFound) or error.type in NOT_COUNTABLE:
            return None
        raise
    shards = need(call, body, "_shards", dict)
    total, successful = need(call, shards, "total", int), need(call, shards, "successful", int)
    return Count(need(call, body, "count", int), total, successful)


def _decided(found: dict) -> str:
    """What the first node's decider says that refused the shard."""
    for node in found.get("node_allocation_decisions") or ():
        for decider in node.get("deciders") or ():
            if decider.get("decision") == "NO" and decider.get("decider") not in NO_REASON:
                return str(decider.get("explanation") or "")
    return ""


def _root_of(details: str) -> str:
    """8.19 and 9 put whole stack traces there, older ones one line with "nested:" before each cause."""
    traced = re.findall(r"^Caused by: (.*)$", details, re.MULTILINE)
    line = traced[-1] if traced else details
    return cut(line.rpartition("nested: ")[2])
