"""The supervisor: replaces what ends or ails, and never leaves a process behind. Real processes throughout."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from backups.worker import pulse, supervisor
from backups.worker.supervisor import Child, Supervisor, session_members

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def wait_until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait on a condition; the deadline is for the case that it never comes."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """No such process, or only the remains of one that nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def numbers(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


@pytest.fixture
def child():
    """``child(argv)`` is a Child that is ended with the test."""
    made = []

    def make(argv=SLEEP, **options) -> Child:
        made.append(Child("test", argv, **options))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def test_a_child_that_ended_is_started_again_after_a_while(child):
    one = child()
    one.watch()
    first = one.process.pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: one.process.poll() is not None)

    one.watch()
    assert one.process is None
    assert one.start_again_at > time.monotonic()
    one.watch()
    assert one.process is None  # not at once: a child that cannot start must not be started 5 times a second
    one.start_again_at = 0
    one.watch()
    assert one.process.pid != first
    assert not is_gone(one.process.pid)


def test_a_child_that_fails_often_is_started_ever_more_slowly(child):
    one = child()
    delays = []
    for _ in range(6):
        one.start_again_at = 0
        one.watch()
        one.process.kill()
        wait_until(lambda: one.process.poll() is not None)
        one.watch()
        delays.append(one.delay)
    assert delays == [2, 4, 8, 16, 30, 30]


def test_a_child_that_lived_long_is_started_again_soon(child, monkeypatch):
    one = child()
    one.delay = 30
    one.watch()
    one.started_at -= 61
    one.process.kill()
    wait_until(lambda: one.process.poll() is not None)
    one.watch()
    assert one.delay == 1


def test_a_child_that_ails_is_killed_with_its_whole_session(child, tmp_path):
    pids = tmp_path / "pids"
    script = f"""
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
with open({str(pids)!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
time.sleep(600)
"""
    ill = []
    one = child([sys.executable, "-c", script], ailing=lambda child: "is ill" if ill else "")
    one.watch()
    wait_until(lambda: len(numbers(pids)) == 2)
    one.watch()
    assert one.process is not None

    ill.append(True)
    one.asked_at = float("-inf")
    one.watch()
    assert one.process is None
    assert all(is_gone(pid) for pid in numbers(pids))


def test_a_child_is_not_asked_how_it_is_with_every_look(child):
    asked = []
    one = child(ailing=lambda child: asked.append(child) or "")
    for _ in range(10):
        one.watch()
    assert len(asked) == 1

    one.asked_at -= supervisor.ASK_SECONDS
    one.watch()
    assert len(asked) == 2


def test_a_process_that_cannot_be_killed_is_left_behind(child, monkeypatch, caplog):
    """Nothing ends a process in state D: its session goes on having a member that takes no signal."""
    no_such_process = 2**22 + 1
    monkeypatch.setattr(supervisor, "KILL_SECONDS", 0.2)
    monkeypatch.setattr(supervisor, "session_members", lambda session: [session, no_such_process])
    one = child()
    one.watch()
    pid = one.process.pid
    one.kill()

    assert one.process is None
    assert is_gone(pid)
    assert f"[{pid}, {no_such_process}] cannot be killed; going on without" in caplog.text


def test_a_child_that_cannot_be_started_is_tried_again(child):
    one = child(["/nowhere/no-such-program"])
    one.watch()
    assert one.process is None
    assert one.start_again_at > time.monotonic()


SUPERVISING = """
import os, pathlib, sys
import django
django.setup()
from backups.worker.supervisor import Child, Supervisor
script = '''
import os, sys, time
from backups.worker import supervisor
supervisor.let_forks_die_with_parent()
forked = os.fork()
if forked == 0:
    os.fork()
with open({pids!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\\\n")
time.sleep(600)
'''
with open({pids!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
Supervisor([Child("tree", [sys.executable, "-c", script])]).run()
"""


@pytest.fixture
def tree(tmp_path):
    """A supervising process with a child that has a child that has a child: (process, pids of all four)."""
    pids = tmp_path / "pids"
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "CONSOLE_HOME": str(settings.CONSOLE_HOME)}
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISING.format(pids=str(pids))],
        env=environ,
        cwd=settings.BASE_DIR,
        start_new_session=True,
    )
    wait_until(lambda: len(numbers(pids)) == 4, 60)
    yield process, numbers(pids)
    process.kill()
    process.wait()


def test_a_killed_supervisor_leaves_no_process_behind(tree):
    process, pids = tree
    assert not any(is_gone(pid) for pid in pids)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    wait_until(lambda: all(is_gone(pid) for pid in pids))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_supervisor_that_is_asked_to_end_ends_its_own_first(tree, number):
    process, pids = tree
    process.send_signal(number)

    assert process.wait(timeout=60) == 0
    assert all(is_gone(pid) for pid in pids)


def test_a_second_signal_ends_children_that_do_not_want_to(child, tmp_path):
    ready = tmp_path / "ready"
    script = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(ready)!r}).write_text('1'); time.sleep(600)"
    )
    one = child([sys.executable, "-c", script])
    one.watch()
    wait_until(lambda: numbers(ready))
    supervising = Supervisor([one])
    supervising.signals = 2
    pid = one.process.pid
    supervising._stop()
    assert is_gone(pid)


def test_members_of_a_session_are_found_whatever_they_are_called(child):
    script = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'a) \\xff (b', 0, 0, 0); time.sleep(600)"
    one = child([sys.executable, "-c", script])
    one.watch()
    comm = Path(f"/proc/{one.process.pid}/comm")
    wait_until(lambda: b"\xff" in comm.read_bytes())
    assert session_members(one.process.pid) == [one.process.pid]


# --- what makes the two halves of a worker ail ------------------------------------------------------------


@pytest.fixture
def home(settings, tmp_path):
    settings.CONSOLE_HOME = tmp_path
    return tmp_path


def silent(name: str, seconds: float) -> None:
    pulse.touch(name)
    moment = time.monotonic() - seconds
    os.utime(pulse._file(name), (moment, moment))


def test_a_ticker_that_is_silent_ails(child, home, settings):
    one = child()
    one.watch()
    assert supervisor.ticker_ails(one) == ""  # just started: it has had no time for a tick
    one.started_at -= settings.STALL_SECONDS + 1
    silent(pulse.TICK, 5)
    assert supervisor.ticker_ails(one) == ""
    silent(pulse.TICK, settings.STALL_SECONDS + 5)
    assert "has not ticked for" in supervisor.ticker_ails(one)


QUEUE = """
import os, time
for _ in range({processes} - 1):
    if os.fork() == 0:
        break
with open({pids!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
time.sleep(600)
"""


@pytest.fixture
def queue(child, home, settings, tmp_path):
    """A queue of two workers with all its processes, which had the time to start, and its task has just been run."""
    settings.WORKER_PROCESSES = 2
    pids = tmp_path / "pids"
    one = child([sys.executable, "-c", QUEUE.format(processes=6, pids=str(pids))])
    one.watch()
    wait_until(lambda: len(numbers(pids)) == 6)
    one.started_at -= settings.STALL_SECONDS + supervisor.STARTING_SECONDS
    silent(pulse.TASK, 5)
    return one


def test_a_queue_ails_when_one_of_its_processes_is_not_replaced(queue, settings):
    assert supervisor.queue_ails(queue) == ""
    lost = session_members(queue.process.pid)[-1]
    os.kill(lost, signal.SIGKILL)
    wait_until(lambda: is_gone(lost))

    assert supervisor.queue_ails(queue) == ""  # the sentinel needs a moment to replace it
    queue.lacking_since -= settings.STALL_SECONDS + 1
    assert "has lacked 1 of its processes for" in supervisor.queue_ails(queue)


def test_a_queue_that_is_complete_again_is_well(queue, settings):
    settings.WORKER_PROCESSES = 3
    assert supervisor.queue_ails(queue) == ""
    assert queue.lacking_since
    settings.WORKER_PROCESSES = 2
    assert supervisor.queue_ails(queue) == ""
    assert queue.lacking_since is None


def test_a_queue_that_has_just_begun_is_not_looked_at(child, home):
    one = child()
    one.watch()
    assert supervisor.queue_ails(one) == ""
    assert one.lacking_since is None


def test_a_queue_that_runs_no_task_ails(queue, settings):
    assert supervisor.queue_ails(queue) == ""
    silent(pulse.TASK, settings.STALL_SECONDS + 5)
    assert "has run no task for" in supervisor.queue_ails(queue)
