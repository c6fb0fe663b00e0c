"""What a real 8.19 makes of a restore, and what the console says of it: only the good one is called restored."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from backups.gateways.elasticsearch import restores, swapping
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.errors import GatewayError, OutcomeUnknown
from backups.gateways.elasticsearch.restores import ShardRecovery
from backups.restores.verdict import Target
from tests.elasticsearch.attempt import Attempt, cleared, data_of, in_place, prepared, rewrite, send
from tests.fakes.proxy import LOST, Proxy
from tests.gateways.scenes import RealScene, flip, until
from tests.gateways.test_rename import SEEN


@pytest.fixture
def scene(real_elasticsearch) -> Iterator[RealScene]:
    scene = RealScene(real_elasticsearch)
    yield scene
    cleared(scene)


@pytest.fixture
def take(scene):
    """``take(shards)``: see ``prepared``."""
    return partial(prepared, scene)


def test_a_restore_beside_the_original_is_proven(scene, take):
    repository, target = take(3)
    attempt = Attempt(scene, repository, "s1", target).start()

    verdict = attempt.verdict()

    assert (verdict.state, verdict.indices[0].documents) == ("succeeded", 300)
    assert "as recorded" in verdict.indices[0].sentence
    found = attempt.recoveries()
    assert [(one.shard, one.type, one.stage, one.source_index) for one in found] == [
        (shard, "SNAPSHOT", "DONE", target.source) for shard in range(3)
    ]
    assert len({one.restore_uuid for one in found}) == 1
    assert all(one.bytes_done == one.bytes_total > 0 for one in found)
    old = Attempt(scene, repository, "s1", target)
    old.sent_at = datetime.now(UTC)
    assert old.verdict().state == "unknown"  # the earlier one is no proof of a later one


def test_one_in_place_is_proven_and_brings_the_old_documents_back(scene, take):
    repository, target = take(2)
    scene.write(target.source, 20)
    client = scene.client("restricted")
    send(client, swapping.close_call(target.source))

    verdict = Attempt(scene, repository, "s1", in_place(target)).start().verdict()

    assert (verdict.state, verdict.indices[0].documents) == ("succeeded", 300)


def test_names_become_what_was_foreseen(scene):
    server, repository = scene.server, scene.add_repository()
    server.request("PUT", "/logs-1", b'{"settings": {"number_of_replicas": 0}}')
    scene.start_snapshot(repository, "s1", ["logs-1"])
    scene.finished(repository, "s1")
    for pattern, replacement, name, new in SEEN:
        if name != "logs-1" or new == name:
            continue
        call = restores.restore_call(
            repository, "s1", [name], rename=(pattern, replacement), capabilities=scene.capabilities
        )
        restores.restore(scene.client("restricted"), call)
        until(lambda new=new: restores.shards_active(scene.client(), [new]) == {new: {0: True}})
        server.request("DELETE", f"/{new}")
    server.request("DELETE", "/logs-1")


@pytest.mark.parametrize("spoil", [flip, Path.unlink], ids=["flipped", "deleted"])
def test_damaged_data_is_a_failure_with_its_reason(scene, take, spoil):
    repository, target = take(2)
    spoil(data_of(scene, repository)[0])
    attempt = Attempt(scene, repository, "s1", target).start()

    verdict = attempt.verdict()

    assert verdict.state == "failed"
    assert target.name in verdict.sentence and "(of 2)" in verdict.sentence
    assert ("CorruptIndexException" if spoil is flip else "NoSuchFileException") in verdict.sentence
    assert "\tat " not in verdict.sentence
    # Half of it can be searched, without an error: not even with every shard said to be there is that good.
    count = restores.counts(attempt.client, [target.name])[target.name]
    assert (count.shards_total, count.shards_successful, count.whole) == (2, 1, False)
    assert 0 < count.documents < 300
    everywhere = {target.name: {0: True, 1: True}}
    assert attempt.verdict(active=everywhere).state == "unknown"
    first = attempt.recoveries()[0]
    other = ShardRecovery(**vars(first) | {"shard": 1 - first.shard})
    assert attempt.verdict(active=everywhere, recoveries=[first, other]).state == "unknown"


def test_an_index_without_a_place_is_a_failure_with_its_reason(scene, take):
    repository, target = take()
    nowhere = {"index.routing.allocation.require._name": "nowhere"}

    verdict = Attempt(scene, repository, "s1", target).start(index_settings=nowhere).verdict()

    assert verdict.state == "failed"
    assert "nowhere" in verdict.sentence


def test_a_shard_that_the_snapshot_does_not_have_is_restored_empty_and_green(scene):
    index, repository = scene.add_index("sick", 300, primaries=2), scene.add_repository()
    scene.server.request("POST", f"/{index}/_flush?force=true")
    uuid = scene.server.request("GET", f"/{index}/_settings")[index]["settings"]["index"]["uuid"]
    files = (scene.server.home / "data").glob(f"**/{uuid}/1/index/*.cfs")
    flip(max(files, key=lambda file: file.stat().st_size))
    scene.start_snapshot(repository, "s1", [index])
    made = scene.finished(repository, "s1")
    target = Target(f"{index}-copy", index, 2)

    attempt = Attempt(scene, repository, "s1", target).start(partial=True)
    verdict = attempt.verdict()

    assert made.state == "PARTIAL" and [(one.index, one.shard) for one in made.failures] == [(index, 1)]
    assert verdict.state == "partial"
    assert "shard 1 (of 2), restored empty" in verdict.sentence
    assert restores.shards_active(attempt.client, [target.name]) == {target.name: {0: True, 1: True}}
    assert restores.counts(attempt.client, [target.name])[target.name].whole
    assert [one.type for one in attempt.recoveries()] == ["SNAPSHOT", "EMPTY_STORE"]
    assert attempt.verdict(failures=()).state == "partial"


def test_a_mixture_of_two_moments_after_close_and_open_is_not_called_restored(scene, take):
    repository, target = take(2)
    scene.write(target.source, 200)
    rewrite(scene, target.source)
    data_of(scene, repository)[0].unlink()
    client = scene.client("restricted")
    send(client, swapping.close_call(target.source))
    attempt = Attempt(scene, repository, "s1", in_place(target)).start()
    assert attempt.verdict().state == "failed"

    with suppress(GatewayError):
        send(client, swapping.close_call(target.source))
        send(client, swapping.open_call(target.source))

    green = {target.source: {0: True, 1: True}}
    until(lambda: restores.shards_active(client, [target.source]) == green)
    documents = restores.counts(client, [target.source])[target.source]
    verdict = attempt.verdict()
    assert documents.whole and documents.documents not in (300, 500)
    assert verdict.state == "unknown"
    assert "may hold the data from before" in verdict.sentence


def test_a_lost_answer_is_found_by_its_recoveries_and_sent_once(scene, take):
    repository, target = take(2)
    with Proxy(scene.url, scene.ca_pem) as proxy:
        client = Client(scene.access("restricted", addresses=(proxy.url,), ca_pem=proxy.ca_pem))
        attempt = Attempt(scene, repository, "s1", target, client)
        proxy.swallow_next_write(LOST)

        with pytest.raises(OutcomeUnknown):
            attempt.start()
        verdict = attempt.verdict()

        assert [one for one in proxy.writes if "_restore" in one] == [proxy.writes[0]]
    assert verdict.state == "succeeded"


def test_one_that_never_arrived_is_missing(scene, take):
    repository, target = take()
    attempt = Attempt(scene, repository, "s1", target)
    attempt.sent_at = datetime.now(UTC)

    assert attempt.verdict().state == "missing"


def test_old_data_that_is_green_after_a_killed_restore_in_place_is_not_called_restored(mortal_elasticsearch):
    scene = RealScene(mortal_elasticsearch)
    repository, index = scene.slow_restores()
    scene.start_snapshot(repository, "s1", [index])
    scene.finished(repository, "s1")
    scene.write(index, 5)
    rewrite(scene, index)
    send(scene.client("restricted"), swapping.close_call(index))
    attempt = Attempt(scene, repository, "s1", Target(index, index, 1, recorded=12, counted="exact")).start()
    until(lambda: any(one.stage == "INDEX" and one.restore_uuid for one in attempt.recoveries()))

    scene.server.kill()
    scene.server.start_again()
    again = RealScene(scene.server, scene.prefix)
    attempt.client = again.client("restricted")

    until(lambda: restores.shards_active(attempt.client, [index]) == {index: {0: True}})
    verdict = attempt.verdict()
    assert restores.counts(attempt.client, [index])[index].documents == 17
    assert verdict.state == "unknown"
    assert "after a restart of a node" in verdict.sentence
    scene.clear()


def test_a_swap_gives_name_and_aliases_to_the_copy(scene, take):
    repository, target = take(2)
    client, live, copy = scene.client("restricted"), target.source, target.name
    alias = {scene.name("read"): {}}
    assert Attempt(scene, repository, "s1", target).start().verdict().state == "succeeded"
    scene.write(live, 7)

    send(client, swapping.block_writes_call(copy, True))
    send(client, swapping.delete_index_call(live))
    clone = swapping.clone_call(copy, live, replicas=0, aliases=alias, capabilities=scene.capabilities)
    send(client, clone)

    assert swapping.exists(client, [live, copy]) == {live: "open", copy: "open"}
    assert swapping.aliases_named(client, [*alias, live]) == {scene.name("read"): [live]}
    assert restores.counts(client, [live])[live].documents == 300
    scene.write(live, 1)
    assert [one.type for one in restores.recoveries(client, [live])] == ["LOCAL_SHARDS", "LOCAL_SHARDS"]

    send(client, swapping.block_writes_call(copy, False))
    send(client, swapping.alias_swap_call(remove_index=live, add_index=copy, alias=live, aliases=alias))
    assert swapping.exists(client, [live, copy]) == {copy: "open"}
    assert swapping.aliases_named(client, [*alias, live]) == {scene.name("read"): [copy], live: [copy]}
    assert restores.counts(client, [copy])[copy].documents == 300
