"""Files are whole or not there."""

import pytest

from deploy.sandbox.files import write_whole


def test_folders_are_made_and_the_mode_is_set(tmp_path):
    file = tmp_path / "a" / "b" / "secret"

    write_whole(file, "text", 0o600)

    assert file.read_text() == "text"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    file = tmp_path / "file"
    write_whole(file, "old")

    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "new \ud800")

    assert file.read_text() == "old"


def test_what_a_killed_write_left_is_no_hindrance(tmp_path):
    file = tmp_path / "file"
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "\ud800")

    write_whole(file, "new")

    assert [found.name for found in tmp_path.iterdir()] == ["file"]
