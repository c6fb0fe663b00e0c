"""What the gateway asks of a server about data streams, kept like ``exchanges``.

The test builds of Elasticsearch have none: there it is only what is read of a server without any.
"""

from backups.gateways.elasticsearch import cluster, restores, streams, swapping
from backups.gateways.elasticsearch.client import Client
from tests.contract.exchanges import Users, _try
from tests.contract.restore_exchanges import _ended, _restore, _send
from tests.gateways.scenes import Scene

BESIDE = ("^(.+)$", "$1-copy")


def recording_of(slug: str) -> str:
    """The name under which it is kept."""
    return f"{slug}.streams"


def run(scene: Scene) -> list[dict]:
    """Every exchange, in order. Needs a scene with the prefix of the contract."""
    users = Users(scene, read_retries=0)
    for client in (users.everyday, *users.others):
        _try(cluster.newest_version_id, client, scene.capabilities)
        _try(streams.streams, client)
    if scene.capabilities.product == "opensearch":
        _stream_calls(scene, users.everyday)
    return users.exchanges


def _stream_calls(scene: Scene, client: Client) -> None:
    stream, repository = scene.add_stream("events"), scene.add_repository("streams")
    first, last = (f".ds-{stream}-{number:06}" for number in (1, 2))
    copy = f"{stream}-copy"
    scene.start_snapshot(repository, "s1", [first, last, stream])
    scene.finished(repository, "s1")
    _try(streams.streams, client)
    _try(streams.templates, client)
    _try(swapping.aliases_named, client, [stream, copy])
    # A name that is taken: by a stream, by an index behind it, by another index.
    _restore(scene, client, repository, "s1", [stream])
    _restore(scene, client, repository, "s1", [stream], rename=BESIDE)
    _ended(scene, repository, f".ds-{stream}-000001-copy")
    _try(streams.streams, client)
    _try(restores.recoveries, client, [f".ds-{stream}-000001-copy"])
    _restore(scene, client, repository, "s1", [stream], rename=BESIDE)
    _send(client, swapping.delete_index_call(f".ds-{stream}-000002-copy"))
    _send(client, streams.delete_call(copy))
    _send(client, streams.delete_call(copy))
    scene.add_index("events-copy")
    _restore(scene, client, repository, "s1", [stream], rename=BESIDE)
    _send(client, swapping.delete_index_call(copy))
    # Alone it is an index like others.
    _restore(scene, client, repository, "s1", [first], rename=("^(.+)$", scene.name("$1")))
    _ended(scene, repository, scene.name(first))
    _send(client, swapping.delete_index_call(scene.name(first)))
    _try(streams.streams, client)
    _send(client, streams.delete_call(stream))
