"""Takes a copy of a server's data as a replica would: it forks, and sends a point-in-time RDB file.

Redis's ``replication.c`` (``syncCommand``): the file comes behind ``$EOF:`` and a mark of 40 bytes that ends it, or
behind ``$`` and its length; until it begins the server sends newlines. With ``capa eof`` it is not spooled to the
server's disk, but begins up to ``repl-diskless-sync-delay`` (5 s) late.
"""

from collections.abc import Iterator

from .access import RedisAccess
from .connection import Connection, connect
from .crc64 import crc64
from .errors import CutOff, NotRedis, RdbError
from .rdb import CHECKSUM, compare
from .refusals import judge
from .resp import ErrorLine, pack

MARK = 40
LONGEST_LINE = 512
OPTIONS = (
    ("capa", "eof"),
    ("rdb-only", "1"),  # 7.0 and later: no writes are collected for us meanwhile
    ("version", "7.2.0"),  # Valkey 9 then writes an RDB file that others can read
)
REFUSED = "The server hands out no copy of its data."


def rdb_by_sync(access: RedisAccess) -> Iterator[bytes]:
    """The RDB file in pieces of up to 1 MB, its checksum looked at on the way. A stream without its end raises
    ``CutOff``, a wrong checksum ``RdbDamaged``, a user without +replconf and +sync ``Forbidden``, a provider's server
    that has no SYNC ``Unsupported``: after these two, ``Scan`` is what remains."""
    with connect(access) as connection:
        for option in OPTIONS:
            answer = _option(connection, *option)
            if isinstance(answer, ErrorLine) and answer.line.startswith("NOPERM"):
                raise judge(answer.line, "REPLCONF")
        connection.send(pack("SYNC"))
        yield from checked(_file(connection))


def _option(connection: Connection, name: str, value: str):
    """Servers that do not know one refuse it; then it is not needed."""
    connection.send(pack("REPLCONF", name, value))
    return connection.answer()


def _file(connection: Connection) -> Iterator[bytes]:
    line, rest = _announced(connection)
    if line.startswith(b"-"):
        raise judge(line[1:].decode(errors="replace"), "SYNC")
    if line.startswith(b"$EOF:") and len(line) == 5 + MARK:
        return _until_mark(connection, rest, line[5:])
    if line.startswith(b"$") and line[1:].isdigit():
        return _of_length(connection, rest, int(line[1:]))
    raise NotRedis(f"{connection.access.where} answered SYNC as Redis would not.", repr(line[:80]))


def _announced(connection: Connection) -> tuple[bytes, bytes]:
    """The first line that is not empty, and what came behind it."""
    data = b""
    while b"\n" not in data:
        data = (data + connection.receive()).lstrip(b"\r\n")
        if len(data) > LONGEST_LINE and b"\n" not in data[:LONGEST_LINE]:
            break
    line, _, rest = data.partition(b"\n")
    return line.rstrip(b"\r"), rest


def _until_mark(connection: Connection, data: bytes, mark: bytes) -> Iterator[bytes]:
    """Nothing may follow the mark: the server sends no writes before we acknowledge, which we never do."""
    while not data.endswith(mark):
        if len(data) > MARK:
            yield data[:-MARK]
            data = data[-MARK:]
        data += _more(connection)
    yield data[:-MARK]


def _of_length(connection: Connection, data: bytes, left: int) -> Iterator[bytes]:
    while left:
        data = data or _more(connection)
        yield data[:left]
        left -= min(left, len(data))
        data = b""


def _more(connection: Connection) -> bytes:
    try:
        return connection.receive()
    except CutOff as error:
        raise CutOff(f"The copy of the data is not whole. {error.message}", error.detail) from error


def checked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces; ``RdbError`` at the end where the file's checksum is not that of its bytes."""
    crc, held = 0, b""
    for piece in pieces:
        data = held + piece
        crc = crc64(memoryview(data)[:-CHECKSUM], crc)
        held = data[-CHECKSUM:]
        yield piece
    if len(held) < CHECKSUM:
        raise RdbError(f"{REFUSED} What came is no RDB file.", repr(held))
    compare(held, crc)
