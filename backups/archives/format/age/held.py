"""Plain bytes of an archive that may still change, and so cannot be sealed yet."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MEMORY = 8 << 20
"""Bytes that wait in memory: all of most files, and of the others the beginning, which alone is overwritten."""


class Held:
    """What is more than ``MEMORY`` waits in a file without a name in ``directory``; ``wait()`` is called before it is
    made. The archive may lie where nobody is to read it, so that file is encrypted too, piece by piece and each once,
    with a key that is nowhere else."""

    def __init__(self, directory: Path, wait: Callable[[], None]):
        self._directory, self._wait = directory, wait
        self._memory = bytearray()
        self._file = None
        self._lengths: list[int] = []
        self._cipher = AESGCM(AESGCM.generate_key(256))

    def append(self, data: bytes) -> None:
        if self._file is None and len(self._memory) + len(data) <= MEMORY:
            self._memory += data
            return
        if self._file is None:
            self._wait()
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - closed in ``close``
        self._file.write(self._cipher.encrypt(_nonce(len(self._lengths)), data, None))
        self._lengths.append(len(data))

    def overwrite(self, at: int, data: bytes) -> None:
        """``at`` counts from the first byte that is held."""
        if at < 0 or at + len(data) > len(self._memory):
            raise ValueError("This part of the archive cannot be changed any more.")
        self._memory[at : at + len(data)] = data

    def pieces(self) -> Iterator[bytes | bytearray]:
        """All of it, once; then it is closed."""
        try:
            yield self._memory
            if self._file is not None:
                self._file.seek(0)
                for number, length in enumerate(self._lengths):
                    sealed = self._file.read(length + 16)
                    yield self._cipher.decrypt(_nonce(number), sealed, None)
        finally:
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
