"""Data streams: what a plan says of them, and restores of them on the fake, from the form to the verdict."""

from dataclasses import replace

import pytest

from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.snapshots import ShardFailure
from backups.gateways.elasticsearch.streams import Template
from backups.restores.indices import streams
from backups.restores.indices.asked import Mode
from backups.restores.indices.plan import make_plan
from backups.restores.indices.row import Action
from backups.restores.indices.stream_verdict import with_streams
from backups.restores.verdict import SUCCEEDED, IndexVerdict, Verdict

from .situations import asked, found, live, recorded, snapshot

ONE, TWO = ".ds-events-000001", ".ds-events-000002"
HELD = snapshot(indices=("alerts", ONE, TWO), data_streams=("events",))
FITS = (Template("t", ("*events*",), 1, True),)


def wanted(mode: str = Mode.BESIDE, **different):
    return replace(asked(mode=mode, streams=("events",)), names=(), **different)


def given(**different):
    facts = {"snapshot": HELD, "recorded": {ONE: recorded(30), TWO: recorded(12)}, "templates": FITS, "safety": 1}
    return replace(found(live={}), **facts | different)


def test_a_stream_beside_has_a_row_for_each_of_its_indices_and_one_call():
    made = make_plan(wanted(), given())

    rows = {
        row["source"]: (row["action"], row["target"], row["high"], row["stream_as"]) for row in made.document["rows"]
    }
    assert rows == {
        ONE: ("rename", ".ds-restored-events-000001", 30, "restored-events"),
        TWO: ("rename", ".ds-restored-events-000002", 12, "restored-events"),
    }
    (call,) = made.document["calls"]
    assert (call["body"]["indices"], call["body"]["rename_replacement"]) == (["events"], "restored-$1")
    assert (made.blocked, made.risk, made.title) == (0, "R0", "Restore events into soc-prod")
    assert made.document["bound"]["index restored-events"] == "not there"
    assert "index:cluster-uuid:restored-events" in made.document["locks"]
    assert not any("No index template" in line["text"] for line in made.document["checks"])


def test_one_that_is_missing_comes_back_under_its_name():
    made = make_plan(wanted(Mode.MISSING), given())

    assert [(row["action"], row["target"]) for row in made.document["rows"]] == [("create", ONE), ("create", TWO)]
    assert made.document["calls"][0]["body"]["indices"] == ["events"]
    assert made.risk == "R1"


def test_one_that_is_there_is_not_touched_by_what_restores_the_missing():
    made = make_plan(wanted(Mode.MISSING), given(streams=frozenset({"events"})))

    assert {row["action"] for row in made.document["rows"]} == {"skip"}
    assert made.document["calls"] == []


CLOSED = {".ds-restored-events-000002": live(".ds-restored-events-000002", state="close")}
BROKEN = replace(HELD, failures=(ShardFailure(TWO, 0, "n1", "gone"),))
BLOCKED = {
    "by swap": (wanted(Mode.SWAP), {"streams": frozenset({"events"})}, "delete the stream first"),
    "as an alias": (wanted(Mode.ALIAS), {"streams": frozenset({"events"})}, "delete the stream first"),
    "in place": (wanted(Mode.IN_PLACE), {"streams": frozenset({"events"})}, "delete the stream first"),
    "an index has the new name": (wanted(), {"names": {"restored-events": "open"}}, "exists already (open)"),
    "a closed one has it": (wanted(), {"names": {"restored-events": "close"}}, "exists already (close)"),
    "an alias has it": (wanted(), {"aliases": {"restored-events": ("x",)}}, "as an alias"),
    "a stream has it": (wanted(), {"streams": frozenset({"restored-events"})}, "as a data stream"),
    "an alias has the name": (wanted(Mode.MISSING), {"aliases": {"events": ("x",)}}, "as an alias"),
    "an index has the name": (wanted(Mode.MISSING), {"names": {"events": "open"}}, "exists already (open)"),
    "an index behind it exists": (
        wanted(),
        {"live": CLOSED, "names": {TWO: "open", **{n: "close" for n in CLOSED}}},
        TWO,
    ),
    "an index that it would make exists": (
        wanted(),
        {"names": {".ds-restored-events-000003": "open"}},
        "000003 exists",
    ),
    "a shard of it is missing": (wanted(), {"snapshot": BROKEN}, "A data stream comes as a whole"),
    "bad new name": (wanted(template="UP-{index}"), {}, "must be in lower case"),
    "too long for what is before it": (wanted(template="x" * 247 + "{index}"), {}, "is too long"),
    "old server": (wanted(), {"capabilities": Capabilities.parse("elasticsearch", "7.2.0")}, "knows no data streams"),
    "its indices only": (wanted(), {"snapshot": replace(HELD, data_streams=())}, "only indices of it"),
    "names that tell nothing": (wanted(), {"snapshot": replace(HELD, indices=("alerts",))}, "cannot be told"),
    "no snapshot": (wanted(), {"snapshot": None}, "cannot be read"),
    "another restore": (wanted(), {"busy": frozenset({"restored-events"})}, "Another restore"),
}


@pytest.mark.parametrize("case", BLOCKED)
def test_a_stream_is_blocked_as_a_whole_with_the_reason(case):
    asked_, different, words = BLOCKED[case]

    made = make_plan(asked_, given(**different))

    rows = made.document["rows"]
    assert {row["action"] for row in rows} == {Action.BLOCKED}
    assert all(words in row["note"] for row in rows), rows
    assert made.document["calls"] == []


def test_an_index_that_it_would_not_make_again_is_in_nobody_s_way():
    made = make_plan(wanted(), given(names={".ds-restored-events-000000": "open", ".ds-restored-events-x": "open"}))

    assert made.blocked == 0


def test_an_index_of_it_that_is_chosen_too_comes_once():
    both = replace(wanted(), names=("alerts", ONE))

    made = make_plan(both, given())

    assert sorted(row["source"] for row in made.document["rows"]) == [ONE, TWO, "alerts"]
    assert made.document["calls"][0]["body"]["indices"] == ["events", "alerts"]


def test_alone_it_is_renamed_as_every_index():
    alone = replace(wanted(), names=(ONE,), streams=())

    (row,) = make_plan(alone, given()).document["rows"]

    assert (row["target"], row["stream"]) == ("restored-.ds-events-000001", "")


def test_taken_out_it_is_taken_out_whole():
    made = make_plan(replace(wanted(), names=("alerts",), skip=frozenset({"events"})), given())

    assert {row["source"]: row["action"] for row in made.document["rows"]} == {
        "alerts": "rename",
        ONE: "skip",
        TWO: "skip",
    }


@pytest.mark.parametrize(
    ("templates", "warned"),
    [
        (FITS, False),
        ((), True),
        ((Template("t", ("other*",), 1, True),), True),
        ((Template("t", ("restored-*",), 1, True), Template("u", ("*",), 7, False)), True),
        ((Template("t", ("restored-*",), 7, True), Template("u", ("*",), 1, False)), False),
    ],
)
def test_a_stream_that_cannot_roll_over_is_a_warning(templates, warned):
    made = make_plan(wanted(), given(templates=templates))

    assert made.blocked == 0
    assert any("No index template" in line["text"] for line in made.document["checks"]) == warned


def test_which_indices_are_behind_a_stream_is_told_by_their_names():
    day = ".ds-logs-2026.01.01-000001"
    held = replace(HELD, indices=(".ds-logs-000007", day, ".ds-logs-x-000001", "logs"), data_streams=("logs",))

    assert streams.behind(replace(wanted(), streams=("logs",)), held) == {"logs": [day, ".ds-logs-000007"]}
    both = replace(held, data_streams=("logs", "logs-2026.01.01"))
    assert streams.behind(replace(wanted(), streams=("logs",)), both) == {"logs": [".ds-logs-000007"]}


GOOD = Verdict(SUCCEEDED, "Good.", (IndexVerdict(".ds-a-000001", SUCCEEDED, "Good.", 7),))


@pytest.mark.parametrize(
    ("there", "came_along", "state", "words"),
    [
        ({"a": [".ds-a-000001"]}, (), "succeeded", "Good."),
        ({"a": [".ds-a-000001", ".ds-a-000002"]}, (), "succeeded", "Good."),
        ({"a": [".ds-a-000001", "odd"]}, ("odd",), "partial", "also has odd"),
        ({"a": [".ds-a-000002"]}, (), "failed", "not behind the data stream a"),
        ({}, (), "failed", "There is no data stream a"),
    ],
)
def test_a_stream_has_a_verdict_of_its_own(there, came_along, state, words):
    judged = with_streams(GOOD, {"a": [".ds-a-000001"]}, there, came_along)

    assert (judged.state, judged.indices[-1].state) == (state, state)
    assert words in judged.sentence
    assert judged.indices[-1].documents == (None if state == "failed" else 7)
