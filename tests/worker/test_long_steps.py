"""How long steps get from the queue to the supervisor. Real processes."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from backups.worker import long_steps
from backups.worker.long_steps import LongSteps, hand_over

from .test_supervisor import is_gone, wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def steps(settings, tmp_path):
    """The steps of a host, each of which only sleeps."""
    settings.CONSOLE_HOME = tmp_path
    made = LongSteps()
    yield made
    for step in made.present():
        step.kill()


def started(steps: LongSteps) -> list:
    for step in steps.present():
        step.argv = SLEEP
        step.watch()
    return steps.present()


def test_a_step_has_its_place_until_its_process_is_gone(steps):
    assert hand_over(7, 3)
    (step,) = started(steps)
    assert not hand_over(8, 1)

    os.kill(step.process.pid, signal.SIGKILL)
    wait_until(lambda: step.process.poll() is not None)
    assert not hand_over(8, 1)
    step.watch()

    assert steps.present() == []
    assert hand_over(8, 1)


def test_it_starts_the_command_for_its_run_and_fence(steps):
    hand_over(7, 3)

    (step,) = steps.present()

    assert step.argv[-3:] == ["run_step", "7", "3"]


def test_many_at_once_get_no_more_than_the_places(steps, settings):
    settings.LONG_STEPS = 2
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda number: hand_over(number, 1), range(40)))

    assert sum(given) == 2
    assert len(steps.present()) == 2


def test_what_a_killed_supervisor_left_is_forgotten(steps):
    hand_over(7, 3)

    assert LongSteps().present() == []
    assert hand_over(7, 4)


def test_ended_by_the_supervisor_it_leaves_nothing(steps):
    hand_over(7, 3)
    (step,) = started(steps)
    pid = step.process.pid

    step.kill()

    assert is_gone(pid)
    assert list((long_steps._folder()).iterdir()) == [long_steps._folder() / "lock"]


def test_one_that_cannot_be_started_is_tried_again_later(steps):
    hand_over(7, 3)
    (step,) = steps.present()
    step.argv = ["/nowhere/to/be/found"]

    step.watch()
    step.watch()

    assert step.process is None
    assert steps.present() == [step]


def test_a_disk_that_takes_no_file_is_no_place(steps):
    long_steps._folder().parent.write_text("in the way")

    assert not hand_over(7, 3)
