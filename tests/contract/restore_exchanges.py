"""What the gateway asks of a server for a restore and a swap, kept like ``exchanges``."""

from backups.gateways.elasticsearch import restores, room, swapping
from backups.gateways.elasticsearch.answers import acknowledged
from backups.gateways.elasticsearch.call import Call
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.settings import cluster_settings
from tests.contract.exchanges import Users, _try
from tests.gateways.scenes import Scene, until

BESIDE = ("^(.+)$", "$1-copy")
NOWHERE = {"index.routing.allocation.require._name": "nowhere"}


def recording_of(slug: str) -> str:
    """The name under which it is kept."""
    return f"{slug}.restores"


def run(scene: Scene) -> list[dict]:
    """Every exchange, in order. Needs a scene with the prefix of the contract."""
    # How often a refused read is tried again would depend on the clock.
    users = Users(scene, read_retries=0)
    source = scene.add_index("source", 4, primaries=2, aliases={scene.name("read"): {}})
    repository = scene.add_repository("restores")
    scene.start_snapshot(repository, "s1", [source])
    scene.finished(repository, "s1")
    _cluster_calls(users)
    _refused_calls(scene, users, repository, source)
    _restore_calls(scene, users, repository, source)
    _swap_calls(scene, users, source)
    _failed_calls(scene, users)
    _empty_calls(scene, users)
    _running_calls(scene, users)
    return users.exchanges


def _cluster_calls(users: Users) -> None:
    for client in (users.everyday, *users.others):
        _try(_room, client)
    for client in dict.fromkeys((users.everyday, users.restricted)):
        _send(client, swapping.auto_create_call("-contract-x,+*"))
        _try(cluster_settings, client)
        _send(client, swapping.auto_create_call(None))


def _room(client: Client) -> None:
    room.room(client, cluster_settings(client))


def _refused_calls(scene: Scene, users: Users, repository: str, source: str) -> None:
    restricted = users.restricted
    for client in dict.fromkeys((users.everyday, *users.others)):
        if client is not restricted:
            _restore(scene, client, repository, "s1", [source], rename=BESIDE)
    _restore(scene, restricted, repository, "s1", [source])
    _restore(scene, restricted, repository, "gone", [source])
    _restore(scene, restricted, scene.name("missing"), "s1", [source])
    _restore(scene, restricted, repository, "s1", [scene.name("gone")])
    _restore(scene, restricted, repository, "s1", [source], rename=("^(.+)$", scene.name("read")))
    fixed = {"index.number_of_shards": 1}
    _restore(scene, restricted, repository, "s1", [source], rename=BESIDE, index_settings=fixed)
    # What the console never sends: the names are its own to check.
    body = {"indices": [source], "rename_pattern": "^(.+)$", "rename_replacement": "UPPER"}
    _try(restricted.send, Call("POST", ("_snapshot", repository, "s1", "_restore"), body=body))


def _restore_calls(scene: Scene, users: Users, repository: str, source: str) -> None:
    everyday, restricted, copy = users.everyday, users.restricted, f"{source}-copy"
    _restore(scene, restricted, repository, "s1", [source], rename=BESIDE)
    _ended(scene, repository, copy)
    missing = scene.name("gone")
    for client in (everyday, *users.others):
        _try(restores.entry, client, repository, "s1", [copy])
        _try(restores.recoveries, client, [copy, missing])
        _try(restores.shards_active, client, [copy, missing])
        _try(restores.why_unassigned, client, copy, 0)
        _try(restores.why_unassigned, client, copy, 7)
        _try(restores.why_unassigned, client, missing, 0)
    for client in dict.fromkeys((everyday, restricted, *users.others)):
        _try(restores.counts, client, [copy, missing])
    # In place, over what is closed.
    for client in dict.fromkeys((everyday, restricted)):
        _send(client, swapping.close_call(source))
    until(lambda: all(restores.shards_active(scene.client(), [source])[source].values()))
    _try(restores.counts, restricted, [source])
    _restore(scene, restricted, repository, "s1", [source])
    _ended(scene, repository, source)
    _try(restores.recoveries, everyday, [source])


def _swap_calls(scene: Scene, users: Users, source: str) -> None:
    everyday, restricted, copy, third = users.everyday, users.restricted, f"{source}-copy", scene.name("third")
    for client in (everyday, *users.others):
        _try(swapping.exists, client, [source, copy, scene.name("read"), scene.name("gone")])
        _try(swapping.aliases_named, client, [scene.name("read"), source])
    for client in dict.fromkeys((everyday, restricted)):
        if scene.capabilities.clone_index:
            clone = swapping.clone_call(copy, third, replicas=0, aliases={}, capabilities=scene.capabilities)
            _send(client, clone)
            _send(client, swapping.block_writes_call(copy, True))
            _send(client, clone)
            _send(client, clone)
            _send(client, swapping.delete_index_call(third))
        _send(client, swapping.block_writes_call(copy, False))
        _send(client, swapping.close_call(copy))
        _send(client, swapping.open_call(copy))
    for call in (swapping.open_call, swapping.close_call, swapping.delete_index_call):
        _send(restricted, call(scene.name("gone")))
    _send(restricted, swapping.delete_index_call(scene.name("read")))
    swap = {"remove_index": source, "add_index": copy, "alias": source, "aliases": {scene.name("read"): {}}}
    for client in dict.fromkeys((everyday, restricted)):
        _send(client, swapping.alias_swap_call(**swap))
    _try(swapping.aliases_named, everyday, [scene.name("read"), source])
    _send(restricted, swapping.alias_swap_call(**swap | {"remove_index": scene.name("gone")}))
    _send(restricted, swapping.delete_index_call(copy))


def _failed_calls(scene: Scene, users: Users) -> None:
    """No node may hold it; then one whose data is damaged."""
    everyday, restricted, index = users.everyday, users.restricted, scene.add_index("spoiled", 50)
    repository, copy = scene.add_repository("spoiled"), f"{index}-copy"
    scene.start_snapshot(repository, "s1", [index])
    scene.finished(repository, "s1")
    for settings in (NOWHERE, {}):
        if not settings:
            scene.spoil(repository, index)
        _restore(scene, restricted, repository, "s1", [index], rename=BESIDE, index_settings=settings)
        _ended(scene, repository, copy)
        _try(restores.recoveries, everyday, [copy])
        _try(restores.shards_active, everyday, [copy])
        _try(restores.why_unassigned, everyday, copy, 0)
        _try(restores.counts, restricted, [copy])
        _send(restricted, swapping.delete_index_call(copy))


def _empty_calls(scene: Scene, users: Users) -> None:
    """The snapshot has none of its shards: it is over before the answer, and green."""
    everyday, restricted, lost = users.everyday, users.restricted, scene.broken_index("lost")
    repository, copy = scene.add_repository("lost"), f"{lost}-copy"
    # With another one: on 7.2 a snapshot of nothing but missing shards never ends.
    scene.client().send(scene.create_call(repository, "s1", [lost, scene.name("spoiled")], partial=True))
    scene.finished(repository, "s1")
    _restore(scene, restricted, repository, "s1", [lost], rename=BESIDE)
    anywhere = ["index.routing.allocation.*"]
    options = {"rename": BESIDE, "partial": True, "ignore_index_settings": anywhere}
    _restore(scene, restricted, repository, "s1", [lost], **options)
    _ended(scene, repository, copy)
    until(lambda: all(restores.shards_active(scene.client(), [copy])[copy].values()))
    _try(restores.recoveries, everyday, [copy])
    _try(restores.counts, restricted, [copy])
    _send(restricted, swapping.delete_index_call(copy))


def _running_calls(scene: Scene, users: Users) -> None:
    """One that is cancelled, by deleting what it makes."""
    everyday, restricted = users.everyday, users.restricted
    repository, index = scene.slow_restores()
    copy = f"{index}-copy"
    scene.start_snapshot(repository, "s1", [index])
    scene.finished(repository, "s1")
    _restore(scene, restricted, repository, "s1", [index], rename=BESIDE)
    until(lambda: any(one.restore_uuid for one in restores.recoveries(scene.client(), [copy])))
    _try(restores.entry, everyday, repository, "s1", [copy])
    _try(restores.recoveries, everyday, [copy])
    _try(restores.shards_active, everyday, [copy])
    _send(restricted, swapping.close_call(copy))
    _send(restricted, swapping.delete_index_call(copy))
    scene.release()
    _ended(scene, repository, copy)
    _try(restores.entry, everyday, repository, "s1", [copy])
    _try(restores.recoveries, everyday, [copy])


def _restore(scene: Scene, client: Client, repository: str, snapshot: str, indices: list[str], **options) -> None:
    call = restores.restore_call(repository, snapshot, indices, capabilities=scene.capabilities, **options)
    _try(restores.restore, client, call)


def _send(client: Client, call: Call) -> None:
    _try(lambda: acknowledged(call, client.send(call)))


def _ended(scene: Scene, repository: str, target: str) -> None:
    client = scene.client()
    until(lambda: restores.entry(client, repository, "s1", [target]) is None)
