"""What ends the writing of an archive."""

import os


class ArchiveError(Exception):
    """No archive came of it; what had been written is removed."""


class WriteFailed(ArchiveError):
    """The archive could not be written: the disk is full, gone, or not ours. ``errno`` says which."""

    def __init__(self, path: str | os.PathLike, error: OSError):
        self.path, self.errno = os.fspath(path), error.errno
        super().__init__(f"{self.path} cannot be written: {error.strerror or error}")


class TargetExists(ArchiveError):
    """There is a file of this name already; it is left as it is."""

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        super().__init__(f"{self.path} exists already")


class HelperDied(ArchiveError):
    """A helper process ended before it answered: killed, or out of memory."""


class Cancelled(ArchiveError):
    """The caller's ``cancelled()`` said so."""
