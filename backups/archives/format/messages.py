"""Messages between a writer and its helpers: marshal, behind a length."""

import marshal
import struct
from typing import Any, BinaryIO

from .blocks import LONGEST

SLOTS, SLOT = 4, LONGEST + (1 << 20)
"""A helper has at most so many tasks; a slot of the memory that it shares takes the block and the lines of one."""

LENGTH = struct.Struct("<Q")


def send(stream: BinaryIO, message: Any) -> None:
    text = marshal.dumps(message)
    stream.write(LENGTH.pack(len(text)) + text)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """The next message. EOFError when the other side has ended."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    text = stream.read(length)
    if len(text) < length:
        raise EOFError
    return marshal.loads(text)  # noqa: S302 - from our own helper, never from outside
