"""Locations against path.repo, by components."""

import pytest

from backups.repositories.paths import (
    BadLocation,
    allowed_everywhere,
    allows,
    check_location,
    same_place,
    setting_with,
)


@pytest.mark.parametrize(
    ("roots", "location", "allowed"),
    [
        (["/srv/backups"], "/srv/backups", True),
        (["/srv/backups"], "/srv/backups/nightly", True),
        (["/srv/backups/"], "/srv/backups/nightly", True),
        (["/srv/backups"], "/srv/backups-old", False),
        (["/srv/backups"], "/srv", False),
        (["/srv/backups"], "nightly", True),
        (["/a", "/b"], "/b/x", True),
        ([], "/srv/backups", False),
        ([], "nightly", False),
    ],
)
def test_what_a_node_allows(roots, location, allowed):
    assert allows(roots, location) is allowed


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("/srv/x", "x", True), ("/srv/x", "/srv/x/", True), ("/srv/x", "/srv/xy", False), ("/other/x", "x", False)],
)
def test_when_two_locations_are_one_folder(one, other, same):
    assert same_place(one, other, ["/srv"]) is same


@pytest.mark.parametrize(("written", "meant"), [("/srv/x/", "/srv/x"), ("//srv/x", "/srv/x"), ("a/./b", "a/b")])
def test_locations_are_tidied(written, meant):
    assert check_location(written) == meant


@pytest.mark.parametrize("location", ["", "/", ".", "..", "/srv/../etc", "a\\b", "a\nb", "x" * 1001])
def test_bad_locations(location):
    with pytest.raises(BadLocation):
        check_location(location)


def test_the_line_to_add_keeps_what_is_there():
    assert setting_with(["/srv/backups"], "/mnt/new") == 'path.repo: ["/srv/backups", "/mnt/new"]'


@pytest.mark.parametrize(
    ("nodes", "allowed"),
    [
        ([], []),
        ([(True, ["/a", "/b"])], ["/a", "/b"]),
        ([(True, ["/a", "/b"]), (True, ["/b", "/c"])], ["/b"]),
        ([(True, ["/a"]), (True, [])], []),
        ([(True, ["/a"]), (True, None), (False, ["/other"])], ["/a"]),
        ([(True, None)], []),
    ],
)
def test_a_folder_counts_where_every_node_that_shows_its_setting_allows_it(nodes, allowed):
    rows = [{"writes_snapshots": writes, "path_repo": roots} for writes, roots in nodes]

    assert allowed_everywhere(rows) == allowed
