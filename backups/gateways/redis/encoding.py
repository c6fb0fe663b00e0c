"""Lengths and strings as RDB files write them (``rdbLoadLen``, ``rdbGenericLoadStringObject`` in Redis's ``rdb.c``).

Readers take the data and a position and give the position behind. At the end of the data they raise ``IndexError``,
or give a position beyond it: the caller compares, and reads more. Bytes that mean nothing raise ``RdbDamaged``.
"""

from .errors import RdbDamaged

LENGTH_32, LENGTH_64 = 0x80, 0x81
INT_8, INT_16, INT_32, COMPRESSED = 0xC0, 0xC1, 0xC2, 0xC3
INT_BYTES = {INT_8: 1, INT_16: 2, INT_32: 4}


def length(data: bytes, at: int) -> tuple[int, int]:
    """A length, or any other whole number that is stored as one."""
    first = data[at]
    if first < 0x40:
        return first, at + 1
    if first < 0x80:
        return (first & 0x3F) << 8 | data[at + 1], at + 2
    if first == LENGTH_32:
        return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5
    if first == LENGTH_64:
        return int.from_bytes(data[at + 1 : at + 9], "big"), at + 9
    raise RdbDamaged("The RDB file is damaged: a length cannot begin like this.", f"byte {first:#x}")


def skip_lengths(data: bytes, at: int, count: int) -> int:
    for _ in range(count):
        _, at = length(data, at)
    return at


def skip_string(data: bytes, at: int) -> int:
    first = data[at]
    if first < 0x40:
        return at + first + 1
    if first < 0x80:
        return at + ((first & 0x3F) << 8 | data[at + 1]) + 2
    if first in INT_BYTES:
        return at + 1 + INT_BYTES[first]
    if first == COMPRESSED:
        size, at = length(data, at + 1)
        _, at = length(data, at)
        return at + size
    size, at = length(data, at)
    return at + size


def skip_strings(data: bytes, at: int, count: int) -> int:
    for _ in range(count):
        first = data[at]
        at = at + first + 1 if first < 0x40 else skip_string(data, at)  # the commonest without a call
    return at


def string(data: bytes, at: int) -> tuple[bytes, int]:
    """Its content: keys, names, functions. All of it must be there."""
    end = skip_string(data, at)
    if end > len(data):
        raise IndexError
    first = data[at]
    if first in INT_BYTES:
        return b"%d" % int.from_bytes(data[at + 1 : end], "little", signed=True), end
    if first == COMPRESSED:
        packed, at = length(data, at + 1)
        size, at = length(data, at)
        return inflate(data[at : at + packed], size), end
    size, at = length(data, at)
    return data[at:end], end


def inflate(packed: bytes, size: int) -> bytes:
    """LZF: a control byte below 32 is followed by that many literal bytes and one, any other is a copy of what was
    written before (http://oldhome.schmorp.de/marc/liblzf.html)."""
    out, at = bytearray(), 0
    try:
        while at < len(packed):
            control = packed[at]
            if control < 32:
                out += packed[at + 1 : at + control + 2]
                at += control + 2
            else:
                at = _copy(out, packed, at)
    except IndexError:
        raise _bad_lzf() from None
    if len(out) != size:
        raise _bad_lzf()
    return bytes(out)


def _copy(out: bytearray, packed: bytes, at: int) -> int:
    count, high = packed[at] >> 5, (packed[at] & 0x1F) << 8
    at += 1
    if count == 7:
        count += packed[at]
        at += 1
    begin = len(out) - high - packed[at] - 1
    if begin < 0:
        raise _bad_lzf()
    for place in range(begin, begin + count + 2):  # may run into what it writes
        out.append(out[place])
    return at + 1


def _bad_lzf() -> RdbDamaged:
    return RdbDamaged("The RDB file is damaged: a compressed string cannot be unpacked.", "LZF")


def put_length(number: int) -> bytes:
    if number < 0x40:
        return bytes([number])
    if number < 0x4000:
        return (0x4000 | number).to_bytes(2, "big")
    if number < 1 << 32:
        return bytes([LENGTH_32]) + number.to_bytes(4, "big")
    return bytes([LENGTH_64]) + number.to_bytes(8, "big")


def put_string(text: bytes) -> bytes:
    return put_length(len(text)) + text
