"""What a worker without the right to something sees of a directory. Files only, no rows."""

import os
import shutil
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader
from backups.archives.locations import opening
from backups.archives.locations.folder import PROGRAM, Unusable, look
from backups.archives.models import ArchiveLocation
from backups.archives.patience import Hung, within

NOBODY = 65534
KEYS = Path("/nowhere/keys")


@contextmanager
def without_rights():
    """Root may do everything, so that tests which run as root become somebody else for a moment."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def opened_of(location: ArchiveLocation, files: list, turn: int = 0) -> opening.Opened:
    opened = opening.Opened()
    opening.open_some(opened, location, files, turn)
    return opened


@pytest.fixture
def directory():
    """One of another person, that everybody may read."""
    path = Path(tempfile.mkdtemp(prefix="archives-"))
    path.chmod(0o755 if os.geteuid() == 0 else 0o555)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


def test_what_may_not_be_written_to_is_seen_all_the_same(directory):
    directory.chmod(0o755)
    (directory / "a.tar.gz").write_bytes(b"x")
    directory.chmod(0o555)
    with without_rights():
        seen = look(directory, b"program", keys_dir=KEYS, expected=False)

    assert list(seen.files) == ["a.tar.gz"] and seen.total
    assert "may not write" in seen.trouble.message and "Permission denied" in seen.trouble.detail


def test_what_may_not_be_read_says_so(directory):
    directory.chmod(0o700 if os.geteuid() == 0 else 0)
    with without_rights(), pytest.raises(Unusable, match="may not read") as error:
        look(directory, b"program", keys_dir=KEYS, expected=True)
    assert not error.value.gone


def test_an_archive_that_may_not_be_read_is_not_judged(directory):
    directory.chmod(0o777)
    (directory / "a.tar.gz").write_bytes(b"x" * 600)
    (directory / "a.tar.gz").chmod(0)
    location = ArchiveLocation(path=str(directory))
    with without_rights():
        seen = look(directory, b"program", keys_dir=KEYS, expected=False)
        opened = opened_of(location, list(seen.files.values()))

    assert opened.columns == {} and "Permission denied" in opened.unreadable["a.tar.gz"]


@pytest.mark.parametrize("what", ["folder", "link"])
def test_the_reader_replaces_a_link_and_leaves_a_folder(tmp_path, what):
    place, other = tmp_path / PROGRAM, tmp_path / "other"
    other.write_bytes(b"program")
    place.mkdir() if what == "folder" else place.symlink_to(other)

    seen = look(tmp_path, b"program", keys_dir=KEYS, expected=False)

    assert seen.trouble is None
    assert bool(seen.notes) is (what == "folder")
    assert place.is_dir() if what == "folder" else place.read_bytes() == b"program" and not place.is_symlink()


def test_every_file_gets_its_turn_where_only_a_few_can_be_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "MOST", 3)
    for number in range(8):
        (tmp_path / f"{number}.tar").write_bytes(bytes(1024))
    files = list(look(tmp_path, b"", keys_dir=KEYS, expected=False).files.values())
    location = ArchiveLocation(path=str(tmp_path))

    rounds = [opened_of(location, files, turn) for turn in range(1, 9)]

    assert {len(opened.columns) for opened in rounds} == {3} and {opened.left for opened in rounds} == {5}
    assert set().union(*(opened.columns for opened in rounds)) == {file.name for file in files}


def test_the_first_is_opened_even_where_there_is_no_time(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "SECONDS", -1)
    for number in range(2):
        (tmp_path / f"{number}.tar").write_bytes(bytes(1024))
    files = list(look(tmp_path, b"", keys_dir=KEYS, expected=False).files.values())

    opened = opened_of(ArchiveLocation(path=str(tmp_path)), files)

    assert len(opened.columns) == 1 and opened.left == 1


def test_an_answer_an_error_and_none_at_all():
    assert within(5, lambda: 7) == 7
    with pytest.raises(reader.Damaged, match="odd"):
        within(5, _fail)
    with pytest.raises(Hung):
        within(0.01, lambda: within(0.5, _never))


def _fail():
    raise reader.Damaged("odd")


def _never():
    threading.Event().wait(5)
