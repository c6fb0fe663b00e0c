"""Restores from the plan to the verdict, on a real Elasticsearch with TLS and the two users."""

import pytest

from backups.restores.indices.asked import Mode
from backups.restores.models import RestorePlan
from backups.runs.models import Run
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from tests.elasticsearch.scene import Scene
from tests.restores.asking import Asking
from tests.turns import work

REASON = "The events of the night are missing."


@pytest.fixture
def scene(real_elasticsearch, db):
    return Scene(real_elasticsearch)


class Restores(Asking):
    """On the real server."""

    def __init__(self, scene: Scene, cast) -> None:
        super().__init__(cast)
        self.scene = scene

    def snapshot(self, *names: str) -> Snapshot:
        repository = self.scene.repository(self.scene.cluster())
        run = work(queue_snapshot(actor=None, repository=repository, name="snap-1", patterns=list(names)))
        assert run.state == "succeeded", run.error
        return Snapshot.objects.get(run=run)

    def carry_out(self, plan: RestorePlan) -> Run:
        """Ask for it, approve it, and work until it is over."""
        return work(self.agree(plan))


@pytest.fixture
def restores(scene, cast):
    return Restores(scene, cast)


def test_a_copy_beside_from_plan_to_verdict(scene, restores):
    name = scene.index("logs", 50)
    snapshot = restores.snapshot(name)

    plan = restores.plan(snapshot, [name])
    assert (plan.blocked, plan.risk) == (0, "R0"), plan.text
    run = restores.carry_out(plan)

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    counted = scene.server.request("GET", f"/restored-{name}/_count")
    assert counted["count"] == 50
    assert run.locks.count() == 0


def test_a_live_index_is_swapped_and_kept(scene, restores):
    name = scene.index("logs", 50)
    scene.server.request(
        "POST", "/_aliases", b'{"actions": [{"add": {"index": "%s", "alias": "%s-a"}}]}' % ((name.encode(),) * 2)
    )
    snapshot = restores.snapshot(name)
    scene.write(name, 7)

    plan = restores.plan(snapshot, [name], Mode.SWAP)
    assert (plan.blocked, plan.risk) == (0, "R2"), plan.text
    run = restores.carry_out(plan)

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert scene.server.request("GET", f"/{name}/_count")["count"] == 50
    copy = run.safety_copies.get()
    assert copy.state == "kept"
    assert scene.server.request("GET", f"/{copy.name}/_count")["count"] == 57
    assert set(scene.server.request("GET", f"/{name}/_alias")[name]["aliases"]) == {f"{name}-a"}
    assert "action" not in scene.server.request("GET", "/_cluster/settings")["persistent"]
    scene.write(name, 1)

    plan = restores.plan_back(run)
    assert plan.blocked == 0, plan.text
    back = restores.carry_out(plan)

    assert (back.state, back.effect, back.error) == ("succeeded", "applied", "")
    assert scene.server.request("GET", f"/{name}/_count")["count"] == 57
    copy.refresh_from_db()
    assert copy.state == "used"
    left = scene.server.request("GET", f"/_cat/indices/*{name}*?format=json&h=index&expand_wildcards=all")
    assert sorted(one["index"] for one in left) == sorted([name, back.safety_copies.get().name])
    scene.write(name, 1)


def test_in_place_with_a_safety_snapshot(scene, restores):
    name = scene.index("logs", 50)
    snapshot = restores.snapshot(name)
    scene.write(name, 7)

    plan = restores.plan(snapshot, [name], Mode.IN_PLACE)
    assert (plan.blocked, plan.risk) == (0, "R2"), plan.text
    run = restores.carry_out(plan)

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert scene.server.request("GET", f"/{name}/_count")["count"] == 50
    copy = run.safety_copies.get()
    assert (copy.state, copy.snapshot.state) == ("kept", "verified")

    plan = restores.plan_back(run)
    assert plan.blocked == 0, plan.text
    back = restores.carry_out(plan)

    assert (back.state, back.effect, back.error) == ("succeeded", "applied", "")
    assert scene.server.request("GET", f"/{name}/_count")["count"] == 57
    scene.write(name, 1)
    assert scene.server.request("GET", f"/{name}/_count")["count"] == 58


def test_the_way_back_in_place_leaves_the_blocks_of_before(scene, restores):
    """The safety snapshot is taken under blocks of the console's own, which are part of what it keeps."""
    free, blocked = scene.index("free", 10), scene.index("blocked", 10)
    snapshot = restores.snapshot(free, blocked)
    scene.server.request("PUT", f"/{blocked}/_settings", b'{"index.blocks.write": true}')
    run = restores.carry_out(restores.plan(snapshot, [free, blocked], Mode.IN_PLACE))
    assert (run.state, run.error) == ("succeeded", "")

    back = restores.carry_out(restores.plan_back(run))

    assert (back.state, back.error) == ("succeeded", "")
    found = scene.server.request("GET", f"/{free},{blocked}/_settings/index.blocks.write")
    assert {name for name, facts in found.items() if facts["settings"]} == {blocked}


def test_the_name_becomes_an_alias_and_an_index_again(scene, restores):
    name = scene.index("logs", 50)
    snapshot = restores.snapshot(name)
    scene.write(name, 7)

    plan = restores.plan(snapshot, [name], Mode.ALIAS)
    assert (plan.blocked, plan.risk) == (0, "R2"), plan.text
    run = restores.carry_out(plan)

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert scene.server.request("GET", f"/{name}/_count")["count"] == 50
    assert name in scene.server.request("GET", f"/_alias/{name}").popitem()[1]["aliases"]

    back = restores.carry_out(restores.plan_back(run))

    assert (back.state, back.effect, back.error) == ("succeeded", "applied", "")
    assert scene.server.request("GET", f"/{name}/_count")["count"] == 57
    assert name in scene.server.request("GET", f"/{name}")
