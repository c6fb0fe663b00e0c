"""Patterns mean what they mean in gitignore files, and no name makes one of them slow."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from backups.archives.sources import checked
from backups.gateways.filetree import Selection, _patterns

PATTERN = st.text("ab*?[]!^-/\\. ", min_size=1, max_size=14)
PATH = st.lists(st.text("ab.-*[! \n", min_size=1, max_size=7), min_size=1, max_size=4).map("/".join)


@given(st.lists(PATTERN, min_size=1, max_size=4), st.lists(PATH, min_size=1, max_size=8))
@example(["*a*?b*"], ["aab", "ab", "a/b", "xaxxbx/c"])
@example(["*a*b*/", "!*b*a*b"], ["aab/b", "bab", "b/aab/"])
@example(["*[!x]*b"], ["a/b"])
@example(["***a**b***"], ["ab\n", "\nab"])
@example(["*\\**\\?*a"], ["a*a?a", "**?a"])
def test_they_match_what_the_library_matches(patterns, names):
    try:
        real = GitIgnoreSpec.from_lines(patterns)
    except (ValueError, re.error) as error:
        with pytest.raises(type(error)):
            _patterns(patterns)
        return
    ours = _patterns(patterns)
    for name in (*names, *(f"{name}/" for name in names)):
        assert ours.match_file(name) == real.match_file(name), name


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("*a" * 20 + "b", "a" * 250), ("*-*-*-*-*-*-*.tmp", "-" * 250), ("**/*a*a*a*a*a*b", "a/" * 99)],
)
def test_a_name_that_almost_fits_is_done_at_once(pattern, name):
    """By trying every way to divide such a name among the stars, the first two last for years."""
    selection = Selection(exclude=[pattern])

    assert selection.takes(name.encode())
    assert not selection.takes(pattern.replace("*", "x").encode())


def test_ordinary_patterns_are_taken_as_before():
    patterns = [
        "*.tmp",
        "/keys/*.pem",
        "**/*.json",
        "models/**/weights.bin",
        "a/**/b/**/c/**",
        "\\*\\*\\*\\*",
        "!**/x/**/y",
    ]

    assert checked([{"path": "/opt", "include": patterns}])[0]["include"] == patterns
