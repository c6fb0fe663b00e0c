"""The program as people run it: commands, exit codes, what it prints; and that it runs on a bare host."""

import ast
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .making import Item, Maker, Redis, padded, sample, ustar
from .restoring import PROGRAM, archive_file, run


@pytest.fixture
def path(tmp_path) -> str:
    errors = [{"path": "files/pipe", "why": "a FIFO"}]
    return archive_file(tmp_path, Maker(redis=[Redis()], errors=errors).bytes_of(sample()))


def test_list(path):
    done = run("list", path, "--only", "models/*.bin", "--only", "redis")

    assert done.returncode == 0
    assert done.stderr == "Asked for, but not in the archive: 1 (list --json names what and why)\n"
    assert done.stdout == "models/a.bin\nredis/default/dump.rdb\nredis/default/meta.json\n"


def test_the_long_list(path):
    lines = run("list", "-l", path).stdout.splitlines()

    assert "-rw-r--r-- root/root                     10 2023-11-14 22:13:20 models/a.bin" in lines
    assert any(line.startswith("lrwxrwxrwx") and line.endswith("models/link -> a.bin") for line in lines)
    assert any(line.endswith(r"models/odd\udcff\n") for line in lines)


def test_the_list_as_json(path):
    listed = json.loads(run("list", "--json", path).stdout)

    assert listed["checksums"] is True
    assert listed["manifest"]["backup_id"]
    assert listed["errors"] == [{"path": "files/pipe", "why": "a FIFO"}]
    assert listed["entries"][1]["path"] == "files/models/a.bin"
    assert (listed["entries"][2]["size"], listed["entries"][2]["uid"]) == (0, 0)


def test_verify(path):
    assert run("verify", path).stdout == "16 entries, 20,207 bytes are right\n"
    assert json.loads(run("verify", "--json", path).stdout)["ok"] is True


def test_verify_damage(tmp_path):
    path = archive_file(tmp_path, Maker().bytes_of([Item("files/a\x1b[2J", data=b"x", extra={"sha256": "0" * 64})]))

    done = run("verify", path)
    listed = json.loads(run("verify", "--json", path).stdout)

    assert done.returncode == 1
    assert done.stdout.startswith(r"damaged: files/a\x1b[2J: it fails its checksum")
    assert listed["damaged"] == [{"path": "files/a\x1b[2J", "why": "it fails its checksum"}]


def test_extract(path, tmp_path):
    to = str(tmp_path / "to")

    assert run("extract", path, "--to", to, "--dry-run").stdout.endswith("would be extracted\n")
    assert run("extract", path, "--to", to).returncode == 0
    again = run("extract", path, "--to", to, "--json")
    assert again.returncode == 4
    assert json.loads(again.stdout)["code"] == 4


def test_extract_as_json(path, tmp_path):
    done = json.loads(run("extract", path, "--to", str(tmp_path / "to"), "--json").stdout)

    assert (done["ok"], done["entries"], done["leftovers"]) == (True, 15, [])


def test_errors_have_their_codes(path, tmp_path):
    cut = archive_file(tmp_path, Path(path).read_bytes()[:-100], "cut.tar.gz")

    assert run("list", cut).returncode == 1
    assert run("list", path, "--nothing").returncode == 2
    assert run("list", str(tmp_path / "missing")).returncode == 3
    assert run("list", str(tmp_path)).returncode == 3
    assert run("verify", path, "--jobs", "0").returncode == 2


def test_help_says_the_codes():
    for command in ([], ["list"], ["verify"], ["extract"]):
        assert "the target is not empty" in run(*command, "--help").stdout


def test_a_list_that_nobody_reads_to_its_end(path):
    """``list | head`` is no reason for a traceback."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, str(PROGRAM), "list", path]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)

    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


def test_a_foreign_tar_is_said_to_be_one(tmp_path):
    path = archive_file(tmp_path, ustar(b"a\x1b", size=4) + padded(b"evil") + bytes(1024), "foreign.tar")

    for command in (["list", path], ["verify", path], ["extract", path, "--to", str(tmp_path / "to")]):
        done = run(*command)
        assert (done.returncode, done.stderr) == (0, "This tar is not the console's: it is without checksums.\n")
    assert run("list", path).stdout == "a\\x1b\n"
    assert "1970-01-01" not in run("list", "-l", path).stdout
    assert json.loads(run("list", "--json", path).stdout)["checksums"] is False
    assert run("verify", path, "--max-members", "1", "--max-bytes", "3").returncode == 1


def test_progress_on_a_terminal(path):
    """And only there: the other tests compare what is printed."""
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, str(PROGRAM), "verify", path], stderr=theirs, stdout=subprocess.DEVNULL, check=True
    )
    os.close(theirs)

    assert b"bytes (" in os.read(ours, 10_000)
    os.close(ours)


def test_only_the_standard_library_is_imported():
    tree = ast.parse(PROGRAM.read_text(encoding="utf-8"), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names)


def old_pythons() -> list[str]:
    """Pythons of version 3.8 and 3.9, on the path or where pyenv puts them."""
    found = [shutil.which(name) for name in ("python3.8", "python3.9")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [str(python) for python in sorted(pyenv.glob("3.[89].*/bin/python"))]
    return [python for python in found if python and works(python)]


def works(python: str) -> bool:
    """The path may hold a stand-in of pyenv for a version that is not chosen."""
    return subprocess.run([python, "-c", "pass"], capture_output=True, check=False).returncode == 0


def test_it_runs_on_old_pythons(path, tmp_path):
    pythons = old_pythons()
    if not pythons:
        pytest.skip("neither Python 3.8 nor 3.9 is here")
    for number, python in enumerate(pythons):
        done = run("extract", path, "--to", str(tmp_path / f"to{number}"), python=python)
        assert (done.returncode, done.stderr.count("\n")) == (0, 1), python
        assert "16 entries" in run("verify", path, python=python).stdout


def test_it_runs_without_a_locale(path, tmp_path):
    done = run("extract", path, "--to", str(tmp_path / "to"), env={"LC_ALL": "C", "PYTHONUTF8": "0"})

    assert done.returncode == 0, done.stderr
    assert run("list", path, env={"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}).returncode == 0
