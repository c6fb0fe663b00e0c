"""What a writer that died left is removed, and what grows is not: by anybody, at any moment."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader
from backups.archives.cybersift_restore import Entry
from backups.archives.format import index
from backups.archives.format.output import Output
from backups.archives.format.partials import open_partial, partial_of, remove_partials

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
import sys
from pathlib import Path
from backups.archives.format.output import Output
output = Output(Path(sys.argv[1]))
output.write(b"x" * 1000)
print(output.partial.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def writer(tmp_path):
    """Another process that writes tmp_path/out, and the name of its hidden file."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "out"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_what_grows_stays_and_what_a_killed_writer_left_goes(tmp_path, writer):
    process, name = writer
    assert remove_partials(tmp_path) == [] and (tmp_path / name).exists()

    process.kill()
    process.wait()

    assert remove_partials(tmp_path) == [tmp_path / name]
    assert list(tmp_path.iterdir()) == [] and remove_partials(tmp_path) == []


def test_a_dead_writer_with_our_number_does_not_keep_us_from_writing(tmp_path):
    left = partial_of(tmp_path / "out")
    left.write_text("left by a process that had our number in another life of this container")

    output = Output(tmp_path / "out")
    output.write(b"new")
    output.finish()

    assert (tmp_path / "out").read_text() == "new" and not left.exists()


def test_our_own_that_grows_stays(tmp_path):
    output = Output(tmp_path / "out")

    assert remove_partials(tmp_path) == []
    output.abort()


def test_an_index_that_grows_stays_and_what_a_killed_one_left_goes(tmp_path):
    path, removed = index.index_of(tmp_path / "out"), []
    left = path.with_name(f"{path.name}.partial-{os.getpid()}")
    left.write_text("left by a process that had our number in another life of this container")

    def entries():
        removed.append(remove_partials(tmp_path))
        yield reader.Entry("files/a", "f", size=1)

    index.build(path, entries(), [], {"manifest_sha256": "of this one"})

    assert removed == [[]] and [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600
    with index.opened(path, "of this one") as opened:
        assert opened.entry("files/a").size == 1


def test_an_index_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        index.build(tmp_path / ".out.index", (1 / 0 for _ in "x"), [], {})

    assert list(tmp_path.iterdir()) == []


def test_an_index_takes_files_that_have_more_bytes_together_than_a_number_holds(tmp_path):
    """Holes are free."""
    huge = [reader.Entry(f"files/{name}", "f", size=(1 << 63) - 1) for name in "ab"]

    index.build(tmp_path / ".out.index", [reader.Entry("files", "d"), *huge], [], {"manifest_sha256": "x"})

    with index.opened(tmp_path / ".out.index", "x") as opened:
        assert opened.entry("files").bytes == (1 << 63) - 1


def test_what_has_another_name_or_kind_is_left_alone(tmp_path):
    (tmp_path / "elsewhere").write_text("precious")
    for name in ("out", ".out.partial", ".out.partial-x", "out.partial-1", ".partial-1"):
        (tmp_path / name).touch()
    (tmp_path / ".folder.partial-1").mkdir()
    os.mkfifo(tmp_path / ".pipe.partial-2")
    (tmp_path / ".link.partial-3").symlink_to("elsewhere")

    assert remove_partials(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 9


def test_a_name_that_a_new_writer_has_meanwhile_is_left_to_it(tmp_path, monkeypatch):
    """Between a remover's opening of a file and its lock, another removes the file and a writer takes the name."""
    path, flock = tmp_path / ".out.partial-1", fcntl.flock
    path.write_text("old")

    def late(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        path.unlink()
        path.write_text("new")
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)

    assert remove_partials(tmp_path) == [] and path.read_text() == "new"


def test_a_writer_whose_file_was_removed_before_it_was_locked_makes_another(tmp_path, monkeypatch):
    path, flock = tmp_path / ".out.partial-1", fcntl.flock

    def late(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        path.unlink()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    descriptor = open_partial(path)

    assert os.path.samestat(path.stat(), os.fstat(descriptor))
    os.close(descriptor)


def test_where_there_are_no_locks_nothing_is_removed_and_archives_are_written(tmp_path, monkeypatch):
    def flock(*_) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    (tmp_path / ".out.partial-1").write_text("of nobody knows whom")
    output = Output(tmp_path / "out")
    output.finish()

    assert remove_partials(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.partial-1", "out"]


def test_an_index_that_grows_is_not_taken_for_left_over(tmp_path):
    def entries():
        yield Entry("files/a", "f", size=1, mtime=0)
        assert remove_partials(tmp_path) == [] and len(list(tmp_path.iterdir())) == 1
        yield Entry("files/b", "f", size=2, mtime=0)

    index.build(tmp_path / ".out.index", entries(), [], {"manifest_sha256": "of it"})

    with index.opened(tmp_path / ".out.index", "of it") as found:
        assert [row.name for row in found.directory("files", 0, 9)] == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == [".out.index"]
    assert (tmp_path / ".out.index").stat().st_mode & 0o777 == 0o600


def test_a_part_of_an_index_that_a_killed_writer_left_goes(tmp_path):
    (tmp_path / ".out.index.partial-1").write_bytes(b"half")

    assert remove_partials(tmp_path) == [tmp_path / ".out.index.partial-1"]
