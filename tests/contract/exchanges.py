"""Everything the gateway asks of a server, in a fixed order, and the shape of what comes back.

The same list runs on each real server (whose answers are kept in ``<server>.json``) and on the fake of it, which must
give the same status, the same keys with the same kinds of values, and the same error type.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from backups.gateways.elasticsearch import cluster, indices, repositories, snapshots
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.errors import GatewayError
from tests.gateways.scenes import Scene, until

PREFIX = "contract-"
ID = re.compile(r"[A-Za-z0-9_-]{22}")
NAMED_BY_US = ("indices", "repositories")
"""Where keys are names; others than ours are left out there."""


def file_of(slug: str) -> Path:
    """The recording of one server."""
    return Path(__file__).with_name(f"{slug}.json")


def read(slug: str) -> list[dict]:
    return json.loads(file_of(slug).read_text())


def write(slug: str, exchanges: list[dict]) -> None:
    """One exchange a line."""
    lines = ",\n".join(json.dumps(exchange) for exchange in exchanges)
    file_of(slug).write_text(f"[\n{lines}\n]\n")


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
            "shape": shape(body, "repositories" if target == "/_snapshot" else ""),
        }
        self._exchanges.append(exchange)
        return meta, body


class Users:
    """The clients of a scene. A server without security has one: it takes everybody for the same. ``changes`` are of
    their ``Access``."""

    def __init__(self, scene: Scene, **changes):
        self.exchanges: list[dict] = []
        self._changes = changes
        self._scene = scene
        self.everyday = self.restricted = self._client("everyday")
        self.others: tuple[Client, ...] = ()
        if scene.secure:
            self.restricted = self._client("restricted")
            self.others = (self._client("powerless"),)
            self.strangers = (self._client("", password=""), self._client("everyday", password="wrong-password"))
        else:
            self.strangers = ()

    def _client(self, user: str, **changes) -> Client:
        found = Client(self._scene.access(user, **self._changes | changes))
        found._transport = Recorder(found, user or "nobody", self.exchanges)
        return found


def run(scene: Scene) -> list[dict]:
    """Every exchange, in order. Needs a scene with the prefix of the contract."""
    users = Users(scene)
    index = scene.add_index("one", 4, primaries=2, aliases={scene.name("alias"): {}})
    closed = scene.add_index("closed", 1, state="close")
    hidden = scene.add_index("hidden", 1, hidden=True)
    _cluster_calls(users)
    _index_calls(users, [index, closed, hidden, scene.name("gone")])
    _repository_calls(scene, users)
    _snapshot_calls(scene, users, [index, closed])
    _running_calls(scene, users, index)
    _broken_calls(scene, users.everyday, index)
    _empty_calls(scene, users.everyday)
    _damaged_calls(scene, users, index)
    return users.exchanges


def _cluster_calls(users: Users) -> None:
    for client in (users.everyday, *users.others, *users.strangers):
        for call in (cluster.identify, cluster.health, cluster.nodes, cluster.privileges):
            _try(call, client)


def _index_calls(users: Users, names: list[str]) -> None:
    for client in (users.everyday, *users.others):
        _try(indices.list_indices, client)
        _try(indices.facts, client, names)
        _try(indices.summary, client)


def _repository_calls(scene: Scene, users: Users) -> None:
    name, missing = scene.add_repository(), scene.name("missing")
    blocked = scene.location("blocked")
    scene.block(blocked)
    good = repositories.register_call(name, "fs", {"location": scene.location("repo")})
    for client in dict.fromkeys((users.everyday, users.restricted, *users.others)):
        _try(repositories.list_repositories, client)
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
        _try(repositories.register, users.restricted, repositories.register_call(missing, kind, settings))
        # After a refusal the console looks whether it is registered all the same.
        _try(repositories.get, users.restricted, missing)
        scene.forget_repository("missing")


def _snapshot_calls(scene: Scene, users: Users, names: list[str]) -> None:
    repository, missing, everyday = scene.name("repo"), scene.name("missing"), users.everyday
    _try(snapshots.list_snapshots, everyday, repository, scene.capabilities)
    first = scene.create_call(repository, "s1", names)
    for client in (*users.others, everyday):
        _try(snapshots.create, client, first)
    scene.finished(repository, "s1")
    _try(snapshots.create, everyday, first)
    _try(snapshots.create, everyday, scene.create_call(missing, "s1", names))
    _try(snapshots.create, everyday, scene.create_call(repository, "s2", [scene.name("gone")]))
    if scene.capabilities.metadata:
        _try(snapshots.create, everyday, scene.create_call(repository, "s2", names, run_id="x" * 1100))
    for where, name in ((repository, "s1"), (repository, "s2"), (missing, "s1")):
        for client in (everyday, *users.others):
            _try(snapshots.get, client, where, name)
            _try(snapshots.progress, client, where, name)
    for where in (repository, missing):
        _try(snapshots.list_snapshots, everyday, where, scene.capabilities)
        _try(snapshots.details, everyday, where, ["s1", "s2"])
    for client in dict.fromkeys((*users.others, everyday, users.restricted)):
        _try(snapshots.delete, client, snapshots.delete_call(missing, "s1"))
        _try(snapshots.delete, client, snapshots.delete_call(repository, "s1"))
    _try(snapshots.delete, users.restricted, snapshots.delete_call(repository, "s1"))


def _running_calls(scene: Scene, users: Users, small: str) -> None:
    repository, index = scene.slow_repository()
    everyday, call = users.everyday, scene.create_call(repository, "s1", [index])
    _try(snapshots.create, everyday, call)
    # It is known how much there is to copy: only then the answer has all its parts.
    until(lambda: snapshots.progress(scene.client(), repository, "s1").bytes_total)
    _try(snapshots.get, everyday, repository, "s1")
    _try(snapshots.progress, everyday, repository, "s1")
    _try(snapshots.list_snapshots, everyday, repository, scene.capabilities)
    _try(snapshots.details, everyday, repository, ["s1"])
    _try(snapshots.create, everyday, call)
    changed = repositories.register_call(repository, "fs", {"location": scene.location("other")})
    _try(repositories.register, users.restricted, changed)
    second = scene.create_call(scene.name("repo"), "second", [small])
    _try(snapshots.create, everyday, second)
    _try(snapshots.delete, users.restricted, snapshots.delete_call(repository, "s1", scene.capabilities))
    scene.gone(repository, "s1")
    scene.release()
    if scene.capabilities.concurrent:
        scene.finished(scene.name("repo"), "second")


def _broken_calls(scene: Scene, everyday: Client, whole: str) -> None:
    """With an index whose primary shard is nowhere."""
    repository, broken = scene.name("repo"), scene.broken_index("broken")
    _try(indices.list_indices, everyday)
    for name, partial in (("refused", False), ("partial", True)):
        _try(snapshots.create, everyday, scene.create_call(repository, name, [whole, broken], partial=partial))
        until(lambda name=name: (found := snapshots.get(scene.client(), repository, name)) is None or found.over)
        _try(snapshots.get, everyday, repository, name)
        _try(snapshots.progress, everyday, repository, name)


def _empty_calls(scene: Scene, everyday: Client) -> None:
    """A snapshot that holds no index, which not every list has."""
    repository = scene.add_repository("empty")
    scene.empty_snapshot(repository, "empty")
    _try(snapshots.list_snapshots, everyday, repository, scene.capabilities)
    _try(snapshots.details, everyday, repository, ["empty"])


def _damaged_calls(scene: Scene, users: Users, index: str) -> None:
    """One whose files are gone, then a repository that somebody else has changed."""
    repository, everyday = scene.add_repository("damaged"), users.everyday
    for name in ("whole", "damaged"):
        scene.start_snapshot(repository, name, [index])
        found = scene.finished(repository, name)
    _try(repositories.get, everyday, repository)
    scene.damage(repository, found)
    _try(snapshots.list_snapshots, everyday, repository, scene.capabilities)
    _try(snapshots.details, everyday, repository, ["whole", "damaged"])
    _try(snapshots.get, everyday, repository, "damaged")
    _try(snapshots.progress, everyday, repository, "damaged")
    _try(snapshots.index_names, everyday, repository, ["damaged"])
    scene.overwrite(repository)
    _try(snapshots.create, everyday, scene.create_call(repository, "after", [index]))
    until(lambda: _settled(scene, repository))
    _try(snapshots.get, everyday, repository, "after")
    _try(snapshots.list_snapshots, everyday, repository, scene.capabilities)
    _try(snapshots.details, everyday, repository, ["whole"])
    _try(repositories.get, everyday, repository)
    _try(repositories.verify, users.restricted, repository)
    # What brings it back differs.
    again = repositories.register_call(repository, "fs", {"location": scene.location("damaged")})
    _try(repositories.register, users.restricted, again)
    _try(snapshots.list_snapshots, everyday, repository, scene.capabilities)


def _settled(scene: Scene, repository: str) -> bool:
    """Whether the create is over, in whatever way."""
    try:
        found = snapshots.get(scene.client(), repository, "after")
    except GatewayError:
        return True
    return found is not None and found.over


def _try(call: Callable, *arguments) -> None:
    with suppress(GatewayError):
        call(*arguments)


def shape(value, under: str = "") -> object:
    """Keys and kinds. Ids are one name, lists are their first element, names of others are left out."""
    if isinstance(value, dict):
        kept = {_key(key): shape(inner, key) for key, inner in value.items() if _ours(key, under)}
        return dict(sorted(kept.items()))
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return {bool: "bool", int: "number", float: "number", str: "text", type(None): "null"}[type(value)]


def _ours(key: str, under: str) -> bool:
    return under not in NAMED_BY_US or key.startswith(PREFIX)


def _key(key: str) -> str:
    return "ID" if ID.fullmatch(key) else key
