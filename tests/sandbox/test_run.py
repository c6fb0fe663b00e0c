"""The parts of `make run` that decide something. The whole is run in real/test_make_run.py."""

import fcntl
import os
import socket

import pytest

from deploy.sandbox import console, run


@pytest.mark.parametrize(
    ("said", "clusters", "wanted"),
    [
        (None, [], True),
        (None, ["sandbox"], True),
        (None, ["production"], False),
        (None, ["sandbox", "production"], False),
        ("no", [], False),
        ("No", ["sandbox"], False),
        ("yes", ["production"], False),
    ],
)
def test_the_sandbox_is_for_those_who_have_no_cluster(monkeypatch, said, clusters, wanted):
    monkeypatch.delenv("SANDBOX", raising=False)
    if said:
        monkeypatch.setenv("SANDBOX", said)

    assert run.wants_sandbox(clusters) is wanted


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert console.free_port(port) > port


def test_a_second_run_is_refused_while_the_first_one_lives(tmp_path, capsys):
    first = run.take_lock(tmp_path / "lock")

    with pytest.raises(SystemExit, match=f"already running \\(process {os.getpid()}\\)"):
        run.take_lock(tmp_path / "lock")

    os.close(first)
    os.close(run.take_lock(tmp_path / "lock"))


def test_what_a_killed_run_left_is_waited_for(tmp_path, monkeypatch):
    """The lock is still held by a child of a process that is gone; it ends while we wait."""
    lock = tmp_path / "lock"
    held = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    os.pwrite(held, b"4194305\n", 0)  # above the highest number that Linux gives to a process
    monkeypatch.setattr(run.time, "sleep", lambda seconds: os.close(held))

    os.close(run.take_lock(lock))


def test_the_people_are_printed_and_the_last_line_is_the_address(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "CHECKOUT", tmp_path)
    monkeypatch.setattr(run, "PEOPLE", tmp_path / "var" / "sandbox" / "people.txt")
    run.PEOPLE.parent.mkdir(parents=True)
    run.PEOPLE.write_text("viewer\tsecret-1\tviewer\nadministrator\tsecret-2\tadministrator\n")

    run.introduce("http://127.0.0.1:8000", None)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["viewer", "secret-1", "viewer"]
    assert lines[-1] == "Console ready: http://127.0.0.1:8000  (people and passwords: var/sandbox/people.txt)"


def test_a_command_that_fails_is_told_in_its_own_words(tmp_path):
    lock = run.take_lock(tmp_path / "lock")
    driven = console.Console(tmp_path / "console.log", lock)
    program = "import sys; print('{\"level\": \"info\"}', file=sys.stderr); sys.exit('The disk is full.')"

    with pytest.raises(console.ConsoleError, match=r"failed: The disk is full\.$"):
        driven._run("-c", program)

    assert "The disk is full." in (tmp_path / "console.log").read_text()
    os.close(lock)
