"""The wire format of Redis, RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/).

Answers are read by hiredis where it is installed, else by ``PlainReader``; both have ``feed`` and ``gets``.
"""

from .errors import NotRedis

try:
    import hiredis
except ImportError:
    hiredis = None

MORE = object()
"""What ``gets`` returns while an answer is not complete."""
CRLF = b"\r\n"


class ErrorLine:
    """An answer that is an error, as a value: in a pipeline one command's failure is not that of the others."""

    __slots__ = ("line",)

    def __init__(self, line: str):
        self.line = line

    def __eq__(self, other) -> bool:
        return isinstance(other, ErrorLine) and other.line == self.line

    def __repr__(self) -> str:
        return f"<ErrorLine {self.line}>"


class Foreign(Exception):
    """The bytes are not RESP."""


def pack(*words: bytes | str | int) -> bytes:
    """One command."""
    data = (word if isinstance(word, bytes) else str(word).encode() for word in words)
    return b"*%d\r\n" % len(words) + b"".join(map(put_word, data))


def put_word(word: bytes) -> bytes:
    """One word of a command."""
    return b"$%d\r\n%b\r\n" % (len(word), word)


def reader():
    """A fresh reader of answers: ``feed(bytes)``, then ``gets()`` until it returns ``MORE``."""
    if hiredis is None:
        return PlainReader()
    return hiredis.Reader(notEnoughData=MORE, protocolError=Foreign, replyError=ErrorLine)


def not_redis(where: str, detail: str = "") -> NotRedis:
    message = f"What answers at {where} is not Redis. Check the address and the port, and whether it wants TLS."
    return NotRedis(message, detail)


class PlainReader:
    """Reads RESP2 in Python. An incomplete answer is tried again from its start, except that big strings wait until
    they are there; answers of Redis to us are flat, so that little is read twice."""

    def __init__(self):
        self._data = bytearray()
        self._at = 0
        self._needed = 0

    def feed(self, data: bytes) -> None:
        self._data += data

    def gets(self):
        """The next answer, ``MORE``, or ``Foreign`` raised."""
        if len(self._data) < self._needed:
            return MORE
        self._needed = 0
        try:
            value, self._at = self._value(self._at)
        except IndexError:
            return MORE
        if self._at == len(self._data) or self._at > 1 << 20:
            del self._data[: self._at]
            self._at = 0
        return value

    def _line(self, at: int) -> tuple[bytes, int]:
        end = self._data.find(CRLF, at)
        if end < 0:
            raise IndexError
        return bytes(self._data[at:end]), end + 2

    def _value(self, at: int):
        kind = self._data[at]
        if kind not in b"+-:$*":
            raise Foreign(f"an answer beginning with {bytes([kind])!r}")
        line, at = self._line(at + 1)
        if kind == ord("+"):
            return line, at
        if kind == ord("-"):
            return ErrorLine(line.decode(errors="replace")), at
        number = _integer(line)
        if kind == ord(":"):
            return number, at
        if number < 0:
            return None, at
        return self._string(at, number) if kind == ord("$") else self._array(at, number)

    def _string(self, at: int, length: int) -> tuple[bytes, int]:
        end = at + length
        if len(self._data) < end + 2:
            self._needed = end + 2
            raise IndexError
        if self._data[end : end + 2] != CRLF:
            raise Foreign("a string longer than it says")
        return bytes(memoryview(self._data)[at:end]), end + 2

    def _array(self, at: int, length: int) -> tuple[list, int]:
        values = []
        for _ in range(length):
            value, at = self._value(at)
            values.append(value)
        return values, at


def _integer(line: bytes) -> int:
    try:
        return int(line)
    except ValueError:
        raise Foreign("a length that is no number") from None
