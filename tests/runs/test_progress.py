"""Rate and remaining time from facts, and never more than is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.runs.progress import measure
from backups.templatetags import formats

MIB = 1024 * 1024
SINCE = "2026-11-22T09:30:00+00:00"


def facts(seconds: int = 60, **options) -> dict:
    at = f"2026-11-22T09:{30 + seconds // 60:02}:{seconds % 60:02}+00:00"
    counted = {"shards_done": 4, "shards_total": 10, "bytes_done": 60 * MIB, "bytes_total": 480 * MIB}
    return counted | {"since": SINCE, "at": at} | options


def test_rate_and_remaining_time():
    measured = measure(facts(60))
    assert measured.percent == 40
    assert measured.rate == MIB
    assert measured.remaining == 420
    assert formats.about(measured.remaining) == "about 7\N{NO-BREAK SPACE}min"


@pytest.mark.parametrize(("seconds", "known"), [(0, False), (9, False), (10, True)])
def test_nothing_is_said_before_ten_seconds_of_data(seconds, known):
    measured = measure(facts(seconds))
    assert (measured.rate is not None) is known
    assert (measured.remaining is not None) is known


@pytest.mark.parametrize(
    "lost",
    [{"bytes_done": 0}, {"bytes_done": None}, {"bytes_total": None}, {"since": "soon"}, {"at": 12}, {"at": None}],
)
def test_what_is_not_known_is_not_invented(lost):
    assert measure(facts() | lost).remaining is None


@pytest.mark.parametrize("nothing", [{}, {"looks": 3}, {"shards_total": 0}, {"shards_total": "10"}])
def test_without_shards_there_is_no_progress(nothing):
    assert measure(nothing) is None


def test_all_known_bytes_copied_says_nothing_about_the_rest():
    assert measure(facts(bytes_done=480 * MIB)).remaining is None


def test_the_end_is_a_hundred_percent_and_only_the_end():
    done = facts(shards_done=10)
    assert measure(done).percent == 99
    assert measure(done, over=True).percent == 100
    assert measure(done, over=True).remaining is None


@given(
    st.dictionaries(
        st.sampled_from(["shards_done", "shards_total", "shards_failed", "bytes_done", "bytes_total", "since", "at"]),
        st.none() | st.integers(-5, 10**15) | st.text(max_size=5) | st.just(SINCE) | st.just("2026-11-22T10:30:00Z"),
    ),
    st.booleans(),
)
def test_whatever_a_step_wrote_a_page_can_show(written, over):
    measured = measure(written, over=over)
    if measured is None:
        return
    assert 0 <= measured.percent <= 100
    assert over or measured.percent < 100
    assert measured.rate is None or measured.rate > 0
    assert measured.remaining is None or measured.remaining > 0
    assert measured.quarter in (0, 25, 50, 75, 100)
