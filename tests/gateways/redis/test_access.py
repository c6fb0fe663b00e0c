"""Ways to a server, and what goes wrong on them, in words."""

import http.server
import os
import socket
import threading
from dataclasses import replace

import pytest

from backups.gateways.redis.about import about
from backups.gateways.redis.access import RedisAccess
from backups.gateways.redis.connection import connect
from backups.gateways.redis.errors import (
    BadCredential,
    CutOff,
    Forbidden,
    Loading,
    NoPrimary,
    NotRedis,
    Unreachable,
    Unsupported,
    Untrusted,
)
from backups.gateways.redis.rdb import survey_of
from backups.gateways.redis.refusals import judge
from backups.gateways.redis.sync import rdb_by_sync
from deploy.sandbox import certificates

PASSWORD = "a secret word"


@pytest.fixture(scope="module")
def with_password(redis_server):
    return redis_server("--requirepass", PASSWORD)


@pytest.fixture(scope="module")
def authority():
    return certificates.make()


@pytest.fixture(scope="module")
def with_tls(redis_server, authority):
    return redis_server(tls=authority)


@pytest.fixture
def web_server():
    """Something that is not Redis."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield RedisAccess(port=server.server_port, password=PASSWORD, timeout=10)
    server.shutdown()
    server.server_close()


def fails(access: RedisAccess, kind: type) -> Exception:
    with pytest.raises(kind) as raised, connect(access) as connection:
        connection.call("DBSIZE")
    error = raised.value
    assert error.message.endswith((".", "?")) and PASSWORD not in f"{error!r} {error.message} {error.detail}"
    return error


def test_with_the_password(with_password):
    for access in (with_password.like(password=PASSWORD), with_password.like(username="default", password=PASSWORD)):
        with connect(access) as connection:
            assert connection.call("DBSIZE") == 0


def test_a_wrong_password(with_password):
    assert "user name or the password" in fails(with_password.like(password="wrong"), BadCredential).message


def test_no_password_where_one_is_needed(with_password):
    assert "none was given" in fails(with_password.access, BadCredential).message


def test_a_password_where_none_is_set(target):
    assert "has none set" in fails(target.like(password=PASSWORD), BadCredential).message


def test_a_server_that_repeats_what_it_does_not_know(redis_server):
    server = redis_server("--rename-command", "AUTH", "")

    assert "…" in fails(server.like(password=PASSWORD), Unsupported).detail


def test_no_secret_is_shown():
    assert PASSWORD not in repr(RedisAccess(password=PASSWORD))


def test_what_the_user_may_not_do(user):
    error = fails(user("+ping"), Forbidden)

    assert (error.command, "DBSIZE" in error.message) == ("DBSIZE", True)


def test_a_user_who_may_not_even_ping(user):
    with connect(user("+dbsize")) as connection:
        assert connection.call("DBSIZE") == 0


def test_a_command_that_the_server_does_not_know(line):
    with pytest.raises(Unsupported, match="NOSUCH"):
        line.call("NOSUCH")
    assert line.tolerated("NOSUCH") is None


def test_a_unix_socket(redis_server, tmp_path):
    server = redis_server("--unixsocket", str(tmp_path / "s"))
    access = RedisAccess(unix_socket=str(tmp_path / "s"))
    server.call("SET", "a", "b")

    assert survey_of(rdb_by_sync(access)).keys == 1
    assert access.where == str(tmp_path / "s")


def test_a_unix_socket_that_is_not_there(tmp_path):
    assert "no socket" in fails(RedisAccess(unix_socket=str(tmp_path / "none")), Unreachable).message


def test_tls(with_tls, authority):
    access = with_tls.like(tls=True, ca_pem=authority.ca)
    with connect(access) as connection:
        connection.call("SET", "big", os.urandom(3 << 20))

    assert survey_of(rdb_by_sync(access)).biggest > 3 << 20


def test_tls_of_somebody_else(with_tls):
    assert "not trusted" in fails(with_tls.like(tls=True, ca_pem=certificates.make().ca), Untrusted).message


def test_a_certificate_that_is_none(with_tls):
    assert "BEGIN CERTIFICATE" in fails(with_tls.like(tls=True, ca_pem="hello"), Untrusted).message


def test_tls_where_there_is_none(target, authority):
    fails(replace(target.access, tls=True, ca_pem=authority.ca, connect_timeout=0.3), Untrusted)


def test_no_tls_where_it_is_wanted(with_tls):
    fails(with_tls.access, (CutOff, NotRedis))


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    assert "Nothing listens" in fails(RedisAccess(port=port), Unreachable).message


def test_a_name_that_is_not_known():
    assert "not known" in fails(RedisAccess(host="no-such-host.invalid"), Unreachable).message


def test_something_that_is_not_redis(web_server):
    assert "not Redis" in fails(web_server, NotRedis).message


def test_a_server_that_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        access = RedisAccess(port=silent.getsockname()[1], timeout=0.05)

        assert "nothing for 0.05 s" in fails(access, CutOff).message


@pytest.mark.parametrize("after", [1, 3])
def test_a_server_killed_in_mid_stream(redis_server, after):
    server = redis_server("--rdb-key-save-delay", "100", "--rdbcompression", "no")
    with connect(server.access) as connection:
        for number in range(200):
            connection.call("SET", f"key {number}", os.urandom(1 << 16))
    stream = rdb_by_sync(server.access)
    for _ in range(after):
        next(stream)
    server.process.kill()

    with pytest.raises(CutOff, match="not whole"):
        for _ in stream:
            pass


def test_a_replica_without_its_primary_hands_out_nothing(redis_server):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    replica = redis_server("--replicaof", "127.0.0.1", str(port))

    with pytest.raises(NoPrimary, match="lost its primary"):
        b"".join(rdb_by_sync(replica.access))
    with connect(replica.access) as connection:
        server = about(connection)
    assert (server.role, server.linked, server.read_only) == ("replica", False, True)


def test_loading_passes():
    error = judge("LOADING Redis is loading the dataset in memory", "GET")

    assert type(error) is Loading and error.passes


def test_what_a_server_is(source):
    with connect(source.access) as connection:
        server = about(connection)

    assert (server.product, server.role, server.linked, server.cluster) == ("Redis", "primary", True, False)
    assert (server.maxmemory, server.policy, server.modules) == (0, "noeviction", ())
    assert sorted(server.databases) == [0, 1, 5] and server.memory > 5 << 20 and server.rdb_version >= 9


def test_a_name_that_was_checked_is_not_asked_for_again(with_password):
    bound = with_password.like(password=PASSWORD, host="elsewhere.invalid", peers=("127.0.0.1",))

    with connect(bound) as connection:
        assert connection.call("PING") in ("PONG", b"PONG")


def test_a_name_that_no_network_knows_is_told_so():
    assert "is not known" in fails(RedisAccess(host="x" * 70), Unreachable).message
