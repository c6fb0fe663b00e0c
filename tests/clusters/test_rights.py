"""What users need and may do, in words."""

from backups.clusters.models import Cluster, ClusterCredential
from backups.clusters.rights import abilities, lacking, too_strong
from tests.factories import add_credential, connected_cluster

EVERYDAY = {
    "cluster": {"monitor": True, "monitor_snapshot": True, "create_snapshot": True, "manage": False},
    "index": {"monitor": True, "view_index_metadata": True, "manage": False, "read": False},
}


def without(kind: str, name: str) -> dict:
    return EVERYDAY | {kind: EVERYDAY[kind] | {name: False}}


def test_what_is_missing_is_named():
    assert lacking("everyday", EVERYDAY) == []
    assert lacking("everyday", without("cluster", "create_snapshot")) == ["create_snapshot"]
    assert lacking("everyday", without("index", "view_index_metadata")) == ["view_index_metadata on indices"]
    assert lacking("restricted", EVERYDAY) == ["manage"]


def test_a_cluster_that_cannot_say_lacks_nothing():
    assert lacking("restricted", {}) == []
    assert not too_strong("everyday", {})


def test_manage_is_too_much_for_every_day():
    strong = EVERYDAY | {"cluster": EVERYDAY["cluster"] | {"manage": True}}

    assert too_strong("everyday", strong)
    assert not too_strong("restricted", strong)


def test_what_works_and_why_not(db, fake_elasticsearch):
    cluster = connected_cluster(fake_elasticsearch, restricted=False)
    ClusterCredential.objects.update(may=without("cluster", "create_snapshot"))
    found = {ability.right.words: ability for ability in abilities(cluster)}

    assert found["See repositories and snapshots"].state == "allowed"
    assert found["Make snapshots"].reason == "everyday lacks create_snapshot."
    assert found["Register, verify, delete, cancel and restore"].reason == "No restricted credential is in use."


def test_what_the_cluster_does_not_say_is_unknown(db):
    cluster = Cluster.objects.create(name="bare", addresses=["https://es.example.org:9200"])
    add_credential(cluster, "everyday", "someone", "secret")

    assert {ability.state for ability in abilities(cluster)} == {"unknown", "blocked"}
