"""Patterns to exact names."""

import fnmatch
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.gateways.elasticsearch.patterns import DEFAULT, expand, split, unmatched


@dataclass(frozen=True)
class Named:
    name: str


ALL = [Named(name) for name in ("events-1", "events-2", "audit", "audit.old", ".kibana", ".ds-x")]


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (DEFAULT, ("audit", "audit.old", "events-1", "events-2")),
        (("*",), (".ds-x", ".kibana", "audit", "audit.old", "events-1", "events-2")),
        (("events-*",), ("events-1", "events-2")),
        (("events-*", "-events-2"), ("events-1",)),
        (("-events-2", "events-*"), ("events-1", "events-2")),
        (("*", "-*", "audit"), ("audit",)),
        (("events-*", "-events-*", "events-1"), ("events-1",)),
        (("*", "-.*", ".kibana"), (".kibana", "audit", "audit.old", "events-1", "events-2")),
        (("audit",), ("audit",)),
        (("audit.*",), ("audit.old",)),
        (("*-1", "*.old"), ("audit.old", "events-1")),
        (("nothing*",), ()),
        (("-audit",), ()),
        ((), ()),
        (("event?-1", "[a]udit"), ()),
    ],
)
def test_patterns_apply_in_their_order(patterns, names):
    assert expand(patterns, ALL) == names


def test_a_pattern_that_matches_nothing_is_found():
    assert unmatched(("events-*", "evnets-*", "-audt"), ALL) == ("evnets-*", "-audt")


def test_patterns_are_split_at_commas_blanks_and_lines():
    assert split(" *,\n-.*  events-* ,, ") == ("*", "-.*", "events-*")


NAMES = st.text(alphabet="abc-._", min_size=1, max_size=6).filter(lambda name: name[0] != "-")
PATTERNS = st.lists(st.text(alphabet="abc-._*", min_size=1, max_size=5), max_size=5)


@given(PATTERNS, st.lists(NAMES, max_size=10))
def test_only_what_is_there_is_chosen_sorted_and_once(patterns, names):
    found = expand(patterns, [Named(name) for name in names])
    assert set(found) <= set(names)
    assert list(found) == sorted(set(found))


@given(PATTERNS, st.text(alphabet="abc-._*", min_size=1, max_size=5), st.lists(NAMES, max_size=10))
def test_the_last_pattern_has_the_last_word(patterns, last, names):
    indices = [Named(name) for name in names]
    matched = {name for name in names if fnmatch.fnmatchcase(name, last.removeprefix("-"))}
    before, after = set(expand(patterns, indices)), set(expand([*patterns, last], indices))
    assert after == (before - matched if last.startswith("-") else before | matched)
