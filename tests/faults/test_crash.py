"""Runs that are killed at random moments, on real servers. ``KILLS=100`` in the environment makes more of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.sandbox.kinds import DEFAULT
from deploy.sandbox.packages import Missing
from deploy.test import need_elasticsearch
from tests.conftest_elasticsearch import not_tested

LONG = pytest.mark.long("servers")
CASES = [
    pytest.param("archives", 1, "16", id="archives"),  # everything is hit in the middle of packing
    pytest.param("indices", 3, "1", id="indices"),
    pytest.param("files", 2, "2", id="files"),
    pytest.param("full-disk", 1, "1", id="full-disk"),
    pytest.param("indices", 50, "7", id="indices-long", marks=LONG),
    pytest.param("files", 40, "3", id="files-long", marks=LONG),
]


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("of", "kills", "seed"), CASES)
def test_whatever_is_killed_the_end_is_true_and_nothing_is_left(of, kills, seed):
    if of == "indices":
        try:
            need_elasticsearch()
        except Missing as problem:
            not_tested(DEFAULT, problem)
    kills = os.environ.get("KILLS", str(kills))
    command = [sys.executable, str(Path(__file__).with_name("crash.py")), kills, "--of", of, "--seed", seed]

    done = subprocess.run(command, capture_output=True, text=True)

    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    if "not tested: " in done.stdout:
        pytest.skip(done.stdout.partition("not tested: ")[2].strip())
