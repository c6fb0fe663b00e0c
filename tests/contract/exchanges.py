"""Everything the gateway asks of a server, in a fixed order, and the shape of what comes back.

The same list runs on the real node (whose answers are kept in ``<version>.json``) and on the fake, which must give
the same status, the same keys with the same kinds of values, and the same error type.
"""

import re
from collections.abc import Callable
from contextlib import suppress

from backups.gateways.elasticsearch import cluster, indices, repositories, snapshots
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.errors import GatewayError
from tests.gateways.scenes import CAPABILITIES, Scene, until

PREFIX = "contract-"
ID = re.compile(r"[A-Za-z0-9_-]{22}")


class Recorder:
    """Between a client and its transport: notes each answer, whatever the client then makes of it."""

    def __init__(self, client: Client, user: str, exchanges: list[dict]):
        self._transport, self._user, self._exchanges = client._transport, user, exchanges

    def perform_request(self, method: str, target: str, **options):
        meta, body = self._transport.perform_request(method, target, **options)
        error = body.get("error") if isinstance(body, dict) else None
        exchange = {
            "as": self._user,
            "request": f"{method} {target}",
            "status": meta.status,
            "product": meta.headers.get("x-elastic-product"),
            "error": error.get("type") if isinstance(error, dict) else error and "text",
            "shape": shape(body),
        }
        self._exchanges.append(exchange)
        return meta, body


def run(scene: Scene) -> list[dict]:
    """Every exchange, in order. Needs a scene with the prefix of the contract."""
    exchanges: list[dict] = []

    def client(user: str, **changes) -> Client:
        found = Client(scene.access(user, **changes))
        found._transport = Recorder(found, user or "nobody", exchanges)
        return found

    everyday, restricted, powerless = (client(user) for user in ("everyday", "restricted", "powerless"))
    nobody, mistaken = client("", password=""), client("everyday", password="wrong-password")
    index = scene.add_index("one", 4, primaries=2, aliases={scene.name("alias"): {}})
    closed = scene.add_index("closed", 1, state="close")
    hidden = scene.add_index("hidden", 1, hidden=True)
    _cluster_calls(everyday, powerless, nobody, mistaken)
    _index_calls(everyday, powerless, [index, closed, hidden, scene.name("gone")])
    _repository_calls(scene, everyday, restricted, powerless)
    _snapshot_calls(scene, everyday, restricted, powerless, [index, closed])
    _running_calls(scene, everyday, restricted)
    return exchanges


def _cluster_calls(everyday: Client, *others: Client) -> None:
    for client in (everyday, *others):
        for call in (cluster.identify, cluster.health, cluster.nodes, cluster.privileges):
            _try(call, client)


def _index_calls(everyday: Client, powerless: Client, names: list[str]) -> None:
    for client in (everyday, powerless):
        _try(indices.list_indices, client)
        _try(indices.facts, client, names)


def _repository_calls(scene: Scene, everyday: Client, restricted: Client, powerless: Client) -> None:
    name, missing = scene.add_repository(), scene.name("missing")
    blocked = scene.location("blocked")
    scene.block(blocked)
    good = repositories.register_call(name, "fs", {"location": scene.location("repo")})
    for client in (everyday, restricted, powerless):
        _try(repositories.get, client, name)
        _try(repositories.register, client, good)
        _try(repositories.verify, client, name)
        _try(repositories.get, client, missing)
        _try(repositories.verify, client, missing)
    for kind, settings in (
        ("fs", {"location": "/nowhere/else"}),
        ("fs", {"location": blocked}),
        ("fs", {}),
        ("s3", {}),
    ):
        _try(repositories.register, restricted, repositories.register_call(missing, kind, settings))


def _snapshot_calls(scene: Scene, everyday: Client, restricted: Client, powerless: Client, names: list[str]) -> None:
    repository, missing = scene.name("repo"), scene.name("missing")
    first = scene.create_call(repository, "s1", names)
    _try(snapshots.create, powerless, first)
    _try(snapshots.create, everyday, first)
    scene.finished(repository, "s1")
    _try(snapshots.create, everyday, first)
    _try(snapshots.create, everyday, scene.create_call(missing, "s1", names))
    _try(snapshots.create, everyday, scene.create_call(repository, "s2", [scene.name("gone")]))
    long = scene.create_call(repository, "s2", names, run_id="x" * 1100)
    _try(snapshots.create, everyday, long)
    for where, name in ((repository, "s1"), (repository, "s2"), (missing, "s1")):
        for client in (everyday, powerless):
            _try(snapshots.get, client, where, name)
            _try(snapshots.progress, client, where, name)
    for client in (powerless, everyday, restricted):
        _try(snapshots.delete, client, snapshots.delete_call(missing, "s1"))
        _try(snapshots.delete, client, snapshots.delete_call(repository, "s1"))
    _try(snapshots.delete, restricted, snapshots.delete_call(repository, "s1"))


def _running_calls(scene: Scene, everyday: Client, restricted: Client) -> None:
    repository, index = scene.slow_repository()
    call = scene.create_call(repository, "s1", [index])
    _try(snapshots.create, everyday, call)
    # The first bytes are on their way: only then the answer has all its parts.
    until(lambda: snapshots.progress(scene.client(), repository, "s1").bytes_done)
    _try(snapshots.get, everyday, repository, "s1")
    _try(snapshots.progress, everyday, repository, "s1")
    _try(snapshots.create, everyday, call)
    changed = repositories.register_call(repository, "fs", {"location": scene.location("other")})
    _try(repositories.register, restricted, changed)
    _try(snapshots.delete, restricted, snapshots.delete_call(repository, "s1", CAPABILITIES))
    until(lambda: snapshots.get(scene.client(), repository, "s1") is None)


def _try(call: Callable, *arguments) -> None:
    with suppress(GatewayError):
        call(*arguments)


def shape(value, under: str = "") -> object:
    """Keys and kinds. Ids are one name, lists are their first element, indices of others are left out."""
    if isinstance(value, dict):
        kept = {_key(key): shape(inner, key) for key, inner in value.items() if _ours(key, under)}
        return dict(sorted(kept.items()))
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return {bool: "bool", int: "number", float: "number", str: "text", type(None): "null"}[type(value)]


def _ours(key: str, under: str) -> bool:
    return under != "indices" or key.startswith(PREFIX)


def _key(key: str) -> str:
    return "ID" if ID.fullmatch(key) else key
