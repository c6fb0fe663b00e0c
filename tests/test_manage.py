"""manage.py with a Python that has none of the packages: it finds them, or says what is missing."""

import shutil
import subprocess
import sys
import venv

import pytest

from deploy.lint import CHECKOUT

WITHOUT_PACKAGES = (sys.executable, "-S")


@pytest.fixture
def checkout(tmp_path):
    shutil.copy(CHECKOUT / "manage.py", tmp_path)
    return tmp_path


def run(*python, checkout) -> subprocess.CompletedProcess:
    command = [*python, checkout / "manage.py", "audit_verify", "--since", "7"]
    return subprocess.run(command, cwd="/", env={}, capture_output=True, text=True)


def test_it_starts_again_with_the_python_of_its_checkout(checkout):
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\nexit 3\n')
    python.chmod(0o755)

    ran = run(*WITHOUT_PACKAGES, checkout=checkout)

    assert ran.stdout == f"{checkout}/manage.py audit_verify --since 7\n"
    assert ran.returncode == 3


def test_without_one_it_says_what_to_do(checkout):
    ran = run(*WITHOUT_PACKAGES, checkout=checkout)

    assert ran.returncode == 1
    assert ran.stderr.startswith("Django is missing for ") and ran.stderr.endswith(": make packages\n")
    assert len(ran.stderr.splitlines()) == 1


def test_an_environment_that_has_no_packages_yet_is_not_tried_again_and_again(checkout):
    venv.create(checkout / ".venv", symlinks=True)

    assert run(checkout / ".venv" / "bin" / "python", checkout=checkout).stderr.endswith(": make packages\n")
    assert run(*WITHOUT_PACKAGES, checkout=checkout).stderr.endswith(": make packages\n")
