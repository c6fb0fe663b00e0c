"""Cuts an RDB file into keys without decoding a value; the format is that of ``rdbLoadRio`` in Redis's ``rdb.c``.

A value's bytes in the file are those of DUMP's answer without its footer, so that they can go to RESTORE as they are.
Memory: some MB, or about three times the biggest value.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from .crc64 import crc64
from .encoding import length, skip_lengths, string
from .errors import NotRdb, RdbDamaged, RdbTruncated, RdbUnknown
from .survey import Content, Survey
from .values import KINDS, skip_module

AT_ONCE = 4 << 20
BIG = 64 << 10
"""Values from here on are given as views, not as copies."""
HEADER = 9
FIRST_OF_VALKEY = 22  # from this type on, Valkey's numbers mean other things than those of Redis
END, CHECKSUM = 0xFF, 8
OLDEST = 5  # Redis 2.6; before, there were no checksums
OVER = object()
new_key = tuple.__new__  # what a NamedTuple does itself takes twice as long
LARGEST = 4 << 30
"""Nothing in a sound file comes near it: Redis takes half a gigabyte at once, unless told otherwise."""
MILLISECONDS = struct.Struct("<q")
SECONDS = struct.Struct("<i")

Source = BinaryIO | Iterable[bytes]


class Key(NamedTuple):
    """``expires`` is in milliseconds since 1970, or None; ``type`` a number of ``KINDS``. ``value`` is its bytes in
    the file: of big values a view, which keeps a whole buffer alive as long as it is held."""

    database: int
    name: bytes
    type: int
    expires: int | None
    value: bytes | memoryview


def keys_of(source: Source) -> "Slices":
    """The keys of a file object or of pieces of bytes, to be gone through once. What else was found stands in its
    ``survey``, complete when the last key has come. Raises ``RdbError`` only: the checksum is looked at last."""
    return Slices(source)


def survey_of(source: Source) -> Survey:
    """What is in it, read to the end and checked."""
    slices = keys_of(source)
    for _ in slices:
        pass
    return slices.survey


class Slices:
    """Made by ``keys_of``. An item that is cut by the end of the buffer is begun again when there is more."""

    def __init__(self, source: Source):
        self._read = _reader(source)
        self._data = b""
        self._at = 0
        self._crc = 0
        self._database = 0
        self._content: Content | None = None
        self._kinds = KINDS
        self.survey = Survey()

    def __iter__(self) -> Iterator[Key]:
        self._header()
        while True:
            try:
                item = self._item()
            except (IndexError, struct.error):
                self._refill()
                continue
            if item is OVER:
                return self._finish()
            if item is not None:
                yield item

    def _header(self) -> None:
        while len(self._data) < HEADER:
            self._refill()
        magic, number = (5, 4) if self._data[:5] == b"REDIS" else (6, 3)
        name, digits = self._data[:magic], self._data[magic : magic + number]
        if name not in (b"REDIS", b"VALKEY") or not digits.isdigit():
            raise NotRdb("This is not an RDB file: it does not begin with REDIS and a version.", repr(self._data[:9]))
        if name == b"VALKEY":
            self._kinds = {kind: of for kind, of in KINDS.items() if kind < FIRST_OF_VALKEY}
        self.survey.magic, self.survey.version = name.decode(), int(digits)
        if self.survey.version < OLDEST:
            raise NotRdb("This RDB file is of a Redis before 2.6, which is too old.", repr(self._data[:9]))
        self._at = HEADER

    def _item(self) -> Key | object | None:
        """One key with what stands before it, one other record (None), or OVER. ``_at`` moves only when it is
        whole."""
        data, at, expires = self._data, self._at, None
        code = data[at]
        while code in PREFIXES:
            expires, at = PREFIXES[code](data, at + 1, expires)
            code = data[at]
        if code in self._kinds:
            return self._key(code, at + 1, expires)
        if code == END:
            self._at = at + 1
            return OVER
        if code not in RECORDS:
            raise RdbUnknown(
                "The RDB file has something that this version of the console does not know. It was written by a "
                "newer server, or is damaged.",
                f"type {code} in a file of version {self.survey.version}",
            )
        RECORDS[code](self, at + 1)
        return None

    def _key(self, kind: int, at: int, expires: int | None) -> Key:
        data = self._data
        begin = at + 1 + data[at]
        if data[at] < 0x40:  # nearly all keys
            name = data[at + 1 : begin]
        else:
            name, begin = string(data, at)
        end = self._kinds[kind].skip(data, begin)
        if end > len(data):
            raise IndexError
        self._at, size = end, end - begin
        content = self._content
        if content is None:
            content = self._content = self.survey.of(self._database)
        content.types[kind] += 1
        if expires is not None:
            content.expires += 1
        if size > self.survey.biggest:
            self.survey.biggest = size
        value = data[begin:end] if size < BIG else memoryview(data)[begin:end]
        return new_key(Key, (self._database, name, kind, expires, value))

    def _move(self, at: int) -> None:
        if at > len(self._data):
            raise IndexError
        self._at = at

    def _select(self, at: int) -> None:
        number, at = length(self._data, at)
        self._move(at)
        self._database, self._content = number, None

    def _aux(self, at: int) -> None:
        name, at = string(self._data, at)
        value, at = string(self._data, at)
        self._move(at)
        self.survey.aux[name.decode(errors="replace")] = value.decode(errors="replace")

    def _function(self, at: int) -> None:
        source, at = string(self._data, at)
        self._move(at)
        self.survey.functions.append(source)

    def _sizes(self, at: int) -> None:
        self._move(skip_lengths(self._data, at, 2))

    def _slot(self, at: int) -> None:
        self._move(skip_lengths(self._data, at, 3))

    def _module_aux(self, at: int) -> None:
        # Behind the id: when it was written, as one number with its own mark.
        self._move(skip_module(self._data, at))
        self.survey.module_records += 1

    def _refill(self) -> None:
        """Forget what is done, and read as much again as is left: a value bigger than the buffer is begun again a few
        times only."""
        view = memoryview(self._data)
        if len(view) - self._at > LARGEST:
            raise RdbDamaged("The RDB file is damaged: one of its values would be larger than 4 GiB.")
        self._crc = crc64(view[: self._at], self._crc)
        parts, wanted = [view[self._at :]], max(1, len(view) - self._at)
        got = 0
        while got < wanted and (more := self._read()):
            parts.append(more)
            got += len(more)
        if not got:
            raise RdbTruncated("The RDB file ends too soon: its end mark is missing. Part of it was not written.")
        self._data, self._at = b"".join(parts), 0

    def _finish(self) -> None:
        while len(self._data) - self._at < CHECKSUM:
            self._refill()
        crc = crc64(memoryview(self._data)[: self._at], self._crc)
        compare(self._data[self._at : self._at + CHECKSUM], crc)


def compare(written: bytes, crc: int) -> None:
    """Eight zeros: the server was told not to reckon one (``rdbchecksum no``)."""
    number = int.from_bytes(written, "little")
    if number and number != crc:
        raise RdbDamaged(
            "The RDB data is damaged: its checksum differs. It was changed on its way or on the disk.",
            f"CRC-64 {number:016x} written, {crc:016x} found",
        )


PREFIXES: dict[int, Callable[[bytes, int, int | None], tuple[int | None, int]]] = {
    0xFC: lambda data, at, _: (MILLISECONDS.unpack_from(data, at)[0], at + 8),
    0xFD: lambda data, at, _: (SECONDS.unpack_from(data, at)[0] * 1000, at + 4),
    0xF8: lambda data, at, expires: (expires, length(data, at)[1]),  # seconds not used (LRU)
    0xF9: lambda data, at, expires: (expires, at + 1),  # how often used (LFU)
}
RECORDS: dict[int, Callable[[Slices, int], None]] = {
    0xFE: Slices._select,
    0xFB: Slices._sizes,
    0xFA: Slices._aux,
    0xF5: Slices._function,
    0xF4: Slices._slot,
    0xF7: Slices._module_aux,
}


def _reader(source: Source) -> Callable[[], bytes]:
    """The next piece; empty at the end."""
    if hasattr(source, "read"):
        return lambda: source.read(AT_ONCE)
    pieces = iter(source)
    return lambda: next((piece for piece in pieces if piece), b"")
