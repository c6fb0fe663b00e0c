"""Names from templates, the rule for names, the next free name."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backups.gateways.elasticsearch.call import Call
from backups.gateways.elasticsearch.datemath import (
    NAME_LIMIT,
    BadName,
    DateMathError,
    check_name,
    propose,
    resolve,
)
from backups.gateways.elasticsearch.errors import NotFound

NOW = datetime(2026, 3, 31, 22, 45, 59, 999_999, tzinfo=UTC)  # a Tuesday

CASES = [
    ("<snapshot-{now/d}>", "snapshot-2026.03.31"),
    ("<snapshot-{now}>", "snapshot-2026.03.31"),
    ("<a-{now/d}-b>", "a-2026.03.31-b"),
    ("<{now{uuuu-MM-dd}}>", "2026-03-31"),
    ("<{now{yyyy}}>", "2026"),
    ("<a-{now{uuuuMMddHHmmss}}>", "a-20260331224559"),
    ("<a-{now{HH.mm}}-{now+1h{HH.mm}}>", "a-22.45-23.45"),
    ("<a-{now-1d}>", "a-2026.03.30"),
    ("<a-{now+1d}>", "a-2026.04.01"),
    ("<a-{now+d}>", "a-2026.04.01"),
    ("<a-{now-1w}>", "a-2026.03.24"),
    ("<a-{now-1M}>", "a-2026.02.28"),
    ("<a-{now+11M}>", "a-2027.02.28"),
    ("<a-{now-3M/M}>", "a-2025.12.01"),
    ("<a-{now/M-1d}>", "a-2026.02.28"),
    ("<a-{now-2y}>", "a-2024.03.31"),
    ("<a-{now+24M-25M}>", "a-2026.02.28"),
    ("<a-{now/y}>", "a-2026.01.01"),
    ("<a-{now/w}>", "a-2026.03.30"),
    ("<a-{now/h{HH.mm.ss}}>", "a-22.00.00"),
    ("<a-{now/m{HH.mm.ss}}>", "a-22.45.00"),
    ("<a-{now-90m/h{HH.mm}}>", "a-21.00"),
    ("<a-{now/d{uuuu.MM.dd|+02:00}}>", "a-2026.04.01"),
    ("<a-{now/d{uuuu.MM.dd|-0800}}>", "a-2026.03.31"),
    ("<a-{now/d{uuuu.MM.dd|Europe/Rome}}>", "a-2026.04.01"),
    ("<a-{now/d{uuuu.MM.dd|Z}}>", "a-2026.03.31"),
    ("<a-{now/d{uuuu.MM.dd HH|+02:00}}>", "a-2026.04.01 00"),
    ("<plain>", "plain"),
    ("plain", "plain"),
    ("with-{now}-but-no-brackets", "with-{now}-but-no-brackets"),
]

BROKEN = [
    ("<a-{now/d>", "do not match"),
    ("<a-now}>", "do not match"),
    ("<a-{now{uuuu}>", "do not match"),
    ("<a-{now/d}", "begins with < and ends with >"),
    ("a-{now/d}>", "begins with < and ends with >"),
    ("<", "begins with < and ends with >"),
    ("<a-{today}>", "does not begin with now"),
    ("<a-{}>", "does not begin with now"),
    ("<a-{now/q}>", "/q in {now/q} is not understood"),
    ("<a-{now-}>", "is not understood"),
    ("<a-{now-1}>", "is not understood"),
    ("<a-{now-1D}>", "is not understood"),
    ("<a-{now+99999999999d}>", "is not understood"),
    ("<a-{now 1d}>", "is not understood"),
    ("<a-{now{YYYY}}>", "YYYY in the format YYYY is not known"),
    ("<a-{now{uuuu.MMM}}>", "MMM in the format"),
    ("<a-{now{ww}}>", "ww in the format"),
    ("<a-{now{uuuu|Mars/Base}}>", "The time zone Mars/Base is not known"),
    ("<a-{now{uuuu|+25:00}}>", "The time zone +25:00 is not known"),
    ("<a-{now{uuuu|../../etc/passwd}}>", "is not known"),
    ("<a-{now+9000y}>", "outside the years"),
    ("<a-{now-900000d}>", "outside the years"),
    ("<a-{now+999999999h}>", "outside the years"),
    ("<a-{now-999999999M}>", "outside the years"),
]


@pytest.mark.parametrize(("template", "name"), CASES)
def test_a_template_becomes_a_name(template, name):
    assert resolve(template, NOW) == name


@pytest.mark.parametrize(("template", "words"), BROKEN)
def test_a_broken_template_is_explained(template, words):
    with pytest.raises(DateMathError) as error:
        resolve(template, NOW)
    assert words in str(error.value)


def test_the_clock_moves_hours_and_the_calendar_moves_days():
    """In the night of 29 March 2026 clocks in Rome went from 2:00 to 3:00."""
    before = datetime(2026, 3, 28, 12, 0, tzinfo=ZoneInfo("Europe/Rome"))
    assert resolve("<{now+1d{dd.HH|Europe/Rome}}>", before) == "29.12"
    assert resolve("<{now+24h{dd.HH|Europe/Rome}}>", before) == "29.13"


MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))
OFFSETS = st.integers(-17 * 60, 17 * 60)


@given(MOMENTS, OFFSETS)
def test_the_zone_is_applied_before_rounding(now, minutes):
    sign, hours = ("-" if minutes < 0 else "+"), f"{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    there = now.astimezone(timezone(timedelta(minutes=minutes)))
    assert resolve(f"<{{now/d{{uuuu.MM.dd HH|{sign}{hours}}}}}>", now) == there.strftime("%Y.%m.%d 00")


@given(MOMENTS, st.integers(0, 9999), st.sampled_from("wdhms"))
def test_forth_and_back_is_where_we_were(now, number, unit):
    form = "{uuuu.MM.dd HH.mm.ss}"
    assert resolve(f"<{{now+{number}{unit}-{number}{unit}{form}}}>", now) == resolve(f"<{{now{form}}}>", now)


@given(MOMENTS, st.integers(-1000, 1000))
def test_months_move_the_month_and_keep_the_day_or_the_last_one(now, number):
    found = datetime.strptime(resolve(f"<{{now{number:+d}M}}>", now), "%Y.%m.%d").replace(tzinfo=UTC)
    assert (found.year - now.year) * 12 + found.month - now.month == number
    assert found.day == now.day or (found.day < now.day and (found + timedelta(days=1)).day == 1)


@given(MOMENTS, st.sampled_from("yMwdhms"))
def test_rounding_goes_down_and_stays_there(now, unit):
    form = "{uuuu.MM.dd HH.mm.ss}"
    once, twice = (resolve(f"<{{now/{unit}{more}{form}}}>", now) for more in ("", f"/{unit}"))
    assert once == twice
    assert once <= resolve(f"<{{now{form}}}>", now)


@given(st.text(alphabet="<>{}now/+-|:.dMyhHmsuZ019 aé\\", max_size=30))
def test_whatever_is_typed_it_is_a_name_or_an_explanation(text):
    try:
        name = resolve(text, NOW)
    except DateMathError as error:
        name = str(error)
        text = "<explained>" if len(name) > 20 else name
    assert name == text or text.startswith("<")


@given(st.text(alphabet="ab019._-A/", min_size=1, max_size=8))
@example("a.b-0_1")
def test_a_name_that_passes_is_safe_everywhere(name):
    if not good(name):
        return
    assert quote(name, safe="") == name == name.lower()
    assert 1 <= len(name) <= NAME_LIMIT
    assert name[0] not in "._-"
    assert ".." not in name
    assert Call("GET", ("_snapshot", "r", name)).target == f"/_snapshot/r/{name}"


@given(st.text(max_size=140))
def test_whatever_name_is_typed_it_is_good_or_bad_and_nothing_else(name):
    assert good(name) in (True, False)


def good(name: str) -> bool:
    try:
        return check_name(name) == name
    except BadName:
        return False


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "is empty"),
        ("Upper", "Use lower case only: upper."),
        ("a..b", "two dots"),
        ("_all", "begin with a letter or a digit"),
        ("-lead", "begin with a letter or a digit"),
        (".dot", "begin with a letter or a digit"),
        ("a b", "not allowed"),
        ("a*", "not allowed"),
        ("Nightly Backup!", "has upper-case letters. Use lower case only. It has a character that is not allowed"),
        ("Nightly Backup!", "begin with a letter or a digit: nightly-backup."),
        ("a..b", "Use one: a.b."),
        ("!!!", "begin with a letter or a digit."),
        ("a/b", "not allowed"),
        ("a\n", "not allowed"),
        ("né", "not allowed"),
        ("x" * 129, "129 characters"),
    ],
)
def test_a_bad_name_is_explained(name, words):
    with pytest.raises(BadName, match=words):
        check_name(name)


@given(st.text(alphabet="abZ9._- !É/", min_size=1, max_size=12))
@example("Nightly Backup!")
def test_a_name_that_is_suggested_passes(name):
    try:
        check_name(name)
    except BadName as error:
        _, colon, suggestion = str(error).removesuffix(".").rpartition(": ")
        assert good(suggestion) or not (colon or any(c.isascii() and c.isalnum() for c in name))


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,127}", fullmatch=True), st.integers(0, 12))
def test_the_next_free_name_is_free_and_good(name, how_many):
    taken: set[str] = set()
    for _ in range(how_many):
        taken.add(propose(name, taken))
    found = propose(name, taken)
    assert found not in taken
    assert check_name(found) == found
    assert len(taken) == how_many


def test_the_second_of_the_day():
    assert propose("snapshot-2026.11.23", set()) == "snapshot-2026.11.23"
    assert propose("snapshot-2026.11.23", {"snapshot-2026.11.23"}) == "snapshot-2026.11.23-2"
    assert propose("a", {"a", "a-2", "a-3"}) == "a-4"


# A real server resolves date math in names of indices; reading one that does not exist shows how.
SERVER_TEMPLATES = [
    template
    for template, _ in CASES
    if template.startswith("<") and not any(text in template for text in ("ss", "mm", "HH dd", "dd HH"))
]


@pytest.mark.parametrize("template", SERVER_TEMPLATES)
def test_the_server_resolves_it_to_the_same_name(real_scene, template):
    before = datetime.now(UTC)
    with pytest.raises(NotFound) as missing:
        real_scene.client("restricted").send(Call("GET", (template,)))
    names = {resolve(template, moment) for moment in (before, datetime.now(UTC))}
    assert missing.value.detail in {f"no such index [{name}]" for name in names}
