"""A restore of 1 GB of index data beside the bare call, and a plan over a thousand indices.

The restore: from the commit of the request's row to the run's last commit, without its verification, which the bare
call does not do; renamed copies into the same cluster both times. The plan: from what is asked to the document, every
index of it replaced by swap; the calls to the cluster are counted.
"""

import base64
import json
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.console import set_up, start_worker
from tests.bench.run import Row

REPETITIONS = 3
INDICES, DOCUMENTS, DOCUMENT_BYTES = 5, 2_000, 100_000
MANY = 1_000
MOST_MORE, MOST_SECONDS, MOST_CALLS = 5.0, 3.0, 10


def rows() -> list[Row]:
    home = set_up()
    from deploy.sandbox import elasticsearch

    server = elasticsearch.start(Path(tempfile.mkdtemp(prefix="bench-es-")))
    worker = None
    try:
        server.wait_ready()
        limits = {"cluster.max_shards_per_node": 2 * MANY, "indices.recovery.max_bytes_per_sec": "500mb"}
        server.request("PUT", "/_cluster/settings", json.dumps({"persistent": limits}).encode())
        worker = start_worker()
        return [*_restores(server, home), *_plans(server)]
    finally:
        if worker:
            worker.terminate()
            worker.wait()
        server.stop()


def _restores(server, home: Path) -> list[Row]:
    size = _fill(server)
    snapshot = _snapshot(server)
    pairs = [(_ours(server, snapshot), _bare(server, snapshot)) for _ in range(REPETITIONS + 1)][1:]
    more = statistics.median(a - b for a, b in pairs)
    ours, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
    name = f"restore {size / 2**30:.2f} GiB"
    bar = f"at most {MOST_MORE:g} s more: {more:+.2f} s"
    return [Row(name, f"{ours:.2f} s", f"{peer:.2f} s", f"{ours / peer:.2f}", bar, more <= MOST_MORE)]


def _fill(server) -> int:
    """Text that does not compress, so that a gigabyte of documents is a gigabyte in the repository."""
    dice = random.Random(7)
    for number in range(INDICES):
        settings = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}
        server.request("PUT", f"/bench-{number}", json.dumps(settings).encode())
        for _ in range(DOCUMENTS // 100):
            text = [base64.b64encode(dice.randbytes(DOCUMENT_BYTES * 3 // 4)).decode() for _ in range(100)]
            lines = "".join('{"index":{}}\n' + json.dumps({"text": each}) + "\n" for each in text)
            server.request("POST", f"/bench-{number}/_bulk", lines.encode())
    server.request("POST", "/bench-*/_flush")
    stats = server.request("GET", "/bench-*/_stats/store")
    return stats["_all"]["primaries"]["store"]["size_in_bytes"]


def _snapshot(server):
    from django.conf import settings

    from backups.snapshots.models import Snapshot
    from backups.snapshots.services import queue_snapshot
    from tests.factories import connected_cluster, registered_repository

    settings.CA_DIR.mkdir(exist_ok=True)
    (settings.CA_DIR / "bench.pem").write_text(server.ca_pem)
    server.ca_name = "bench.pem"
    body = {"type": "fs", "settings": {"location": str(server.path_repo / "bench"), "compress": True}}
    body["settings"] |= {"max_restore_bytes_per_sec": "1gb", "max_snapshot_bytes_per_sec": "1gb"}
    server.request("PUT", "/_snapshot/bench", json.dumps(body).encode())
    repository = registered_repository(connected_cluster(server), "bench")
    run = _over(queue_snapshot(actor=None, repository=repository, name="bench", patterns=["bench-*"]))
    return Snapshot.objects.get(run=run)


def _over(run):
    while type(run).objects.filter(pk=run.pk, ended_at=None).exists():
        time.sleep(0.01)
    run.refresh_from_db()
    assert run.state == "succeeded", run.error
    return run


def _ours(server, snapshot) -> float:
    """Without the step that verifies: the bare call has none."""
    from backups.clock import now
    from backups.restores import services
    from backups.restores.indices.asked import Asked
    from backups.restores.indices.finding import find
    from backups.restores.indices.plan import make_plan

    operator = _operator()
    asked = Asked(tuple(f"bench-{number}" for number in range(INDICES)), "beside", services.new_token())
    made = make_plan(asked, find(asked, snapshot, now()))
    plan = services.keep_plan(made, actor=operator, snapshot=snapshot, cluster=snapshot.repository.cluster)
    request = services.ask(actor=operator, plan=plan, reason="How long does it take beside the bare call?")
    began = time.perf_counter()
    run = _over(request.run)
    took = time.perf_counter() - began
    verified = run.steps.get(title="Verify what was restored")
    _forget(server)
    return took - (verified.ended_at - verified.started_at).total_seconds()


def _operator():
    from backups.access.models import User
    from backups.accounts.services import add_first_people

    if not User.objects.exists():
        add_first_people([("operator", "not used here 1", "Operator", ["operator"])], must_change=False)
    return User.objects.get(username="operator")


def _bare(server, snapshot) -> float:
    body = {
        "indices": "bench-*",
        "rename_pattern": "(.+)",
        "rename_replacement": "restored-$1",
        "include_aliases": False,
    }
    url = f"{server.url}/_snapshot/bench/{snapshot.name}/_restore?wait_for_completion=true"
    command = ["curl", "-s", "--cacert", str(server.ca_file), "-u", ":".join(server.superuser), "-X", "POST", url]
    command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    began = time.perf_counter()
    answer = subprocess.run(command, capture_output=True, check=True)
    took = time.perf_counter() - began
    assert json.loads(answer.stdout)["snapshot"]["shards"]["failed"] == 0, answer.stdout
    _forget(server)
    return took


def _forget(server) -> None:
    for number in range(INDICES):
        server.request("DELETE", f"/restored-bench-{number}")


def _plans(server) -> list[Row]:
    from backups.clock import now
    from backups.gateways.elasticsearch.client import Client
    from backups.restores.indices.asked import Asked
    from backups.restores.indices.finding import find
    from backups.restores.indices.plan import make_plan
    from backups.snapshots.models import Snapshot

    names = tuple(f"many-{number:04}" for number in range(MANY))
    for name in names:
        settings = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}
        server.request("PUT", f"/{name}?wait_for_active_shards=0", json.dumps(settings).encode())
    snapshot = Snapshot.objects.select_related("repository__cluster", "profile").get(name="bench")
    calls, sent = [], Client.send
    Client.send = lambda self, call, *rest: (calls.append(call), sent(self, call, *rest))[1]
    took, asked = [], Asked(names, "swap", "0a1b2c3d")
    try:
        for _ in range(REPETITIONS + 1):
            calls.clear()
            began = time.perf_counter()
            made = make_plan(asked, find(asked, snapshot, now()))
            took.append(time.perf_counter() - began)
    finally:
        Client.send = sent
    assert len(made.document["rows"]) == MANY
    seconds, number = statistics.median(took[1:]), len(calls)
    bar = f"under {MOST_SECONDS:g} s, at most {MOST_CALLS} calls: {number}"
    met = seconds < MOST_SECONDS and number <= MOST_CALLS
    return [Row(f"plan over {MANY} indices", f"{seconds:.2f} s", "-", "-", bar, met)]
