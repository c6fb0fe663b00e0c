"""A console connected to the fake Elasticsearch, with two indices and a repository on both sides."""

import pytest

from tests.factories import connected_cluster, registered_repository


@pytest.fixture
def fake(fake_elasticsearch):
    fake_elasticsearch.add_index("events-1", 120)
    fake_elasticsearch.add_index("events-2", 80, primaries=2)
    fake_elasticsearch.add_index(".internal", 5)
    fake_elasticsearch.add_repository("nightly")
    return fake_elasticsearch


@pytest.fixture
def cluster(db, fake):
    return connected_cluster(fake)


@pytest.fixture
def repository(cluster):
    return registered_repository(cluster)
