"""What can be read of a restore and changed by a swap: on the fake and on the real server in turn, and how it is on a
fake that misbehaves."""

import pytest

from backups.gateways.elasticsearch import restores, room, swapping
from backups.gateways.elasticsearch.answers import acknowledged
from backups.gateways.elasticsearch.errors import Forbidden, NotElasticsearch, OutcomeUnknown, Refused, Unreachable
from backups.gateways.elasticsearch.restores import Count
from backups.gateways.elasticsearch.settings import cluster_settings
from tests.gateways.scenes import until


def snapshot_of(scene, *indices: str) -> str:
    repository = scene.add_repository()
    scene.start_snapshot(repository, "s1", list(indices))
    scene.finished(repository, "s1")
    return repository


def restore(scene, repository: str, *indices: str, **options) -> None:
    options = {"rename": ("^(.+)$", "$1-copy"), "capabilities": scene.capabilities} | options
    call = restores.restore_call(repository, "s1", indices, **options)
    restores.restore(scene.client("restricted"), call)


def ended(scene, repository: str, target: str) -> None:
    until(lambda: restores.entry(scene.client(), repository, "s1", [target]) is None)


def send(scene, call) -> None:
    acknowledged(call, scene.client("restricted").send(call))


def room_of(scene) -> room.Room:
    return room.room(scene.client(), cluster_settings(scene.client()))


def test_a_restore_is_followed_to_its_end_and_counted(scene):
    index = scene.add_index("logs", 30, primaries=2)
    copy = f"{index}-copy"
    repository = snapshot_of(scene, index)

    restore(scene, repository, index)
    ended(scene, repository, copy)

    client = scene.client("restricted")
    found = restores.recoveries(scene.client(), [copy, scene.name("gone")])
    assert [(one.index, one.shard, one.type, one.source_index) for one in found] == [
        (copy, 0, "SNAPSHOT", index),
        (copy, 1, "SNAPSHOT", index),
    ]
    assert len({one.restore_uuid for one in found} - {""}) == 1
    assert restores.shards_active(scene.client(), [copy, scene.name("gone")]) == {copy: {0: True, 1: True}}
    assert restores.counts(client, [copy, scene.name("gone")]) == {copy: Count(30, 2, 2)}
    assert restores.why_unassigned(scene.client(), copy, 0) == ""
    assert restores.why_unassigned(scene.client(), scene.name("gone"), 0) == ""
    send(scene, swapping.delete_index_call(copy))
    assert restores.shards_active(scene.client(), [copy]) == {}
    assert restores.recoveries(scene.client(), [copy]) == ()


def test_a_closed_index_is_not_counted_and_is_named_closed(scene):
    index = scene.add_index("logs", 3)
    send(scene, swapping.close_call(index))
    assert restores.counts(scene.client("restricted"), [index]) == {}
    assert swapping.exists(scene.client(), [index, scene.name("gone")]) == {index: "close"}


def test_what_a_name_stands_for_is_known(scene):
    index = scene.add_index("logs", 1, aliases={scene.name("read"): {}})
    assert swapping.aliases_named(scene.client(), [scene.name("read"), index]) == {scene.name("read"): [index]}
    assert swapping.exists(scene.client(), [scene.name("read"), index]) == {index: "open"}


def test_who_may_create_indices_by_writing_is_set_and_taken_back(scene):
    client = scene.client()
    assert swapping.auto_create(cluster_settings(client))[:2] == (None, None)
    assert swapping.auto_create(cluster_settings(client)).now == "true"
    value = swapping.without_names(swapping.auto_create(cluster_settings(client)).now, [scene.name("logs")])
    send(scene, swapping.auto_create_call(value))
    try:
        assert swapping.auto_create(cluster_settings(client))[:2] == (f"-{scene.name('logs')},+*", None)
        assert swapping.auto_create(cluster_settings(client)).now == value
    finally:
        send(scene, swapping.auto_create_call(None))
    assert swapping.auto_create(cluster_settings(client))[:2] == (None, None)


def test_room_is_seen_by_the_everyday_user(scene):
    found = room_of(scene)
    (node,) = found.nodes
    assert 0 < node.bytes_free < node.bytes_total
    assert found.shards_most == 1000
    assert (found.read_only, found.create_blocked) == (False, False)
    assert 0 <= room.watermark_bytes(found.watermark_low, node.bytes_total) < node.bytes_total


def test_the_everyday_user_restores_and_deletes_nothing(scene):
    index = scene.add_index("logs", 1)
    repository, client = snapshot_of(scene, index), scene.client()
    call = restores.restore_call(
        repository, "s1", [index], rename=("^(.+)$", "$1-copy"), capabilities=scene.capabilities
    )
    with pytest.raises(Forbidden, match="manage"):
        restores.restore(client, call)
    for call in (
        swapping.delete_index_call(index),
        swapping.close_call(index),
        swapping.block_writes_call(index, True),
    ):
        with pytest.raises(Forbidden):
            client.send(call)


# --- on a fake that misbehaves


@pytest.fixture
def logs(fake_scene) -> tuple[str, str]:
    """An index of two shards, and the repository with its snapshot."""
    index = fake_scene.add_index("logs", 10, primaries=2)
    return index, snapshot_of(fake_scene, index)


def test_it_runs_as_long_as_the_cluster_says(fake_scene, logs):
    index, repository = logs
    fake_scene.fake.restores_take(2)
    restore(fake_scene, repository, index)
    copy, client = f"{index}-copy", fake_scene.client()

    found = restores.entry(client, repository, "s1", [copy, "other"])
    assert (found.state, found.indices, found.shards_total, found.shards_done) == ("STARTED", (copy,), 2, 0)
    assert restores.shards_active(client, [copy]) == {copy: {0: False, 1: False}}
    assert not restores.settled(client, [copy])
    assert {one.stage for one in restores.recoveries(client, [copy])} == {"INDEX"}
    assert restores.counts(fake_scene.client("restricted"), [copy]) == {}
    assert restores.entry(client, repository, "s1", [copy]) is not None  # the second look
    assert restores.entry(client, repository, "s1", [copy]) is None
    assert restores.counts(fake_scene.client("restricted"), [copy]) == {copy: Count(10, 2, 2)}


def test_another_restore_is_not_ours(fake_scene, logs):
    index, repository = logs
    fake_scene.fake.hold_restores()
    restore(fake_scene, repository, index)
    client = fake_scene.client()
    assert restores.entry(client, repository, "s1", ["other"]) is None
    assert restores.entry(client, repository, "s2", [f"{index}-copy"]) is None
    assert restores.entry(client, "other", "s1", [f"{index}-copy"]) is None
    assert restores.entry(client, repository, "s1", [f"{index}-copy"]) is not None


def test_a_shard_that_failed_is_missing_and_its_reason_is_cut(fake_scene, logs):
    index, repository = logs
    copy = f"{index}-copy"
    fake_scene.fake.restores_lose(index, 1)
    restore(fake_scene, repository, index)
    ended(fake_scene, repository, copy)
    client = fake_scene.client("restricted")

    assert restores.shards_active(client, [copy]) == {copy: {0: True, 1: False}}
    assert restores.settled(client, [copy, fake_scene.name("gone")])
    assert [one.shard for one in restores.recoveries(client, [copy])] == [0]
    assert restores.counts(client, [copy]) == {copy: Count(5, 2, 1)}
    assert "CorruptIndexException: verification failed" in restores.why_unassigned(client, copy, 1)
    assert "\t" not in restores.why_unassigned(client, copy, 1)
    # The real one would wait a minute for the shard that is not there.
    assert not any("_refresh" in write for write in fake_scene.fake.writes())


def test_one_that_is_over_at_once_is_accepted_and_empty(fake_scene):
    index = fake_scene.broken_index("lost")
    repository = fake_scene.add_repository()
    fake_scene.client().send(fake_scene.create_call(repository, "s1", [index], partial=True))
    with pytest.raises(Refused, match="allow a partial restore"):
        restore(fake_scene, repository, index)
    restore(fake_scene, repository, index, partial=True)

    assert [one.type for one in restores.recoveries(fake_scene.client(), [f"{index}-copy"])] == ["EMPTY_STORE"]


def test_a_restart_leaves_old_data_that_is_green(fake_scene, logs):
    index, repository = logs
    fake_scene.write(index, 3)
    send(fake_scene, swapping.close_call(index))
    fake_scene.fake.hold_restores()
    restore(fake_scene, repository, index, rename=None)
    fake_scene.fake.forget_running()
    client = fake_scene.client("restricted")

    assert restores.entry(client, repository, "s1", [index]) is None
    assert restores.shards_active(client, [index]) == {index: {0: True, 1: True}}
    assert restores.counts(client, [index]) == {index: Count(13, 2, 2)}
    assert {one.type for one in restores.recoveries(client, [index])} == {"EXISTING_STORE"}


def test_a_lost_answer_is_no_answer(fake_scene, logs):
    index, repository = logs
    fake_scene.fake.drop_next_write()
    with pytest.raises(OutcomeUnknown):
        restore(fake_scene, repository, index)
    assert [write for write in fake_scene.fake.writes() if "_restore" in write] == [
        f"POST /_snapshot/{repository}/s1/_restore?wait_for_completion=false"
    ]
    assert restores.recoveries(fake_scene.client(), [f"{index}-copy"])


def test_a_refresh_without_an_answer_may_be_tried_again(fake_scene, logs):
    fake_scene.fake.drop_next_write()
    with pytest.raises(Unreachable):
        restores.counts(fake_scene.client("restricted"), [logs[0]])


def test_many_names_are_asked_for_in_pieces(fake_scene):
    names = [fake_scene.add_index(f"{'x' * 100}-{number}", 1) for number in range(60)]
    client = fake_scene.client("restricted")
    assert sorted(restores.shards_active(client, names)) == sorted(names)
    assert {one.index for one in restores.recoveries(client, names)} == set(names)
    assert set(swapping.exists(client, names)) == set(names)
    assert all(len(target) < 4096 for _, target, *_ in fake_scene.fake.requests)


REFUSALS = (
    ({"rename": None}, "exists and is open"),
    ({"rename": ("^(.+)$", "read")}, "name of an alias"),
    ({"index_settings": {"index.number_of_shards": 1}}, "cannot be changed"),
)


@pytest.mark.parametrize(("options", "words"), REFUSALS)
def test_a_refusal_says_what_to_do(fake_scene, logs, options, words):
    index, repository = logs
    fake_scene.fake.add_index("other", aliases={"read": {}})
    with pytest.raises(Refused, match=words):
        restore(fake_scene, repository, index, **options)
    assert sorted(fake_scene.fake.indices) == sorted([index, "other"])


def test_a_block_and_a_limit_are_seen_before_and_refused(fake_scene, logs):
    index, repository = logs
    fake_scene.fake.shards_most = 3
    assert room_of(fake_scene).shards_most == 3
    with pytest.raises(Refused, match="max_shards_per_node"):
        restore(fake_scene, repository, index)
    fake_scene.fake.blocks["6"] = "cluster read-only (api)"
    assert room_of(fake_scene).read_only
    with pytest.raises(Refused, match="set to read-only"):
        restore(fake_scene, repository, index)


def test_a_value_of_one_s_own_counts_before_the_default(fake_scene):
    low = "cluster.routing.allocation.disk.watermark.low"
    fake_scene.fake.settings["persistent"] = {low: "10gb"}
    assert room_of(fake_scene).watermark_low == "10gb"
    fake_scene.fake.settings["transient"] = {low: "20gb"}
    assert room_of(fake_scene).watermark_low == "20gb"
    fake_scene.fake.settings["persistent"]["cluster.routing.allocation.disk.threshold_enabled"] = "false"
    assert room_of(fake_scene).watermark_low == ""


@pytest.mark.parametrize("body", [{"restore": []}, {"restore": {"snapshots": {}}}, {"restore": {"snapshots": [1]}}])
def test_an_entry_in_another_shape_is_said(fake_scene, body):
    fake_scene.fake.answer_next(200, body)
    with pytest.raises(NotElasticsearch, match="not understood"):
        restores.entry(fake_scene.client(), "r", "s", ["x"])
