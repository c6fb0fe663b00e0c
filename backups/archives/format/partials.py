"""The hidden file that an archive is while it grows: ``.<name>.partial-<pid>``.

Its writer holds a lock on it (flock) for as long as it lives, so that what dead ones left is told from what grows.
The number in the name does not tell it: numbers come again, in containers soon, and other hosts may share the folder.
"""

import fcntl
import os
import re
import stat
from pathlib import Path

PARTIAL = re.compile(r"\..+\.partial-\d+", re.DOTALL)


def partial_of(path: Path) -> Path:
    """The name under which this process writes ``path``."""
    return path.with_name(f".{path.name}.partial-{os.getpid()}")


def open_partial(path: Path) -> int:
    """A descriptor of a new file, locked. FileExistsError where a living writer has it; a dead one's is removed."""
    _remove_dead(path)
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if not _lock(descriptor, fcntl.LOCK_EX) or os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # it was removed as left over, just before it was locked


def remove_partials(directory: Path) -> list[Path]:
    """Remove what dead writers left in a directory; returns what is gone. OSError where it cannot be listed.

    Where a file system knows no locks, nothing is removed.
    """
    found = [path for path in sorted(directory.iterdir()) if PARTIAL.fullmatch(path.name)]
    return [path for path in found if _remove_dead(path)]


def _remove_dead(path: Path) -> bool:
    try:
        # Over NFS only who may write may lock.
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB) and _remove_locked(descriptor, path)
    finally:
        os.close(descriptor)


def _remove_locked(descriptor: int, path: Path) -> bool:
    """Another remover may have been first, and a new writer may have the name since: then it is another file."""
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode) or not os.path.samestat(facts, os.fstat(descriptor)):
            return False
        path.unlink()
    except OSError:
        return False
    return True


def _lock(descriptor: int, how: int) -> bool:
    """Whether the file is locked now; not where another has it, or where there are no locks."""
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        return False
    return True
