"""A disk that is full, in words that say which and what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from backups.archives import cybersift_restore as reader

FULL = "The disk of {} is full. Make room there, then make a new plan and ask again."


class Full(reader.NoSpace):
    """``detail`` is what was refused."""

    def __init__(self, place: str, detail: str) -> None:
        super().__init__(FULL.format(place))
        self.detail = detail


@contextmanager
def needed_at(place: str) -> Iterator[None]:
    """While something is written at this place. Raises Full where there is no room for it (any more)."""
    try:
        yield
    except (OSError, reader.NoSpace) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Full(place, str(error)) from error
