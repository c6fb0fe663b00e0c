"""What becomes of each index: the refusals of the server foreseen, and nothing live touched unasked."""

from dataclasses import replace

import pytest

from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.snapshots import ShardFailure
from backups.restores.indices.asked import Mode
from backups.restores.indices.row import OUR_OWN, Action
from backups.restores.indices.rows import rows

from .situations import asked, found, live, recorded, snapshot

MISSING_SHARD = ShardFailure("logs-1", 0, "n1", "gone")
OLD = Capabilities.parse("elasticsearch", "7.2.0")


def only_on(nodes: str) -> dict:
    return {"index": {"routing": {"allocation": {"require": {"_name": nodes}}}}}


def actions(asked_, found_) -> dict[str, str]:
    return {row.source: row.action for row in rows(asked_, found_)}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.BESIDE, {"alerts": "rename", "logs-1": "rename", "logs-2": "rename"}),
        (Mode.MISSING, {"alerts": "create", "logs-1": "skip", "logs-2": "skip"}),
        (Mode.SWAP, {"alerts": "create", "logs-1": "replace", "logs-2": "replace"}),
        (Mode.ALIAS, {"alerts": "create", "logs-1": "replace", "logs-2": "replace"}),
        (Mode.IN_PLACE, {"alerts": "create", "logs-1": "replace", "logs-2": "replace"}),
    ],
)
def test_each_mode_does_what_it_says(mode, expected):
    assert actions(asked(mode=mode), found()) == expected


# What is asked, what is different about what was found, and the words of the row that is blocked.
BLOCKED = {
    "not in the snapshot": (asked("nope"), {}, "does not hold this index"),
    "the security index": (
        asked(".security-7"),
        {"snapshot": snapshot(indices=(".security-7",))},
        "security index only as a part of a feature",
    ),
    "a shard is missing": (
        asked("logs-1"),
        {"snapshot": snapshot(failures=(MISSING_SHARD,))},
        "1 shard of it is not",
    ),
    "a shard is missing, over a live one": (
        asked("logs-1", mode=Mode.SWAP, partial=True),
        {"snapshot": snapshot(failures=(MISSING_SHARD,))},
        "never restored over a live index",
    ),
    "new name exists": (asked("logs-1"), {"names": {"restored-logs-1": "open"}}, "exists already (open)"),
    "new name exists closed": (asked("logs-1"), {"names": {"restored-logs-1": "close"}}, "exists already (close)"),
    "new name exists closed, with as many shards": (
        asked("logs-1"),
        {"live": {"restored-logs-1": live("restored-logs-1", state="close")}},
        OUR_OWN,
    ),
    "no node may hold it": (
        asked("logs-1"),
        {"recorded": {"logs-1": recorded(settings=only_on("warm-*, n2"))}},
        "on no node of this cluster (require._name: warm-*, n2)",
    ),
    "new name is an alias": (asked("logs-1"), {"aliases": {"restored-logs-1": ("x",)}}, "as an alias"),
    "new name is a stream": (asked("logs-1"), {"streams": frozenset({"restored-logs-1"})}, "as a data stream"),
    "missing one's name is an alias": (
        asked("alerts", mode=Mode.MISSING),
        {"aliases": {"alerts": ("x",)}},
        "as an alias",
    ),
    "bad new name": (asked("logs-1", template="UP-{index}"), {}, "must be in lower case"),
    "no place for the name": (asked("logs-1", template="same"), {}, "exactly once"),
    "other shard count in place": (
        asked("logs-1", mode=Mode.IN_PLACE),
        {"recorded": {"logs-1": recorded(primaries=3)}},
        "has 1 primary shards, the snapshot 3",
    ),
    "alias is an index now": (
        asked("logs-1", aliases=True),
        {"recorded": {"logs-1": recorded(aliases={"logs-2": {}})}},
        "is the name of an index now",
    ),
    "a second write index": (
        asked("logs-1", aliases=True),
        {
            "recorded": {"logs-1": recorded(aliases={"logs": {"is_write_index": True}})},
            "aliases": {"logs": ("logs-2",)},
        },
        "may have a write index already",
    ),
    "no clone on this server": (asked("logs-1", mode=Mode.SWAP), {"capabilities": OLD}, "cannot clone"),
    "closed, by swap": (
        asked("logs-1", mode=Mode.SWAP),
        {"live": {"logs-1": live("logs-1", state="close")}},
        "It is closed",
    ),
    "closed, where a clone would be open": (
        asked("logs-1", mode=Mode.SWAP),
        {"live": {"logs-1": live("logs-1", state="close")}},
        OUR_OWN,
    ),
    "another restore has it": (asked("logs-1", mode=Mode.SWAP), {"busy": frozenset({"logs-1"})}, "Another restore"),
    "working name is taken": (
        asked("logs-1", mode=Mode.SWAP),
        {"names": {"logs-1": "open", "before-0a1b2c3d-logs-1": "open"}},
        "Make the plan again",
    ),
}


@pytest.mark.parametrize("case", BLOCKED)
def test_what_the_server_would_refuse_is_foreseen(case):
    wanted, different, words = BLOCKED[case]
    given = found(**{"live": different["live"]}) if "live" in different else found()

    (row,) = rows(wanted, replace(given, **different))

    assert row.action == Action.BLOCKED
    assert words in row.note


@pytest.mark.parametrize(
    ("names", "resets"), [("n1", ()), ("n*", ()), ("elsewhere", ("index.routing.allocation.*",))]
)
def test_a_rule_that_a_node_follows_or_that_is_left_behind_blocks_nothing(names, resets):
    given = found(recorded={"logs-1": recorded(settings=only_on(names))})

    assert actions(asked("logs-1", resets=resets), given) == {"logs-1": "rename"}


def test_a_stream_member_is_not_replaced_alone():
    name = ".ds-logs-2026.11.22-000001"
    given = found(live={name: live(name)}, snapshot=snapshot(indices=(name,)))

    (row,) = rows(asked(name, mode=Mode.SWAP), given)

    assert (row.action, "data stream" in row.note) == (Action.BLOCKED, True)


def test_what_is_taken_out_stays_out():
    assert actions(asked("logs-1", "logs-2", skip=frozenset({"logs-1"})), found()) == {
        "logs-1": "skip",
        "logs-2": "rename",
    }


def test_the_worst_comes_first():
    made = rows(asked("alerts", "logs-1", "nope", mode=Mode.SWAP), found())

    assert [row.action for row in made] == ["blocked", "replace", "create"]


def test_a_replaced_index_says_what_is_lost_and_what_differs():
    now = live(
        "logs-1", aliases={"logs": {}}, mapping={"properties": {"n": {"type": "long"}, "new": {"type": "text"}}}
    )
    was = recorded(mapping={"properties": {"n": {"type": "keyword"}, "old": {"type": "text"}}}, aliases={"old": {}})
    given = found(live={"logs-1": now}, recorded={"logs-1": was})

    (row,) = rows(asked("logs-1", mode=Mode.SWAP, aliases=True), given)

    assert "7 newer documents drop out" in row.note
    assert (row.lost, row.gained) == (("logs",), ("old",))
    assert {kind: fields["names"] for kind, fields in row.mapping.items()} == {
        "added": ["old"],
        "removed": ["new"],
        "changed": ["n"],
    }


def test_the_aliases_of_now_stay_unless_those_of_the_snapshot_are_wanted():
    now, was = live("logs-1", aliases={"logs": {}}), recorded(aliases={"old": {}})
    given = found(live={"logs-1": now}, recorded={"logs-1": was})

    (row,) = rows(asked("logs-1", mode=Mode.SWAP), given)

    assert (set(row.aliases), row.lost, row.gained) == ({"logs"}, (), ())


@pytest.mark.parametrize(
    ("newer", "words"), [(None, "cannot be told"), (0, "No newer"), (1, "1 newer document drops")]
)
def test_what_is_newer_is_said_as_far_as_it_is_known(newer, words):
    given = found(live={"logs-1": live("logs-1", newer=newer)})

    (row,) = rows(asked("logs-1", mode=Mode.SWAP), given)

    assert words in row.note
