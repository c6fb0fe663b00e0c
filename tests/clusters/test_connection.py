"""Clients for work and for people who wait."""

import pytest

from backups.clusters import connection
from backups.clusters.connection import NoCredential, open_client, open_client_for_check
from backups.gateways.elasticsearch import cluster as es
from backups.gateways.elasticsearch.errors import GatewayError, Unreachable
from tests.factories import connected_cluster

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster(fake_elasticsearch):
    return connected_cluster(fake_elasticsearch)


def test_the_user_is_that_of_the_purpose(cluster, fake_elasticsearch):
    for purpose in ("everyday", "restricted"):
        es.health(open_client(cluster, purpose))

    assert [user for _, _, user, _ in fake_elasticsearch.requests] == ["everyday", "restricted"]


def test_a_check_does_not_wait_long(cluster, fake_elasticsearch, monkeypatch):
    monkeypatch.setattr(connection, "CHECK_SECONDS", 0.2)
    fake_elasticsearch.be_slow(30)

    with pytest.raises(Unreachable, match="no answer within 0.2 seconds"):
        es.health(open_client_for_check(cluster, "everyday"))


def test_a_check_asks_once_and_work_asks_again(cluster, fake_elasticsearch):
    fake_elasticsearch.answer_next(503, {"error": {"type": "x", "reason": "busy"}, "status": 503})
    with pytest.raises(GatewayError, match="busy"):
        es.health(open_client_for_check(cluster, "everyday"))

    fake_elasticsearch.answer_next(503, {"error": {"type": "x", "reason": "busy"}, "status": 503})
    assert es.health(open_client(cluster, "everyday")).state == "green"


def test_patience_is_for_reads_that_come_again(cluster, fake_elasticsearch):
    fake_elasticsearch.answer_next(503, {"error": {"type": "x", "reason": "busy"}, "status": 503})
    with pytest.raises(GatewayError, match="busy"):
        es.health(open_client(cluster, "everyday", patience=0.2))

    fake_elasticsearch.be_slow(30)
    with pytest.raises(Unreachable, match="no answer within 0.2 seconds"):
        es.health(open_client(cluster, "everyday", patience=0.2))


def test_who_has_no_credential_says_what_to_do(cluster):
    cluster.credentials.filter(purpose="restricted").delete()

    with pytest.raises(NoCredential, match="administrator can enter it on the page of the cluster"):
        open_client(cluster, "restricted")


def test_a_password_of_another_row_does_not_open(cluster):
    everyday = cluster.credentials.get(purpose="everyday")
    restricted = cluster.credentials.get(purpose="restricted")
    cluster.credentials.filter(pk=everyday.pk).update(sealed=restricted.sealed)

    with pytest.raises(NoCredential, match="Put the key back, or enter the password again"):
        open_client(cluster, "everyday")
