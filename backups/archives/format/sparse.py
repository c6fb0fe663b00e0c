"""Files with holes, in GNU tar's sparse format 1.0.

The content of such an entry is a map (decimal numbers, one a line: how many pieces, then offset and length of each;
filled with zeros to a whole number of 512 bytes) and after it the pieces. Pax records tell the real name and size.
Source: "Storing Sparse Files" in the manual of GNU tar.
"""

import os

from .headers import padding
from .limits import MOST_PIECES

Segment = tuple[int, int]
"""Offset and length of data in a file, in bytes."""


def data_segments(descriptor: int, size: int) -> list[Segment]:
    """Where the file has data, in order. A file that ends in a hole has an empty last one at its end; one with more
    pieces than a map may have counts as one without holes."""
    segments, at = [], 0
    while at < size and len(segments) <= MOST_PIECES:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:  # ENXIO: no data behind this
            break
        at = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        segments.append((start, at - start))
    if not segments or sum(segments[-1]) < size:
        segments.append((size, 0))
    return segments if len(segments) <= MOST_PIECES else [(0, size)]


def has_holes(segments: list[Segment], size: int) -> bool:
    return segments != [(0, size)]


def sparse_map(segments: list[Segment]) -> bytes:
    text = b"%d\n" % len(segments) + b"".join(b"%d\n%d\n" % segment for segment in segments)
    return text + padding(len(text))


def sparse_records(name: bytes, size: int) -> dict[bytes, bytes]:
    return {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": name,
        b"GNU.sparse.realsize": b"%d" % size,
    }


def placeholder(name: bytes) -> bytes:
    """The name by which a program that does not know the format extracts the entry."""
    folder, _, last = name.rpartition(b"/")
    return b"%b/GNUSparseFile.0/%b" % (folder, last)
