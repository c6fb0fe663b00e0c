"""Headers of tar entries: ustar (POSIX.1-1988), with pax records (POSIX.1-2001) where something does not fit.

A header is built from few pieces whose byte sums are known, because its checksum is the sum of its bytes and a
backup makes a header for every file.
"""

import functools
from collections.abc import Mapping

from backups.gateways.filetree import Owner

FILE, HARD_LINK, SYMLINK, DIRECTORY, PAX = b"0", b"1", b"2", b"5", b"x"
BLOCK = 512
MOST_OCTAL = 0o77777777777
"""The greatest size (8 GiB - 1) and time of eleven octal digits."""
MOST_ID = 0o7777777
END = bytes(2 * BLOCK)
"""The two blocks of zeros that end a tar."""

ROOT = Owner(0, 0, b"root", b"root")


def padding(size: int) -> bytes:
    """The zeros that fill the last block of so many bytes."""
    return bytes(-size % BLOCK)


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
    pax = _records(name, owner, seconds, size, target, size_record)
    if records:
        pax |= records
    body = _ustar(name, kind, mode & 0o7777, owner, seconds, size, target)
    return _pax_entry(pax) + body if pax else body


def _records(name: bytes, owner: Owner, seconds: int, size: int, target: bytes, size_record: bool) -> dict:
    pax = {}
    if len(name) > 100:
        pax[b"path"] = name
    if len(target) > 100:
        pax[b"linkpath"] = target
    if size > MOST_OCTAL or size_record:
        pax[b"size"] = b"%020d" % size
    if not 0 <= seconds <= MOST_OCTAL:
        pax[b"mtime"] = b"%d" % seconds
    return pax | _owner_records(owner)


@functools.lru_cache(maxsize=1024)
def _owner_records(owner: Owner) -> dict[bytes, bytes]:
    pax = {key: b"%d" % value for key, value in ((b"uid", owner.uid), (b"gid", owner.gid)) if value > MOST_ID}
    names = ((b"uname", owner.uname), (b"gname", owner.gname))
    return pax | {key: value for key, value in names if len(value) > 31}


def _ustar(name: bytes, kind: bytes, mode: int, owner: Owner, seconds: int, size: int, target: bytes) -> bytes:
    first = name[:100]
    middle, middle_sum = _middle(mode, owner)
    numbers = b"%011o\0%011o\0" % (
        size if size <= MOST_OCTAL else 0,
        seconds if 0 <= seconds <= MOST_OCTAL else 0,
    )
    tail, tail_sum = _tail(kind, target[:100], owner)
    total = sum(first) + middle_sum + sum(numbers) + tail_sum
    return b"%b%b%b%06o\0 %b" % (first.ljust(100, b"\0"), middle, numbers, total, tail)


@functools.lru_cache(maxsize=4096)
def _middle(mode: int, owner: Owner) -> tuple[bytes, int]:
    uid, gid = (number if number <= MOST_ID else 0 for number in owner[:2])
    text = b"%07o\0%07o\0%07o\0" % (mode, uid, gid)
    return text, sum(text)


@functools.lru_cache(maxsize=4096)
def _tail(kind: bytes, target: bytes, owner: Owner) -> tuple[bytes, int]:
    """From the type to the end, and its sum with the eight spaces that stand for the checksum itself."""
    names = owner.uname[:31].ljust(32, b"\0") + owner.gname[:31].ljust(32, b"\0")
    text = kind + target.ljust(100, b"\0") + b"ustar\x0000" + names + b"0000000\0" * 2 + bytes(155 + 12)
    return text, sum(text) + 8 * ord(" ")


def _pax_entry(pax: Mapping[bytes, bytes]) -> bytes:
    body = b"".join(record(key, value) for key, value in pax.items())
    return _ustar(b"././@PaxHeader", PAX, 0o644, ROOT, 0, len(body), b"") + body + padding(len(body))


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
