"""Patterns and folders as people write them: what is kept, and that it comes back as it was."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from backups.archives.profiles.forms import PatternsField, SourceForm, number_of
from backups.archives.sources import BadSources, Source, checked

FIELD = PatternsField()
LINE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1).filter(
    lambda text: text.strip() == text
)


@pytest.mark.parametrize(
    ("written", "patterns"),
    [
        ("", []),
        ("**/*.json **/*.yaml", ["**/*.json", "**/*.yaml"]),
        ("  a\tb ", ["a", "b"]),
        ("a\nb", ["a", "b"]),
        ("my models/\r\ncache/", ["my models/", "cache/"]),
        ("my models/\n", ["my models/"]),
        ("\n\na b\n \nc\n", ["a b", "c"]),
    ],
)
def test_spaces_or_lines_part_patterns(written, patterns):
    assert FIELD.clean(written) == patterns


@given(st.lists(LINE, max_size=5))
@example(["one with spaces"])
@example(["a", "b c"])
@example(["no\N{NO-BREAK SPACE}break"])
def test_patterns_come_back_from_the_form_as_they_went_in(patterns):
    assert FIELD.clean(FIELD.prepare_value(patterns)) == patterns


@given(st.lists(LINE, max_size=5))
def test_browsers_write_lines_their_own_way(patterns):
    shown = FIELD.prepare_value(patterns)

    assert FIELD.clean(shown.replace("\n", "\r\n")) == patterns


@given(st.text(), st.text(), st.text(), st.text())
@example("/opt", "", "\\", "")
@example("/opt", "", "[", "#")
@example("/", "", "!", "")
@example("/a\0b", "", "", "")
@example("//opt/./x/", "", "", "")
def test_whatever_is_written_is_a_good_source_or_is_refused_at_its_field(path, name, include, exclude):
    data = {"source-0-path": path, "source-0-name": name, "source-0-include": include, "source-0-exclude": exclude}
    form = SourceForm(data)

    source = form.source()

    if source is None:
        return
    read = Source.of(source)
    assert source["path"].startswith("/") and "//" not in source["path"] and "\0" not in str(source)
    assert read.as_json() == source and checked([source]) == [source], "what is kept is kept as it is"
    GitIgnoreSpec.from_lines(read.include)
    GitIgnoreSpec.from_lines(read.exclude)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"path": ""}, "path"),
        ({"path": "opt"}, "path"),
        ({"path": "/a/../b"}, "path"),
        ({"path": "/" + "a" * 1001}, "path"),
        ({"path": "/a", "name": "..", "include": []}, "name"),
        ({"path": "/a", "name": "x" * 61}, "name"),
        ({"path": "/a", "include": ["!"]}, "include"),
        ({"path": "/a", "include": ["# a comment"]}, "include"),
        ({"path": "/a", "exclude": ["a" * 501]}, "exclude"),
        ({"path": "/a", "exclude": ["[b-a]"]}, "exclude"),
        ({"path": "/a", "exclude": ["*-*-*-*.tmp"]}, "exclude"),
        ({"path": "/a", "include": ["a/**a**/b"]}, "include"),
        ({"path": "/a", "include": ["!**/a/**/b/**/c"]}, "include"),
        ({"path": "/a", "exclude": ["two\nlines"]}, "exclude"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(row, field):
    with pytest.raises(BadSources) as refused:
        checked([{"path": "/first"}, row])

    assert [(problem.number, problem.field) for problem in refused.value.problems] == [(1, field)]


def test_all_that_is_wrong_is_said_at_once():
    rows = [{"path": "a", "include": ["!"]}, {"path": "/b"}, {"path": "/c/b"}]

    with pytest.raises(BadSources) as refused:
        checked(rows)

    assert [problem[:2] for problem in refused.value.problems] == [(0, "path"), (0, "include"), (2, "name")]


@pytest.mark.parametrize(
    ("path", "name"), [("/opt/models", "models"), ("/", "root"), ("/srv/.hidden dir", "hidden-dir"), ("/a/-x", "x")]
)
def test_a_folder_without_a_name_gets_one_from_its_path(path, name):
    assert checked([{"path": path}])[0]["name"] == name


def test_an_escaped_blank_at_the_end_is_part_of_the_pattern():
    assert checked([{"path": "/a", "include": ["odd\\  "]}])[0]["include"] == ["odd\\ "]


@given(st.text())
@example("9" * 30)
@example("٣")
@example("-1")
def test_the_number_of_folders_is_never_more_than_a_form_may_have(text):
    assert 0 <= number_of({"folders": text}) <= 51
