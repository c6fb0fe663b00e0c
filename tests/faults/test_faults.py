"""A short fault run: every kind of fault once, on SQLite."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_left_behind_whatever_is_killed():
    script = Path(__file__).with_name("run.py")

    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=590)

    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
