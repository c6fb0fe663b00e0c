"""Reads a server key by key and writes what it reads as an RDB file: for servers that refuse SYNC, for a pattern of
keys or for some databases. Not a point in time: keys that change meanwhile come as they are when they are read.

DUMP answers the type, the value as an RDB file has it, the RDB version (two bytes) and a checksum (eight). Memory:
every key's name, as SCAN may tell one twice, and the answers of two pipelines.
"""

import struct
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType

from .about import About, about
from .access import RedisAccess
from .connection import Connection, connect
from .crc64 import crc64
from .encoding import put_length, put_string
from .errors import Answered, RdbUnknown
from .rdb import CHECKSUM
from .refusals import judge
from .resp import ErrorLine, put_word

SCANNED = 500
"""Keys that the server looks at in one SCAN, and the most that one pipeline asks for."""
PIPELINE = 16 << 20
"""Bytes that a pipeline's answers should not exceed: the server holds them all."""
FOOTER = 2 + CHECKSUM
OLDEST = 6
VALKEY_FROM = 80  # Valkey 9 and later number their RDB versions from here
GONE, FOREVER = -2, -1
RELATIVE = "PTTL"


class Scan:
    """``pieces`` is the RDB file. After it ``missed`` says in words what the user might not read, beside keys.

    Without ``databases`` all of them are read; ``pattern`` is as in SCAN's MATCH; ``named`` gives databases another
    number in the file. Functions of the server come too where everything is read. Without +dump, +scan and so on
    ``Forbidden`` is raised.
    """

    def __init__(
        self,
        access: RedisAccess,
        databases: tuple[int, ...] = (),
        pattern: str = "",
        named: Mapping[int, int] = MappingProxyType({}),
    ):
        self.access, self.named = access, named
        self.databases = databases
        self.pattern = pattern
        self.missed: list[str] = []
        self._version = b""

    def pieces(self) -> Iterator[bytes]:
        crc = 0
        # SCAN has a connection of its own: on the other there is always a pipeline under way.
        with connect(self.access) as scanner, connect(self.access) as reader:
            for piece in self._content(scanner, reader):
                crc = crc64(piece, crc)
                yield piece
        yield crc.to_bytes(CHECKSUM, "little")

    def _content(self, scanner: Connection, reader: Connection) -> Iterator[bytes]:
        server = about(scanner)
        body = self._body(scanner, reader, server)
        first = []  # the first answer tells the version, which stands before all
        while not self._version and (piece := next(body, None)) is not None:
            first.append(piece)
        yield self._header()
        yield _aux("redis-ver", server.version) + _aux("ctime", int(time.time())) + _aux("used-mem", server.memory)
        yield b"".join(first)
        yield from body
        yield b"\xff"

    def _header(self) -> bytes:
        number = struct.unpack("<H", self._version)[0] if self._version else OLDEST
        return b"VALKEY%03d" % number if number >= VALKEY_FROM else b"REDIS%04d" % number

    def _body(self, scanner: Connection, reader: Connection, server: About) -> Iterator[bytes]:
        if not self.databases and not self.pattern and server.knows(7, 0):
            yield self._functions(reader)
        expiry = "PEXPIRETIME" if server.knows(7, 0) else RELATIVE
        for database in self.databases or sorted(server.databases):
            yield from self._database(scanner, reader, database, expiry)

    def _functions(self, connection: Connection) -> bytes:
        """FUNCTION DUMP is a piece of an RDB file, with the footer of DUMP."""
        try:
            return self._without_footer(connection.call("FUNCTION", "DUMP"))
        except Answered as error:
            self.missed.append(f"Functions of the server are not in the backup: {error.message}")
            return b""

    def _database(self, scanner: Connection, reader: Connection, database: int, expiry: str) -> Iterator[bytes]:
        for each in (scanner, reader):
            each.call("SELECT", database)
        keys, asked, batch = self._keys(scanner), [], 1
        begun = b"\xfe" + put_length(self.named.get(database, database))
        while (names := list(islice(keys, batch))) or asked:
            _ask(reader, names, expiry)
            parts = [part for part in self._answers(reader, asked, expiry) if part]
            if parts:
                yield begun + b"".join(parts)
                begun = b""
            average = sum(map(len, parts)) // max(1, len(asked)) + 1
            # No more than doubled: the next keys may be bigger than these.
            asked, batch = names, max(1, min(SCANNED, 2 * batch, PIPELINE // average))

    def _keys(self, connection: Connection) -> Iterator[bytes]:
        """Each key once, though SCAN may tell one again while its table grows or shrinks."""
        seen: set[bytes] = set()
        matching = ("MATCH", self.pattern) if self.pattern else ()
        cursor = b"0"
        while True:
            cursor, names = connection.call("SCAN", cursor, *matching, "COUNT", SCANNED)
            for name in names:
                if name not in seen:
                    seen.add(name)
                    yield name
            if cursor == b"0":
                return

    def _answers(self, reader: Connection, names: list[bytes], expiry: str) -> Iterator[bytes]:
        """What the file has of each key; nothing of those that are gone meanwhile."""
        for name in names:
            value, expires = _good(reader.answer(), "DUMP"), _good(reader.answer(), expiry)
            if value is None or expires == GONE:
                yield b""
                continue
            if expires >= 0 and expiry == RELATIVE:
                expires += int(time.time() * 1000)
            body = self._without_footer(value)
            prefix = b"" if expires == FOREVER else b"\xfc" + expires.to_bytes(8, "little", signed=True)
            yield b"".join((prefix, body[:1], put_string(name), body[1:]))

    def _without_footer(self, dump: bytes) -> bytes:
        version = dump[-FOOTER:-CHECKSUM]
        self._version = self._version or version
        if version != self._version:
            raise RdbUnknown("The server was replaced by one of another version during the backup. Start it again.")
        return dump[:-FOOTER]


def _ask(reader: Connection, names: list[bytes], expiry: str) -> None:
    ask = b"*2\r\n$4\r\nDUMP\r\n%b*2\r\n" + put_word(expiry.encode()) + b"%b"
    reader.send(b"".join(ask % (word, word) for word in map(put_word, names)))


def _good(answer, command: str):
    if isinstance(answer, ErrorLine):
        raise judge(answer.line, command)
    return answer


def _aux(name: str, value: str | int) -> bytes:
    return b"\xfa" + put_string(name.encode()) + put_string(str(value).encode())
