"""A worker that is killed, and a Redis that is killed, in the middle of a restore of its data: the live database is
the one of before or the one of the archive, never something between."""

import itertools
import os
import random

import pytest

from backups.gateways.redis.connection import Connection, connect
from backups.gateways.redis.pipeline import Pipeline
from backups.runs import request_cancel
from backups.runs.models import Effect, RunState
from tests.gateways.redis.conftest import redis_server
from tests.gateways.redis.servers import DEBUG, KEPT, Server
from tests.turns import work

from .test_faults import KILLS, killed
from .test_redis import harm, plan_of, server

__all__ = ["plan_of", "redis_server", "server"]  # fixtures
pytestmark = pytest.mark.django_db(transaction=True)
CALLS = ((Connection, "call"), (Pipeline, "_write"), (os, "fsync"))
MODES = ("replace", "merge")
LONGEST, MANY = 5_000, 30


@pytest.fixture(scope="module")
def one_server(redis_server) -> Server:
    return redis_server(*DEBUG, *KEPT)


@pytest.fixture
def moments(server, plan_of, sent):
    """Some calls before which to die: how many there are is found out first."""

    def choose(mode: str, kills: int = KILLS) -> list[int]:
        harm(server)
        most = killed(sent(plan_of(mode)), LONGEST, CALLS)
        assert 50 < most < LONGEST
        chance = random.Random(os.environ.get("SEED", mode))
        return sorted(chance.sample(range(most), kills))

    return choose


@pytest.mark.parametrize("mode", MODES)
def test_the_next_worker_goes_on(server, plan_of, sent, moments, mode):
    for moment in moments(mode):
        harm(server)
        run = sent(plan_of(mode))
        assert not killed(run, moment, CALLS)

        work(run)

        assert (run.state, run.effect, run.error) == (RunState.SUCCEEDED, Effect.APPLIED, ""), moment
        assert server.call("GET", "text") == b"words " * 50
        assert (server.call("GET", "newer") is None) is (mode == "replace")
        assert len(databases(server)) == 3, moment
        assert not run.locks.exists()


@pytest.mark.parametrize("mode", MODES)
def test_the_next_worker_takes_it_back(server, plan_of, sent, moments, cast, mode):
    for moment in moments(mode):
        harm(server)
        as_found, run = server.digest(), sent(plan_of(mode))
        assert not killed(run, moment, CALLS)
        if run.state == RunState.QUEUED or run.is_over:
            continue

        request_cancel(run, actor=cast["operator"])
        work(run)

        if run.state != RunState.SUCCEEDED:
            assert run.state == RunState.CANCELLED, run.error
            assert server.digest() == as_found, moment
        assert not run.locks.exists()


def test_a_dump_that_was_broken_off_is_removed(server, plan_of, sent, cast, settings):
    harm(server)
    run = sent(plan_of("merge"))
    assert not killed(run, 0, ((os, "fsync"),))
    assert list(settings.SAFETY_DIR.iterdir())

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert (run.state, run.effect) == (RunState.CANCELLED, Effect.NONE)
    assert not list(settings.SAFETY_DIR.iterdir())


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kills", [KILLS, pytest.param(MANY, marks=pytest.mark.long("servers"))])
@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_is_killed_has_one_or_the_other(server, plan_of, sent, moments, monkeypatch, mode, kills):
    for moment in moments(mode, kills):
        harm(server)
        as_found, run = server.digest(), sent(plan_of(mode))
        with monkeypatch.context() as patched:
            calls = itertools.count()
            for owner, name in CALLS:
                patched.setattr(owner, name, killing(server, getattr(owner, name), calls, moment))

            work(run)

        server.wait()
        assert run.effect != Effect.UNKNOWN, run.error
        if run.state in (RunState.SUCCEEDED, RunState.PARTIAL):
            assert server.call("GET", "text") == b"words " * 50
        else:
            assert server.digest() == as_found, (moment, run.error)
        assert not run.locks.exists()


def killing(server: Server, call, calls, moment: int):
    """Once, before the call of that number, the server is killed and comes back."""

    def counted(*arguments, **named):
        if next(calls) == moment:
            server.restart()
        return call(*arguments, **named)

    return counted


def databases(server: Server) -> list[int]:
    with connect(server.access) as connection:
        text = connection.call("INFO", "keyspace").decode()
    return [int(line[2:].partition(":")[0]) for line in text.splitlines() if line.startswith("db")]
