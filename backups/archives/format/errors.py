"""What ends the writing of an archive."""

import os


class ArchiveError(Exception):
    """No archive came of it; what had been written is removed."""


class WriteFailed(ArchiveError):
    """The archive could not be written: the disk is full, gone, or not ours. ``errno`` says which."""

    def __init__(self, path: str | os.PathLike, error: OSError):
        self.path, self.errno = os.fspath(path), error.errno
        super().__init__(f"{self.path} cannot be written: {error.strerror or error}")


class NoSpace(ArchiveError):
    """There is less room than must stay free; both in bytes. A disk that is full is a ``WriteFailed``."""

    def __init__(self, directory: str | os.PathLike, usable: int, keep_free: int):
        self.directory, self.usable, self.keep_free = os.fspath(directory), usable, keep_free
        super().__init__(f"{self.directory} has {usable:,} bytes of room; {keep_free:,} must stay free")


class UnreadableFile(ArchiveError):
    """Something cannot be read, and the archive was to be whole or not at all. ``path`` is that in the archive."""

    def __init__(self, path: str, why: str, errno: int | None):
        self.path, self.why, self.errno = path, why, errno
        super().__init__(f"{path} cannot be read: {why}")


class TargetExists(ArchiveError):
    """There is a file of this name already; it is left as it is."""

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        super().__init__(f"{self.path} exists already")


class HelperDied(ArchiveError):
    """A helper process ended before it answered: killed, or out of memory."""


class Cancelled(ArchiveError):
    """The caller's ``cancelled()`` said so."""
