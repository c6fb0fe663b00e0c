"""Collectors on a real 8.19: what others did to a repository."""

import pytest

from backups.clusters.models import Cluster
from backups.repositories.models import Repository
from backups.snapshots.models import Snapshot
from backups.worker import collecting
from tests.elasticsearch.scene import Scene
from tests.turns import lease

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene(real_elasticsearch):
    return Scene(real_elasticsearch)


def refresh(repository: Repository) -> Repository:
    Repository.objects.filter(pk=repository.pk).update(collect_at=None)
    collecting.collect_repository(repository.pk, lease(repository))
    repository.refresh_from_db()
    return repository


def make(scene: Scene, repository: Repository, name: str, index: str) -> None:
    path = f"/_snapshot/{repository.name}/{name}?wait_for_completion=true"
    scene.server.request("PUT", path, f'{{"indices": "{index}", "include_global_state": false}}'.encode())


def states(repository: Repository) -> dict[str, str]:
    return dict(Snapshot.objects.filter(repository=repository).values_list("name", "state"))


def test_found_damaged_and_vanished(scene):
    cluster = scene.cluster()
    repository, index = scene.repository(cluster), scene.index("one")
    for name in ("a", "b", "c"):
        make(scene, repository, name, index)

    refresh(repository)
    assert states(repository) == {"a": "found", "b": "found", "c": "found"}

    uuid = Snapshot.objects.get(repository=repository, name="b").uuid
    (scene.server.path_repo / scene.prefix / f"snap-{uuid}.dat").unlink()
    scene.server.request("DELETE", f"/_snapshot/{repository.name}/c")
    refresh(repository)
    assert states(repository) == {"a": "found", "b": "damaged", "c": "missing"}


def test_a_repository_of_others_is_found_and_one_that_is_removed_is_missing(scene):
    cluster = scene.cluster()
    repository = scene.repository(cluster)
    Repository.objects.filter(pk=repository.pk).delete()

    Cluster.objects.filter(pk=cluster.pk).update(collect_at=None)
    collecting.collect_cluster(cluster.pk, lease(cluster))
    found = Repository.objects.get(cluster=cluster, name=scene.prefix)
    assert found.state == "registered"
    cluster.refresh_from_db()
    assert cluster.uuid and cluster.nodes and cluster.indices["number"] >= 0

    scene.server.request("DELETE", f"/_snapshot/{scene.prefix}")
    Cluster.objects.filter(pk=cluster.pk).update(collect_at=None)
    collecting.collect_cluster(cluster.pk, lease(cluster))
    found.refresh_from_db()
    assert found.state == "missing"
