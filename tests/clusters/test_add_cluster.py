"""manage.py add_cluster: adds, and the second time brings up to date."""

import pytest
from django.core.management import CommandError, call_command

from backups.clusters.models import Cluster

pytestmark = pytest.mark.django_db


@pytest.fixture
def add_cluster(monkeypatch, fake_elasticsearch, ca_dir):
    monkeypatch.setenv("EVERYDAY_PASSWORD", fake_elasticsearch.everyday[1])
    monkeypatch.setenv("RESTRICTED_PASSWORD", fake_elasticsearch.restricted[1])

    def call(address=fake_elasticsearch.url, **options):
        users = {"everyday": "everyday", "restricted": "restricted"}
        call_command("add_cluster", **({"name": "sandbox", "address": [address]} | users | options))

    return call


def test_it_is_added_by_the_system_and_tested(add_cluster, tested):
    add_cluster()
    cluster, _ = tested(Cluster.objects.get())

    assert (cluster.name, cluster.state) == ("sandbox", "good")


def test_the_second_time_updates(add_cluster, tested):
    add_cluster()
    cluster, _ = tested(Cluster.objects.get())
    add_cluster(address="https://elsewhere.example.org:9200")

    cluster.refresh_from_db()
    assert cluster.addresses == ["https://elsewhere.example.org:9200"]
    assert cluster.credentials.filter(in_use=False).count() == 2


def test_a_bad_address_is_an_error_of_the_command(add_cluster):
    with pytest.raises(CommandError, match="not a web address"):
        add_cluster(address="nowhere")
