"""What cannot be read is a mark in the manifest or the end of the archive, as asked; what is gone or no file is only
named."""

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from backups.archives.format.errors import UnreadableFile
from backups.archives.format.writer import ArchiveWriter
from deploy.sandbox import unprivileged

from .reading import ABOUT, write

ROOT = Path(__file__).resolve().parents[2]
PACK = """
import json, sys
from pathlib import Path
from backups.archives.format.errors import ArchiveError
from backups.archives.format.writer import About, ArchiveWriter
how, jobs, tree, out = sys.argv[1:]
try:
    with ArchiveWriter(Path(out), About("1"), codec_name="tar", jobs=int(jobs), unreadable=how) as writer:
        writer.add_tree("tree", Path(tree))
        print(json.dumps(["written", writer.finish().counts.skipped]))
except ArchiveError as error:
    print(json.dumps([type(error).__name__, error.path, error.errno]))
"""


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    (root / "file").write_text("can be read")
    return root


def packed_by_an_ordinary_user(tree: Path, how: str, jobs: int = 1) -> list:
    """By root everything can be read."""
    out = tree.parent / "place" / "out"
    out.parent.mkdir()
    command = [*unprivileged.prefix(tree.parent), sys.executable, "-c", PACK, how, str(jobs), tree, out]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [path.name for path in out.parent.iterdir()] == (["out"] if answer[0] == "written" else [])
    return answer


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("size", [10, 2 << 20])
def test_a_file_that_may_not_be_read(tree, size, jobs):
    for number in range(100):
        (tree / f"other{number}").touch()
    (tree / "secret").write_bytes(bytes(size))
    (tree / "secret").chmod(0)

    assert packed_by_an_ordinary_user(tree, "fail", jobs) == ["UnreadableFile", "files/tree/secret", errno.EACCES]


def test_a_directory_that_may_not_be_read(tree):
    (tree / "secret").mkdir(mode=0)

    assert packed_by_an_ordinary_user(tree, "fail") == ["UnreadableFile", "files/tree/secret", errno.EACCES]


def test_both_are_marks_where_nothing_else_was_asked_for(tree):
    (tree / "secret").mkdir(mode=0)
    (tree / "file").chmod(0)

    assert packed_by_an_ordinary_user(tree, "mark") == ["written", 2]


def test_an_error_of_the_disk_is_one_too(tmp_path):
    """This process's memory is a regular file that answers the first read with an input/output error."""
    with pytest.raises(UnreadableFile, match="files/tree/mem cannot be read: Input/output error") as caught:
        write(tmp_path, Path("/proc/self"), add={"include": ["/mem"], "exclude": ["*/"]}, unreadable="fail")

    assert (caught.value.path, caught.value.errno) == ("files/tree/mem", errno.EIO)


def test_a_root_that_is_not_there_is_one_too(tmp_path):
    with (
        pytest.raises(UnreadableFile, match="files/tree cannot be read"),
        ArchiveWriter(tmp_path / "out", ABOUT, jobs=1, unreadable="fail") as writer,
    ):
        writer.add_tree("tree", tmp_path / "none")


def test_what_is_gone_or_no_file_is_only_named(tmp_path, tree):
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(str(tree / "socket"))
    (tree / "z-big").write_bytes(bytes(2 << 20))

    def vanish(*_) -> None:
        (tree / "z-big").unlink(missing_ok=True)

    archive = write(tmp_path, tree, unreadable="fail", progress=vanish)

    assert {path: entry["why"] for path, entry in archive.errors.items()} == {
        "files/tree/pipe": "a FIFO", "files/tree/socket": "a socket", "files/tree/z-big": "vanished",
    }  # fmt: skip
