"""The commands that people type."""

import os
import subprocess

from deploy.lint import CHECKOUT


def test_help_is_the_default_and_names_every_target():
    # These tests run below a make themselves, which would say which folder it enters.
    command = ["make", "--no-print-directory"]
    shown = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout

    targets = {line.split()[0] for line in shown.splitlines()[1:]}
    assert targets == {"help", "run", "test", "test-fast", "test-long", "test-faults", "lint", "bench", "shots"}


def test_make_hands_its_place_to_what_it_runs():
    """A shell in between would not pass SIGTERM on."""
    recipes = [line for line in (CHECKOUT / "Makefile").read_text().splitlines() if line.startswith("\t@")]
    calls = [line for line in recipes if "VENV" in line or "deploy/" in line]

    assert calls
    assert [line for line in calls if not line.startswith("\t@exec ")] == []


def test_ci_runs_everything():
    script = CHECKOUT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("exec make test")
