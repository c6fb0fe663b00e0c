"""Snapshot repositories: the places that a cluster writes its snapshots to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .answers import acknowledged, need, unexpected
from .call import Call
from .client import Client
from .errors import NotElasticsearch, NotFound


@dataclass(frozen=True)
class RepositoryFacts:
    """``uuid`` is empty until the first snapshot, and always on servers that have none."""

    name: str
    type: str
    settings: dict
    uuid: str


@dataclass(frozen=True)
class VerifiedNode:
    """A node that could write to the repository."""

    id: str
    name: str


def list_repositories(client: Client) -> tuple[RepositoryFacts, ...]:
    """Every repository registered on the cluster, by name. One that is described in an odd way has no type, and
    hides no other."""
    call = Call("GET", ("_snapshot",))
    body = client.send(call)
    return tuple(_facts_or_name(call, name, body[name]) for name in sorted(body))


def get(client: Client, name: str) -> RepositoryFacts | None:
    """The repository as it is registered, or None. To be read after a refused or lost registration:
    it may be registered or not."""
    call = Call("GET", ("_snapshot", name))
    try:
        body = client.send(call)
    except NotFound:
        return None
    if set(body) != {name}:
        raise unexpected(call, f"it does not describe the repository {name}")
    return _facts(call, name, body[name])


def register_call(name: str, type: str, settings: Mapping[str, Any]) -> Call:
    """Registers it, or changes its settings. The server tries to write to it before it answers."""
    return Call("PUT", ("_snapshot", name), body={"type": type, "settings": dict(settings)})


def register(client: Client, call: Call, opaque_id: str = "") -> None:
    """Send what ``register_call`` made."""
    acknowledged(call, client.send(call, opaque_id))


def verify_call(name: str) -> Call:
    """Lets every node write a small file to the repository."""
    return Call("POST", ("_snapshot", name, "_verify"))


def verify(client: Client, name: str, opaque_id: str = "") -> tuple[VerifiedNode, ...]:
    """The nodes that could write to it, by name. One that could not makes it an error that names the node."""
    call = verify_call(name)
    found = need(call, client.send(call, opaque_id), "nodes", dict)
    nodes = (VerifiedNode(key, need(call, value, "name", str)) for key, value in found.items())
    return tuple(sorted(nodes, key=lambda node: node.name))


def _facts_or_name(call: Call, name: str, value: Any) -> RepositoryFacts:
    try:
        return _facts(call, name, value)
    except NotElasticsearch:
        if not isinstance(value, dict):
            raise  # then it is no list of repositories at all
        return RepositoryFacts(name, "", {}, "")


def _facts(call: Call, name: str, value: Any) -> RepositoryFacts:
    settings = need(call, value, "settings", dict)
    return RepositoryFacts(name, need(call, value, "type", str), settings, str(value.get("uuid", "")))
