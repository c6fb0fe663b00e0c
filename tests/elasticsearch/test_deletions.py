"""Deletions on a real Elasticsearch with TLS and the two users."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.retention.deleting import queue_delete
from backups.retention.models import CopyForm, SafetyCopy
from backups.retention.safety_copies import queue_expired
from backups.runs.models import Run, RunState
from backups.snapshots import collector
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from tests.elasticsearch.scene import Scene
from tests.fakes.proxy import Proxy
from tests.turns import lease, work

WHY = "The disk is full and this one is older than the rule says."


@pytest.fixture
def scene(real_elasticsearch, db):
    return Scene(real_elasticsearch)


@pytest.fixture
def two(scene, cast):
    """Two verified snapshots of the same index."""

    def two(cluster) -> tuple[Snapshot, Snapshot]:
        scene.index("a", 50)
        repository = scene.repository(cluster)
        options = {"actor": cast["operator"], "repository": repository, "patterns": [f"{scene.prefix}-*"]}
        return tuple(work(queue_snapshot(name=name, **options)).snapshot for name in ("snap-1", "snap-2"))

    return two


def test_one_snapshot_goes_and_the_other_stays(scene, two, cast):
    first, second = two(scene.cluster())

    run = work(queue_delete(actor=cast["administrator"], copy=first, reason=WHY))

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert [found["snapshot"] for found in scene.snapshots(first.repository)] == ["snap-2"]
    collector.collect(first.repository_id, lease(first.repository))
    states = dict(Snapshot.objects.values_list("name", "state"))
    assert states == {"snap-1": "deleted", "snap-2": "verified"}


def test_an_answer_lost_on_the_wire_deletes_once(scene, two, cast):
    with Proxy(scene.server.url, scene.server.ca_pem) as proxy:
        first, _ = two(scene.cluster(url=proxy.url, ca_pem=proxy.ca_pem))
        proxy.swallow_next_write()

        run = work(queue_delete(actor=cast["administrator"], copy=first, reason=WHY))

        assert (run.state, run.effect) == ("succeeded", "applied")
        assert sum("DELETE" in write for write in proxy.writes) == 1


def test_an_index_that_a_restore_kept(scene, cast):
    name, now = scene.index("before", 5), timezone.now()
    uuid = scene.server.request("GET", f"/{name}/_settings")[name]["settings"]["index"]["uuid"]
    over = {"state": RunState.SUCCEEDED, "effect": "applied", "ended_at": now}
    made_by = Run.objects.create(kind="restore_indices", key="r", subject="restore", **over)
    times = {"made_at": now - timedelta(days=14), "keep_until": now - timedelta(hours=1)}
    copy = SafetyCopy.objects.create(
        run=made_by, form=CopyForm.INDEX, cluster=scene.cluster(), name=name, of="a", state="kept", **times
    )

    queue_expired()
    copy.refresh_from_db()
    run = work(copy.removed_by)
    assert "another index" in run.error  # without a uuid nobody knows that it is ours
    SafetyCopy.objects.update(state="kept", facts={"uuid": uuid}, removed_by=None)
    queue_expired()
    copy.refresh_from_db()
    run = work(copy.removed_by)

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert name not in scene.server.request("GET", "/_cluster/state/metadata")["metadata"]["indices"]
