"""A key of an RDB file as the command that makes it: RESTORE, with a footer that the target understands.

RESTORE refuses footers of a version above its own, whatever stands before. So ours names the lowest version that
knows the type, and older servers take what they can.
"""

from .crc64 import crc64
from .rdb import Key
from .values import KINDS

TYPES = {kind: bytes([kind]) for kind in KINDS}
CHECKSUMS = {kind: crc64(byte) for kind, byte in TYPES.items()}
VERSIONS = {kind: of.since.to_bytes(2, "little") for kind, of in KINDS.items()}
REPLACE = b"\r\n$7\r\nREPLACE"
ABSOLUTE = b"\r\n$6\r\nABSTTL\r\n"
FRAME = 11
"""Bytes of a payload beside the value: type, version, checksum."""


def restore_command(key: Key, *, replace: bool) -> tuple[bytes | memoryview, ...]:
    """In one part, or in three so that a big value need not be copied. ABSTTL: the expiry is a time, 0 for none."""
    kind, value = key.type, key.value
    crc = crc64(VERSIONS[kind], crc64(value, CHECKSUMS[kind]))
    expires = b"%d" % (key.expires or 0)
    head = b"*%d\r\n$7\r\nRESTORE\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b" % (
        6 if replace else 5,
        len(key.name),
        key.name,
        len(expires),
        expires,
        len(value) + FRAME,
        TYPES[kind],
    )
    tail = VERSIONS[kind] + crc.to_bytes(8, "little") + (REPLACE if replace else b"") + ABSOLUTE
    return (head + value + tail,) if type(value) is bytes else (head, value, tail)
