"""The archive while it grows, as an age file.

Places are those of the plain archive. A byte that has been sealed cannot be changed: the same nonce with other bytes
would tell both. So what may still change is held back until it is settled. Sealing is done beside the caller in one
thread; SHA-256 and writing in another.
"""

import hashlib
import queue
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from ..output import Output
from .beside import Beside
from .held import Held
from .keys import Recipient
from .stream import MakeCipher, Seal, room_for

PIECE = 1 << 20
"""Plain bytes that are sealed, hashed and written at a time: they stay in the cache meanwhile, and the few
buffers for them are used again and again."""


class SealedOutput(Output):
    """``at`` is the length of the plain archive so far. ``size`` and ``sha256`` are of the file; the digest is there
    after ``finish``. ``make_cipher`` is for tests."""

    def __init__(
        self,
        path: Path,
        recipients: Sequence[Recipient],
        make_cipher: MakeCipher = ChaCha20Poly1305,
        file_key: bytes | None = None,
    ):
        self._seal = Seal(recipients, make_cipher, file_key)
        self.file_key = self._seal.file_key
        self._held: Held | None = None
        self._held_at, self._written, self._digest = 0, 0, hashlib.sha256()
        self._threads: tuple[Beside, ...] = ()
        self._rooms: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        super().__init__(path)
        with self._writing():
            self._put_bytes(self._seal.begin())
        self._threads = self._sealer, self._disk = Beside(self._add), Beside(self._put)

    @property
    def size(self) -> int:
        return self._written

    def write(self, *parts: bytes | memoryview) -> int:
        """What only lends its bytes, a memoryview, is copied: it is sealed later."""
        start = self.at
        parts = tuple(part if isinstance(part, bytes) else bytes(part) for part in parts)
        with self._writing():
            if self._held is None:
                self._sealer.give(parts)
            else:
                for part in parts:
                    self._held.append(part)
        self.at += sum(map(len, parts))
        return start

    def hold(self) -> None:
        if self._held is None:
            self._held, self._held_at = Held(self.path.parent, self._sealer.drain), self.at

    def settle(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            with self._writing():
                self._sealer.give(held.pieces())

    def overwrite(self, at: int, *parts: bytes) -> None:
        """ValueError where this is not held."""
        if self._held is None:
            raise ValueError("Nothing of the archive can be changed now.")
        self._held.overwrite(at - self._held_at, b"".join(parts))

    def rewind(self, at: int) -> None:
        """Only to where the hold began; ValueError elsewhere."""
        if self._held is None or at != self._held_at:
            raise ValueError("The archive cannot be changed from here on.")
        self._drop()
        self.at = at

    def finish(self) -> None:
        self.settle()
        with self._writing():
            self._sealer.drain()
            self._disk.drain()
            self._put_bytes(self._seal.end())
        self.sha256 = self._digest.hexdigest()
        super().finish()

    def abort(self) -> None:
        self._drop()
        for thread in self._threads:
            thread.stop()
        super().abort()

    def _drop(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _add(self, parts: Iterable[bytes]) -> None:
        for part in parts:
            view = memoryview(part)
            for at in range(0, len(view), PIECE):
                self._add_piece(view[at : at + PIECE])

    def _add_piece(self, piece: memoryview) -> None:
        try:
            room = self._rooms.get_nowait()
        except queue.Empty:
            room = memoryview(bytearray(room_for(PIECE)))
        if used := self._seal.add_into(piece, room):
            self._disk.give((room, used))
        else:
            self._rooms.put(room)

    def _put(self, sealed: tuple[memoryview, int]) -> None:
        room, used = sealed
        self._put_bytes(room[:used])
        self._rooms.put(room)

    def _put_bytes(self, sealed: bytes | memoryview) -> None:
        self._digest.update(sealed)
        self._write_at(sealed, self._written)
        self._written += len(sealed)
