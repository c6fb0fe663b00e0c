"""What a restore is worth, fact by fact: each of these was seen on a real server, and only one of them is good."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backups.gateways.elasticsearch.restores import Count, ShardRecovery
from backups.gateways.elasticsearch.snapshots import ShardFailure
from backups.restores.verdict import Target, judge

SENT = datetime(2026, 1, 1, 12, tzinfo=UTC)
TARGET = Target("copy", "logs", 2, recorded=10, counted="exact")


def recovery(shard: int, index: str = "copy", **changes) -> ShardRecovery:
    one = ShardRecovery(
        index=index,
        shard=shard,
        primary=True,
        type="SNAPSHOT",
        stage="DONE",
        repository="r",
        snapshot="s",
        source_index="logs",
        restore_uuid="u1",
        started_at=SENT + timedelta(seconds=1),
        bytes_total=1,
        bytes_done=1,
        files_total=1,
        files_done=1,
    )
    return replace(one, **changes)


GOOD = {
    "active": {"copy": {0: True, 1: True}},
    "recoveries": [recovery(0), recovery(1)],
    "counts": {"copy": Count(10, 2, 2)},
    "repository": "r",
    "snapshot": "s",
    "sent_at": SENT,
    "restore_uuid": "u1",
    "failures": (),
}


def judged(target: Target = TARGET, **changes):
    return judge([target], **GOOD | changes)


def second(**changes) -> dict:
    """The second shard has another origin."""
    return {"recoveries": [recovery(0), recovery(1, **changes)]}


EARLY = SENT - timedelta(minutes=2)
OLD = {"type": "EXISTING_STORE", "repository": "", "snapshot": "", "source_index": "", "restore_uuid": ""}
LOST = [ShardFailure("logs", 1, "", "aborted")]

CASES = {
    "all of it agrees": ({}, "succeeded", "as recorded"),
    "nobody saw the uuid while it ran, but there is only one": ({"restore_uuid": None}, "succeeded", "as recorded"),
    "the clocks differ a little": (second(started_at=SENT - timedelta(seconds=30)), "succeeded", "as recorded"),
    "a replica came from its primary": (
        {"recoveries": [*GOOD["recoveries"], recovery(0, primary=False, type="PEER", restore_uuid="")]},
        "succeeded",
        "as recorded",
    ),
    "a proven shard moved to another node": (
        {"recoveries": [recovery(0), recovery(1), recovery(1, type="PEER", restore_uuid="")]},
        "succeeded",
        "as recorded",
    ),
    "an index that is not there": ({"active": {}}, "missing", "does not exist"),
    "a shard that failed": ({"active": {"copy": {0: True, 1: False}}}, "failed", "shard 1 (of 2) could not"),
    "a shard without a place in the routing": ({"active": {"copy": {0: True}}}, "failed", "shard 1 (of 2)"),
    "no shard at all": ({"active": {"copy": {}}}, "failed", "all 2 shards could not"),
    "yellow before anything was copied": (
        {"active": {"copy": {0: False, 1: False}}, "recoveries": []},
        "failed",
        "all 2 shards",
    ),
    "green without a recovery": ({"recoveries": []}, "unknown", "may hold the data from before"),
    "green with the old data after a restart": (
        {"recoveries": [recovery(0, **OLD), recovery(1, **OLD)]},
        "unknown",
        "may hold the data from before",
    ),
    "a mixture after close and open": (second(**OLD), "unknown", "shard 1 (of 2)"),
    "restarted after the proof was seen": (
        {"recoveries": [recovery(0), recovery(1), recovery(1, **OLD)]},
        "unknown",
        "shard 1 (of 2)",
    ),
    "moved, and nobody saw it restored": (second(type="PEER", restore_uuid=""), "unknown", "shard 1"),
    "a shard is still copied": (second(stage="INDEX"), "unknown", "shard 1"),
    "another snapshot": (second(snapshot="older"), "unknown", "shard 1"),
    "another repository": (second(repository="other"), "unknown", "shard 1"),
    "another index of the snapshot": (second(source_index="other"), "unknown", "shard 1"),
    "another restore of the same snapshot": (second(restore_uuid="u2"), "unknown", "shard 1"),
    "two restores, and nobody saw which is ours": (
        second(restore_uuid="u2") | {"restore_uuid": None},
        "unknown",
        "all 2 shards",
    ),
    "a restore from before the call": (second(started_at=EARLY), "unknown", "shard 1"),
    "a recovery without a time": (second(started_at=None), "unknown", "shard 1"),
    "a restore without a uuid": (
        {"recoveries": [recovery(0, restore_uuid=""), recovery(1, restore_uuid="")], "restore_uuid": None},
        "unknown",
        "all 2 shards",
    ),
    "a restore that was there before the call": ({"known_uuids": ["u1"]}, "unknown", "all 2 shards"),
    "more shards than the snapshot has": ({"active": {"copy": {0: True, 1: True, 2: True}}}, "unknown", "shard 2"),
    "green and empty": (second(type="EMPTY_STORE", restore_uuid=""), "partial", "shard 1 (of 2), restored empty"),
    "a shard that the snapshot does not have": ({"failures": LOST}, "partial", "shard 1 (of 2), restored empty"),
    "a shard that the snapshot does not have, not yet started": (
        {"failures": LOST, "active": {"copy": {0: True, 1: False}}, "recoveries": [recovery(0)]},
        "partial",
        "shard 1 (of 2), restored empty",
    ),
    "a shard that failed beside one that the snapshot does not have": (
        {"failures": LOST, "active": {"copy": {0: False, 1: True}}},
        "failed",
        "shard 0 (of 2) could not",
    ),
    "old data where the snapshot has nothing": (second(**OLD) | {"failures": LOST}, "unknown", "shard 1"),
    "a short count without an error": ({"counts": {"copy": Count(5, 2, 1)}}, "unknown", "1 of 2 shards answered"),
    "a full count of a part of the shards": ({"counts": {"copy": Count(10, 2, 1)}}, "unknown", "1 of 2 shards"),
    "a count of no shard": ({"counts": {"copy": Count(0, 0, 0)}}, "unknown", "0 of 0 shards"),
    "no count": ({"counts": {}}, "unknown", "none answered"),
    "one too few": ({"counts": {"copy": Count(9, 2, 2)}}, "failed", "9 documents, but 10 were recorded"),
    "one too many": ({"counts": {"copy": Count(11, 2, 2)}}, "failed", "11 documents, but 10 were recorded"),
}


@pytest.mark.parametrize(("changes", "state", "words"), CASES.values(), ids=CASES)
def test_only_what_is_proven_is_called_restored(changes, state, words):
    verdict = judged(**changes)
    (index,) = verdict.indices
    assert (verdict.state, index.state, index.name) == (state, state, "copy")
    assert words in index.sentence
    assert "copy" in index.sentence


WITHIN = Target("copy", "logs", 2, counted="within", low=8, high=12)
NOT_COUNTED = Target("copy", "logs", 2)
COUNTED = (
    (WITHIN, 8, "succeeded", "within the recorded 8 to 12"),
    (WITHIN, 12, "succeeded", "within the recorded 8 to 12"),
    (WITHIN, 7, "failed", "between 8 and 12 were recorded"),
    (WITHIN, 13, "failed", "between 8 and 12 were recorded"),
    (replace(WITHIN, low=12, high=8), 10, "succeeded", "within the recorded 8 to 12"),
    (replace(WITHIN, low=None), 10, "succeeded", "not counted"),
    (NOT_COUNTED, 10, "succeeded", "not counted"),
    (replace(TARGET, recorded=None), 10, "succeeded", "not counted"),
    (replace(TARGET, recorded=0), 0, "succeeded", "as recorded"),
)


@pytest.mark.parametrize(("target", "documents", "state", "words"), COUNTED)
def test_documents_are_compared_with_what_was_recorded(target, documents, state, words):
    verdict = judged(target, counts={"copy": Count(documents, 2, 2)})
    assert (verdict.state, verdict.indices[0].documents) == (state, documents)
    assert words in verdict.indices[0].sentence
    assert ("Not counted: 1 index" in verdict.sentence) == ("not counted" in words)


def test_an_alias_that_it_must_have_is_missed():
    target = replace(TARGET, aliases=("read",))
    assert judged(target).state == "succeeded"  # nobody looked
    assert judged(target, aliases={"copy": ["read"]}).state == "succeeded"
    verdict = judged(target, aliases={"copy": []})
    assert verdict.state == "partial"
    assert "lacks read" in verdict.sentence


def test_the_cluster_s_reason_is_said():
    verdict = judged(active={"copy": {0: True}}, reasons={"copy": "checksum failed"})
    assert "checksum failed." in verdict.sentence
    assert "do not close and open it" in verdict.sentence


OTHER = Target("b", "logs", 2)
B_GOOD = {"b": {0: True, 1: True}}
TOGETHER = (
    (B_GOOD, [recovery(0, "b"), recovery(1, "b")], "succeeded"),
    (B_GOOD, [], "unknown"),
    (B_GOOD, [recovery(0, "b"), recovery(1, "b", type="EMPTY_STORE")], "partial"),
    ({"b": {0: True}}, [recovery(0, "b")], "partial"),
    ({}, [], "partial"),
)


@pytest.mark.parametrize(("active", "recoveries", "state"), TOGETHER)
def test_the_whole_is_no_better_than_its_worst(active, recoveries, state):
    facts = GOOD | {
        "active": GOOD["active"] | active,
        "recoveries": GOOD["recoveries"] + recoveries,
        "counts": GOOD["counts"] | {"b": Count(1, 2, 2)},
    }
    verdict = judge([TARGET, OTHER], **facts)
    assert verdict.state == state
    assert [one.name for one in verdict.indices] == ["copy", "b"]
    assert ("1 of 2 indices restored" in verdict.sentence) == (state != "succeeded")


def test_nothing_is_no_success():
    assert judge([], **GOOD).state == "unknown"


def test_two_that_failed_in_different_ways_failed():
    facts = GOOD | {"active": {"b": {0: True}}}
    assert judge([TARGET, OTHER], **facts).state == "failed"


def test_more_than_recorded_stays_where_others_write_and_is_a_failure_where_nobody_can():
    live = replace(TARGET, takes_writes=True)
    more, less = {"copy": Count(14, 2, 2)}, {"copy": Count(9, 2, 2)}

    (grown,) = judged(live, counts=more).indices
    assert (grown.state, grown.grown, "4 more than were recorded" in grown.sentence) == ("partial", True, True)
    assert judged(TARGET, counts=more).indices[0].state == "failed"
    assert judged(live, counts=less).indices[0].state == "failed"
