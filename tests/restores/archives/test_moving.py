"""Many names put in the place of others, and back."""

import pytest

from backups.archives import cybersift_restore as reader
from backups.restores.archives import moving
from backups.restores.archives.plain import plain


@pytest.fixture
def places(tmp_path):
    """A new, a live and a kept tree; the first two have the files a and b."""
    for tree in ("new", "live", "kept"):
        (tmp_path / tree).mkdir()
    for tree in ("new", "live"):
        for name in "ab":
            (tmp_path / tree / name).write_text(f"{tree} {name}")
    return tuple(str(tmp_path / tree) for tree in ("new", "live", "kept"))


def test_a_name_that_others_changed_before_it_was_moved_is_back_as_they_left_it(places, tmp_path):
    moves = moving.listed(*places[:2], ["a", "b"], [])
    (tmp_path / "live/written").write_text("by a service")
    (tmp_path / "live/written").rename(tmp_path / "live/b")
    with pytest.raises(reader.Unavailable):
        moving.forth(*places, moves)
    assert (tmp_path / "live/a").read_text() == "new a"
    assert not moving.is_back(*places, moves)

    moving.back(*places, moves)

    assert moving.is_back(*places, moves)
    assert (tmp_path / "live/a").read_text() == "live a"
    assert (tmp_path / "live/b").read_text() == "by a service"


@pytest.mark.parametrize("error", [reader.Damaged("files/a/secret comes twice"), OSError(5, "Bad disk", "/a/secret")])
def test_an_error_names_no_file(error):
    assert "secret" not in plain(error)
