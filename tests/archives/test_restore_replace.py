"""Replacing what is there, and the way back: what is kept, what is refused, and what a journal may say."""

import errno
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader

from .killing import own_names
from .making import Item, Maker, padded, sample, ustar
from .restoring import archive_file, extract, picture, run

pytestmark = pytest.mark.usefixtures("hands")


@pytest.fixture
def path(tmp_path) -> str:
    (tmp_path / "in").mkdir()
    return archive_file(tmp_path / "in", Maker().bytes_of(sample()))


@pytest.fixture
def to(tmp_path) -> Path:
    folder = tmp_path / "place/to"
    folder.mkdir(parents=True)
    (folder / "mine").write_text("mine")
    (folder / "files").mkdir()
    return folder


@pytest.fixture
def mounted(to):
    """The same directory, with something mounted there."""
    done = subprocess.run(["mount", "--bind", to, to], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield to
    subprocess.run(["umount", "--recursive", to], check=True)


def test_what_was_there_is_kept_and_comes_back(path, to):
    to.chmod(0o751)
    before, beside = picture(to), to.parent / "to.restore-notes"
    beside.write_text("of somebody else")

    done = extract(path, to, replace=True)
    kept = to.with_name(done.kept)
    assert picture(kept) == before
    assert "files/models/a.bin" in picture(to) and "mine" not in picture(to)
    assert stat.S_IMODE(to.stat().st_mode) == 0o751

    undone = reader.undo(str(to))
    assert (undone.back, picture(to)) == (done.kept, before)
    assert "files/models/a.bin" in picture(to.with_name(undone.kept))
    assert {each.name for each in to.parent.iterdir()} == {"to", undone.kept, beside.name}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to others")
def test_what_was_kept_may_be_of_anybody(path, to):
    os.chown(to, 1234, 1234)
    before = picture(to)

    kept = extract(path, to, replace=True).kept

    assert to.with_name(kept).stat().st_uid == 1234
    assert reader.undo(str(to)).back == kept and picture(to) == before


def test_a_target_with_the_name_of_a_stage(path, to):
    """Only the end of the name tells a stage from what is kept."""
    old = to.rename(to.with_name("models.restore-old"))
    before = picture(old)

    kept = extract(path, old, replace=True).kept

    assert kept.startswith("models.restore-old.before-")
    assert reader.undo(str(old)).back == kept and picture(old) == before


@pytest.mark.parametrize("kind", ["link", "folder", "FIFO", "file of another"])
def test_a_tree_that_has_the_name_of_a_journal_in_it_is_replaced_as_any_other(path, to, kind):
    """Who owns what is there is not asked whether it may be replaced."""
    false = to / ".restore.json"
    {
        "link": lambda: false.symlink_to("mine"),
        "folder": false.mkdir,
        "FIFO": lambda: os.mkfifo(false),
        "file of another": lambda: false.write_text("{}"),
    }[kind]()
    if kind == "file of another":
        if os.geteuid() != 0:
            pytest.skip("only root can give files to others")
        os.chown(false, 1234, 1234)

    kept = extract(path, to, replace=True).kept

    assert os.path.lexists(to.with_name(kept) / ".restore.json")
    assert "files/models/a.bin" in picture(to)


def test_each_kept_tree_can_be_asked_for(path, to):
    first = extract(path, to, replace=True).kept
    (to / "second").write_text("x")
    extract(path, to, replace=True)

    assert run("undo", "--to", str(to), "--id", first[-16:]).returncode == 0
    assert (to / "mine").exists()
    assert len(list(to.parent.glob("to.before-*"))) == 2
    assert run("undo", "--to", str(to), "--id", "0" * 16).returncode == 3
    assert run("undo", "--to", str(to), "--id", "../../etc").returncode == 2


def test_the_program_says_how_to_go_back(path, to):
    done = run("extract", path, "--to", str(to), "--replace")
    kept, way = done.stdout.splitlines()[1:]

    assert kept == f"What was there is kept as {next(to.parent.glob('to.before-*'))}"
    assert run(*way.partition("cybersift_restore.py ")[2].split()).returncode == 0
    assert (to / "mine").exists()


def test_nothing_or_an_empty_directory_leaves_nothing_to_keep(path, to):
    (to.parent / "empty").mkdir()

    for name in ("empty", "new"):
        assert extract(path, to.parent / name, replace=True).kept == ""
    assert {each.name for each in to.parent.iterdir()} == {"to", "empty", "new"}


def test_a_file_is_not_replaced(path, to):
    with pytest.raises(reader.TargetNotEmpty, match="no directory"):
        extract(path, to / "mine", replace=True)


def test_a_part_of_a_source_is_refused(path, to):
    before = picture(to)

    with pytest.raises(reader.Unavailable, match="whole sources"):
        extract(path, to, replace=True, only=("models/a.bin",))
    assert picture(to) == before
    extract(path, to, replace=True, only=("models",))
    assert (to / "files/models/a.bin").exists()


@pytest.mark.parametrize("replace", [False, True])
def test_a_source_itself_becomes_the_target(replace, path, to, tmp_path):
    extract(path, tmp_path / "all")
    target = to if replace else to.parent / "new"
    extract(path, target, replace=replace, source="models")

    assert picture(target) == picture(tmp_path / "all/files/models")
    whole, one = (tmp_path / "all/files/models").stat(), target.stat()
    assert (one.st_mode, one.st_mtime_ns) == (whole.st_mode, whole.st_mtime_ns)


def test_a_source_in_place_of_a_mount_point(path, mounted, tmp_path):
    extract(path, tmp_path / "all")
    kept = extract(path, mounted, replace=True, source="models").kept

    found = {name: seen for name, seen in picture(mounted).items() if not name.startswith(kept)}
    assert found == picture(tmp_path / "all/files/models")


@pytest.mark.parametrize("source", ["model", "models/a.bin", "other", ".."])
def test_a_source_that_is_not_there(source, path, to):
    with pytest.raises(reader.Unavailable, match="no source"):
        extract(path, to, replace=True, source=source)


def test_a_hard_link_out_of_the_source_is_a_file_of_its_own(tmp_path):
    items = [Item("files/a", "d"), Item("files/a/x", data=b"x"), Item("files/b", "d"), Item("files/b/y", "h")]
    items[-1].target = "files/a/x"
    extract(archive_file(tmp_path, Maker().bytes_of(items)), tmp_path / "to", source="b")

    assert (tmp_path / "to/y").read_bytes() == b"x"


def test_a_dry_run_changes_nothing(path, to):
    before = picture(to.parent)

    assert extract(path, to, replace=True, dry_run=True).entries == 13
    assert picture(to.parent) == before


def test_a_whole_source_may_be_a_part_of_the_archive(tmp_path, to):
    """Also where one of its files is the same as one of another source."""
    items = [Item("files/a", "d"), Item("files/a/x", data=b"x"), Item("files/b", "d"), Item("files/b/y", "h")]
    items[-1].target = "files/a/x"
    path = archive_file(tmp_path, Maker().bytes_of([*items, Item("files/a/z", data=b"z")]))
    extract(path, to, replace=True, only=("b",))

    assert set(picture(to)) == {"files", "files/b", "files/b/y"}


def test_a_tar_of_others_can_replace_too(tmp_path, to):
    path = archive_file(tmp_path, ustar(b"a", size=1) + padded(b"a") + bytes(1024), "foreign.tar")
    extract(path, to, replace=True)

    assert set(picture(to)) == {"a"}
    for options in ({"only": ("a",)}, {"source": "a"}):
        with pytest.raises(reader.Unavailable, match="without checksums"):
            extract(path, to, replace=True, **options)


def test_names_of_ours_in_a_tar_of_others_do_not_come_into_a_mount_point(tmp_path, mounted):
    name = b".before-0123456789abcdef"
    path = archive_file(tmp_path, ustar(name, size=1) + padded(b"a") + bytes(1024), "foreign.tar")
    before = picture(mounted)

    with pytest.raises(reader.Unavailable, match="keeps for itself"):
        extract(path, mounted, replace=True)
    assert picture(mounted) == before


def test_a_damaged_archive_changes_nothing(tmp_path, to):
    path = archive_file(tmp_path, Maker().bytes_of([Item("files/a", data=b"x", extra={"sha256": "0" * 64})]))
    before = picture(to.parent)

    with pytest.raises(reader.Damaged):
        extract(path, to, replace=True)
    assert picture(to.parent) == before


def test_space_is_looked_at_before(path, to, monkeypatch):
    monkeypatch.setattr(reader.Target, "usable", lambda self: 100)

    with pytest.raises(reader.NoSpace):
        extract(path, to, replace=True)
    assert own_names(to.parent) == []


@pytest.mark.parametrize("exchange", [True, False])
def test_a_rename_that_fails_leaves_all_as_it_was(exchange, path, to, monkeypatch):
    before = picture(to.parent)

    def denied(*_):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(reader, "rename_at", denied)
    with pytest.raises(reader.Unavailable, match="Permission denied"):
        extract(path, to, replace=True, exchange=exchange)
    assert picture(to.parent) == before


def test_a_journal_that_cannot_be_written_leaves_all_as_it_was(path, to):
    (to.parent / "to.restore.json.new").mkdir()
    before = picture(to.parent)

    with pytest.raises(reader.Unavailable):
        extract(path, to, replace=True)
    assert picture(to.parent) == before


def test_a_second_rename_that_fails_is_finished_later(path, to, monkeypatch):
    before, rename_at, calls = picture(to), reader.rename_at, []

    def once(*arguments):
        calls.append(arguments)
        if len(calls) > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename_at(*arguments)

    monkeypatch.setattr(reader, "rename_at", once)
    with pytest.raises(reader.Unavailable, match="recover"):
        extract(path, to, replace=True, exchange=False)
    monkeypatch.undo()

    assert not to.exists()
    assert run("recover", "--to", str(to)).stdout == f"The replacement of {to} is finished.\n"
    assert (to / "files/models/a.bin").exists()
    assert picture(next(to.parent.glob("to.before-*"))) == before


@pytest.mark.parametrize("exchange", [True, False])
def test_who_is_ended_between_two_renames_loses_nothing(exchange, path, to, monkeypatch):
    """SIGTERM becomes SystemExit anywhere: the stage may be the old tree by then, and must not be removed."""
    before, rename_at = picture(to), reader.rename_at

    def ended(*arguments):
        rename_at(*arguments)
        raise SystemExit

    monkeypatch.setattr(reader, "rename_at", ended)
    with pytest.raises(SystemExit):
        extract(path, to, replace=True, exchange=exchange)
    monkeypatch.undo()

    assert reader.recover(str(to)).finished
    assert (to / "files/models/a.bin").exists()
    assert picture(next(to.parent.glob("to.before-*"))) == before


def test_without_renameat2(path, to, monkeypatch):
    monkeypatch.setattr(reader, "LIBC", None)

    extract(path, to, replace=True)
    reader.undo(str(to))
    assert (to / "mine").exists()


def test_recover_where_nothing_was(to):
    assert run("recover", "--to", str(to)).stdout == "There was nothing to do.\n"
    assert json.loads(run("recover", "--to", str(to), "--json").stdout) == {
        "ok": True,
        "finished": False,
        "removed": [],
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"journal": 1}',
        '{"journal": 1, "new": "../x", "kept": "to.before-0123456789abcdef", "inside": false, '
        '"entries": {"to": [1, 2]}}',
        '{"journal": 1, "new": "to.restore-0123456789abcdef", "kept": "to.before-0123456789abcdef", "inside": false, '
        '"entries": {"../../etc": [1, 2]}}',
    ],
)
def test_a_journal_that_cannot_be_believed_is_not_used(text, path, to):
    (to.parent / "to.restore.json").write_text(text)
    before = picture(to.parent)

    for do in (
        lambda: reader.recover(str(to)),
        lambda: extract(path, to, replace=True),
        lambda: reader.undo(str(to)),
    ):
        with pytest.raises(reader.Unavailable, match="journal"):
            do()
    assert picture(to.parent) == before


def test_what_somebody_has_moved_meanwhile_is_left_alone(to):
    """The journal's numbers are those of other directories."""
    journal = {"journal": 1, "new": "to.restore-0123456789abcdef", "kept": "to.before-0123456789abcdef"}
    (to.parent / "to.restore.json").write_text(json.dumps({**journal, "inside": False, "entries": {"to": [1, 2]}}))
    (to.parent / journal["new"]).mkdir()
    before = picture(to.parent)

    done = run("recover", "--to", str(to))
    assert done.returncode == 3 and "something else is there now" in done.stderr
    assert picture(to.parent) == before


def test_of_a_mount_point_the_entries_are_exchanged(path, mounted):
    (mounted / "lost+found").mkdir()
    before = picture(mounted)
    kept = extract(path, mounted, replace=True).kept

    assert {each.name for each in mounted.iterdir()} == {"files", "lost+found", kept}
    assert set(picture(mounted / kept)) == {"mine", "files"}
    reader.undo(str(mounted))
    assert {name: seen for name, seen in picture(mounted).items() if not name.startswith(".before-")} == before
    assert [each.name for each in mounted.parent.iterdir()] == ["to"]


def test_a_mount_point_that_nobody_can_tell(path, mounted, monkeypatch):
    """Without statx(2) the rename says so, and it is begun again inside."""
    monkeypatch.setattr(reader, "is_mount_root", lambda directory, name: False)

    assert extract(path, mounted, replace=True).kept.startswith(".before-")
    assert (mounted / "files/models/a.bin").exists()
    assert [each.name for each in mounted.parent.iterdir()] == ["to"]


def test_something_mounted_in_a_mount_point_is_said_before(path, mounted):
    subprocess.run(["mount", "-t", "tmpfs", "tests", mounted / "files"], check=True)
    before = picture(mounted)

    with pytest.raises(reader.Unavailable, match="mounted at files"):
        extract(path, mounted, replace=True)
    assert picture(mounted) == before
