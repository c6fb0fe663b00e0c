"""What a value is, whatever way the server stores it: a set is the same in a table, a listpack or an array of
integers, and its members have no order.

The packed forms are those of ``ziplist.c``, ``listpack.c``, ``intset.c`` and ``rdb.c`` in Redis. Streams, zipmaps and
values of modules are taken as they are stored: two servers of other versions may store the same one differently.
"""

import struct
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from .encoding import length, string
from .errors import RdbError
from .rdb import Key
from .values import TEXT_SCORES_WITHOUT_DIGITS

DIGEST = 16  # bytes
PLAIN_NODE = 1
WITHOUT_TIME = 0
NOT_DECODED = (IndexError, struct.error, ValueError, RdbError)
Elements = Iterator[bytes]


def digest_of(key: Key) -> bytes:
    """DIGEST bytes that two keys share when their values are equal. The expiry of the key is not part of it."""
    try:
        name, parts = READERS[key.type](bytes(key.value))
    except (KeyError, *NOT_DECODED):
        name, parts = b"%d" % key.type, [bytes(key.value)]
    digest = blake2b(name, digest_size=DIGEST)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def _string(data: bytes) -> tuple[bytes, list[bytes]]:
    return b"string", [string(data, 0)[0]]


def _list(elements):
    return lambda data: (b"list", list(elements(data)))


def _set(elements):
    return lambda data: (b"set", sorted(elements(data)))


def _sorted_set(elements):
    """Members with their scores as numbers."""
    return lambda data: (b"sorted set", _joined(sorted(_pairs(elements(data)))))


def _hash(elements):
    return lambda data: (b"hash", _joined(sorted(_pairs(elements(data)))))


def _hash_with_times(triples):
    """Of fields that never expire nothing is said, so that a hash without times is the same in both forms."""

    def read(data: bytes) -> tuple[bytes, list[bytes]]:
        found = [(field, value) + ((b"%d" % time,) if time else ()) for field, value, time in triples(data)]
        return b"hash", _joined(sorted(found))

    return read


def _joined(groups: Iterable[tuple[bytes, ...]]) -> list[bytes]:
    return [part for group in groups for part in group]


def _pairs(elements: Elements) -> Iterator[tuple[bytes, bytes]]:
    return zip(elements, elements, strict=True)


def strings(data: bytes) -> Elements:
    """As many as it says of itself."""
    count, at = length(data, 0)
    yield from _strings(data, at, count)


def pairs_of_strings(data: bytes) -> Elements:
    count, at = length(data, 0)
    yield from _strings(data, at, 2 * count)


def _strings(data: bytes, at: int, count: int) -> Elements:
    for _ in range(count):
        text, at = string(data, at)
        yield text


def packed(unpack):
    """One string that holds a packed form."""
    return lambda data: unpack(string(data, 0)[0])


def ziplist(data: bytes) -> Elements:
    """Behind ten bytes each entry: the length of the one before, what it is, and itself."""
    at = 10
    while data[at] != 0xFF:
        at += 1 if data[at] < 0xFE else 5
        first = data[at]
        if first < 0xC0:
            size, at = _ziplist_length(data, at)
            yield _cut(data, at, size)
            at += size
        elif 0xF1 <= first <= 0xFD:
            yield b"%d" % ((first & 0x0F) - 1)
            at += 1
        else:
            size = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}[first]
            yield _integer(data, at + 1, size)
            at += 1 + size


def _ziplist_length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 0x40:
        return first, at + 1
    if first < 0x80:
        return (first & 0x3F) << 8 | data[at + 1], at + 2
    return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5


def listpack(data: bytes) -> Elements:
    """Behind six bytes each entry: what it is, itself, and its length for those who read backwards."""
    at = 6
    while data[at] != 0xFF:
        element, size = _listpack_entry(data, at)
        yield element
        at += size + _backward(size)


def _listpack_entry(data: bytes, at: int) -> tuple[bytes, int]:
    """The element, and the bytes that it takes with what says of what kind it is."""
    first = data[at]
    if first < 0x80:
        return b"%d" % first, 1
    if first < 0xC0:
        size = first & 0x3F
        return _cut(data, at + 1, size), 1 + size
    if first < 0xE0:
        number = (first & 0x1F) << 8 | data[at + 1]
        return b"%d" % (number - 0x2000 if number >= 0x1000 else number), 2
    if first < 0xF0:
        size = (first & 0x0F) << 8 | data[at + 1]
        return _cut(data, at + 2, size), 2 + size
    if first == 0xF0:
        size = int.from_bytes(data[at + 1 : at + 5], "little")
        return _cut(data, at + 5, size), 5 + size
    size = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}[first]
    return _integer(data, at + 1, size), 1 + size


def _backward(size: int) -> int:
    return 1 + (size > 127) + (size >= 16383) + (size >= 2097151) + (size >= 268435455)


def integers(data: bytes) -> Elements:
    size, count = struct.unpack_from("<II", data)
    if size not in (2, 4, 8):
        raise ValueError(size)
    for number in range(count):
        yield _integer(data, 8 + number * size, size)


def _integer(data: bytes, at: int, size: int) -> bytes:
    return b"%d" % int.from_bytes(_cut(data, at, size), "little", signed=True)


def _cut(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise IndexError
    return data[at : at + size]


def quicklist_of_ziplists(data: bytes) -> Elements:
    for node in strings(data):
        yield from ziplist(node)


def quicklist(data: bytes) -> Elements:
    count, at = length(data, 0)
    for _ in range(count):
        kind, at = length(data, at)
        node, at = string(data, at)
        if kind == PLAIN_NODE:
            yield node
        else:
            yield from listpack(node)


def _scored(members: Elements) -> Elements:
    """Scores as the eight bytes of their number."""
    for member, score in _pairs(members):
        yield member
        yield struct.pack("<d", float(score))


def with_scores(unpack):
    return lambda data: _scored(unpack(data))


def binary_scores(data: bytes) -> Elements:
    count, at = length(data, 0)
    for _ in range(count):
        member, at = string(data, at)
        yield member
        yield _cut(data, at, 8)
        at += 8


def text_scores(data: bytes) -> Elements:
    count, at = length(data, 0)
    for _ in range(count):
        member, at = string(data, at)
        size = data[at]
        yield member
        if size >= TEXT_SCORES_WITHOUT_DIGITS:
            yield struct.pack("<d", {253: float("nan"), 254: float("inf"), 255: float("-inf")}[size])
            at += 1
        else:
            yield struct.pack("<d", float(_cut(data, at + 1, size)))
            at += 1 + size


def fields_with_times(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Times count from the soonest, which stands first."""
    soonest = int.from_bytes(data[:8], "little", signed=True)
    count, at = length(data, 8)
    for _ in range(count):
        time, at = length(data, at)
        field, at = string(data, at)
        value, at = string(data, at)
        yield field, value, time + soonest - 1 if time else WITHOUT_TIME


def listpack_with_times(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    elements = listpack(string(data, 8)[0])
    for field, value, time in zip(elements, elements, elements, strict=True):
        yield field, value, int(time)


READERS = {
    0: _string,
    1: _list(strings),
    2: _set(strings),
    3: _sorted_set(text_scores),
    4: _hash(pairs_of_strings),
    5: _sorted_set(binary_scores),
    10: _list(packed(ziplist)),
    11: _set(packed(integers)),
    12: _sorted_set(with_scores(packed(ziplist))),
    13: _hash(packed(ziplist)),
    14: _list(quicklist_of_ziplists),
    16: _hash(packed(listpack)),
    17: _sorted_set(with_scores(packed(listpack))),
    18: _list(quicklist),
    20: _set(packed(listpack)),
    24: _hash_with_times(fields_with_times),
    25: _hash_with_times(listpack_with_times),
}
"""By the type's number in ``KINDS``: the name of what it is, and its parts in an order of their own."""
