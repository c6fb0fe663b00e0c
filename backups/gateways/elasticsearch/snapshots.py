"""Snapshots: made, followed, read back and deleted.

The names here are always concrete and the lists of indices never empty: the server takes a date-math name
that it cannot find again, an empty list for "everything", and a wildcard delete for "all of them".
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .answers import acknowledged, cut, need, unexpected
from .call import Call
from .capabilities import Capabilities
from .client import Client
from .datemath import check_name
from .errors import Answered, Damaged, GatewayError, NotFound, Unusable
from .names import exact, exact_list

MADE_BY = "cybersift"

# What the server says is wrong, deepest down, when a file of a snapshot is missing or its checksum is not right.
BROKEN_FILE = {"no_such_file_exception", "corrupt_state_exception", "snapshot_missing_exception"}

# The same where the storage did not give a file, which says nothing of the file.
STORAGE_AWAY = {"file_system_exception", "access_denied_exception", "i_o_exception", "socket_timeout_exception"}

# What reading a description raises that has another shape than any server gives it.
NOT_UNDERSTOOD = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)

# A row keeps no more of a name. Servers take longer ones: they are cut, and cannot be asked for.
NAME_LIMIT = 255

FILES_MISSING = (
    "The repository lists this snapshot, but its files are missing from the storage, or broken. Somebody removed or "
    "changed them, or the folder is not the one it was. It cannot be restored; look at the storage."
)
PART_MISSING = (
    "The repository lists this snapshot, but a file that describes a shard or an index of it is missing or broken. "
    "That part cannot be restored, and perhaps more is damaged; look at the storage."
)


@dataclass(frozen=True)
class ShardFailure:
    """A shard that is not in the snapshot, and why."""

    index: str
    shard: int
    node: str
    reason: str


@dataclass(frozen=True)
class SnapshotFacts:
    """A snapshot as the repository has it. ``state`` is Elasticsearch's word, in upper case; ``global_state`` is None
    where the server does not say. ``version_id`` is what its maker wrote (see ``cluster.newest_version_id``): the
    text of the version is made up by whoever reads it."""

    name: str
    uuid: str
    state: str
    indices: tuple[str, ...]
    shards_total: int
    shards_failed: int
    shards_successful: int
    started_at: datetime | None
    ended_at: datetime | None
    failures: tuple[ShardFailure, ...]
    metadata: dict
    global_state: bool | None = None
    data_streams: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    version_id: int | None = None

    @property
    def over(self) -> bool:
        return self.state != "IN_PROGRESS"


@dataclass(frozen=True)
class Progress:
    """How far a running snapshot is. Bytes count whole files only, so they are "at least"."""

    shards_total: int
    shards_done: int
    shards_failed: int
    bytes_total: int
    bytes_done: int
    files_total: int
    files_done: int


def create_call(
    repository: str,
    name: str,
    indices: Sequence[str],
    *,
    run_id: str,
    global_state: bool,
    partial: bool,
    capabilities: Capabilities,
) -> Call:
    """Starts a snapshot of exactly these indices. ``run_id`` is how its maker knows it again."""
    body: dict[str, Any] = {
        "indices": exact_list(indices, "A snapshot"),
        "ignore_unavailable": False,
        "include_global_state": global_state,
        "partial": partial,
        "expand_wildcards": "all",
    }
    if capabilities.feature_states:
        # Otherwise the global state brings system indices that nobody chose.
        body["feature_states"] = ["none"]
    if capabilities.metadata:
        body["metadata"] = {"run_id": run_id, "by": MADE_BY}
    parts = ("_snapshot", exact(repository), check_name(name))
    return Call("PUT", parts, {"wait_for_completion": False}, body)


def create(client: Client, call: Call, opaque_id: str = "") -> None:
    """Send what ``create_call`` made. Accepted is not done: the snapshot has to be read back."""
    if need(call, client.send(call, opaque_id), "accepted", bool) is not True:
        raise unexpected(call, "it was not accepted")


def get_call(repository: str, name: str) -> Call:
    return Call("GET", ("_snapshot", exact(repository), exact(name)))


def get(client: Client, repository: str, name: str) -> SnapshotFacts | None:
    """The snapshot as the repository has it now, or None when there is none of this name."""
    call = get_call(repository, name)
    try:
        found = need(call, client.send(call), "snapshots", list)
    except Answered as error:
        if _absent(error, repository, name):
            return None
        raise _told(error, FILES_MISSING) from None
    if len(found) != 1 or need(call, found[0], "snapshot", str) != name:
        raise unexpected(call, f"it does not describe the snapshot {name}")
    return _facts(call, found[0])


class Listed(NamedTuple):
    """A snapshot as the cheap list has it. Its state says nothing about its files: those are not read for it."""

    name: str
    uuid: str
    state: str


# The names of indices are most of a list, and nothing here needs them.
NOT_LISTED = "-snapshots.indices,-snapshots.data_streams,-snapshots.repository"


def list_snapshots(client: Client, repository: str, capabilities: Capabilities | None = None) -> tuple[Listed, ...]:
    """Every snapshot that the repository's own index names. Servers before 7.3 leave out those without an index. An
    entry that is not understood is left out. ``capabilities`` spare the server the names that nobody reads."""
    parts, params = ("_snapshot", exact(repository), "_all"), {"verbose": False}
    if capabilities and capabilities.index_names:
        params["index_names"] = False
    call = Call("GET", parts, params | {"filter_path": NOT_LISTED})
    body = client.send(call)
    if "snapshots" not in body:  # some servers leave out a list that is empty; a list that is missing proves nothing
        call = Call("GET", parts, params)
        body = client.send(call)
    found = need(call, body, "snapshots", list)
    return tuple(_listed(one) for one in found if isinstance(one, dict) and isinstance(one.get("snapshot"), str))


def index_names(client: Client, repository: str, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What these snapshots hold, as the repository's own index names it, whether or not they can be read."""
    call = Call("GET", ("_snapshot", exact(repository), ",".join(map(exact, names))), {"verbose": False})
    found = need(call, client.send(call), "snapshots", list)
    named = [one for one in found if isinstance(one, dict) and isinstance(one.get("indices"), list)]
    return {str(one.get("snapshot")): tuple(sorted(set(map(str, one["indices"])))) for one in named}


def details(client: Client, repository: str, names: Sequence[str]) -> dict[str, SnapshotFacts]:
    """What the repository can read of these. A name that is missing from the answer may be damaged or gone: ``get``
    tells which. An entry that is not understood is left out too."""
    call = Call("GET", ("_snapshot", exact(repository), ",".join(map(exact, names))), {"ignore_unavailable": True})
    found = {}
    for one in need(call, client.send(call), "snapshots", list):
        with suppress(GatewayError):
            facts = _facts(call, one)
            found[facts.name] = facts
    return found


def is_exact(name: str) -> bool:
    """Whether a request can name this snapshot and no other."""
    try:
        return bool(exact(name)) and name not in (".", "..") and len(name) < NAME_LIMIT
    except ValueError:
        return False


def progress(client: Client, repository: str, name: str) -> Progress | None:
    """How far it is, or None when it does not exist. For a finished one the server reads a small file for every shard
    and index, and one that is missing or broken makes it ``Damaged``. The data itself is not read."""
    call = Call("GET", ("_snapshot", exact(repository), exact(name), "_status"))
    try:
        found = need(call, client.send(call), "snapshots", list)
    except Answered as error:
        if _absent(error, repository, name):
            return None
        raise _told(error, PART_MISSING) from None
    if not found:
        return None
    return _progress(call, found[0])


def delete_call(repository: str, name: str, capabilities: Capabilities | None = None) -> Call:
    """Deletes one snapshot; a running one is cancelled. Where the server can, it answers at once and goes
    on.
    """
    params = {"wait_for_completion": False} if capabilities and capabilities.async_delete else {}
    return Call("DELETE", ("_snapshot", exact(repository), exact(name)), params)


def delete(client: Client, call: Call, opaque_id: str = "") -> None:
    """Send what ``delete_call`` made. It is gone when ``get`` says None; a time-out is ``OutcomeUnknown``."""
    acknowledged(call, client.send(call, opaque_id))


def _absent(error: Answered, repository: str, name: str) -> bool:
    """Without a uuid behind the name the repository knows nothing of it."""
    missing = isinstance(error, NotFound) and error.type == "snapshot_missing_exception"
    return missing and f"{repository}:{name}]" in error.reason


def _told(error: Answered, words: str) -> Answered:
    """The same error, or that the snapshot is damaged where its cause is one of its files."""
    if error.cause not in BROKEN_FILE or isinstance(error, Unusable):
        return error
    answer = {"status": error.status, "type": error.type, "reason": error.reason, "cause": error.cause}
    return Damaged(words, error.detail, **answer)


def _facts(call: Call, found: dict) -> SnapshotFacts:
    """Raises a gateway error, and no other, where the description is not understood."""
    try:
        return _understood(call, found)
    except NOT_UNDERSTOOD as error:
        raise unexpected(call, "a snapshot is described in another way") from error


def _understood(call: Call, found: dict) -> SnapshotFacts:
    shards = found.get("shards") or {}
    return SnapshotFacts(
        name=found["snapshot"],
        uuid=str(found.get("uuid", "")),
        state=need(call, found, "state", str).upper(),
        indices=tuple(sorted(need(call, found, "indices", list))),
        shards_total=_count(shards.get("total", 0)),
        shards_failed=_count(shards.get("failed", 0)),
        shards_successful=_count(shards.get("successful", 0)),
        started_at=_moment(found.get("start_time_in_millis")),
        ended_at=_moment(found.get("end_time_in_millis")),
        failures=tuple(_failure(failure) for failure in found.get("failures") or ()),
        metadata=found.get("metadata") or {},
        global_state=found.get("include_global_state"),
        data_streams=tuple(sorted(found.get("data_streams") or ())),
        features=tuple(sorted(feature["feature_name"] for feature in found.get("feature_states") or ())),
        version_id=found.get("version_id"),
    )


def _count(number: Any) -> int:
    """As many as every database keeps."""
    if not 0 <= int(number) < 2**31:
        raise ValueError(number)
    return int(number)


def _listed(found: dict) -> Listed:
    name = found["snapshot"][:NAME_LIMIT]
    return Listed(name, str(found.get("uuid") or ""), str(found.get("state") or "").upper())


def _failure(failure: dict) -> ShardFailure:
    return ShardFailure(
        index=str(failure.get("index", "")),
        shard=int(failure.get("shard_id", -1)),
        node=str(failure.get("node_id") or ""),
        reason=cut(str(failure.get("reason", ""))),
    )


def _progress(call: Call, found: dict) -> Progress:
    shards, stats = need(call, found, "shards_stats", dict), need(call, found, "stats", dict)
    planned = need(call, stats, "incremental", dict)
    # A finished snapshot has no "processed": everything that was planned is done.
    done = stats.get("processed") or (planned if found.get("state") == "SUCCESS" else {})
    return Progress(
        shards_total=need(call, shards, "total", int),
        shards_done=need(call, shards, "done", int),
        shards_failed=need(call, shards, "failed", int),
        bytes_total=planned.get("size_in_bytes", 0),
        bytes_done=done.get("size_in_bytes", 0),
        files_total=planned.get("file_count", 0),
        files_done=done.get("file_count", 0),
    )


def _moment(milliseconds: Any) -> datetime | None:
    """None for a running snapshot: the server writes 0."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
