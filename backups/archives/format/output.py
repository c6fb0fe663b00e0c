"""The archive while it grows: a hidden file beside its place, which gets its name when all of it is on the disk."""

import os
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import TargetExists, WriteFailed
from .partials import open_partial, partial_of


class Output:
    """Written at its end only, but for ``rewind`` and ``overwrite`` of what is held. Any failure to write removes
    the file.

    ``at`` is the length so far, in bytes.
    """

    file_key: bytes | None = None
    sha256: str | None = None
    """Of the finished file, in hex; None of one that was changed in its place, since that takes reading it again."""

    def __init__(self, path: Path):
        self.path, self.at = path, 0
        self.partial = partial_of(path)
        if os.path.lexists(path):
            raise TargetExists(path)
        self._descriptor, self._ours = -1, False
        with self._writing():
            self._descriptor = open_partial(self.partial)
            self._ours = True
            self._facts = os.fstat(self._descriptor)

    @property
    def size(self) -> int:
        """Of the file on the disk, in bytes."""
        return self.at

    def is_same_file(self, facts: os.stat_result) -> bool:
        """Whether this was seen of the archive itself, which may lie in the tree that it is to hold."""
        return facts.st_ino == self._facts.st_ino and facts.st_dev == self._facts.st_dev

    def write(self, *parts: bytes) -> int:
        """Append; returns where the first part begins."""
        start = self.at
        for part in parts:
            with self._writing():
                self._write_at(part, self.at)
            self.at += len(part)
        return start

    def hold(self) -> None:
        """From here on what is written may be overwritten and rewound, until ``settle``; twice is no more than once.
        Nothing to do for a file that can be changed in its place."""

    def settle(self) -> None:
        """What was written so far stays as it is."""

    def overwrite(self, at: int, *parts: bytes) -> None:
        with self._writing():
            self._write_at(b"".join(parts), at)

    def rewind(self, at: int) -> None:
        """Forget what was written from ``at`` on."""
        with self._writing():
            os.ftruncate(self._descriptor, at)
        self.at = at

    def finish(self) -> None:
        """Bring everything to the disk and give the file its name; never over another file."""
        with self._writing():
            os.fsync(self._descriptor)
            self._name()
            self._ours = False
            _sync_directory(self.path.parent)
        self.abort()

    def abort(self) -> None:
        """Close the file, and remove it unless it has its name. Safe to call twice."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1
        if self._ours:
            with suppress(OSError):
                self.partial.unlink()
            self._ours = False

    def _write_at(self, data: bytes, at: int) -> None:
        rest = memoryview(data)
        while rest:
            done = os.pwrite(self._descriptor, rest, at)
            rest, at = rest[done:], at + done

    def _name(self) -> None:
        """A hard link refuses a name that is taken, as a rename would not; where there are none, the name is taken
        first by an empty file, which no reader mistakes for an archive."""
        try:
            os.link(self.partial, self.path)
        except FileExistsError:
            raise
        except OSError:
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self.partial.replace(self.path)
        else:
            self.partial.unlink()

    @contextmanager
    def _writing(self):
        try:
            yield
        except OSError as error:
            self.abort()
            if isinstance(error, FileExistsError) and os.path.lexists(self.path):
                raise TargetExists(self.path) from error
            raise WriteFailed(self.path, error) from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
