"""The cluster as a whole: what it is, how it is, and what a user may do there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .answers import need, unexpected
from .call import Call
from .capabilities import Capabilities
from .client import Client
from .errors import BadCredential, Forbidden, NotFound, Refused

CLUSTER_PRIVILEGES = ("monitor", "monitor_snapshot", "create_snapshot", "manage")
INDEX_PRIVILEGES = ("monitor", "view_index_metadata", "manage", "read")


@dataclass(frozen=True)
class Identity:
    """Which cluster it is. ``uuid`` stays the same for its whole life."""

    product: str
    version: str
    name: str
    uuid: str


@dataclass(frozen=True)
class Health:
    state: str
    nodes: int
    data_nodes: int
    active_primary_shards: int
    unassigned_shards: int


@dataclass(frozen=True)
class Node:
    """``path_repo``: the directories that it allows for backups, empty for none; None when not shown to
    us.
    """

    id: str
    name: str
    roles: tuple[str, ...]
    version: str
    path_repo: tuple[str, ...] | None

    @property
    def writes_snapshots(self) -> bool:
        """Master and data nodes must be able to reach a repository."""
        return any(role == "master" or role == "cluster_manager" or role.startswith("data") for role in self.roles)


@dataclass(frozen=True)
class Privileges:
    """Name of a privilege to whether the user has it; ``index`` means on all indices asked for."""

    cluster: dict[str, bool]
    index: dict[str, bool]


def identify(client: Client) -> Identity:
    """Product, version, name and uuid. Some users are refused the front door, so there is a second way."""
    call = Call("GET", ())
    try:
        body = client.send(call)
    except (Forbidden, Refused, NotFound):
        return _identify_by_node(client)
    version = need(call, body, "version", dict)
    number = need(call, version, "number", str)
    foreign = version.get("distribution") == "opensearch" or "opensearch" in str(body.get("tagline", "")).lower()
    return Identity(
        "opensearch" if foreign else "elasticsearch",
        _checked_version(call, number),
        need(call, body, "cluster_name", str),
        need(call, body, "cluster_uuid", str),
    )


def _identify_by_node(client: Client) -> Identity:
    call = Call("GET", ("_nodes", "_local"), {"filter_path": "nodes.*.version,nodes.*.build_flavor"})
    nodes = need(call, client.send(call), "nodes", dict)
    if not nodes:
        raise unexpected(call, "it names no node")
    node = next(iter(nodes.values()))
    state = Call("GET", ("_cluster", "state", "version"), {"filter_path": "cluster_name,cluster_uuid"})
    body = client.send(state)
    return Identity(
        # Only Elasticsearch has a build flavor, in every version.
        "elasticsearch" if isinstance(node, dict) and "build_flavor" in node else "opensearch",
        _checked_version(call, need(call, node, "version", str)),
        need(state, body, "cluster_name", str),
        need(state, body, "cluster_uuid", str),
    )


def newest_version_id(client: Client, capabilities: Capabilities) -> int | None:
    """The highest number that a snapshot's ``version_id`` may have to be read by this cluster; None where the node
    does not say it."""
    if (number := capabilities.version_id()) is not None:
        return number
    call = Call("GET", ("_nodes", "_local"), {"filter_path": "nodes.*.index_version"})
    found = client.send(call).get("nodes", {}).values()
    return min((node["index_version"] for node in found), default=None)


def _checked_version(call: Call, number: str) -> str:
    if not re.match(r"\d+\.\d+", number):
        raise unexpected(call, "the version is not a number")
    return number


def health(client: Client) -> Health:
    """Colour and counts, as the cluster sees itself now."""
    call = Call("GET", ("_cluster", "health"))
    body = client.send(call)
    return Health(
        state=need(call, body, "status", str),
        nodes=need(call, body, "number_of_nodes", int),
        data_nodes=need(call, body, "number_of_data_nodes", int),
        active_primary_shards=need(call, body, "active_primary_shards", int),
        unassigned_shards=need(call, body, "unassigned_shards", int),
    )


def nodes(client: Client) -> tuple[Node, ...]:
    """Every node, by name, with the directories that it allows for repositories."""
    fields = "nodes.*.name,nodes.*.roles,nodes.*.version,nodes.*.settings.path"
    call = Call("GET", ("_nodes", "settings"), {"filter_path": fields})
    found = need(call, client.send(call), "nodes", dict)
    return tuple(sorted((_node(call, key, value) for key, value in found.items()), key=lambda node: node.name))


def _node(call: Call, key: str, value: dict) -> Node:
    return Node(
        id=key,
        name=need(call, value, "name", str),
        roles=tuple(value.get("roles", ())),
        version=str(value.get("version", "")),
        path_repo=_path_repo(value.get("settings", {}).get("path")),
    )


def _path_repo(paths: dict | None) -> tuple[str, ...] | None:
    """Its home is always set: where no path at all is shown, paths are hidden from us."""
    if not paths:
        return None
    repo = paths.get("repo", ())
    return (repo,) if isinstance(repo, str) else tuple(repo)


def privileges(client: Client, indices: Sequence[str] = ("*",)) -> Privileges | None:
    """What the user may do; None where the server cannot say (no security, or another product).

    Every user may ask this about himself, one without any right too.
    """
    body = {
        "cluster": list(CLUSTER_PRIVILEGES),
        "index": [{"names": list(indices), "privileges": list(INDEX_PRIVILEGES)}],
    }
    call = Call("GET", ("_security", "user", "_has_privileges"), body=body)
    try:
        answer = client.send(call)
    except BadCredential:
        raise
    except (Refused, NotFound, Forbidden):
        return None
    cluster, by_index = need(call, answer, "cluster", dict), need(call, answer, "index", dict)
    return Privileges(
        cluster={name: cluster.get(name) is True for name in CLUSTER_PRIVILEGES},
        index={
            name: bool(by_index) and all(found.get(name) is True for found in by_index.values())
            for name in INDEX_PRIVILEGES
        },
    )
