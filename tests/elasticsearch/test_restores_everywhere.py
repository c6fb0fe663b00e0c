"""The same verdicts on every server: good, damaged, empty, old. A few servers belong to ``make test``."""

from pathlib import Path

import pytest

from backups.gateways.elasticsearch import cluster, restores, swapping
from backups.gateways.elasticsearch.errors import Refused
from backups.restores.verdict import Target
from deploy.sandbox import kinds
from tests.elasticsearch.attempt import Attempt, cleared, data_of, in_place, prepared, rewrite, send
from tests.gateways.scenes import RealScene, flip

pytestmark = pytest.mark.parametrize(
    "any_server", [kind.slug for kind in kinds.KINDS], indirect=True, scope="session"
)


@pytest.fixture
def scene(any_server):
    scene = RealScene(any_server)
    yield scene
    cleared(scene)


def test_a_snapshot_says_which_servers_can_read_it(scene):
    repository, _ = prepared(scene)

    newest = cluster.newest_version_id(scene.client(), scene.capabilities)

    assert scene.finished(repository, "s1").version_id == newest


def test_beside_the_original_and_in_place(scene):
    repository, target = prepared(scene, 2)
    beside = Attempt(scene, repository, "s1", target).start().verdict()
    scene.write(target.source, 20)
    rewrite(scene, target.source)
    with pytest.raises(Refused, match="exists and is open"):
        Attempt(scene, repository, "s1", in_place(target)).start()
    send(scene.client("restricted"), swapping.close_call(target.source))
    back = Attempt(scene, repository, "s1", in_place(target)).start().verdict()

    assert (beside.state, beside.indices[0].documents) == ("succeeded", 300)
    assert (back.state, back.indices[0].documents) == ("succeeded", 300)


@pytest.mark.parametrize("spoil", [flip, Path.unlink], ids=["flipped", "deleted"])
def test_damaged_data(scene, spoil):
    repository, target = prepared(scene, 2)
    spoil(data_of(scene, repository)[0])
    attempt = Attempt(scene, repository, "s1", target).start()

    verdict = attempt.verdict()

    assert verdict.state == "failed"
    assert ("CorruptIndexException" if spoil is flip else "NoSuchFileException") in verdict.sentence
    assert "nested:" not in verdict.sentence
    count = restores.counts(attempt.client, [target.name])[target.name]
    assert (count.shards_total, count.shards_successful, count.whole) == (2, 1, False)


def test_an_index_that_was_lost_is_restored_empty(scene):
    lost, repository = scene.broken_index("lost"), scene.add_repository()
    whole = scene.add_index("whole", 3)
    call = scene.create_call(repository, "s1", [lost, whole], partial=True)
    scene.client().send(call)
    assert scene.finished(repository, "s1").state == "PARTIAL"
    attempt = Attempt(scene, repository, "s1", Target(f"{lost}-copy", lost, 1))

    attempt.start(partial=True, ignore_index_settings=["index.routing.allocation.*"])
    verdict = attempt.verdict()

    assert verdict.state == "partial"
    assert "its only shard, restored empty" in verdict.sentence


def test_an_index_without_a_place(scene):
    repository, target = prepared(scene)
    nowhere = {"index.routing.allocation.require._name": "nowhere"}

    verdict = Attempt(scene, repository, "s1", target).start(index_settings=nowhere).verdict()

    assert verdict.state == "failed"
    assert "nowhere" in verdict.sentence
