"""Two servers beside each other: what is the same, whatever way each stores it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.gateways.redis.canonical import DIGEST, digest_of
from backups.gateways.redis.compare import (
    CHANGED,
    EXPIRED,
    EXPIRY,
    ONLY_FIRST,
    ONLY_SECOND,
    SAME,
    Difference,
    KeyComparison,
)
from backups.gateways.redis.rdb import Key
from backups.gateways.redis.restore import Restore
from backups.gateways.redis.sync import rdb_by_sync
from backups.gateways.redis.values import KINDS

from .samples import VALUES
from .servers import KEYS, LIBRARY, fill

UNPACKED = (
    *("--hash-max-listpack-entries", "0", "--zset-max-listpack-entries", "0", "--set-max-intset-entries", "0"),
    *("--list-max-listpack-size", "1", "--rdbcompression", "no"),
)
"""Makes a server keep in tables and many nodes what others pack."""
LIVES_ON = [
    Difference(number, name, kind) for number in KEYS for name, kind in ((b"expires", EXPIRY), (b"stream", CHANGED))
]
"""Of servers filled one after the other: when keys expire, and when a stream's consumer was seen."""


def compared(first, second, now: int = 0) -> KeyComparison:
    comparison = KeyComparison(now)
    comparison.read(first, second)
    return comparison


def test_how_a_value_is_stored_makes_no_difference(source, redis_server):
    unpacked = redis_server(*UNPACKED)
    fill(unpacked)
    with compared(rdb_by_sync(source.access), rdb_by_sync(unpacked.access)) as found:
        assert list(found.differences(100)) == LIVES_ON
        assert found.counts()[SAME] == sum(KEYS.values()) - len(LIVES_ON)
        assert found.functions


def test_nor_does_the_version_of_the_server(source, other):
    with compared(rdb_by_sync(source.access), rdb_by_sync(other.access)) as found:
        assert list(found.differences(100)) == LIVES_ON


def test_each_kind_of_difference_is_told(source, target, dump):
    Restore(target.access).run(io.BytesIO(dump))
    target.call("FUNCTION", "LOAD", "REPLACE", LIBRARY.replace("return 1", "return 2"))
    target.call("SET", "text", "other words")
    target.call("HSET", "hash:600", "member 00001", "changed", database=1)
    target.call("DEL", "set:3", "expires")
    target.call("SADD", "new", "member", database=5)
    target.call("PEXPIRE", "list:3", 10**9)
    now = source.call("PEXPIRETIME", "expires") + 1

    with compared([dump], rdb_by_sync(target.access), now) as found:
        assert list(found.differences(100)) == [
            Difference(0, b"list:3", EXPIRY),
            Difference(0, b"set:3", ONLY_FIRST),
            Difference(0, b"text", CHANGED),
            Difference(1, b"hash:600", CHANGED),
            Difference(5, b"new", ONLY_SECOND),
        ]
        assert found.counts()[EXPIRED] == 1
        assert not found.functions
        assert len(list(found.differences(2))) == 2


def test_every_kind_of_value_has_a_digest_and_none_is_that_of_another():
    digests = {digest_of(Key(0, b"", kind, None, value)) for kind, value in VALUES.items()}

    assert {len(digest) for digest in digests} == {DIGEST}
    assert len(digests) > len(VALUES) // 2  # those of one string are damaged forms of one another


@given(kind=st.sampled_from(sorted(KINDS)), value=st.binary(max_size=200))
def test_values_that_mean_nothing_are_told_apart_by_their_bytes(kind, value):
    assert len(digest_of(Key(0, b"", kind, None, value))) == DIGEST


@pytest.mark.parametrize("asked", [ValueError, KeyError])
def test_who_asks_may_end_it(dump, asked):
    def end() -> None:
        raise asked

    with KeyComparison(0, end) as comparison, pytest.raises(asked):
        comparison.read([dump], [dump])
