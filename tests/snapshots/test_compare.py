"""What is different between the cheap list and our rows: facts in, work out."""

import pytest

from backups.gateways.elasticsearch.snapshots import Listed, SnapshotFacts
from backups.snapshots.compare import IN_TURN, LOOKED_AT, SLICE, Known, compare, state_of


def listed(name: str, uuid: str = "u", state: str = "SUCCESS") -> Listed:
    return Listed(name, uuid, state)


def row(name: str, uuid: str = "u", state: str = "found", busy: bool = False, pk: int = 1) -> Known:
    return Known(pk, name, uuid, state, 1, busy)


@pytest.mark.parametrize(
    ("there", "rows", "new", "read", "gone"),
    [
        ([listed("a")], [], ["a"], [], []),
        ([listed("a")], [row("a")], [], ["a"], []),
        ([], [row("a")], [], [], ["a"]),
        ([listed("a", "other")], [row("a")], ["a"], [], ["a"]),
        ([listed("a")], [row("a", "", "wanted", busy=True)], [], [], []),
        ([], [row("a", "", "running", busy=True)], [], [], []),
        ([listed("a")], [row("a", "", "unknown")], ["a"], [], ["a"]),
        ([listed("a")], [row("a", state="damaged")], [], ["a"], []),
        ([listed("a", state="IN_PROGRESS")], [row("a")], [], ["a"], []),
    ],
)
def test_everything_is_sorted_into_what_has_to_be_done(there, rows, new, read, gone):
    work = compare(there, rows)

    assert [one.name for one in work.new] == new
    assert [known.name for known, _ in work.read] == read
    assert [known.name for known in work.gone] == gone


def test_running_ones_are_always_read_again_the_others_in_their_turn():
    rows = [row(f"s{n}", pk=n) for n in range(SLICE + 10)] + [row("r", state="running", pk=999)]
    there = [listed(one.name) for one in rows]

    first, second = ([known.name for known, _ in compare(there, rows, turn=turn).read] for turn in (0, 1))

    assert (first[0], second[0]) == ("r", "r")
    assert (len(first), len(second)) == (SLICE + 1, SLICE + 1)
    assert {*first, *second} == {one.name for one in rows}


@pytest.mark.parametrize("number", [0, 1, 2, 5, 50])
def test_each_whole_one_has_its_turn_to_have_its_files_looked_at(number):
    rows = [row(f"s{n}") for n in range(number)] + [row("d", state="damaged"), row("r", state="running")]
    there = [listed(one.name) for one in rows]

    turns = [compare(there, rows, turn=turn).files[:LOOKED_AT] for turn in range(-(-number // LOOKED_AT))]

    assert {known.name for files in turns for known, _ in files} == {f"s{n}" for n in range(number)}
    assert all(len(compare(there, rows, turn=turn).files) <= IN_TURN for turn in range(3))


@pytest.mark.parametrize(
    ("state", "failed", "expected"),
    [
        ("SUCCESS", 0, "found"),
        ("SUCCESS", 1, "partial"),
        ("PARTIAL", 1, "partial"),
        ("FAILED", 2, "failed"),
        ("IN_PROGRESS", 0, "running"),
        ("SOMETHING", 0, "unknown"),
    ],
)
def test_somebody_elses_snapshot_is_never_green(state, failed, expected):
    facts = SnapshotFacts("a", "u", state, ("logs",), 2, failed, 2 - failed, None, None, (), {})

    assert state_of(facts)[0] == expected
