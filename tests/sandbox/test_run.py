"""The parts of `make run` that decide something. The whole is run in real/test_make_run.py."""

import fcntl
import os
import socket

import pytest

from backups.clusters.models import Cluster, CredentialState, Purpose
from deploy.sandbox import console, known, run
from tests.factories import add_credential


@pytest.mark.parametrize(
    ("said", "clusters", "reason"),
    [
        (None, [], ""),
        (None, ["sandbox"], ""),
        (None, ["sandbox", "production"], ""),
        ("", ["production", "sandbox"], ""),
        ("yes", ["production"], ""),
        ("no", [], "SANDBOX is no."),
        ("No", ["sandbox"], "SANDBOX is no."),
        (None, ["production"], "the console has other clusters (production). "),
    ],
)
def test_the_sandbox_starts_wherever_it_is_known_or_nothing_is(monkeypatch, said, clusters, reason):
    monkeypatch.delenv("SANDBOX", raising=False)
    if said is not None:
        monkeypatch.setenv("SANDBOX", said)

    assert run.left_out(clusters).partition("To start")[0] == reason


def test_who_gets_no_sandbox_is_told_why_and_how_to_have_one(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("SANDBOX", raising=False)
    monkeypatch.setattr(run, "LOGS", tmp_path)
    lock = run.take_lock(tmp_path / "lock")
    started = run.Run(lock)
    monkeypatch.setattr(started.console, "known", lambda: {"administrator": True, "clusters": ["soc-prod"]})
    monkeypatch.setattr(started.console, "start", stopped)

    with pytest.raises(run.Stopped):
        started.start()

    assert started.server is None
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("Without the sandbox: the console has other clusters (soc-prod). ")
    assert line.endswith("To start it all the same: SANDBOX=yes make run")
    os.close(lock)


def stopped(port: int) -> None:
    """Instead of a console that starts."""
    raise run.Stopped


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


@pytest.mark.django_db
def test_a_cluster_is_untested_until_each_of_its_users_was_tried():
    cluster = Cluster.objects.create(name="sandbox", addresses=["https://127.0.0.1:9200"])
    add_credential(cluster, Purpose.EVERYDAY, "everyday", "secret")
    other = add_credential(cluster, Purpose.RESTRICTED, "restricted", "secret")
    other.state = CredentialState.UNCHECKED
    other.save()
    assert known.known()["untested"] == ["sandbox"]

    other.state = CredentialState.BAD
    other.save()
    assert known.known()["untested"] == []


@pytest.mark.parametrize(
    ("answers", "within", "tested"),
    [
        ([["sandbox"], ["sandbox", "production"], ["production"]], 600, True),
        ([["sandbox"]], 0, False),
    ],
)
def test_the_test_of_the_sandbox_is_waited_for_but_not_for_ever(tmp_path, monkeypatch, answers, within, tested):
    driven = console.Console(tmp_path / "console.log", lock=0)
    monkeypatch.setattr(console, "TESTED_WITHIN", within)
    monkeypatch.setattr(driven, "known", lambda: {"untested": answers.pop(0)})

    assert driven.wait_until_tested() is tested
    assert answers == []
