"""A guarded command never outlives the process that asked for it, whichever of them is killed."""

import os
import signal
import subprocess
import sys
import threading
import uuid

import pytest

from deploy.sandbox import guard
from tests.sandbox.eventually import eventually, running

# A command of two processes that both carry the mark, as a server behind a launcher.
CHAIN = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)', sys.argv[1]])"
PARENT = """
import sys, time
from deploy.sandbox import guard
guard.start([sys.executable, "-c", sys.argv[1], sys.argv[2]], grace=1)
time.sleep(600)
"""


@pytest.fixture
def mark():
    mark = f"guarded-{uuid.uuid4()}"
    yield mark
    for left in running(mark):
        os.kill(left, signal.SIGKILL)


def chain(mark: str) -> list[str]:
    return [sys.executable, "-c", CHAIN, mark]


def started(mark: str, processes: int) -> bool:
    return len(running(mark)) == processes


def test_terminate_ends_the_whole_chain(mark):
    process = guard.start(chain(mark), grace=1)
    eventually(lambda: started(mark, 3))

    process.terminate()

    process.wait(30)
    assert running(mark) == []


def test_a_killed_parent_leaves_nothing(mark):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHAIN, mark])
    eventually(lambda: started(mark, 4))

    parent.kill()
    parent.wait()

    eventually(lambda: not running(mark))


def test_a_killed_guard_takes_its_command_along(mark):
    process = guard.start([sys.executable, "-c", "import time; time.sleep(600)", mark])
    eventually(lambda: started(mark, 2))

    process.kill()
    process.wait()

    eventually(lambda: not running(mark))


def test_the_end_of_the_starting_thread_is_not_the_end(mark):
    processes = []
    thread = threading.Thread(target=lambda: processes.append(guard.start(chain(mark), grace=1)))
    thread.start()
    thread.join()

    eventually(lambda: started(mark, 3))
    assert processes[0].poll() is None

    processes[0].terminate()
    processes[0].wait(30)


def test_a_command_that_ends_by_itself_hands_its_code_on():
    process = guard.start([sys.executable, "-c", "raise SystemExit(7)"])

    assert process.wait(30) == 7


def test_a_command_that_ignores_the_request_is_killed(mark):
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    process = guard.start([sys.executable, "-c", deaf, mark], grace=0.2, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "deaf\n"

    process.terminate()

    process.wait(30)
    process.stdout.close()
    assert running(mark) == []
