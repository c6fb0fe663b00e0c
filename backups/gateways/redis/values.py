"""The kinds of values in an RDB file: their names, since which RDB version they exist, and where one ends.

Most are one string to the file. Only tables, skip lists, quicklists, streams and values of modules have to be walked,
without looking inside (``rdbLoadObject`` in Redis's ``rdb.c``). A ``Skip`` takes the data and the position behind the
key, and gives the position behind the value, with the manners of ``encoding``.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .encoding import length, skip_lengths, skip_string, skip_strings
from .errors import RdbDamaged

Skip = Callable[[bytes, int], int]
STREAM_ID, TIME = 16, 8  # bytes
MODULE = 7
MODULE_END, MODULE_STRING = 0, 5
MODULE_INTEGERS, MODULE_FIXED = (1, 2), {3: 4, 4: 8}
TEXT_SCORES_WITHOUT_DIGITS = 253  # from here: not a number, plus and minus infinity


def skip_many(strings_each: int) -> Skip:
    def skip(data: bytes, at: int) -> int:
        count, at = length(data, at)
        return skip_strings(data, at, strings_each * count)

    return skip


def skip_text_scores(data: bytes, at: int) -> int:
    """The sorted sets of before 4.0: the score is a text with a byte of length."""
    count, at = length(data, at)
    for _ in range(count):
        at = skip_string(data, at)
        at += 1 if data[at] >= TEXT_SCORES_WITHOUT_DIGITS else data[at] + 1
    return at


def skip_binary_scores(data: bytes, at: int) -> int:
    count, at = length(data, at)
    for _ in range(count):
        at = skip_string(data, at) + 8
    return at


def skip_quicklist(data: bytes, at: int) -> int:
    """Nodes, each with a length of one byte that says what kind of node it is."""
    count, at = length(data, at)
    for _ in range(count):
        at = skip_string(data, at + 1)
    return at


def skip_hash_with_times(data: bytes, at: int) -> int:
    """Behind the soonest expiry, for each field its own, the field and its value."""
    count, at = length(data, at + TIME)
    for _ in range(count):
        _, at = length(data, at)
        at = skip_strings(data, at, 2)
    return at


def skip_listpack_with_times(data: bytes, at: int) -> int:
    return skip_string(data, at + TIME)


def skip_stream(own_numbers: int, group_numbers: int, consumer_times: int) -> Skip:
    """Each version of streams added numbers: to the stream behind its nodes, to a group, to a consumer."""

    def skip(data: bytes, at: int) -> int:
        nodes, at = length(data, at)
        at = skip_lengths(data, skip_strings(data, at, 2 * nodes), own_numbers)
        groups, at = length(data, at)
        for _ in range(groups):
            at = skip_lengths(data, skip_string(data, at), group_numbers)
            at = _skip_consumers(data, _skip_pending(data, at), consumer_times)
        return at

    return skip


def _skip_pending(data: bytes, at: int) -> int:
    count, at = length(data, at)
    for _ in range(count):
        _, at = length(data, at + STREAM_ID + TIME)
    return at


def _skip_consumers(data: bytes, at: int, times: int) -> int:
    count, at = length(data, at)
    for _ in range(count):
        pending, at = length(data, skip_string(data, at) + times * TIME)
        at += pending * STREAM_ID
    return at


def skip_module(data: bytes, at: int) -> int:
    _, at = length(data, at)  # the module's id
    return skip_module_parts(data, at)


def skip_module_parts(data: bytes, at: int) -> int:
    """Parts that say of themselves what they are, until the one that is the end."""
    while True:
        part, at = length(data, at)
        if part == MODULE_END:
            return at
        if part in MODULE_INTEGERS:
            _, at = length(data, at)
        elif part in MODULE_FIXED:
            at += MODULE_FIXED[part]
        elif part == MODULE_STRING:
            at = skip_string(data, at)
        else:
            raise RdbDamaged("The RDB file is damaged: a value of a module cannot be read.", f"part {part}")


@dataclass(frozen=True)
class Kind:
    """``since`` is the lowest RDB version that knows it: 6 Redis 2.6, 7 3.2, 8 4.0, 9 5.0, 10 7.0, 11 7.2, 12 7.4."""

    name: str
    since: int
    skip: Skip


KINDS: dict[int, Kind] = {
    0: Kind("string", 6, skip_string),
    1: Kind("list", 6, skip_many(1)),
    2: Kind("set", 6, skip_many(1)),
    3: Kind("sorted set (text scores)", 6, skip_text_scores),
    4: Kind("hash", 6, skip_many(2)),
    5: Kind("sorted set", 8, skip_binary_scores),
    MODULE: Kind("value of a module", 8, skip_module),
    9: Kind("hash (zipmap)", 6, skip_string),
    10: Kind("list (ziplist)", 6, skip_string),
    11: Kind("set (integers)", 6, skip_string),
    12: Kind("sorted set (ziplist)", 6, skip_string),
    13: Kind("hash (ziplist)", 6, skip_string),
    14: Kind("list (quicklist)", 7, skip_many(1)),
    15: Kind("stream", 9, skip_stream(3, 2, 1)),
    16: Kind("hash (listpack)", 10, skip_string),
    17: Kind("sorted set (listpack)", 10, skip_string),
    18: Kind("list (quicklist 2)", 10, skip_quicklist),
    19: Kind("stream (2)", 10, skip_stream(8, 3, 1)),
    20: Kind("set (listpack)", 11, skip_string),
    21: Kind("stream (3)", 11, skip_stream(8, 3, 2)),
    22: Kind("hash with expiring fields (early)", 12, skip_hash_with_times),
    23: Kind("hash with expiring fields (early listpack)", 12, skip_string),
    24: Kind("hash with expiring fields", 12, skip_hash_with_times),
    25: Kind("hash with expiring fields (listpack)", 12, skip_listpack_with_times),
}
