"""The payload of an age file: chunks of 64 KiB, each sealed with its number and whether it is the last."""

import os
from collections.abc import Callable, Sequence
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from . import header
from .keys import Recipient

CHUNK, TAG, NONCE = 64 << 10, 16, 16
SEALED = CHUNK + TAG


class Cipher(Protocol):
    def encrypt_into(self, nonce: bytes, data: bytes, associated_data: bytes | None, buf: memoryview) -> int: ...


MakeCipher = Callable[[bytes], Cipher]
"""Makes the cipher of a key of 32 bytes."""


def nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def room_for(count: int) -> int:
    """The most that comes out at once when ``count`` plain bytes are added, in bytes."""
    return (count // CHUNK + 1) * SEALED


def payload_key(file_key: bytes, salt: bytes) -> bytes:
    return header.derive(file_key, salt, b"payload")


class Seal:
    """Turns plain bytes, in order, into an age file: ``begin``, ``add`` as often as there is something, ``end``.

    Each nonce is used once, since a chunk is sealed when all of it has come, and its number is never used again.
    ``file_key`` opens the file like an identity: keep it secret. One that is given may have been used before, for the
    salt is new. ``make_cipher`` is for tests.
    """

    def __init__(
        self,
        recipients: Sequence[Recipient],
        make_cipher: MakeCipher = ChaCha20Poly1305,
        file_key: bytes | None = None,
    ):
        self.file_key, self._salt = file_key or os.urandom(header.KEY), os.urandom(NONCE)
        self._header = header.make(self.file_key, recipients)
        self._cipher = make_cipher(payload_key(self.file_key, self._salt))
        self._number, self._rest = 0, bytearray()

    def begin(self) -> bytes:
        return self._header + self._salt

    def add(self, data: bytes | memoryview) -> bytes:
        """The chunks that are whole now. One is kept back while nothing comes after it: it may be the last."""
        room = memoryview(bytearray(room_for(len(data))))
        return bytes(room[: self.add_into(data, room)])

    def add_into(self, data: bytes | memoryview, room: memoryview) -> int:
        """The same into ``room``, of which there is ``room_for(len(data))``; returns how much was used."""
        data, at, used = memoryview(data), 0, 0
        if self._rest:
            at = min(CHUNK - len(self._rest), len(data))
            self._rest += data[:at]
            if at == len(data):
                return 0
            used += self._put(self._rest, room)
            self._rest = bytearray()
        while len(data) - at > CHUNK:
            used += self._put(data[at : at + CHUNK], room[used:])
            at += CHUNK
        self._rest += data[at:]
        return used

    def end(self) -> bytes:
        """The last chunk, which is empty only where the whole file is."""
        room = memoryview(bytearray(SEALED))
        return bytes(room[: self._put(self._rest, room, last=True)])

    def _put(self, data: bytearray | memoryview, room: memoryview, *, last: bool = False) -> int:
        number, self._number = self._number, self._number + 1
        return self._cipher.encrypt_into(nonce(number, last=last), data, None, room[: len(data) + TAG])
