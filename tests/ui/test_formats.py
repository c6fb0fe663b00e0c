from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.templatetags import formats

NOW = datetime(2026, 11, 22, 9, 42, 18, tzinfo=UTC)


def plain(text: str) -> str:
    return text.replace(formats.NBSP, " ")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1,023 B"),
        (1024, "1.00 KiB"),
        (10 * 1024, "10.0 KiB"),
        (412 * 1024**2, "412 MiB"),
        (999 * 1024**2, "999 MiB"),
        (1000 * 1024**2, "0.98 GiB"),
        (int(18.2 * 1024**3), "18.2 GiB"),
        (int(9.996 * 1024**3), "10.0 GiB"),
        (int(1.24 * 1024**4), "1.24 TiB"),
        (5000 * 1024**5, "5,000 PiB"),
    ],
)
def test_sizes_have_binary_units_and_three_digits(count, text):
    assert plain(formats.size(count)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "under 1 s"),
        (0.4, "under 1 s"),
        (1, "1 s"),
        (48.9, "48 s"),
        (60, "1 min 00 s"),
        (20 * 60 + 14, "20 min 14 s"),
        (3599, "59 min 59 s"),
        (3 * 3600 + 5 * 60, "3 h 05 min"),
        (47 * 3600, "47 h 00 min"),
        (9 * 86400, "9 days"),
    ],
)
def test_durations(seconds, text):
    assert plain(formats.duration(seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "under 1 min"),
        (430, "about 7 min"),
        (3 * 3600 + 300, "about 3 h"),
        (86400 * 3, "about 3 days"),
    ],
)
def test_guesses_are_rounded(seconds, text):
    assert plain(formats.about(seconds)) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(milliseconds=300), "now"),
        (timedelta(seconds=12), "12 s ago"),
        (timedelta(minutes=12, seconds=59), "12 min ago"),
        (timedelta(hours=18), "18 h ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=3, hours=5), "3 days ago"),
        (timedelta(minutes=-5), "in 5 min"),
    ],
)
def test_distance_is_in_hours_up_to_two_days(ago, text):
    assert plain(formats.distance(NOW - ago, NOW)) == text


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [(0, 0, 0), (0, 664, 0), (1, 664, 1), (412, 664, 62), (663, 664, 99), (664, 664, 100), (700, 664, 100)],
)
def test_percent_is_never_100_before_the_end_and_never_0_once_started(done, total, text):
    assert formats.percent(done, total) == text


def test_times_are_written_in_utc_whatever_zone_they_come_in():
    moment = datetime(2026, 11, 22, 10, 30, 4, tzinfo=timezone(timedelta(hours=1)))

    assert formats.iso(moment) == "2026-11-22T09:30:04Z"
    assert formats.stamp(moment) == "22 Nov 2026 09:30:04 UTC"
    assert formats.short_stamp(moment, NOW) == "22 Nov 09:30"
    assert formats.short_stamp(moment.replace(year=2025), NOW) == "22 Nov 2025"


def test_thousands_have_commas():
    assert formats.number(1234567) == "1,234,567"


@given(st.integers(min_value=0, max_value=2**60))
def test_a_size_is_never_longer_than_a_column(count):
    assert len(formats.size(count)) <= 9
