"""One refresh of a cluster and of its list of repositories, on the fake server."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.audit.models import AuditEntry
from backups.clusters import collector, leases
from backups.clusters.models import Cluster
from backups.repositories.models import Repository
from backups.worker import collecting
from tests.factories import connected_cluster, registered_repository
from tests.turns import lease

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster(fake_elasticsearch):
    fake_elasticsearch.add_index("logs", 10)
    return connected_cluster(fake_elasticsearch)


def refresh(cluster: Cluster) -> Cluster:
    Cluster.objects.filter(pk=cluster.pk).update(collect_at=None)
    collecting.collect_cluster(cluster.pk, lease(cluster))
    cluster.refresh_from_db()
    return cluster


def entries() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))


def test_figures_are_refreshed_with_few_calls(cluster, fake_elasticsearch):
    refresh(cluster)

    assert (cluster.state, cluster.uuid) == ("good", fake_elasticsearch.uuid)
    assert cluster.indices["number"] == 1 and cluster.indices["documents"] == 10
    assert len(fake_elasticsearch.requests) <= 7
    assert {user for _, _, user, _ in fake_elasticsearch.requests} == {"everyday"}
    assert cluster.collect_at > timezone.now()


def test_one_that_is_away_keeps_its_figures_is_told_once_and_returns(cluster, fake_elasticsearch):
    repository = registered_repository(refresh(cluster))
    fake_elasticsearch.add_repository("nightly", "/srv/snapshots/nightly")
    nodes = cluster.nodes
    fake_elasticsearch.go_away()

    refresh(cluster)
    assert (cluster.state, cluster.nodes, entries()) == ("bad", nodes, [])
    assert 5 <= cluster.tries_every <= 10
    Cluster.objects.update(failing_since=timezone.now() - timedelta(seconds=40))
    refresh(cluster)
    refresh(cluster)
    assert entries() == ["cluster.lost"]

    Repository.objects.update(collect_at=timezone.now() + timedelta(minutes=9))
    fake_elasticsearch.come_back()
    refresh(cluster)
    assert (cluster.state, cluster.failures) == ("good", 0)
    assert entries()[:2] == ["cluster.lost", "cluster.returned"]
    repository.refresh_from_db()
    assert repository.collect_at is None


def test_a_refused_password_is_not_tried_often(cluster, fake_elasticsearch):
    fake_elasticsearch.set_password("everyday", "another")

    refresh(cluster)

    assert cluster.collect_at - timezone.now() > timedelta(seconds=leases.REFUSED_SECONDS - 60)


def test_another_cluster_overwrites_nothing(cluster, fake_elasticsearch):
    refresh(cluster)
    fake_elasticsearch.uuid = "another-uuid-0000000001"
    fake_elasticsearch.add_repository("theirs")

    refresh(cluster)

    assert cluster.state == "bad" and "Another cluster answers" in cluster.message
    assert cluster.uuid != fake_elasticsearch.uuid
    assert not Repository.objects.exists()


def test_repositories_of_others_are_found_changed_and_lost(cluster, fake_elasticsearch):
    theirs = fake_elasticsearch.add_repository("theirs")
    refresh(cluster)
    refresh(cluster)
    assert entries() == ["repository.found"]

    theirs.settings["readonly"] = "true"
    refresh(cluster)
    found = Repository.objects.get()
    assert found.is_readonly and entries()[-1] == "repository.changed"

    del fake_elasticsearch.repositories["theirs"]
    refresh(cluster)
    found.refresh_from_db()
    assert found.state == "missing" and entries()[-1] == "repository.lost"


def test_one_of_ours_is_not_called_changed(cluster, fake_elasticsearch):
    fake_elasticsearch.add_repository("nightly", "/srv/snapshots/nightly")
    registered_repository(cluster)

    refresh(cluster)

    assert entries() == []


@pytest.mark.db
def test_a_late_refresh_writes_nothing(cluster):
    old = lease(cluster)
    Cluster.objects.update(collect_until=timezone.now() - timedelta(seconds=1))
    assert lease(cluster) == old + 1

    collector.collect(cluster.pk, old)

    cluster.refresh_from_db()
    assert cluster.uuid == ""


def test_one_odd_repository_hides_no_other(cluster, fake_elasticsearch):
    """A list of repositories in which one is described in a way that nobody knows."""
    fake_elasticsearch.add_repository("nightly", "/srv/snapshots/nightly")
    odd = registered_repository(cluster, "odd", "/srv/snapshots/odd")
    known = {"type": "fs", "settings": {"location": "/srv/snapshots/nightly"}}
    fake_elasticsearch.answer_next(200, {"nightly": known, "odd": {"type": 7}}, path="/_snapshot")

    refresh(cluster)

    assert set(Repository.objects.values_list("name", "state")) == {("nightly", "registered"), ("odd", "registered")}
    odd.refresh_from_db()
    assert odd.settings["location"] == "/srv/snapshots/odd"


def test_late_sums_say_nothing_against_a_cluster_that_answers(cluster, fake_elasticsearch):
    before = refresh(cluster).indices
    fake_elasticsearch.answer_next(503, {"error": {"type": "x", "reason": "busy"}}, path="/_stats/docs,store")

    refresh(cluster)

    assert (cluster.state, cluster.failures, cluster.indices) == ("good", 0, before)
