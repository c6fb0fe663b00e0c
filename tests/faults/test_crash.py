"""A run of an archive that is killed at random moments. ``KILLS=100`` in the environment makes more of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("KILLS", "1"))
SEED = "16"
"""Whose first kill hits everything in the middle of packing."""


@pytest.mark.timeout(300 + 60 * KILLS)
def test_whatever_is_killed_rows_and_files_agree_and_nothing_is_left():
    command = [sys.executable, str(Path(__file__).with_name("crash.py")), str(KILLS), "--seed", SEED]

    done = subprocess.run(command, capture_output=True, text=True)

    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
