"""New names as the server makes them. The table was seen on real servers, from 7.2 to 9.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.gateways.elasticsearch.rename import BadRename, check_index_name, renamed, targets, template_rename

SEEN = (
    ("(.+)", "restored-$1", "logs-1", "restored-logs-1"),
    ("logs", "x", "logs-1", "x-1"),  # it is looked for, and need not be the whole
    (r"^(\w+)-(\d)$", "$2-$1", "logs-1", "1-logs"),
    ("^.+$", "z-$0", "logs-1", "z-logs-1"),
    ("^(?<n>.+)$", "q-${n}", "logs-1", "q-logs-1"),
    ("(?i)LOGS", "ci", "logs-1", "ci-1"),
    ("^(.+)$", "v$10", "logs-1", "vlogs-10"),
    ("^(.+)$", r"$1\$", "logs-1", "logs-1$"),
    ("r", "ab", "rr", "abab"),
    ("nothing", "x", "logs-1", "logs-1"),
    ("(a)|(b)", "[$2]", "ab", "[][b]"),
    (r"\(?<n>|l", "x", "logs-1", "xogs-1"),
    ("(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)", "$10$1", "abcdefghij", "ja"),
)


@pytest.mark.parametrize(("pattern", "replacement", "name", "new"), SEEN)
def test_a_name_becomes_what_the_server_makes_of_it(pattern, replacement, name, new):
    assert renamed(pattern, replacement, name) == new


REFUSED = (
    ("(.*)", "restored-$1", "appear twice"),
    ("x*", "y", "appear twice"),
    ("", "p-", "pattern is empty"),
    ("(", "x", "not a regular expression"),
    ("a(?i)b", "x", "not a regular expression"),
    ("(?u)a", "x", "cannot foresee"),
    ("(?ix) a", "x", "cannot foresee"),
    (r"\blogs", "x", "cannot foresee"),
    ("^(.+)$", r"\1", "plain text"),
    ("^(.+)$", r"\g<1>", "plain text"),
    ("^(.+)$", "$2", "the pattern has 1 group[.]"),
    ("^.+$", "$1", "the pattern has no groups"),
    ("^(.+)$", "${n}", "names the group n"),
    ("^(.+)$", "a$", "stands alone"),
    ("^(.+)$", "a$b", "stands alone"),
    ("^(.+)$", "a\\", "stands alone"),
    (r"\p{Lower}+", "x", "cannot foresee"),
    ("[a-z&&[^b]]", "x", "cannot foresee"),
    ("(?P<n>.+)", "x", "cannot foresee"),
    ("(a)?(?(1)b|c)", "x", "cannot foresee"),
)


@pytest.mark.parametrize(("pattern", "replacement", "why"), REFUSED)
def test_what_would_surprise_is_refused_with_a_sentence(pattern, replacement, why):
    with pytest.raises(BadRename, match=why) as refused:
        renamed(pattern, replacement, "logs-1")
    assert str(refused.value).endswith(".")


def test_two_indices_cannot_become_one():
    with pytest.raises(BadRename, match="a-1 and a-2 would both become same"):
        targets(["a-1", "a-2"], ("^.+$", "same"))
    assert targets(["a", "b"], ("^(.+)$", "x-$1")) == {"a": "x-a", "b": "x-b"}
    assert targets(["a"], None) == {"a": "a"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        ("UPPER", "lower case"),
        ("_a", "must not begin"),
        ("-a", "must not begin"),
        ("+a", "must not begin"),
        ("a#b", "must not hold #"),
        ("a:b", "must not hold :"),
        (".", "is . or .."),
        ("..", "is . or .."),
        ("é" * 128, "256 bytes"),
        *((f"a{character}b", "must not hold") for character in ' "*\\<|,>/?'),
    ],
)
def test_a_name_that_a_server_refuses_is_said_before(name, why):
    with pytest.raises(BadRename, match=why):
        check_index_name(name)


@pytest.mark.parametrize("name", ["a", ".hidden", "né", "a" * 255, "logs-2026.01.01", "a$b", "a+b_c-d"])
def test_a_name_that_servers_take(name):
    check_index_name(name)


@pytest.mark.parametrize(
    ("template", "name"),
    [("restored-{index}", "restored-logs"), ("{index}2", "logs2"), ("a$1-{index}-\\", "a$1-logs-\\")],
)
def test_a_template_is_a_pattern_with_a_replacement(template, name):
    assert renamed(*template_rename(template), "logs") == name


@pytest.mark.parametrize("template", ["", "restored", "{index}-{index}"])
def test_a_template_holds_the_name_once(template):
    with pytest.raises(BadRename, match="exactly once"):
        template_rename(template)


@given(st.text().filter(lambda text: "{index}" not in text), st.text(alphabet="abc-$\\19", min_size=1))
def test_whatever_stands_around_it_is_taken_as_it_is(around, name):
    pattern, replacement = template_rename(around + "{index}")
    assert renamed(pattern, replacement, name) == around + name
