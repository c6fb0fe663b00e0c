"""`make run` in a copy of this checkout: from nothing to a console, and from any end to nothing left."""

import json
import os
import shutil
import signal
import subprocess
import urllib.request

import pytest

from deploy.sandbox.elasticsearch import CHECKOUT, SERVERS
from tests.sandbox.eventually import eventually, running

COPIED = ("manage.py", "Makefile", "requirements.txt", "cybersift_backup_site", "backups", "templates", "deploy")
# What the tests set for themselves, or a make around them.
OURS = ("CONSOLE_HOME", "DJANGO_SETTINGS_MODULE", "HTTPS", "DATABASE_URL", "MAKEFLAGS", "MAKELEVEL", "SANDBOX")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy without anything that was ever run; packages and the unpacked server are shared."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    (copy / ".venv").symlink_to(CHECKOUT / ".venv")
    (copy / "var").mkdir()
    (copy / "var" / "servers").symlink_to(SERVERS)
    return copy


class Made:
    """A running `make run`, up to its last line."""

    def __init__(self, checkout) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        self.checkout = checkout
        self.make = subprocess.Popen(
            ["make", "run"],
            cwd=checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines = []
        for line in self.make.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("Console ready: "):
                return
        pytest.fail("\n".join(self.lines), pytrace=False)

    @property
    def url(self) -> str:
        return self.lines[-1].split()[2]

    def nothing_is_left(self) -> bool:
        return not running(str(self.checkout))

    def close(self) -> None:
        self.make.stdout.close()
        self.make.wait(60)


def page(url: str) -> str:
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with browser.open(url, timeout=30) as answer:
        return answer.read().decode()


def known(checkout) -> dict:
    """What the console in the copy knows."""
    command = [checkout / ".venv/bin/python", "-m", "deploy.sandbox.known"]
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    return json.loads(subprocess.check_output(command, cwd=checkout, env=environment))


@pytest.mark.timeout(600)
def test_a_console_comes_up_and_goes_down_and_comes_back(checkout):
    first = Made(checkout)
    people = (checkout / "var/sandbox/people.txt").read_text()

    assert first.lines[-1] == f"Console ready: {first.url}  (people and passwords: var/sandbox/people.txt)"
    assert len(people.splitlines()) == 6
    assert all(line.count("\t") == 2 for line in people.splitlines())
    assert (checkout / "var/sandbox/people.txt").stat().st_mode & 0o777 == 0o600
    assert people.splitlines()[0].split("\t")[1] in "\n".join(first.lines)
    assert "<form" in page(first.url)
    assert known(checkout) == {"administrator": True, "clusters": ["sandbox"], "untested": []}

    first.make.send_signal(signal.SIGTERM)
    first.close()
    eventually(first.nothing_is_left)

    second = Made(checkout)
    assert "Setting up the console" not in second.lines
    assert not [line for line in second.lines if line.startswith("Filling")]
    assert (checkout / "var/sandbox/people.txt").read_text() == people

    [inner] = [pid for pid in running("deploy.sandbox.run") if os.getpgid(pid) == second.make.pid]
    os.kill(inner, signal.SIGKILL)
    second.close()
    eventually(second.nothing_is_left)

    third = Made(checkout)
    assert "<form" in page(third.url)

    os.killpg(third.make.pid, signal.SIGINT)
    third.close()
    eventually(third.nothing_is_left)
