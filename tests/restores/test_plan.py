"""The plan as a whole: risk, conditions, calls, and what makes it stale."""

from dataclasses import replace

import pytest

from backups.restores import document
from backups.restores.indices.asked import REPLICAS, Asked, Mode
from backups.restores.indices.calls import frozen_call
from backups.restores.indices.conditions import FAIL, WARN
from backups.restores.indices.found import Found
from backups.restores.indices.plan import make_plan

from .situations import GIB, asked, found, live, recorded, room, snapshot


def lines(made, state: str) -> list[str]:
    return [f"{line['text']} {line['sub']}" for line in made.document["checks"] if line["state"] == state]


@pytest.mark.parametrize(
    ("wanted", "risk"),
    [
        (asked(), "R0"),
        (asked(template="copy-{index}"), "R1"),
        (asked("logs-1", aliases=True), "R1"),
        (asked(mode=Mode.MISSING), "R1"),
        (asked(mode=Mode.SWAP), "R2"),
        (asked(mode=Mode.ALIAS), "R2"),
        (asked(mode=Mode.IN_PLACE), "R2"),
        (asked(global_state=True), "R3"),
    ],
)
def test_the_risk_follows_from_what_would_happen(wanted, risk):
    given = found(recorded={name: recorded(aliases={"a": {}}) for name in ("alerts", "logs-1", "logs-2")}, safety=1)

    made = make_plan(wanted, given)

    assert made.risk == risk
    assert made.risk_reason


FAILING = {
    "snapshot gone": ({"snapshot": None, "problem": "It is gone."}, "cannot be read It is gone."),
    "snapshot runs": ({"snapshot": snapshot(state="IN_PROGRESS")}, "not over"),
    "no rights": ({"lacking": ("manager lacks manage",)}, "manager lacks manage"),
    "read only": ({"room": room(read_only=True)}, "read only"),
    "no space": ({"room": room(watermark_low="41%")}, "Not enough space"),
    "a newer server's": ({"snapshot": snapshot(version_id=9), "newest_id": 8}, "A newer server made the snapshot"),
    "too many shards": ({"room": room(shards_most=12)}, "Too many shards 16 of 12"),
}


@pytest.mark.parametrize("case", FAILING)
def test_what_stands_in_the_way_blocks_the_plan(case):
    different, words = FAILING[case]

    made = make_plan(asked(), found(**different))

    assert made.blocked
    assert any(words in line for line in lines(made, FAIL)), lines(made, FAIL)
    assert made.document["calls"] == []


def test_shards_of_closed_indices_are_not_counted():
    made = make_plan(asked(), found(room=room(shards_most=14), closed_shards=2))

    assert (made.blocked, made.document["space"]["shards_peak"]) == (0, 14)


def test_a_global_state_that_is_not_there_is_refused():
    made = make_plan(asked(global_state=True), found(snapshot=snapshot(global_state=False)))

    assert any("no global state" in line for line in lines(made, FAIL))


def test_in_place_needs_somewhere_for_the_safety_snapshot():
    assert make_plan(asked("logs-1", mode=Mode.IN_PLACE), found()).blocked == 1
    good = make_plan(asked("logs-1", mode=Mode.IN_PLACE), found(safety=3))
    assert (good.blocked, good.document["safety"]) == (0, {"repository": 3, "name": "safety-0a1b2c3d"})


def test_a_lifecycle_policy_is_a_warning_unless_it_is_left_behind():
    managed = {"logs-1": recorded(settings={"index": {"lifecycle": {"name": "thirty-days"}}})}

    assert any("lifecycle" in line for line in lines(make_plan(asked("logs-1"), found(recorded=managed)), WARN))
    without = asked("logs-1", resets=("index.lifecycle.name",))
    assert not any("lifecycle" in line for line in lines(make_plan(without, found(recorded=managed)), WARN))


def test_a_lifecycle_policy_of_what_is_kept_is_a_warning():
    managed = {"logs-1": replace(live("logs-1"), settings={"index": {"lifecycle": {"name": "thirty-days"}}})}

    swap = make_plan(asked("logs-1", mode=Mode.SWAP), found(live=managed))
    assert any("safety copy before its time logs-1" in line for line in lines(swap, WARN))
    beside = make_plan(asked("logs-1"), found(live=managed))
    assert not any("safety copy before" in line for line in lines(beside, WARN))


def test_a_rule_about_nodes_that_cannot_be_told_is_a_warning():
    rules = {"logs-1": recorded(settings={"index": {"routing": {"allocation": {"include": {"rack": "r1,r2"}}}}})}

    assert any(
        "logs-1: include.rack: r1,r2" in line
        for line in lines(make_plan(asked("logs-1"), found(recorded=rules)), WARN)
    )


def test_states_of_features_are_said_to_be_left_out():
    holds = replace(snapshot(), features=("kibana", "security"))

    assert any("left out kibana, security" in line for line in lines(make_plan(asked(), found(snapshot=holds)), WARN))
    assert not any("features" in line for line in lines(make_plan(asked(), found()), WARN))


def test_a_block_of_new_indices_is_a_warning():
    made = make_plan(asked(), found(room=room(create_blocked=True)))

    assert made.blocked == 0
    assert any("The cluster blocks new indices" in line for line in lines(made, WARN))
    assert not any("blocks new indices" in line for line in lines(make_plan(asked(), found()), WARN))


def test_nothing_left_to_do_is_no_plan():
    assert make_plan(asked("logs-1", mode=Mode.MISSING), found()).blocked == 1


def test_newer_documents_are_a_warning():
    made = make_plan(asked("logs-1", "logs-2", mode=Mode.SWAP), found())

    assert any("14 newer documents would drop out" in line for line in lines(made, WARN))
    assert made.document["newer"] == 14


def test_the_time_comes_from_earlier_restores_only():
    assert make_plan(asked(), found()).document["seconds"] is None
    assert make_plan(asked(), found(rate=GIB)).document["seconds"] == 3.0
    unknown = {"logs-1": recorded(bytes=None)}
    assert make_plan(asked("logs-1"), found(rate=GIB, recorded=unknown)).document["seconds"] is None


def test_the_calls_are_frozen_and_come_back_as_they_were():
    made = make_plan(asked("alerts", "logs-1", mode=Mode.SWAP), found())

    purposes = [call["purpose"] for call in made.document["calls"]]
    assert purposes == [
        *("restore", "restore", "block_live", "keep", "guard"),
        *("block_work", "delete_live", "place", "unguard", "delete_work"),
    ]
    plain, beside = (frozen_call(call) for call in made.document["calls"][:2])
    assert (plain.body["indices"], "rename_pattern" in plain.body) == (["alerts"], False)
    assert (beside.body["indices"], beside.body["rename_replacement"]) == (["logs-1"], "restoring-0a1b2c3d-$1")
    assert [frozen_call(call).text() for call in made.document["calls"]] == [
        c["text"] for c in made.document["calls"]
    ]


def test_options_come_back_as_they_were():
    wanted = asked("a", "b", mode=Mode.SWAP, skip=frozenset({"b"}), settings={"index.number_of_replicas": 0})

    assert Asked.of(wanted.as_options()) == wanted


def test_the_same_facts_give_the_same_text():
    one, other = (document.canonical(make_plan(asked(), found()).document) for _ in range(2))

    assert one == other


# What became different since the plan, and what is named because of it.
DRIFTS = {
    "a target was made": ({"live": {n: live(n) for n in ("alerts", "logs-1", "logs-2")}}, "index alerts"),
    "a target was made anew": (
        {"live": {"logs-1": live("logs-1", uuid="other"), "logs-2": live("logs-2")}},
        "index logs-1",
    ),
    "a target was closed": (
        {"live": {"logs-1": live("logs-1", state="close"), "logs-2": live("logs-2")}},
        "index logs-1",
    ),
    "a target is gone": ({"live": {"logs-2": live("logs-2")}}, "index logs-1: was open uuid-logs-1, is not there"),
    "another snapshot of the name": ({"snapshot": snapshot(uuid="other")}, "snapshot nightly-1"),
    "the snapshot was pruned": ({"snapshot": None}, "snapshot nightly-1"),
    "another cluster": ({"cluster_uuid": "other"}, "cluster soc-prod"),
    "an alias was added": (
        {"live": {"logs-1": live("logs-1", aliases={"new": {}}), "logs-2": live("logs-2")}},
        "aliases of logs-1: was none, is new",
    ),
    "rights were taken": ({"lacking": ("manager lacks manage",)}, "restricted credential"),
}


@pytest.mark.parametrize("case", DRIFTS)
def test_what_changed_since_makes_the_plan_stale_by_name(case):
    different, words = DRIFTS[case]
    wanted = asked(mode=Mode.SWAP)
    frozen = make_plan(wanted, found()).document
    given = found(live=different["live"]) if "live" in different else found()

    said = document.drift(frozen, make_plan(wanted, replace(given, **different)).document)

    assert any(words in line for line in said), said


def test_growing_data_makes_nothing_stale_and_is_said():
    wanted = asked("logs-1", mode=Mode.SWAP)
    frozen = make_plan(wanted, found()).document
    fresh = make_plan(wanted, found(live={"logs-1": live("logs-1", documents=60, newer=10)})).document

    assert document.drift(frozen, fresh) == []
    assert document.moved(frozen, fresh) == ["logs-1 has 60 documents now, 57 when this was asked; 10 drop out."]


def of_replicas(recorded_ones: str, live_ones: str = "1") -> Found:
    """logs-1 with so many replicas in the snapshot, and so many now."""
    settings = {"index": {"number_of_replicas": recorded_ones}} if recorded_ones else {}
    lives = {"logs-1": live("logs-1", replicas=live_ones, settings={"index": {"number_of_replicas": live_ones}})}
    return found(live=lives, recorded={"logs-1": recorded(settings=settings)})


# what is asked | what was found | copies of the bytes, shards more, whether that is known
SPACE = {
    "recorded without replicas": (asked("logs-1", mode=Mode.BESIDE), of_replicas("0"), (1, 1, True)),
    "recorded with two": (asked("logs-1", mode=Mode.BESIDE), of_replicas("2"), (3, 3, True)),
    "one was asked for": (asked("logs-1", mode=Mode.BESIDE, settings={REPLICAS: 1}), of_replicas("2"), (2, 2, True)),
    "not recorded": (asked("logs-1", mode=Mode.BESIDE), of_replicas(""), (2, 2, False)),
    "a swap keeps those of now": (
        asked("logs-1", mode=Mode.SWAP),
        of_replicas("2", "0"),
        (3, 4, True),
    ),
    "in place has those of now already": (asked("logs-1", mode=Mode.IN_PLACE), of_replicas("2", "1"), (3, 1, True)),
}


@pytest.mark.parametrize(("wanted", "given", "needed"), SPACE.values(), ids=SPACE)
def test_space_and_shards_are_those_of_what_is_restored(wanted, given, needed):
    space = make_plan(wanted, given).document["space"]

    copies = (space["bytes_peak"] - space["bytes_now"]) / GIB
    assert (copies, space["shards_peak"] - space["shards_now"], space["exact"]) == needed
