"""The ways in which a server sends its data, and what may go wrong with the bytes."""

import os

import pytest

from backups.gateways.redis.connection import connect
from backups.gateways.redis.errors import RdbDamaged, RdbError
from backups.gateways.redis.rdb import survey_of
from backups.gateways.redis.sync import checked, rdb_by_sync
from tests.gateways.redis.samples import STRING, rdb

PIECE = 64 << 10


@pytest.mark.parametrize(
    "options",
    [
        ("--repl-diskless-sync", "no"),  # announced with its length
        ("--repl-diskless-sync-delay", "1"),  # newlines until it begins
        ("--rdbchecksum", "no"),
    ],
    ids=lambda options: " ".join(options),
)
def test_however_the_server_sends_it(redis_server, options):
    server = redis_server(*options)
    with connect(server.access) as connection:
        for number in range(50):
            connection.call("SET", f"key {number}", os.urandom(PIECE))

    assert survey_of(rdb_by_sync(server.access)).keys == 50


def test_leaving_early_closes_the_connection(source):
    stream = rdb_by_sync(source.access)
    next(stream)
    stream.close()

    assert survey_of(rdb_by_sync(source.access)).keys


@pytest.mark.parametrize("size", [1, 7, 8, 9, PIECE])
def test_the_checksum_is_looked_at_on_the_way(size):
    content = rdb(b"\x00\x01a" + STRING)

    assert b"".join(checked(portions(content, size))) == content
    with pytest.raises(RdbDamaged, match="checksum"):
        list(checked(portions(content.replace(b"text", b"test"), size)))


def test_too_few_bytes_are_no_file():
    with pytest.raises(RdbError):
        list(checked(iter([b"REDIS"])))


def portions(content: bytes, size: int):
    return (content[start : start + size] for start in range(0, len(content), size))
