"""What the reader refuses, and so must not get into an archive: else whoever may write into a folder could make every
archive of it unreadable. What is over a limit is left out, and named in the manifest's errors.
"""

import errno
from collections.abc import Mapping

MOST_PATH = 4095
"""Bytes of a path in the archive."""
MOST_TIME = (1 << 63) - 1
"""Nanoseconds from 1970 in either direction: the years 1677 to 2262."""
MOST_ATTRIBUTES = 960 << 10
"""Bytes of the extended attributes of an entry: all of its headers may have 1 MiB, its line in the manifest 2 MiB."""
MOST_PIECES = 1 << 21
"""Pieces in the map of a sparse file."""
MOST_REDIS = 100
"""Redis servers."""

Lost = list[tuple[str, int | None]]
"""What of an entry is not in the archive, with an errno where something is to be done about it."""


def within(mtime_ns: int, xattrs: Mapping[bytes, bytes]) -> tuple[int, Mapping[bytes, bytes], Lost]:
    """Of a time and extended attributes what an archive takes: the nearest time; attributes as long as there is
    room, first those of the system, ACLs among them."""
    lost: Lost = []
    if abs(mtime_ns) > MOST_TIME:
        lost.append(("its time, which is not between the years 1678 and 2262", None))
        mtime_ns = MOST_TIME if mtime_ns > 0 else -MOST_TIME
    kept, room = {}, MOST_ATTRIBUTES
    for name, value in sorted(xattrs.items()):
        size = 6 * len(name) + len(value) + 64  # in JSON a byte of a name may be six
        if size <= room:
            kept[name] = value
            room -= size
    if len(kept) < len(xattrs):
        lost.append((f"{len(xattrs) - len(kept)} of its extended attributes: together they are too big", errno.E2BIG))
    return mtime_ns, kept, lost
