"""The text of an entry, its digest and its MAC."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.audit import chain

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
fields = st.dictionaries(st.text(), values, max_size=6)


@given(fields)
def test_the_text_is_ascii_on_one_line_and_says_the_same(content):
    text = chain.canonical(content)

    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == content


@given(fields)
def test_the_order_of_fields_does_not_matter(content):
    turned = dict(reversed(list(content.items())))

    assert chain.canonical(turned) == chain.canonical(content)


@given(fields)
def test_a_text_that_is_read_and_written_again_is_the_same(content):
    text = chain.canonical(content)

    assert chain.canonical(json.loads(text)) == text


@given(fields, fields)
def test_other_fields_have_another_digest(one, other):
    same_text = chain.canonical(one) == chain.canonical(other)

    assert (chain.digest_of(chain.canonical(one)) == chain.digest_of(chain.canonical(other))) is same_text


@given(st.text(st.sampled_from("0123456789abcdef"), min_size=64, max_size=64), st.binary(min_size=1))
def test_another_key_gives_another_mac(digest, key):
    assert chain.mac_of(digest, key) != chain.mac_of(digest, key + b"x")


@given(st.text(st.sampled_from("0123456789abcdef"), min_size=64, max_size=64), st.binary(max_size=200))
def test_many_macs_are_made_as_one_is(digest, key):
    make = chain.mac_maker(key)

    assert make(digest) == make(digest) == chain.mac_of(digest, key)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.timezones()))
def test_times_are_written_in_utc_with_microseconds(moment):
    text = chain.stamp(moment)

    assert text.endswith("+00:00")
    assert datetime.fromisoformat(text) == moment.astimezone(UTC)
    assert len(text) == len("2026-11-22T09:30:04.000000+00:00")


def test_the_same_moment_in_two_zones_is_the_same_text():
    there = datetime(2026, 11, 22, 10, 30, tzinfo=timezone(timedelta(hours=1)))

    assert chain.canonical({"at": there}) == chain.canonical({"at": datetime(2026, 11, 22, 9, 30, tzinfo=UTC)})


def test_sets_are_sorted_and_tuples_keep_their_order():
    assert chain.canonical({"a": {"y", "x"}, "b": ("y", "x")}) == '{"a":["x","y"],"b":["y","x"]}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(ValueError):
        chain.canonical({"a": value})


@pytest.mark.parametrize("value", [b"bytes", object(), 1j])
def test_what_has_no_one_text_is_refused(value):
    with pytest.raises(TypeError, match="An entry cannot hold"):
        chain.canonical({"a": value})


def test_known_answers():
    """The format is a promise to whoever checks old logs with new tools."""
    text = chain.canonical({"v": 1, "seq": 1, "prev": chain.FIRST, "name": "Ġorġ"})

    assert text == f'{{"name":"\\u0120or\\u0121","prev":"{"0" * 64}","seq":1,"v":1}}'
    assert chain.digest_of(text) == "236c117b1487554711f1a0b6672783cad2ea40c3a981fe126db7c1b2f77a52e8"
    assert (
        chain.mac_of(chain.digest_of(text), b"key")
        == "925618c23bbf628f2b28156ca4fd8af90d97918b4f04779fe3b47f09bdddf25a"
    )
