"""A refresh of a repository with 1,000 snapshots of 10 indices each, of which little changed, beside the full list by
the same client.

Ours is the whole task: its calls, comparing, and writing to the database; once with three snapshots that are new
since the last one, and once with none, when some known ones are read again. The peer is the bare
``GET _snapshot/<repository>/_all``, which other consoles ask for with every page.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

from tests.bench.console import set_up
from tests.bench.run import Row

SNAPSHOTS, INDICES, NEW, REPETITIONS, BAR = 1_000, 10, 3, 15, 0.5
NAME = "bench"


def rows() -> list[Row]:
    set_up()
    from deploy.sandbox import elasticsearch

    server = elasticsearch.start(Path(tempfile.mkdtemp(prefix="bench-es-")))
    try:
        server.wait_ready()
        new, quiet, peer = map(statistics.median, _measure(server))
    finally:
        server.stop()
    return [
        _row(f"refresh, {NEW} of {SNAPSHOTS:,} new", new, peer),
        _row(f"refresh, {SNAPSHOTS:,} known", quiet, peer),
    ]


def _row(name: str, ours: float, peer: float) -> Row:
    ratio = ours / peer
    return Row(name, f"{ours * 1000:.0f} ms", f"{peer * 1000:.0f} ms", f"{ratio:.2f}", f"at most {BAR}", ratio <= BAR)


def _measure(server) -> tuple[list[float], ...]:
    from django.conf import settings

    from backups.clusters.connection import open_client
    from backups.snapshots.models import Snapshot
    from tests.factories import connected_cluster, registered_repository

    settings.CA_DIR.mkdir(exist_ok=True)
    (settings.CA_DIR / "bench.pem").write_text(server.ca_pem)
    server.ca_name = "bench.pem"
    place = {"type": "fs", "settings": {"location": str(server.path_repo / NAME)}}
    server.request("PUT", f"/_snapshot/{NAME}", json.dumps(place).encode())
    for number in range(INDICES):
        server.request("PUT", f"/logs-{number}", b'{"settings": {"number_of_shards": 1, "number_of_replicas": 0}}')
    for number in range(SNAPSHOTS):
        _make(server, number)
    cluster = connected_cluster(server)
    repository = registered_repository(cluster, NAME, str(server.path_repo / NAME))
    while Snapshot.objects.count() < SNAPSHOTS:
        _refresh(repository)
    new, quiet, peer = [], [], []
    for turn in range(REPETITIONS + 1):
        for number in range(NEW):
            _make(server, SNAPSHOTS + turn * NEW + number)
        for times in (new, quiet):
            _make_due(repository)
            times.append(_timed(lambda: _collect(repository)))
        client = open_client(cluster, "everyday")
        peer.append(_timed(lambda client=client: _full_list(client)))
    assert Snapshot.objects.filter(state="found").count() == SNAPSHOTS + (REPETITIONS + 1) * NEW
    return new[1:], quiet[1:], peer[1:]


def _make(server, number: int) -> None:
    path = f"/_snapshot/{NAME}/nightly-{number:05}?wait_for_completion=true"
    server.request("PUT", path, b'{"indices": "logs-*", "include_global_state": false}')


def _refresh(repository) -> None:
    _make_due(repository)
    _collect(repository)


def _make_due(repository) -> None:
    from backups.repositories.models import Repository

    Repository.objects.filter(pk=repository.pk).update(collect_at=None)
    repository.refresh_from_db(fields=["collect_fence"])


def _collect(repository) -> None:
    """As the ticker and its task do it: claim, calls, rows."""
    from backups.clusters import leases
    from backups.repositories.models import Repository
    from backups.snapshots import collector

    fence = leases.claim(Repository.objects, repository.pk, repository.collect_fence)
    collector.collect(repository.pk, fence)


def _full_list(client) -> None:
    from backups.gateways.elasticsearch.call import Call

    assert len(client.send(Call("GET", ("_snapshot", NAME, "_all")))["snapshots"]) >= SNAPSHOTS


def _timed(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
