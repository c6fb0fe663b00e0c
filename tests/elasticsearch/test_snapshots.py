"""Snapshot runs on a real Elasticsearch with TLS and the two users."""

import random
import string

import pytest

from backups.audit import verify
from backups.runs import request_cancel
from backups.runs.models import Run
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from backups.worker.kinds import KINDS
from tests.elasticsearch.scene import Scene
from tests.fakes.proxy import Proxy
from tests.turns import work


@pytest.fixture
def scene(real_elasticsearch, db):
    return Scene(real_elasticsearch)


@pytest.fixture
def start(scene, cast):
    def start(repository, name="snap-1", patterns=None) -> Run:
        return queue_snapshot(
            actor=cast["operator"], repository=repository, name=name, patterns=patterns or [f"{scene.prefix}-*"]
        )

    return start


def big_text() -> str:
    """Text that does not compress, so that a throttled snapshot takes a while."""
    dice = random.Random(7)
    return "".join(dice.choices(string.printable, k=20_000))


def test_a_whole_life(scene, start):
    scene.index("a", 50)
    scene.index("b", 20, shards=2)
    closed = scene.index("closed", 5)
    scene.server.request("POST", f"/{closed}/_close")
    repository = scene.repository(scene.cluster())

    run = work(start(repository))

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    snapshot = Snapshot.objects.get()
    assert (snapshot.state, snapshot.shards_total, snapshot.shards_failed) == ("verified", 4, 0)
    rows = {row.name.removeprefix(f"{scene.prefix}-"): row for row in snapshot.indices.all()}
    assert {name: row.documents_before for name, row in rows.items()} == {"a": 50, "b": 20, "closed": None}
    assert {name: row.counted for name, row in rows.items()} == {"a": "exact", "b": "exact", "closed": "not_counted"}
    assert rows["a"].mapping.body["properties"]["n"] == {"type": "long"}
    on_server = scene.snapshots(repository)
    assert [(found["state"], found["metadata"]["run_id"]) for found in on_server] == [("SUCCESS", run.key)]
    assert sorted(on_server[0]["indices"]) == sorted(row.name for row in rows.values())
    assert verify.verify().problem == ""


def test_the_second_one_of_the_same_data_copies_nothing_new(scene, start):
    scene.index("a", 50)
    repository = scene.repository(scene.cluster())

    work(start(repository, "snap-1"))
    work(start(repository, "snap-2"))

    first, second = Snapshot.objects.order_by("pk")
    assert first.bytes_new > 0
    assert second.bytes_new == 0


def test_an_answer_lost_on_the_wire_makes_no_second_snapshot(scene, start):
    scene.index("a", 50)
    with Proxy(scene.server.url, scene.server.ca_pem) as proxy:
        repository = scene.repository(scene.cluster(url=proxy.url, ca_pem=proxy.ca_pem))
        proxy.swallow_next_write()

        run = work(start(repository))

        assert run.state == "succeeded"
        assert len(proxy.swallowed) == 1
        assert len([write for write in proxy.writes if "PUT" in write]) == 1
    assert len(scene.snapshots(repository)) == 1


def test_a_worker_killed_between_call_and_answer_adopts_its_snapshot(scene, start):
    """The turn that sent the call is lost before its commit: the next one finds the snapshot and takes it over."""
    scene.index("a", 50)
    repository = scene.repository(scene.cluster())
    run = work(start(repository), until=lambda run: run.step == 1 and run.snapshot.sent_at is not None)
    _send_without_commit(run)

    run = work(run)

    assert run.state == "succeeded"
    assert len(scene.snapshots(repository)) == 1
    assert "adopted" in " ".join(run.log.values_list("text", flat=True))


def _send_without_commit(run: Run) -> None:
    """What a turn does up to the moment in which its process is killed."""
    from backups.runs.engine import Turn
    from backups.snapshots.steps import create

    fresh = Run.objects.get(pk=run.pk)
    create(Turn(fresh, KINDS["snapshot"]))


def test_cancel_deletes_it_and_keeps_the_earlier_one(scene, cast, start):
    scene.index("a", 200, text=big_text())
    repository = scene.repository(scene.cluster(), max_snapshot_bytes_per_sec="100kb")
    scene.index("small", 1)
    work(start(repository, "earlier", [f"{scene.prefix}-small"]))
    run = work(start(repository, "later"), until=lambda run: run.step == 2 and run.progress.get("looks", 0) >= 1)
    request_cancel(run, actor=cast["operator"])

    run = work(run)

    assert (run.state, run.effect) == ("cancelled", "rolled_back")
    assert [found["snapshot"] for found in scene.snapshots(repository)] == ["earlier"]


def test_a_name_taken_by_somebody_else_is_not_touched(scene, start):
    scene.index("a", 5)
    repository = scene.repository(scene.cluster())
    scene.server.request(
        "PUT", f"/_snapshot/{repository.name}/snap-1?wait_for_completion=true", b'{"indices":"*-small"}'
    )

    run = work(start(repository))

    assert (run.state, run.effect) == ("failed", "none")
    assert "did not make" in run.error


def test_an_untrusted_certificate_sends_nothing(scene, start):
    scene.index("a", 5)
    with Proxy(scene.server.url, scene.server.ca_pem) as proxy:
        repository = scene.repository(scene.cluster(url=proxy.url))  # the authority is the server's, not the proxy's

        run = work(start(repository))

        assert (run.state, run.effect) == ("failed", "none")
        assert "certificate" in run.error
        assert proxy.writes == []


def test_patterns_that_match_nothing_are_refused(scene, start):
    repository = scene.repository(scene.cluster())

    run = work(start(repository, patterns=[f"{scene.prefix}-none-*"]))

    assert run.state == "failed"
    assert "No index matches" in run.error
    assert scene.snapshots(repository) == []
