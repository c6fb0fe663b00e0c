"""Reads ahead on a disk that has to be waited for: the kernel then has many requests at once to put in order.

Where everything is in memory it does nothing: what a batch had read from a disk, by whoever of this process, tells
whether the next ones are worth announcing. File systems of other hosts do not tell it, and are not read ahead.
"""

import os
import resource
from contextlib import suppress
from typing import TYPE_CHECKING

from backups.gateways.filetree import OPEN_FILE, open_directory

from .packing import SMALL

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

THREADS, AT_ONCE = 16, 25


class Ahead:
    """For the tree below the descriptor ``root``."""

    def __init__(self, root: int):
        self._root, self._before = root, _blocks_read()
        self._cold, self._threads = False, None

    def announce(self, sections: list[tuple]) -> None:
        """Let the kernel read the files of a batch that is to come."""
        if not self._cold:
            return
        self._threads = self._threads or _threads()
        for directory, _, names, _ in sections:
            for start in range(0, len(names) if directory is not None else 0, AT_ONCE):
                self._threads.submit(self._read, directory, names[start : start + AT_ONCE])

    def learn(self, files: int) -> None:
        """A batch of so many files is done: one block of 512 bytes for each would be few, if they were not cached."""
        read = _blocks_read()
        self._cold, self._before = read - self._before > files, read

    def close(self) -> None:
        """Wait for what was announced."""
        if self._threads:
            self._threads.shutdown()

    def _read(self, directory: bytes, names: list[bytes]) -> None:
        with suppress(OSError):  # whoever packs it will see
            folder = open_directory(self._root, directory)
            try:
                for name in names:
                    _will_need(folder, name)
            finally:
                os.close(folder)


def _threads() -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor  # takes 5 ms, for which most helpers need not wait

    return ThreadPoolExecutor(THREADS)


def _blocks_read() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock


def _will_need(folder: int, name: bytes) -> None:
    with suppress(OSError):
        descriptor = os.open(name, OPEN_FILE, dir_fd=folder)
        try:
            os.posix_fadvise(descriptor, 0, SMALL, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(descriptor)
