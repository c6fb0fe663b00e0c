"""Whole restores on a real 8.19 that cannot go well: each says what came of it, and what was there is there again."""

import json
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from backups.approvals.models import RequestState
from backups.clusters.models import ClusterCredential, Purpose
from backups.restores.indices import overwriting, swapping
from backups.restores.indices.asked import Mode
from tests.elasticsearch.restoring import Restoring
from tests.elasticsearch.scene import Scene
from tests.gateways.scenes import flip
from tests.restores.crashing import before_calls
from tests.turns import work

UNTIL_IT_KNOWS_ITS_USERS = 50_000
"""Turns: a server that begins refuses its users for some seconds, and nobody waits between two turns here."""

TAKEN_BACK = [Mode.BESIDE, Mode.SWAP, Mode.IN_PLACE]


@pytest.fixture
def restoring(real_elasticsearch, cast):
    return Restoring(Scene(real_elasticsearch), cast, shards=2)


def taken_back(restoring: Restoring, run, before: dict, described: tuple) -> None:
    """The run failed, and everything is as it was."""
    assert (run.state, run.effect) == ("failed", "rolled_back"), run.error
    assert restoring.seen() == before
    assert restoring.described(restoring.index) == described
    assert restoring.auto_create() is None
    assert not run.locks.exists()


@pytest.mark.parametrize("spoil", [flip, Path.unlink], ids=["flipped", "deleted"])
@pytest.mark.parametrize("mode", TAKEN_BACK)
def test_damaged_data_is_a_failure_and_is_taken_back(restoring, mode, spoil):
    run = restoring.agreed(mode)
    before, described = restoring.seen(), restoring.described(restoring.index)
    spoil(max(restoring.folder().rglob("__*"), key=lambda file: file.stat().st_size))

    work(run)

    taken_back(restoring, run, before, described)
    assert ("CorruptIndexException" if spoil is flip else "NoSuchFileException") in run.error
    assert set(restoring.kept(run).values()) == ({"kept"} if mode == Mode.IN_PLACE else set())


def test_a_closed_index_that_cannot_be_overwritten_is_closed_again(restoring):
    restoring.server.request("POST", f"/{restoring.index}/_close")
    run = restoring.agreed(Mode.IN_PLACE)
    before = restoring.seen()
    flip(max(restoring.folder().rglob("__*"), key=lambda file: file.stat().st_size))

    work(run)

    assert (run.state, run.effect) == ("failed", "rolled_back"), run.error
    assert restoring.seen() == before
    restoring.server.request("POST", f"/{restoring.index}/_open?wait_for_active_shards=all")
    assert restoring.seen()[restoring.index][0] == 57


@pytest.mark.parametrize("mode", [Mode.BESIDE, Mode.SWAP])
def test_an_index_without_a_place_is_a_failure_and_is_taken_back(restoring, mode):
    # By its name the plan would know that there is no such node.
    nowhere = {"index.routing.allocation.require.rack": "nowhere"}
    put = json.dumps(nowhere).encode()
    restoring.server.request("PUT", f"/{restoring.index}/_settings", put)
    restoring.snapshot = restoring.take("snap-2")
    anywhere = json.dumps(dict.fromkeys(nowhere)).encode()
    restoring.server.request("PUT", f"/{restoring.index}/_settings", anywhere)
    run = restoring.agreed(mode)
    before, described = restoring.seen(), restoring.described(restoring.index)

    work(run)

    taken_back(restoring, run, before, described)
    assert "nowhere" in run.error


def test_a_shard_that_the_snapshot_lacks_makes_it_partial_where_that_was_asked_for(restoring):
    server, index = restoring.server, restoring.index
    server.request("POST", f"/{index}/_flush?force=true")
    uuid = server.request("GET", f"/{index}/_settings")[index]["settings"]["index"]["uuid"]
    flip(max((server.home / "data").glob(f"**/{uuid}/1/index/*.cfs"), key=lambda file: file.stat().st_size))
    restoring.snapshot = restoring.take("snap-2", partial=True)

    assert restoring.planned(Mode.BESIDE).blocked
    assert restoring.planned(Mode.SWAP, partial=True).blocked
    run = work(restoring.agreed(Mode.BESIDE, partial=True))

    assert (run.state, run.effect) == ("partial", "applied"), run.error
    assert "shard 1 (of 2), restored empty" in run.error


def stale(run, why: str) -> None:
    """Refused by name before anything was changed."""
    assert (run.state, run.effect) == ("failed", "none"), run.error
    assert run.request.state == RequestState.INVALIDATED
    assert "The plan is out of date" in run.error and why in run.error
    assert not run.locks.exists()


def close(restoring):
    restoring.server.request("POST", f"/{restoring.index}/_close")


def make_anew(restoring):
    restoring.server.request("DELETE", f"/{restoring.index}")
    restoring.scene.write(restoring.index, 3)


def delete(restoring):
    restoring.server.request("DELETE", f"/{restoring.index}")


def take_a_working_name(restoring):
    row = restoring.run.request.plan.document["rows"][0]
    restoring.scene.write(row["before"], 1)


def delete_the_snapshot(restoring):
    restoring.server.request("DELETE", f"/_snapshot/{restoring.scene.prefix}/{restoring.snapshot.name}")


def make_the_snapshot_anew(restoring):
    delete_the_snapshot(restoring)
    body = json.dumps({"indices": restoring.index}).encode()
    path = f"/_snapshot/{restoring.scene.prefix}/{restoring.snapshot.name}?wait_for_completion=true"
    restoring.server.request("PUT", path, body)


def forget_the_repository(restoring):
    restoring.server.request("DELETE", f"/_snapshot/{restoring.scene.prefix}")


def lose_the_credential(restoring):
    ClusterCredential.objects.filter(cluster=restoring.repository.cluster, purpose=Purpose.RESTRICTED).delete()


def add_an_alias(restoring):
    add = {"add": {"index": restoring.index, "alias": f"{restoring.index}-later"}}
    restoring.server.request("POST", "/_aliases", json.dumps({"actions": [add]}).encode())


CHANGES = [
    (close, "is close"),
    (make_anew, "is open"),
    (delete, "not there"),
    (take_a_working_name, "before-"),
    (delete_the_snapshot, "snapshot"),
    (make_the_snapshot_anew, "snapshot"),
    (forget_the_repository, "snapshot"),
    (lose_the_credential, "restricted credential"),
    (add_an_alias, "aliases"),
]


@pytest.mark.parametrize(("change", "why"), CHANGES, ids=lambda case: getattr(case, "__name__", ""))
def test_what_changed_since_the_approval_makes_the_plan_stale_by_name(restoring, change, why):
    restoring.run = run = restoring.agreed(Mode.SWAP)
    change(restoring)
    before = restoring.seen()

    work(run)

    stale(run, why)
    assert restoring.seen() == before


@contextmanager
def cluster_settings(server, **values):
    try:
        server.request("PUT", "/_cluster/settings", json.dumps({"persistent": values}).encode())
        yield
    finally:
        server.request("PUT", "/_cluster/settings", json.dumps({"persistent": dict.fromkeys(values)}).encode())


DISK = "cluster.routing.allocation.disk"
FULL = {f"{DISK}.watermark.{mark}": "100000gb" for mark in ("low", "high", "flood_stage")}
FULL[f"{DISK}.threshold_enabled"] = True


@pytest.mark.parametrize(
    ("values", "why"),
    [(FULL, "Not enough space"), ({"cluster.blocks.read_only": True}, "read only")],
    ids=["over the watermark", "read only"],
)
def test_a_cluster_that_takes_nothing_any_more_makes_the_plan_stale(restoring, values, why):
    run, before = restoring.agreed(Mode.SWAP), restoring.seen()
    with cluster_settings(restoring.server, **values):
        work(run)

    stale(run, why)
    assert restoring.seen() == before


@pytest.mark.parametrize("mode", [Mode.BESIDE, Mode.SWAP, Mode.IN_PLACE])
def test_a_node_that_is_killed_while_it_copies(mortal_elasticsearch, cast, mode, monkeypatch):
    """In place it comes back green, with the old documents."""
    monkeypatch.setattr(overwriting, "LOST_FOR", timedelta(seconds=5))
    scene = Scene(mortal_elasticsearch)
    restoring = Restoring(scene, cast, text="x" * 200)
    slow = {"type": "fs", "settings": {"location": str(restoring.folder()), "max_restore_bytes_per_sec": "500b"}}
    run, before = restoring.agreed(mode), restoring.seen()
    scene.server.request("PUT", f"/_snapshot/{scene.prefix}", json.dumps(slow).encode())

    work(run, lambda run: run.progress.get("bytes_total") and "sent_at" in run.result)
    scene.server.kill()
    work(run, lambda run: "silent_since" in run.result)
    scene.server.start_again()
    slow["settings"].pop("max_restore_bytes_per_sec")
    scene.server.request("PUT", f"/_snapshot/{scene.prefix}", json.dumps(slow).encode())
    work(run, most=UNTIL_IT_KNOWS_ITS_USERS)

    assert (run.state, run.effect) == ("failed", "rolled_back"), run.error
    assert restoring.seen() == before
    assert not run.locks.exists()


LONG = pytest.mark.long("servers")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("POST /{index}/_clone", marks=LONG),
        pytest.param("DELETE /{index}", marks=LONG),
        "POST /{copy}/_clone",
        pytest.param("DELETE /{copy}", marks=LONG),
    ],
    ids=["clone", "delete", "place", "tidy"],
)
def test_a_node_that_is_killed_in_the_middle_of_a_swap(mortal_elasticsearch, cast, call, monkeypatch):
    """Right before a call. Where the name is missing, it is given back as soon as the node is there again."""
    monkeypatch.setattr(swapping, "LOST_FOR", timedelta(seconds=5))
    restoring = Restoring(Scene(mortal_elasticsearch), cast)
    run = restoring.agreed(Mode.SWAP)
    call = call.format(index=restoring.index, copy=run.request.plan.document["rows"][0]["work"])
    before_calls(monkeypatch)(call, mortal_elasticsearch.kill)

    work(run, lambda run: "silent_since" in run.result or "lost_call" in run.result)
    mortal_elasticsearch.start_again()
    work(run, most=UNTIL_IT_KNOWS_ITS_USERS)

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    (kept,) = restoring.kept(run)
    assert restoring.seen() == {
        restoring.index: (50, [restoring.alias], "open", False),
        kept: (57, [], "open", False),
    }
    assert restoring.auto_create() is None
    assert not run.locks.exists()
