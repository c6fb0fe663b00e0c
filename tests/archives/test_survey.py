"""What a folder would bring, against real trees; and the check that tells it to a form."""

import os
import socket
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.archives.profiles import checks
from backups.archives.profiles.checks import check_sources
from backups.archives.sources import Source
from backups.archives.survey import survey

NAME = st.binary(min_size=1, max_size=20).filter(
    lambda n: b"/" not in n and b"\0" not in n and n not in (b".", b"..")
)


def see(path, *, include=(), exclude=(), **options):
    return survey(Source("it", str(path), tuple(include), tuple(exclude)), excluded=True, **options)


def make(root: Path, *files: str, size: int = 10) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x" * size)
    return root


def test_files_bytes_newest_and_largest(tmp_path):
    make(tmp_path, "a", "b/c", size=10)
    make(tmp_path, "b/large.bin", size=500)
    os.utime(tmp_path / "a", (4e9, 4e9))

    found = see(tmp_path)

    assert (found.files, found.bytes, found.excluded, found.whole) == (3, 520, 0, True)
    assert (found.newest_name, found.newest, found.largest_name, found.largest) == ("a", 4e9, "b/large.bin", 500)


def test_below_a_directory_that_is_left_out_nothing_is_taken(tmp_path):
    make(tmp_path, "keep/a.json", "keep/b.tmp", "cache/deep/er/x.json", "cache/y.json")

    found = see(tmp_path, include=["**/*.json"], exclude=["cache/"])

    assert (found.files, found.excluded, found.excluded_bytes) == (1, 3, 30)


def test_a_pattern_that_takes_back_does_not_reach_into_a_directory_that_is_left_out(tmp_path):
    make(tmp_path, "cache/x.json", "logs/x.json", "logs/y.log")

    found = see(tmp_path, exclude=["cache/", "!cache/x.json", "logs/*", "!*.json"])

    assert (found.files, found.excluded, found.largest_name) == (1, 2, "logs/x.json")


PATTERN = st.sampled_from(["a", "a/", "/b", "**/c", "a/**", "*.x", "!a", "!*.x", "b/c", "**", "a/*/c", "!/b/"])
PATH = st.lists(st.sampled_from(["a", "b", "c", "d.x", "a.x"]), min_size=1, max_size=4)


@given(st.lists(PATH, max_size=8), st.lists(PATTERN, max_size=3), st.lists(PATTERN, max_size=3))
def test_counting_what_is_left_out_takes_what_an_archive_takes(tmp_path_factory, paths, include, exclude):
    root = tmp_path_factory.mktemp("tree")
    for parts in paths:
        file = root.joinpath(*parts)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x")
        except OSError:  # a file stands where a directory would be
            continue
    number = sum(len(files) for _, _, files in os.walk(root))

    counted, plain = (
        see(root, include=include, exclude=exclude),
        survey(Source("it", str(root), tuple(include), tuple(exclude))),
    )

    assert (counted.files, counted.bytes) == (plain.files, plain.bytes)
    assert counted.files + counted.excluded == number


@given(st.lists(NAME, min_size=1, max_size=5, unique=True))
def test_names_of_any_bytes_are_counted_and_can_be_shown(tmp_path_factory, names):
    root = tmp_path_factory.mktemp("odd")
    for name in names:
        (root / os.fsdecode(name)).write_bytes(b"x")

    found = see(root, exclude=["*.none"])

    assert found.files == len(names)
    found.largest_name.encode()


@pytest.fixture
def nobody():
    """A directory that everybody may read, and for a test that runs as root the eyes of an ordinary user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        is_root = os.geteuid() == 0
        yield SimpleNamespace(folder=Path(folder), become=lambda: is_root and os.seteuid(65534))
        if is_root:
            os.seteuid(0)
        for path in Path(folder).iterdir():
            path.chmod(0o700)


def test_what_may_not_be_read_is_counted_where_it_is_asked_for(nobody):
    make(nobody.folder, "open/a", "closed/b", "left out/c")
    for name in ("closed", "left out"):
        (nobody.folder / name).chmod(0)
    nobody.become()

    found = see(nobody.folder, exclude=["left out/"])
    closed = see(nobody.folder / "closed")

    assert (found.files, found.unreadable) == (1, 1)
    assert closed.is_empty and "may not read" in closed.error


def test_links_are_counted_as_links_and_a_root_that_is_one_is_followed(tmp_path):
    make(tmp_path, "real/a", "real/b")
    (tmp_path / "real/link").symlink_to("/nowhere")
    (tmp_path / "root").symlink_to("real")

    found = see(tmp_path / "root", exclude=["b"])

    assert (found.files, found.links, found.excluded) == (1, 1, 1)


def test_a_folder_with_links_only_is_not_empty(tmp_path):
    (tmp_path / "link").symlink_to("elsewhere")

    assert not see(tmp_path).is_empty
    assert see(tmp_path, exclude=["link"]).is_empty


def test_sockets_and_pipes_are_skipped_where_they_are_asked_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))

        assert see(tmp_path).skipped == 2
        assert see(tmp_path, exclude=["socket"]).skipped == 1


def test_time_that_runs_out_makes_it_a_least_and_never_empty(tmp_path):
    make(tmp_path, *(f"{number}/file" for number in range(20)))

    found = see(tmp_path, include=["*.none"], seconds=0)

    assert not found.whole and found.excluded < 20
    assert not found.is_empty, "what was not looked at may hold something"


def test_who_cancels_waits_for_no_more(tmp_path):
    make(tmp_path, *(f"{number}/file" for number in range(20)))

    assert not see(tmp_path, cancelled=lambda: True).whole


@pytest.mark.parametrize(
    ("path", "words"),
    [("modles", "Did you mean {}/models?"), ("nothing like it", "does not exist."), ("file", "is no folder.")],
)
def test_a_folder_that_is_none_says_why(tmp_path, path, words):
    make(tmp_path, "models/a", "file")

    found = see(tmp_path / path)

    assert found.is_empty and words.format(tmp_path) in found.error


def test_flow_and_repositories_of_nifi_are_noted_where_they_are_taken(tmp_path):
    make(tmp_path, "conf/flow.json.gz", "content_repository/1/2", "provenance_repository/x", "flowfile_repository/j")

    everything = see(tmp_path)
    without = see(tmp_path, exclude=["*_repository/"])

    assert everything.flow == "conf/flow.json.gz"
    assert sorted(everything.nifi_data) == ["content_repository", "flowfile_repository", "provenance_repository"]
    assert without.flow and without.nifi_data == []
    assert see(tmp_path / "content_repository").nifi_data == ["content_repository"]


class Asked:
    """The turn of a check, as far as a check sees it."""

    def __init__(self, source: dict, apart: str = "/nowhere") -> None:
        self.run = self
        self.params = {"source": source, "apart": apart}


def source(path, **more) -> dict:
    return Source("it", str(path), **more).as_json()


def test_the_check_says_it_in_words(tmp_path):
    make(tmp_path, "conf/flow.json.gz", "b.tmp", "content_repository/1")
    (tmp_path / "link").symlink_to("b.tmp")

    result = check_sources(Asked(source(tmp_path, exclude=("*.tmp",))))

    assert (result["files"], result["state"], result["empty"]) == ("2 files", "partial", False)
    facts = " · ".join(result["facts"])
    assert "1 file, 10" in facts and "excluded" in facts and "1 link, kept as a link" in facts and "newest " in facts
    warnings = " ".join(result["warnings"])
    assert "not consistent while NiFi runs" in warnings and "NiFi writes conf/flow.json.gz" in warnings
    assert result["title"].startswith("it: 2 files")


def test_archives_and_keys_are_not_counted(tmp_path, settings):
    settings.KEYS_DIR = tmp_path / "keys"
    make(tmp_path, "a", "archives/old.tar.gz", "keys/private")

    result = check_sources(Asked(source(tmp_path), apart=str(tmp_path / "archives")))

    assert result["found"]["files"] == 1


def test_a_share_that_hangs_is_given_up_and_says_nothing_of_being_empty(tmp_path, monkeypatch):
    away = threading.Event()
    monkeypatch.setattr(checks, "survey", lambda *_, **__: away.wait())
    monkeypatch.setattr(checks, "MORE", -3.9)

    result = check_sources(Asked(source(tmp_path)))
    away.set()

    assert "gave no answer in 4 s" in result["error"] and not result.get("empty")


def test_a_time_that_no_calendar_has_is_left_out(tmp_path):
    make(tmp_path, "a")
    try:
        os.utime(tmp_path / "a", (2**40, 2**40))
    except OSError:
        pytest.skip("this file system has no such times")

    result = check_sources(Asked(source(tmp_path)))

    assert result["files"] == "1 file"


def test_one_that_is_empty_has_failed(tmp_path):
    result = check_sources(Asked(source(tmp_path / "none")))

    assert (result["state"], result["files"], result["empty"]) == ("failed", "0 files", True)
    assert "does not exist" in result["title"]
