"""Restores of Redis data killed at any moment: run again they end as undisturbed ones, and databases that are
exchanged are all old or all new."""

import random
import signal
import subprocess
import sys

import pytest

from backups.gateways.redis.spare import clear
from backups.gateways.redis.sync import rdb_by_sync
from tests.archives.killing import KILLS, ROOT, kill_at_random, seconds_of
from tests.archives.restoring import PROGRAM
from tests.sandbox.eventually import eventually

from .alone import archive_of, url
from .dying import SPARE
from .servers import DEBUG, Server

MANY = 8000


@pytest.fixture(scope="module")
def many(redis_server) -> bytes:
    """Two databases with some thousand keys each, as an RDB file."""
    server = redis_server(*DEBUG)
    for database in SPARE:
        server.call("DEBUG", "POPULATE", MANY, "new", 100, database=database)
    return b"".join(rdb_by_sync(server.access))


@pytest.fixture
def path(many, tmp_path) -> str:
    (tmp_path / "dump.rdb").write_bytes(many)
    return archive_of(tmp_path, many)


def start_over(target: Server) -> None:
    """Some of the keys are there already, with other values, and some others."""
    target.call("FLUSHALL")
    for database in SPARE:
        target.call("DEBUG", "POPULATE", 500, "new", 10, database=database)
        target.call("SET", "live", database, database=database)


@pytest.mark.parametrize("mode", ["--merge", "--replace"])
def test_killed_and_run_again(mode, path, target):
    chance, command = random.Random(7), [sys.executable, str(PROGRAM), "redis", path, "--url", url(target), mode]
    start_over(target)
    longest = seconds_of(command)
    undisturbed = target.digest()
    for _ in range(KILLS):
        start_over(target)
        kill_at_random(command, longest, chance)
        wait_for_the_dead(target)
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        assert target.digest() == undisturbed


def wait_for_the_dead(target: Server) -> None:
    """What a killed client has sent, the server still does; then it forgets the client."""
    eventually(lambda: len(target.call("CLIENT", "LIST", "TYPE", "normal").splitlines()) == 1)


def is_new(target: Server) -> bool:
    """Of the live databases together: all new, or all old."""
    wait_for_the_dead(target)
    found = [target.call("DBSIZE", database=number) for number in SPARE]
    old = [target.call("GET", "live", database=number) for number in SPARE]
    assert (found, old) in (([MANY, MANY], [None, None]), ([501, 501], [b"0", b"1"]))
    return found[0] == MANY


def dying(which: str, target: Server, path: str, step: int) -> list[str]:
    file = path if which == "alone" else path.replace("backup.tar.gz", "dump.rdb")
    return [sys.executable, "-m", "tests.gateways.redis.dying", which, str(target.process.port), file, str(step)]


@pytest.mark.parametrize("which", ["console", "alone"])
def test_killed_at_each_step_of_an_exchange(which, path, target):
    seen = []
    while True:
        start_over(target)
        done = subprocess.run(dying(which, target, path, len(seen)), cwd=ROOT, capture_output=True, timeout=60)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        seen.append(is_new(target))
        if done.returncode == 0:
            break

    assert seen == sorted(seen) and {*seen} == {True, False}
    assert len(seen) > 2 * (len(SPARE) + 2)


@pytest.mark.parametrize("which", ["console", "alone"])
def test_an_exchange_killed_at_random_and_run_again(which, path, target):
    chance, command = random.Random(9), dying(which, target, path, -1)
    start_over(target)
    longest = seconds_of(command)
    for _ in range(KILLS):
        start_over(target)
        kill_at_random(command, longest, chance)
        if not is_new(target):
            for spare in SPARE.values():
                clear(target.access, spare)
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
            assert is_new(target)
