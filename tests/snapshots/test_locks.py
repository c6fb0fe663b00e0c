"""A refresh and a run at the same rows, on a database that locks each row by itself."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from backups.audit import act
from backups.clusters import leases
from backups.clusters.models import Cluster
from backups.gateways.elasticsearch.snapshots import Listed
from backups.repositories.models import Repository
from backups.runs import queue_run
from backups.snapshots import adopting, details, services
from backups.snapshots.models import Snapshot
from tests.turns import lease

pytestmark = [pytest.mark.db(only="postgresql"), pytest.mark.django_db(transaction=True)]


def test_a_run_that_ends_and_a_refresh_that_finds_its_name_do_not_wait_for_each_other(monkeypatch):
    cluster = Cluster.objects.create(name="soc-prod")
    repository = Repository.objects.create(cluster=cluster, name="nightly", state="registered")
    run = queue_run("snapshot", actor=None, subject="snapshot one")
    snapshot = Snapshot.objects.create(repository=repository, name="one", run=run, state="wanted")
    both, soon = threading.Barrier(2, timeout=20), leases.soon
    monkeypatch.setattr(leases, "soon", lambda rows: (both.wait(), soon(rows)))

    def end() -> None:
        with act(None):
            services.set_state(snapshot, "unknown", "Nobody knows.")

    def refresh() -> None:
        fence = lease(repository)
        with act(None) as a:
            assert leases.still_mine(Repository.objects, repository.pk, fence)
            both.wait()
            told = {"found": [], "damaged": [], "back": []}
            writing = adopting.Writing(a, repository, details.Read(), told, ["one"])
            adopting.new(writing, Listed("one", "u", "SUCCESS"))
            adopting.add(writing)

    def alone(work) -> str:
        try:
            return work() or ""
        except Exception as error:  # noqa: BLE001 - handed to the test
            return repr(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(alone, (end, refresh))) == ["", ""]
    assert list(Snapshot.objects.values_list("state", flat=True)) == ["unknown"]
