"""A key of an RDB file as the command that makes it: RESTORE, with a footer that the target understands.

RESTORE refuses footers of a version above its own, whatever stands before. So ours names the lowest version that
knows the type, and older servers take what they can.
"""

from .crc64 import crc64
from .rdb import Key
from .values import KINDS

TYPES = {kind: bytes([kind]) for kind in KINDS}
VERSIONS = {kind: of.since.to_bytes(2, "little") for kind, of in KINDS.items()}
WORDS = b"\r\n$7\r\nRESTORE\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n"
HEADS = {False: b"*5" + WORDS, True: b"*6" + WORDS}
TAILS = {False: b"\r\n$6\r\nABSTTL\r\n", True: b"\r\n$7\r\nREPLACE\r\n$6\r\nABSTTL\r\n"}
WHOLE = {replace: HEADS[replace] + b"%b%b" + TAILS[replace] for replace in HEADS}
"""With REPLACE or without."""
FRAME = 11
"""Bytes of a payload beside the value: type, version, checksum."""


def restore_command(key: Key, *, replace: bool) -> tuple[bytes | memoryview, ...]:
    """In one part, or in three so that a big value need not be copied. ABSTTL: the expiry is a time, 0 for none."""
    _, name, kind, expires, value = key
    time = b"%d" % expires if expires else b"0"
    size = len(value) + FRAME
    if type(value) is bytes:
        payload = TYPES[kind] + value + VERSIONS[kind]
        crc = crc64(payload).to_bytes(8, "little")
        return (WHOLE[replace] % (len(name), name, len(time), time, size, payload, crc),)
    head = HEADS[replace] % (len(name), name, len(time), time, size)
    crc = crc64(VERSIONS[kind], crc64(value, crc64(TYPES[kind])))
    return head + TYPES[kind], value, VERSIONS[kind] + crc.to_bytes(8, "little") + TAILS[replace]
