"""What the console learns about a cluster, as each of its users. On the fake and on a real 8.19."""

import pytest

from backups.gateways.elasticsearch import cluster
from backups.gateways.elasticsearch.errors import BadCredential, Forbidden
from tests.fakes.es_dialects import EVERY


@pytest.mark.parametrize("user", ["everyday", "restricted"])
def test_a_cluster_says_what_it_is(scene, user):
    found = cluster.identify(scene.client(user))
    assert (found.product, found.version) == ("elasticsearch", "8.19.0")
    assert found.name
    assert found.uuid


@pytest.mark.parametrize("fake_elasticsearch", EVERY, indirect=True)
def test_every_server_says_what_it_is(fake_scene):
    fake = fake_scene.fake
    found = cluster.identify(fake_scene.client())
    assert (found.product, found.version, found.uuid) == (fake.product, fake.version, fake.uuid)
    assert cluster.nodes(fake_scene.client())[0].writes_snapshots
    assert (cluster.privileges(fake_scene.client()) is None) == (not fake.kind.secure)


def test_a_cluster_says_how_it_is(scene):
    scene.add_index("a", primaries=2)
    found = cluster.health(scene.client())
    assert found.state in ("green", "yellow")
    assert (found.nodes, found.data_nodes, found.unassigned_shards) == (1, 1, 0)
    assert found.active_primary_shards >= 2


def test_nodes_show_the_directories_that_they_allow(scene):
    (node,) = cluster.nodes(scene.client())
    assert node.name
    assert node.writes_snapshots
    assert node.version == "8.19.0"
    assert node.path_repo is not None
    assert scene.location("x").startswith(node.path_repo[0])


@pytest.mark.parametrize(
    ("user", "on_cluster", "on_indices"),
    [
        ("everyday", {"monitor", "monitor_snapshot", "create_snapshot"}, {"monitor", "view_index_metadata"}),
        (
            "restricted",
            {"monitor", "monitor_snapshot", "create_snapshot", "manage"},
            {"monitor", "view_index_metadata", "manage", "read"},
        ),
        ("powerless", set(), set()),
    ],
)
def test_every_user_may_ask_what_he_may(scene, user, on_cluster, on_indices):
    found = cluster.privileges(scene.client(user))
    assert {name for name, has in found.cluster.items() if has} == on_cluster
    assert {name for name, has in found.index.items() if has} == on_indices


def test_without_a_right_the_error_names_the_user_the_action_and_the_privilege(scene):
    with pytest.raises(Forbidden) as refused:
        cluster.health(scene.client("powerless"))
    assert refused.value.action == "cluster:monitor/health"
    assert refused.value.message == (
        "The user powerless may not do this on the cluster (cluster:monitor/health). "
        "Give its role the cluster privilege monitor."
    )


def test_without_a_right_the_cluster_stays_unknown(scene):
    with pytest.raises(Forbidden, match="cluster privilege monitor"):
        cluster.identify(scene.client("powerless"))


def test_a_wrong_password_is_called_so(scene):
    with pytest.raises(BadCredential) as refused:
        cluster.privileges(scene.client(password="wrong-one"))
    assert refused.value.message.startswith("The password of user everyday was refused.")
    assert refused.value.status == 401
    assert "wrong-one" not in refused.value.message + refused.value.detail


def test_without_a_user_the_error_asks_for_one(scene):
    with pytest.raises(BadCredential, match="asks for a user and a password"):
        cluster.health(scene.client("", password=""))
