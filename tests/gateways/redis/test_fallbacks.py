"""What is written in Python gives what the compiled packages give."""

import anycrc
import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.gateways.redis import resp
from backups.gateways.redis.crc64 import plain_crc64
from backups.gateways.redis.resp import MORE, ErrorLine, Foreign, PlainReader, pack
from backups.gateways.redis.scan import Scan

COMPILED = anycrc.Model("CRC64-REDIS").calc


@given(st.binary(), st.integers(0, (1 << 64) - 1))
def test_checksums(data, crc):
    assert plain_crc64(data, crc) == COMPILED(data, crc)


def test_the_check_value_of_redis():
    assert plain_crc64(b"123456789") == 0xE9C6D914C4B8D9CA


def written(value) -> bytes:
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, ErrorLine):
        return b"-%b\r\n" % value.line.encode()
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(written, value))
    return b"$%d\r\n%b\r\n" % (len(value), value)


ANSWERS = st.recursive(
    st.none() | st.binary() | st.integers(-(1 << 63), (1 << 63) - 1) | st.just(ErrorLine("ERR no")),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=10,
)


def read(reader, data: bytes, size: int) -> list:
    found = []
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
        while (value := reader.gets()) is not MORE:
            found.append(value)
    return found


@given(st.lists(ANSWERS, max_size=5), st.integers(1, 50))
def test_answers_in_any_portions(answers, size):
    data = b"+OK\r\n" + b"".join(map(written, answers)) + b"*-1\r\n"

    compiled = hiredis.Reader(notEnoughData=MORE, protocolError=Foreign, replyError=ErrorLine)
    assert read(PlainReader(), data, size) == read(compiled, data, size) == [b"OK", *answers, None]


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n", b"$1\r\nab\r\n", b"\x15\x03\x03"])
def test_what_is_not_redis(data):
    with pytest.raises(Foreign):
        read(PlainReader(), data, 100)


def test_words_of_a_command():
    assert pack("SET", b"\xff", 12) == b"*3\r\n$3\r\nSET\r\n$1\r\n\xff\r\n$2\r\n12\r\n"


def test_a_scan_read_by_either(source, monkeypatch):
    scan = Scan(source.access, databases=(1,))
    compiled = b"".join(scan.pieces())
    monkeypatch.setattr(resp, "hiredis", None)

    assert len(b"".join(Scan(source.access, databases=(1,)).pieces())) == len(compiled)
