"""A snapshot's life. On the fake and on a real 8.19."""

import pytest

from backups.gateways.elasticsearch import snapshots
from backups.gateways.elasticsearch.errors import Forbidden, NotFound, Refused, Taken
from tests.fakes.es_dialects import EVERY


def test_made_and_read_back(scene):
    repository, one = scene.add_repository(), scene.add_index("one", 5, primaries=2)
    closed = scene.add_index("closed", 3, state="close")
    scene.start_snapshot(repository, "s1", [one, closed], "run-7")
    found = scene.finished(repository, "s1")
    assert (found.name, found.state) == ("s1", "SUCCESS")
    assert found.indices == tuple(sorted((one, closed)))
    assert (found.shards_total, found.shards_failed, found.shards_successful) == (3, 0, 3)
    assert found.metadata == {"run_id": "run-7", "by": "cybersift"}
    assert found.started_at <= found.ended_at
    assert found.uuid
    assert found.failures == ()


def test_the_states_of_features_are_named(fake_scene):
    """As Elasticsearch describes them; the server of the sandbox has none."""
    repository, index = fake_scene.add_repository(), fake_scene.add_index("one", 5)
    fake_scene.start_snapshot(repository, "s1", [index])
    found = fake_scene.finished(repository, "s1")
    assert found.features == ()

    described = {"snapshot": "s1", "state": "SUCCESS", "indices": [index]}
    described["feature_states"] = [{"feature_name": "kibana", "indices": [".kibana_1"]}]
    path = f"/_snapshot/{repository}/s1"
    fake_scene.fake.answer_next(200, {"snapshots": [described]}, path=path)
    assert snapshots.get(fake_scene.client(), repository, "s1").features == ("kibana",)


def test_the_progress_of_a_finished_one_is_all_of_it(scene):
    repository, index = scene.add_repository(), scene.add_index("one", 5, primaries=2)
    scene.start_snapshot(repository, "s1", [index])
    scene.finished(repository, "s1")
    found = snapshots.progress(scene.client(), repository, "s1")
    assert (found.shards_done, found.shards_total, found.shards_failed) == (2, 2, 0)
    assert found.bytes_done == found.bytes_total > 0
    assert found.files_done == found.files_total > 0


def test_what_is_not_there_is_none(scene):
    repository = scene.add_repository()
    assert snapshots.get(scene.client(), repository, "nope") is None
    assert snapshots.progress(scene.client(), repository, "nope") is None


def test_a_repository_that_is_not_there_is_an_error(scene):
    with pytest.raises(NotFound, match="The repository is not registered"):
        snapshots.get(scene.client(), scene.name("nope"), "s1")
    with pytest.raises(NotFound, match="The repository is not registered"):
        snapshots.progress(scene.client(), scene.name("nope"), "s1")


@pytest.mark.parametrize("fake_elasticsearch", EVERY, indirect=True)
def test_a_repository_that_is_not_there_has_no_empty_list(fake_scene):
    """7.17 answers with 200 and no snapshots."""
    client = fake_scene.client()
    for look in (
        lambda: snapshots.list_snapshots(client, "nope"),
        lambda: snapshots.details(client, "nope", ["s1"]),
        lambda: snapshots.get(client, "nope", "s1"),
    ):
        with pytest.raises(NotFound, match="The repository is not registered"):
            look()


def test_a_name_is_used_once(scene):
    repository, index = scene.add_repository(), scene.add_index("one", 1)
    scene.start_snapshot(repository, "s1", [index], "run-1")
    scene.finished(repository, "s1")
    with pytest.raises(Taken, match="already has a snapshot of this name"):
        scene.start_snapshot(repository, "s1", [index], "run-2")
    assert snapshots.get(scene.client(), repository, "s1").metadata["run_id"] == "run-1"


def test_an_index_that_is_gone_is_an_error_and_leaves_nothing(scene):
    repository, index = scene.add_repository(), scene.add_index("one", 1)
    with pytest.raises(NotFound, match="An index does not exist any more") as refused:
        scene.start_snapshot(repository, "s1", [index, scene.name("gone")])
    assert refused.value.detail == f"no such index [{scene.name('gone')}]"
    assert snapshots.get(scene.client(), repository, "s1") is None


def test_a_running_one_is_followed_and_cancelled(scene):
    repository, index = scene.slow_repository()
    scene.start_snapshot(repository, "s1", [index])
    client = scene.client()
    running = snapshots.get(client, repository, "s1")
    assert (running.state, running.over, running.ended_at) == ("IN_PROGRESS", False, None)
    progress = snapshots.progress(client, repository, "s1")
    assert (progress.shards_done, progress.shards_total) == (0, 1)
    with pytest.raises(Taken, match="being made at this moment"):
        scene.start_snapshot(repository, "s1", [index], "run-2")
    with pytest.raises(Forbidden, match="cluster privilege manage"):
        snapshots.delete(client, snapshots.delete_call(repository, "s1", scene.capabilities))
    snapshots.delete(scene.client("restricted"), snapshots.delete_call(repository, "s1", scene.capabilities), "run-1")
    scene.gone(repository, "s1")


def test_deleting_what_is_not_there(scene):
    with pytest.raises(NotFound, match="not in the repository"):
        snapshots.delete(scene.client("restricted"), snapshots.delete_call(scene.add_repository(), "nope"))


def test_one_whose_files_are_gone_is_not_taken_for_missing(scene):
    repository, index = scene.add_repository(), scene.add_index("one", 1)
    scene.start_snapshot(repository, "s1", [index])
    scene.damage(repository, scene.finished(repository, "s1"))
    with pytest.raises(Refused, match="its files are missing from the storage"):
        snapshots.get(scene.client(), repository, "s1")


def test_the_run_is_written_into_the_request(fake_scene):
    repository, index = fake_scene.add_repository(), fake_scene.add_index("one", 1)
    fake_scene.start_snapshot(repository, "s1", [index], "run-7")
    method, target, user, opaque_id = fake_scene.fake.requests[-1]
    assert (method, user, opaque_id) == ("PUT", "everyday", "run-7")
    assert target == f"/_snapshot/{repository}/s1?wait_for_completion=false"


def test_a_partial_one_names_shards_and_reasons(fake_scene):
    repository, index = fake_scene.add_repository(), fake_scene.add_index("sick", 4, primaries=2)
    reason = "IndexShardSnapshotFailedException[Failed]; nested: CorruptIndexException[bad]\n\tat java.lang"
    fake_scene.fake.make_partial(index, 1, reason)
    fake_scene.start_snapshot(repository, "s1", [index])
    found = fake_scene.finished(repository, "s1")
    assert (found.state, found.shards_failed, found.shards_successful) == ("PARTIAL", 1, 1)
    (failure,) = found.failures
    assert (failure.index, failure.shard, failure.node) == (index, 1, fake_scene.fake.node_id)
    assert failure.reason == reason.partition("\n")[0]


def test_a_failed_one_says_so(fake_scene):
    repository, index = fake_scene.add_repository(), fake_scene.add_index("one", 4)
    fake_scene.fake.make_failed()
    fake_scene.start_snapshot(repository, "s1", [index])
    assert fake_scene.finished(repository, "s1").state == "FAILED"


def test_a_broken_index_is_refused_with_the_way_out(fake_scene):
    repository, index = fake_scene.add_repository(), fake_scene.add_index("red", 4, health="red")
    with pytest.raises(Refused, match="allow a partial snapshot"):
        fake_scene.start_snapshot(repository, "s1", [index])


def test_a_cancelled_one_may_be_seen_as_failed_before_it_is_gone(fake_scene):
    repository, index = fake_scene.slow_repository()
    fake_scene.fake.deletes_linger = 2
    fake_scene.start_snapshot(repository, "s1", [index])
    snapshots.delete(fake_scene.client("restricted"), snapshots.delete_call(repository, "s1"))
    states = [
        found and found.state for found in (snapshots.get(fake_scene.client(), repository, "s1") for _ in "123")
    ]
    assert states == ["FAILED", "FAILED", None]
