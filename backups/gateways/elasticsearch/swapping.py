"""What replacing an index takes: copying it aside, removing it, and giving its name and aliases to another.

Every call names its indices exactly. Whoever sends one checks it with ``acknowledged``: an answer without that is
``OutcomeUnknown``, like one that is lost.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .call import Call
from .capabilities import Capabilities
from .client import Client
from .indices import EVERY, chunks
from .names import exact
from .restores import is_active
from .settings import ClusterSettings

AUTO_CREATE = "action.auto_create_index"
ALIASES = "metadata.indices.*.aliases,metadata.data_stream"
EVERYTHING = "+*"


def block_writes_call(index: str, on: bool) -> Call:
    """Lets nobody write to the index, or everybody again."""
    return Call("PUT", (exact(index), "_settings"), body={"index.blocks.write": True if on else None})


def clone_call(
    source: str,
    target: str,
    *,
    replicas: int | str,
    aliases: Mapping[str, Any],
    capabilities: Capabilities,
) -> Call:
    """Copies an index by hard links, which needs hardly any space. The source must be blocked for writes; the copy
    is not. Its replicas must be said: without, it gets the server's default.

    Raises ``ValueError`` where the server cannot.
    """
    if not capabilities.clone_index:
        raise ValueError("This server cannot copy an index on the spot.")
    settings = {"index.number_of_replicas": replicas, "index.blocks.write": None}
    body = {"settings": settings, "aliases": dict(aliases)}
    return Call("POST", (exact(source), "_clone", exact(target)), body=body)


def delete_index_call(index: str) -> Call:
    """Deletes one index. The server refuses the name of an alias."""
    return Call("DELETE", (exact(index),))


def close_call(index: str) -> Call:
    return Call("POST", (exact(index), "_close"))


def open_call(index: str) -> Call:
    return Call("POST", (exact(index), "_open"))


def alias_swap_call(*, remove_index: str, add_index: str, alias: str, aliases: Mapping[str, Mapping]) -> Call:
    """In one step: an index is deleted, and another one gets its name as an alias, and its aliases, each with what
    ``GET /index`` says of it (filter, routing, write index)."""
    adds = _adds(add_index, {alias: {}, **aliases})
    return Call("POST", ("_aliases",), body={"actions": [{"remove_index": {"index": exact(remove_index)}}, *adds]})


def add_aliases_call(index: str, aliases: Mapping[str, Mapping]) -> Call:
    """Puts aliases on an index, each with what ``GET /index`` says of it."""
    return Call("POST", ("_aliases",), body={"actions": _adds(index, aliases)})


def remove_aliases_call(index: str, aliases: Sequence[str]) -> Call:
    """Takes aliases off an index, in one step; refused where one is not there."""
    removes = [{"remove": {"index": exact(index), "alias": exact(alias)}} for alias in aliases]
    return Call("POST", ("_aliases",), body={"actions": removes})


def _adds(index: str, aliases: Mapping[str, Mapping]) -> list[dict]:
    return [{"add": {**more, "index": exact(index), "alias": exact(name)}} for name, more in aliases.items()]


class AutoCreate(NamedTuple):
    """Which indices may come to be by writing to them: the persistent and the transient value of the setting, None
    where it is not set, and the one that counts: transient before persistent before the file of the nodes."""

    persistent: str | None
    transient: str | None
    now: str | None


def auto_create(settings: ClusterSettings) -> AutoCreate:
    """What the cluster's settings say of it."""
    return AutoCreate(
        settings.persistent.get(AUTO_CREATE), settings.transient.get(AUTO_CREATE), settings.get(AUTO_CREATE)
    )


def auto_create_call(value: str | None) -> Call:
    """Sets the persistent value; None takes it back. A transient one, where there is one, goes on to count."""
    return Call("PUT", ("_cluster", "settings"), body={"persistent": {AUTO_CREATE: value}})


def without_names(value: str | None, names: Collection[str]) -> str:
    """The value that forbids these names too. The first entry that matches a name decides."""
    if value == "false":
        return value
    rest = EVERYTHING if value in (None, "", "true") else value
    return ",".join([*(f"-{exact(name)}" for name in names), rest])


def exists(client: Client, names: Collection[str]) -> dict[str, str]:
    """Those that exist, with "open" or "close". Aliases and data streams are none of them."""
    found: dict[str, str] = {}
    for chunk in chunks(names):
        parts = ("_cluster", "state", "metadata", ",".join(map(exact, chunk)))
        body = client.send(Call("GET", parts, EVERY | {"filter_path": "metadata.indices.*.state"}))
        indices = body.get("metadata", {}).get("indices", {})
        found |= {name: indices[name]["state"] for name in chunk if name in indices}
    return found


@dataclass(frozen=True)
class Place:
    """Who has a name at this moment. ``blocked``: it takes no writes; ``active``: every primary shard is; ``cloned``:
    it was made by ``clone_call``, which leaves a block that is set to nothing, and on some versions its source."""

    uuid: str
    blocked: bool
    active: bool
    cloned: bool


def places(client: Client, names: Collection[str]) -> dict[str, Place]:
    """The indices of these names. One that does not exist is missing; an alias is no index."""
    of_settings = ("uuid", "blocks.write", "resize.source.uuid")
    fields = ",".join(f"metadata.indices.*.settings.index.{field}" for field in of_settings)
    routing = "routing_table.indices.*.shards.*.primary,routing_table.indices.*.shards.*.state"
    found: dict[str, Place] = {}
    for chunk in chunks(names):
        parts = ("_cluster", "state", "metadata,routing_table", ",".join(map(exact, chunk)))
        body = client.send(Call("GET", parts, EVERY | {"filter_path": f"{fields},{routing}"}))
        tables = body.get("routing_table", {}).get("indices", {})
        indices = body.get("metadata", {}).get("indices", {})
        found |= {name: _place(indices[name], tables.get(name, {})) for name in chunk if name in indices}
    return found


def _place(metadata: dict, table: dict) -> Place:
    settings = metadata["settings"]["index"]
    blocks, shards = settings.get("blocks", {}), table.get("shards", {}).values()
    return Place(
        uuid=settings["uuid"],
        blocked=str(blocks.get("write", "")).lower() == "true",
        cloned=("write" in blocks and blocks["write"] is None) or "resize" in settings,
        active=bool(shards) and all(is_active(copies) for copies in shards),
    )


def aliases_named(client: Client, names: Collection[str]) -> dict[str, list[str]]:
    """Which of the names are aliases or data streams, with the indices behind them. Neither may be the name of a
    new index. Taken from the cluster state, where nothing is hidden from a user without rights on the indices."""
    params = {"filter_path": ALIASES}
    metadata = client.send(Call("GET", ("_cluster", "state", "metadata"), params)).get("metadata", {})
    found: dict[str, list[str]] = {}
    for index, value in metadata.get("indices", {}).items():
        for alias in value.get("aliases") or ():
            found.setdefault(alias, []).append(index)
    streams = metadata.get("data_stream", {})
    for name, value in streams.get("data_stream", {}).items():
        found[name] = [backing["index_name"] for backing in value.get("indices") or ()]
    for name, value in streams.get("data_stream_aliases", {}).items():
        found[name] = list(value.get("data_streams") or ())
    return {name: sorted(found[name]) for name in names if name in found}
