"""What is different between the cheap list and our rows: facts in, work out."""

from datetime import UTC, datetime, timedelta

import pytest

from backups.gateways.elasticsearch.snapshots import Listed, SnapshotFacts
from backups.snapshots.compare import Known, compare, state_of

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def listed(name: str, uuid: str = "u", state: str = "SUCCESS") -> Listed:
    return Listed(name, uuid, state, ("logs",))


def row(name: str, uuid: str = "u", state: str = "found", read_at=LONG_AGO, busy: bool = False) -> Known:
    return Known(1, name, uuid, state, read_at, busy)


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
    ],
)
def test_everything_is_sorted_into_what_has_to_be_done(there, rows, new, read, gone):
    work = compare(there, rows)

    assert [one.name for one in work.new] == new
    assert [known.name for known, _ in work.read] == read
    assert [known.name for known in work.gone] == gone


def test_the_longest_unread_are_read_again_and_running_ones_always():
    rows = [row(f"s{n}", read_at=LONG_AGO + timedelta(days=n)) for n in range(5)] + [row("r", state="running")]

    work = compare([listed(one.name) for one in rows], rows, slice_size=2)

    assert [known.name for known, _ in work.read] == ["r", "s0", "s1"]


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
