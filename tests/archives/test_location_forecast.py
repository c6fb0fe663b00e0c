"""When a location will be full."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.archives.locations.facts import Room
from backups.archives.locations.forecast import FEWEST, SHORTEST, forecast

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
GIB = 1 << 30


def daily(count: int, size: int = GIB) -> list[tuple[datetime, int]]:
    return [(NOW - timedelta(days=count - number), size) for number in range(count)]


def test_a_gigabyte_a_day_fills_ten_in_ten_days():
    found = forecast([*daily(10), (NOW, GIB)], 10 * GIB, NOW)

    assert (found.a_day, found.days) == (GIB, 10)


@pytest.mark.parametrize("made", [[], daily(2), [(NOW - timedelta(hours=n), GIB) for n in range(40)]])
def test_nothing_is_said_where_too_little_is_known(made):
    assert forecast(made, GIB, NOW) is None


def test_empty_archives_fill_nothing():
    assert forecast(daily(5, 0), GIB, NOW) is None


@given(
    st.lists(st.tuples(st.datetimes(datetime(2026, 10, 24), NOW.replace(tzinfo=None)), st.integers(0, 1 << 50))),
    st.integers(0, 1 << 55),
)
def test_it_never_promises_more_than_there_is(made, free):
    made = [(at.replace(tzinfo=UTC), size) for at, size in made]
    found = forecast(made, free, NOW)

    if found is None:
        enough = len(made) >= FEWEST and NOW - min(made)[0] >= SHORTEST
        assert not enough or not sum(size for _, size in sorted(made)[1:])
    elif found.days is not None:
        assert found.days * found.a_day == pytest.approx(free)


@pytest.mark.parametrize(
    ("free", "words"),
    [
        (43 * GIB, "About 1.00 GiB a day; full in about 43 days."),
        (GIB, "About 1.00 GiB a day; full in about 1 day."),
        (GIB // 3, "About 1.00 GiB a day; full within a day."),
        (GIB << 20, "About 1.00 GiB a day; it lasts for many years."),
    ],
)
def test_it_is_said_in_words(free, words):
    room = Room(free, GIB << 21, forecast([*daily(9), (NOW, GIB)], free, NOW))

    assert room.words.replace("\N{NO-BREAK SPACE}", " ") == words


def test_the_bar_turns_yellow_and_red():
    assert [Room(free, 100).kind for free in (100, 21, 20, 6, 5, 0)] == ["ok", "ok", "warn", "warn", "fail", "fail"]
