"""How much room a file system has, and an archive that leaves some of it to others."""

import os
from pathlib import Path
from typing import NamedTuple

from .errors import NoSpace

EVERY = 64 << 20
KEPT_FREE = 0.02
"""Of a file system: other programs must not stop because of an archive, or of a file out of one."""


class Space(NamedTuple):
    """Bytes of a file system that nobody uses, and those of them that are not kept back for root."""

    free: int
    usable: int


def space_of(directory: str | os.PathLike) -> Space:
    """OSError where the directory is not there."""
    facts = os.statvfs(directory)
    return Space(facts.f_bfree * facts.f_frsize, facts.f_bavail * facts.f_frsize)


def kept_free(directory: str | os.PathLike) -> int:
    """Bytes of its file system that stay free."""
    facts = os.statvfs(directory)
    return int(KEPT_FREE * facts.f_blocks * facts.f_frsize)


class Room:
    """``keep_free`` bytes must stay usable where the archive is written; 0 asks for nothing. Looked at before the
    first byte and then after each 64 MiB, by which it may be too late."""

    def __init__(self, directory: Path, keep_free: int):
        self._directory, self._keep_free, self._next = directory, keep_free, 0

    def check(self, written: int) -> None:
        """NoSpace when there is less; ``written`` is the length of the archive so far."""
        if self._keep_free and written >= self._next:
            self._next = written + EVERY
            usable = space_of(self._directory).usable
            if usable < self._keep_free:
                raise NoSpace(self._directory, usable, self._keep_free)
