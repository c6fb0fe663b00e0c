"""The slicer on files made by hand: no server needed."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.gateways.redis.encoding import put_length, put_string
from backups.gateways.redis.errors import NotRdb, RdbDamaged, RdbError, RdbTruncated, RdbUnknown
from backups.gateways.redis.rdb import keys_of, survey_of
from tests.gateways.redis.samples import COMPRESSED, STRING, VALUES, rdb, records

WHOLE = rdb(records())
KEYS = [tuple(key) for key in keys_of(io.BytesIO(WHOLE))]


def test_every_kind_of_value_is_cut_where_it_ends():
    found = {kind: bytes(value) for database, _, kind, _, value in KEYS if database == 0}

    assert found == VALUES


def test_names_and_expiries_are_read_in_every_way_they_are_written():
    found = [(name, expires) for database, name, _, expires, _ in KEYS if database == 3]

    assert found == [(b"soon", 1 << 40), (b"a" * 12, (1 << 30) * 1000), (b"n" * 100, None)]


def test_the_survey_counts():
    survey = survey_of(io.BytesIO(WHOLE))

    assert (survey.keys, survey.databases[3].expires, survey.databases[3].types[0]) == (len(KEYS), 2, 3)
    assert (survey.version, survey.memory, survey.functions) == (12, 123456, [b"some text"])
    assert (survey.module_records, survey.biggest, survey.types["stream (3)"]) == (1, 70005, 1)


@given(st.lists(st.integers(1, 400), min_size=1))
def test_pieces_of_any_size_give_the_same_keys(sizes):
    content = io.BytesIO(WHOLE)
    pieces = [content.read(size) for size in sizes] + [content.read()]

    assert [tuple(key) for key in keys_of(pieces)] == KEYS


def test_a_file_cut_anywhere_is_truncated():
    for left in [*range(0, 700), *range(700, len(WHOLE) - 8, 997), len(WHOLE) - 1]:
        with pytest.raises(RdbTruncated):
            survey_of(io.BytesIO(WHOLE[:left]))


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_found(place, bit):
    broken = bytearray(WHOLE)
    broken[place] ^= 1 << bit

    with pytest.raises(RdbError):
        survey_of(io.BytesIO(broken))


def test_only_the_checksum_finds_a_bit_inside_a_value():
    place = WHOLE.index(b"some text")
    broken = WHOLE[:place] + b"S" + WHOLE[place + 1 :]

    with pytest.raises(RdbDamaged, match="checksum"):
        survey_of(io.BytesIO(broken))


def test_a_server_that_reckons_no_checksums_writes_zeros():
    assert survey_of(io.BytesIO(WHOLE[:-8] + bytes(8))).keys == len(KEYS)


@given(st.binary(max_size=300))
def test_any_bytes_are_keys_or_an_rdb_error(content):
    with suppress(RdbError):
        survey_of(io.BytesIO(b"REDIS0011" + content))


@given(st.sampled_from(sorted(VALUES)), st.binary(max_size=60))
def test_any_bytes_as_a_value_are_keys_or_an_rdb_error(kind, content):
    with suppress(RdbError):
        survey_of(io.BytesIO(rdb(bytes([kind]) + put_string(b"key") + content)))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"hello, this is no RDB file", NotRdb),
        (b"REDIS00x1", NotRdb),
        (rdb(b"", b"REDIS0004"), NotRdb),
        (b"", RdbTruncated),
        (rdb(bytes([60]) + STRING), RdbUnknown),
        (rdb(b"\x06" + STRING + STRING), RdbUnknown),
        (rdb(bytes([22]) + STRING + VALUES[22], b"VALKEY080"), RdbUnknown),
        (rdb(b"\x00" + COMPRESSED.replace(b"\x02", b"\x09") + STRING), RdbDamaged),
        (rdb(b"\x00" + b"\xc9" + STRING), RdbDamaged),
        (rdb(b"\x07" + STRING + b"\x05\x06\x00"), RdbDamaged),
    ],
)
def test_what_is_wrong_is_told_apart(content, error):
    with pytest.raises(error):
        survey_of(io.BytesIO(content))


def test_valkey_writes_its_own_name():
    assert survey_of(io.BytesIO(rdb(b"\x00" + STRING + STRING, b"VALKEY080"))).version == 80


@pytest.mark.parametrize("number", [0, 63, 64, 16383, 16384, (1 << 32) - 1, 1 << 32])
def test_lengths_are_read_as_they_were_written(number):
    content = b"\xfe" + put_length(number) + b"\x00" + STRING + STRING

    assert [key.database for key in keys_of([rdb(content)])] == [number]
