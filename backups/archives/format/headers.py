"""Headers of tar entries: ustar (POSIX.1-1988), with pax records (POSIX.1-2001) where something does not fit.

A header is built from few pieces whose byte sums are known, because its checksum is the sum of its bytes and a
backup makes a header for every file.
"""

import functools
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from backups.gateways.filetree import Owner

FILE, HARD_LINK, SYMLINK, DIRECTORY, PAX = b"0", b"1", b"2", b"5", b"x"
BLOCK = 512
MOST_OCTAL = 0o77777777777
"""The greatest size (8 GiB - 1) and time of eleven octal digits."""
MOST_ID = 0o7777777
END = bytes(2 * BLOCK)
"""The two blocks of zeros that end a tar."""

ZEROS = bytes(BLOCK)

ROOT = Owner(0, 0, b"root", b"root")


def padding(size: int) -> bytes:
    """The zeros that fill the last block of so many bytes."""
    return ZEROS[: -size % BLOCK]


def header(
    name: bytes,
    kind: bytes,
    mode: int,
    owner: Owner,
    mtime_ns: int,
    *,
    size: int = 0,
    target: bytes = b"",
    records: Mapping[bytes, bytes] | None = None,
    size_record: bool = False,
) -> bytes:
    """The blocks before an entry's content.

    ``mode`` may carry the bits of the file's type. ``records`` are further pax records. With ``size_record`` the
    size always stands in a pax record of constant length, so that the header can be replaced by one of another size.
    """
    seconds = mtime_ns // 1_000_000_000
    fixed = _fixed(kind, mode & 0o7777, owner, target)
    pax = _records(name, seconds, size, target, size_record) | fixed.records
    if records:
        pax |= records
    body = _ustar(name, fixed, seconds, size)
    return _pax_entry(pax) + body if pax else body


class FileHeaders:
    """The same headers for many regular files of one mode and owner: what these have in common is made once."""

    def __init__(self, mode: int, owner: Owner):
        self._mode, self._owner = mode, owner
        self._middle, self._tail, self._total, self._records = _fixed(FILE, mode & 0o7777, owner, b"")

    def of(self, name: bytes, mtime_ns: int, size: int, xattrs: Mapping[bytes, bytes]) -> bytes:
        """``size`` is below 8 GiB."""
        seconds = mtime_ns // 1_000_000_000
        if xattrs or len(name) > 100 or not 0 <= seconds <= MOST_OCTAL or self._records:
            records = xattr_records(xattrs)
            return header(name, FILE, self._mode, self._owner, mtime_ns, size=size, records=records)
        numbers = b"%011o\0%011o\0" % (size, seconds)
        total = _sum(name + numbers) + self._total
        return b"%b%b%b%06o\0 %b" % (name.ljust(100, b"\0"), self._middle, numbers, total, self._tail)


def _records(name: bytes, seconds: int, size: int, target: bytes, size_record: bool) -> dict[bytes, bytes]:
    pax = {}
    if len(name) > 100:
        pax[b"path"] = name
    if len(target) > 100:
        pax[b"linkpath"] = target
    if size > MOST_OCTAL or size_record:
        pax[b"size"] = b"%020d" % size
    if not 0 <= seconds <= MOST_OCTAL:
        pax[b"mtime"] = b"%d" % seconds
    return pax


class Fixed(NamedTuple):
    """What many headers have in common: mode and owner, and everything from the type on. ``total`` is the sum of
    their bytes, and of the eight spaces that stand for the checksum itself. ``records`` is what did not fit."""

    middle: bytes
    tail: bytes
    total: int
    records: dict[bytes, bytes]


@functools.lru_cache(maxsize=4096)
def _fixed(kind: bytes, mode: int, owner: Owner, target: bytes) -> Fixed:
    ids = {b"uid": owner.uid, b"gid": owner.gid}
    names = {b"uname": owner.uname, b"gname": owner.gname}
    records = {key: b"%d" % number for key, number in ids.items() if number > MOST_ID}
    records |= {key: name for key, name in names.items() if len(name) > 31}
    middle = b"%07o\0%07o\0%07o\0" % (mode, *(number if number <= MOST_ID else 0 for number in ids.values()))
    short = b"".join(name[:31].ljust(32, b"\0") for name in names.values())
    tail = kind + target[:100].ljust(100, b"\0") + b"ustar\x0000" + short + b"0000000\0" * 2 + bytes(155 + 12)
    return Fixed(middle, tail, sum(middle) + sum(tail) + 8 * ord(" "), records)


def _ustar(name: bytes, fixed: Fixed, seconds: int, size: int) -> bytes:
    first = name[:100]
    numbers = b"%011o\0%011o\0" % (
        size if size <= MOST_OCTAL else 0,
        seconds if 0 <= seconds <= MOST_OCTAL else 0,
    )
    total = _sum(first + numbers) + fixed.total
    return b"%b%b%b%06o\0 %b" % (first.ljust(100, b"\0"), fixed.middle, numbers, total, fixed.tail)


def _sum(data: bytes) -> int:
    """The sum of at most 256 bytes: Adler-32 has it in its lower half, plus one and modulo 65,521."""
    return (zlib.adler32(data) & 0xFFFF) - 1


def _pax_entry(pax: Mapping[bytes, bytes]) -> bytes:
    body = b"".join(record(key, value) for key, value in pax.items())
    return _ustar(b"././@PaxHeader", _fixed(PAX, 0o644, ROOT, b""), 0, len(body)) + body + padding(len(body))


def record(key: bytes, value: bytes) -> bytes:
    """A pax record: its own length in decimal, a space, key=value and a newline."""
    rest = len(key) + len(value) + 3
    length = rest + len(b"%d" % rest)
    if len(b"%d" % length) > len(b"%d" % rest):
        length += 1
    return b"%d %b=%b\n" % (length, key, value)


def xattr_records(xattrs: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Extended attributes as records; a key must hold no "=", which GNU tar writes as %3D and % as %25."""
    return {
        b"SCHILY.xattr." + name.replace(b"%", b"%25").replace(b"=", b"%3D"): value for name, value in xattrs.items()
    }
