"""The whole time of a snapshot, from the commit of the form's row to the run's last commit, beside curl.

10 indices with 50,000 documents, a new repository for every measurement, so that both copy everything. The console
does more in this time: it records the indices before and after, reads the snapshot back and writes entries. The bar
is what curator needs on top of the bare call: 1.2 s.
"""

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.console import set_up, start_worker
from tests.bench.run import Row

REPETITIONS = 7
INDICES, DOCUMENTS = 10, 5_000
BAR_SECONDS = 1.2


def rows() -> list[Row]:
    home = set_up()
    from deploy.sandbox import elasticsearch

    server = elasticsearch.start(Path(tempfile.mkdtemp(prefix="bench-es-")))
    worker = None
    try:
        server.wait_ready()
        _fill(server)
        worker = start_worker()
        ours, peer = _measure(server, home)
    finally:
        if worker:
            worker.terminate()
            worker.wait()
        server.stop()
    difference = statistics.median(a - b for a, b in zip(ours, peer, strict=True))
    a, b = statistics.median(ours), statistics.median(peer)
    bar = f"at most {BAR_SECONDS} s more: {difference:+.2f} s"
    return [Row("snapshot, whole time", f"{a:.2f} s", f"{b:.2f} s", f"{a / b:.2f}", bar, difference <= BAR_SECONDS)]


def _fill(server) -> None:
    for number in range(INDICES):
        name = f"bench-{number}"
        server.request(
            "PUT", f"/{name}", json.dumps({"settings": {"number_of_shards": 1, "number_of_replicas": 0}}).encode()
        )
        lines = []
        for document in range(DOCUMENTS):
            lines.append('{"index":{}}')
            lines.append(
                json.dumps({"n": document, "host": f"h{document % 7}", "message": f"event {document * 7919 % 10007}"})
            )
        server.request("POST", f"/{name}/_bulk", ("\n".join(lines) + "\n").encode())
    server.request("POST", "/_flush")


def _measure(server, home: Path) -> tuple[list[float], list[float]]:
    from django.conf import settings

    from backups.repositories.models import Repository
    from tests.factories import connected_cluster, registered_repository

    settings.CA_DIR.mkdir(exist_ok=True)
    (settings.CA_DIR / "bench.pem").write_text(server.ca_pem)
    server.ca_name = "bench.pem"
    cluster = connected_cluster(server)
    ours, peer = [], []
    for number in range(REPETITIONS + 1):
        repository = _repository(server, f"ours-{number}", lambda n: registered_repository(cluster, n))
        _repository(server, f"peer-{number}", lambda n: None)
        ours.append(_ours(repository, number))
        peer.append(_curl(server, f"peer-{number}", number))
    assert Repository.objects.count() == REPETITIONS + 1
    return ours[1:], peer[1:]  # the first pair warms caches and connections up


def _repository(server, name: str, row):
    body = {"type": "fs", "settings": {"location": str(server.path_repo / name), "compress": True}}
    server.request("PUT", f"/_snapshot/{name}", json.dumps(body).encode())
    return row(name)


def _ours(repository, number: int) -> float:
    from backups.runs.models import Run
    from backups.snapshots.services import queue_snapshot

    run = queue_snapshot(actor=None, repository=repository, name=f"ours-{number}", patterns=["bench-*"])
    began = time.perf_counter()
    while Run.objects.filter(pk=run.pk, ended_at=None).exists():
        time.sleep(0.01)
    took = time.perf_counter() - began
    run.refresh_from_db()
    assert run.state == "succeeded", run.error
    return took


def _curl(server, repository: str, number: int) -> float:
    url = f"{server.url}/_snapshot/{repository}/peer-{number}?wait_for_completion=true"
    command = ["curl", "-s", "--cacert", str(server.ca_file), "-u", ":".join(server.superuser), "-X", "PUT", url]
    command += ["-H", "Content-Type: application/json", "-d", '{"indices":"bench-*","include_global_state":false}']
    began = time.perf_counter()
    answer = subprocess.run(command, capture_output=True, check=True)
    took = time.perf_counter() - began
    assert json.loads(answer.stdout)["snapshot"]["state"] == "SUCCESS", answer.stdout
    return took
