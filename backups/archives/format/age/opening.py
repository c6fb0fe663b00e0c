"""Reads any place of an age file, and nothing that was not authenticated."""

import io
import os
from collections.abc import Sequence
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from backups.archives.cybersift_restore import Damaged, Source, Unavailable

from . import header
from .keys import Identity
from .stream import CHUNK, NONCE, SEALED, TAG, nonce, payload_key

PIECE = 64 * SEALED
"""The most that is read from the disk at once, in bytes."""


class AgeFile(io.RawIOBase):
    """The plain bytes of an encrypted file, as a file; ``size`` is how many. ``read_at`` is safe for threads.

    ``file`` is a regular file open for reading; it stays open when this is closed. It is opened with ``file_key`` or
    with one of the ``identities``. The end is checked at once, so that a cut file is refused before anything is read.
    ``Damaged`` where it is not what was written, ``Unavailable`` where the key is another or the disk does not read.
    """

    def __init__(self, file: BinaryIO, *, file_key: bytes | None = None, identities: Sequence[Identity] = ()):
        self._descriptor, self._at = file.fileno(), 0
        head = header.parse(self._read(0, header.LONGEST))
        if file_key is None:
            file_key = header.unwrap(head, identities)
        else:
            header.check(head, file_key)
        salt = self._read(head.length, NONCE)
        if len(salt) < NONCE:
            raise _cut()
        self._cipher = ChaCha20Poly1305(payload_key(file_key, salt))
        self._begin = head.length + NONCE
        self._check_end(os.fstat(self._descriptor).st_size - self._begin)

    def read_at(self, at: int, count: int) -> bytes:
        """Like ``os.pread``: fewer bytes only at the end."""
        end = min(at + count, self.size)
        if at < 0 or count < 0:
            raise ValueError("Places and counts are not negative.")
        if at >= end:
            return b""
        first = at // CHUNK
        plain = b"".join(self._chunks(first, (end - 1) // CHUNK + 1))
        skipped = at - first * CHUNK
        return plain if len(plain) == end - at else plain[skipped : skipped + end - at]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if at < 0:
            raise ValueError("There is nothing before the beginning of a file.")
        self._at = at
        return at

    def readinto(self, buffer) -> int:
        data = self.read_at(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _check_end(self, payload: int) -> None:
        """Of the sealed bytes: there is a last chunk, it is one, and it is empty only where it is alone."""
        self._count = max(1, -(-payload // SEALED))
        self.size = payload - self._count * TAG
        last = self.size - (self._count - 1) * CHUNK
        if last < 0 or (last == 0 and self._count > 1):
            raise _cut()
        try:
            self._chunks(self._count - 1, self._count)
        except Damaged:
            raise _cut() from None

    def _chunks(self, first: int, end: int) -> list[bytes]:
        chunks = []
        while first < end:
            many = min(end - first, PIECE // SEALED)
            sealed = memoryview(self._read(self._begin + first * SEALED, many * SEALED))
            for number in range(first, first + many):
                chunks.append(self._opened(number, sealed[:SEALED]))
                sealed = sealed[SEALED:]
            first += many
        return chunks

    def _opened(self, number: int, sealed: memoryview) -> bytes:
        try:
            return self._cipher.decrypt(nonce(number, last=number == self._count - 1), sealed, None)
        except InvalidTag:
            at = self._begin + number * SEALED
            raise Damaged(f"the encrypted file was changed in the {SEALED:,} bytes from byte {at:,} on") from None

    def _read(self, at: int, count: int) -> bytes:
        """Fewer bytes only at the end of the file."""
        parts = []
        while count:
            try:
                part = os.pread(self._descriptor, count, at)
            except OSError as error:
                raise Unavailable(f"The archive cannot be read at byte {at:,}: {error.strerror}") from None
            if not part:
                break
            parts.append(part)
            at, count = at + len(part), count - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class AgeSource(Source):
    """An encrypted archive for the reader: ``cybersift_restore.opened(AgeSource(AgeFile(file, …)))``."""

    def __init__(self, plain: AgeFile):
        self.file, self.size, self._plain = io.BufferedReader(plain, CHUNK), plain.size, plain

    def read(self, at: int, count: int) -> bytes:
        data = self._plain.read_at(at, count)
        if len(data) < count:
            raise Damaged(f"the archive ends at byte {self.size:,}, in the middle of something")
        return data


def _cut() -> Damaged:
    return Damaged("the end of the encrypted file is missing or was changed")
