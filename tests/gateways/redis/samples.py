"""RDB files made by hand, with every kind of value."""

from backups.gateways.redis.crc64 import crc64
from backups.gateways.redis.encoding import put_length, put_string
from backups.gateways.redis.values import KINDS

STRING = put_string(b"some text")
TIME = bytes(8)
PENDING = put_length(1) + bytes(24) + b"\x01"


def stream(own: int, group: int, times: int) -> bytes:
    consumers = put_length(1) + STRING + times * TIME + put_length(1) + bytes(16)
    groups = put_length(1) + STRING + group * b"\x05" + PENDING + consumers
    return put_length(1) + 2 * STRING + own * b"\x05" + groups


WITH_TIMES = put_length(1) + b"\x00" + 2 * STRING
VALUES = {
    **dict.fromkeys(KINDS, STRING),
    1: put_length(2) + STRING + b"\xc0\xff",
    2: put_length(1) + b"\xc1\x00\x80",
    3: put_length(3) + STRING + b"\x031.5" + STRING + b"\xff" + STRING + b"\xfd",
    4: put_length(1) + 2 * STRING,
    5: put_length(1) + STRING + TIME,
    7: b"\x81" + bytes(7) + b"\x09" + b"\x02\x07" + b"\x03" + bytes(4) + b"\x04" + TIME + b"\x05" + STRING + b"\x00",
    14: put_length(1) + STRING,
    15: stream(3, 2, 1),
    18: put_length(1) + b"\x02" + STRING,
    19: stream(8, 3, 1),
    21: stream(8, 3, 2),
    22: TIME + WITH_TIMES,
    24: TIME + WITH_TIMES,
    25: TIME + STRING,
}
COMPRESSED = b"\xc3" + put_length(5) + put_length(12) + b"\x00a\xe0\x02\x00"
"""Twelve times a: one as it is, and eleven copies of what lies one back."""


def records() -> bytes:
    parts = [b"\xfa" + put_string(b"used-mem") + b"\xc2" + (123456).to_bytes(4, "little"), b"\xf5" + STRING]
    parts += [b"\xfe\x00\xfb\x05\x01", b"\xf7\x05\x02\x02\x05" + STRING + b"\x00"]
    for kind, value in VALUES.items():
        parts.append(bytes([kind]) + put_string(b"key %d" % kind) + value)
    parts += [b"\xfe\x03", b"\xfc" + (1 << 40).to_bytes(8, "little") + b"\x00" + put_string(b"soon") + STRING]
    parts += [b"\xfd" + (1 << 30).to_bytes(4, "little") + b"\xf9\x07\x00" + COMPRESSED + b"\xc3\x03\x02\x01ab"]
    parts += [b"\xf8\x41\x00\x00" + put_string(b"n" * 100) + b"\x80" + (70000).to_bytes(4, "big") + bytes(70000)]
    return b"".join(parts)


def rdb(content: bytes, header: bytes = b"REDIS0012") -> bytes:
    whole = header + content + b"\xff"
    return whole + crc64(whole).to_bytes(8, "little")
