"""Short fault runs: SQLite with one host, PostgreSQL with two, Redis as broker. `make test-faults`: the long ones."""

import subprocess
import sys
from pathlib import Path

import pytest

SEED = "7"


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("faults", "options"),
    [
        (8, ["--database", "sqlite"]),
        (8, ["--database", "postgres"]),
        (2, ["--database", "sqlite", "--broker", "redis"]),
    ],
    ids=["one-host", "two-hosts", "redis-as-broker"],
)
def test_nothing_is_lost_doubled_or_left_behind_whatever_fails(faults, options):
    script = Path(__file__).with_name("run.py")
    command = [sys.executable, str(script), str(faults), "--seed", SEED, *options]

    done = subprocess.run(command, capture_output=True, text=True, timeout=390)

    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
