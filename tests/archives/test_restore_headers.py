"""Headers of tar entries, as different programs write them."""

import pytest

from backups.archives import cybersift_restore as reader

from .making import padded, pax, ustar


def entry(data: bytes, foreign: bool = False) -> reader.TarHeader:
    return reader.next_entry(reader.Stream([data]), foreign)


def test_numbers():
    assert reader.number(b"0000644\0") == 0o644
    assert reader.number(b"   644 \0") == 0o644
    assert reader.number(bytes(8)) == 0
    assert reader.number(b"77777777") == 0o77777777
    assert reader.number(b"\x80" + bytes(3) + (1 << 40).to_bytes(8, "big")) == 1 << 40
    assert reader.number(b"\xff" * 11 + b"\xfb") == -5


@pytest.mark.parametrize(
    "field", [b"00008000", b"0x10\0\0\0\0", b"-1\0\0\0\0\0\0", b"\x81" + bytes(7), b"\x80" + b"\xff" * 11]
)
def test_what_is_no_number(field):
    with pytest.raises(reader.Damaged):
        reader.number(field)


def test_a_path_in_two_parts():
    assert entry(ustar(b"name", raw={345: b"above/it"})).path == b"above/it/name"


def test_pax_records_come_before_fields():
    header = entry(pax({b"path": b"long \xff\n=", b"size": b"4".zfill(20), b"uid": b"3000000"}) + ustar(b"short"))

    assert (header.path, header.size, header.uid) == (b"long \xff\n=", 4, 3_000_000)


def test_gnu_names_in_foreign_archives_only():
    data = ustar(b"././@LongLink", size=7, kind=b"L") + padded(b"a" * 6 + b"\0") + ustar(b"short")

    assert entry(data, foreign=True).path == b"a" * 6
    with pytest.raises(reader.Damaged, match="do not have"):
        entry(data)


def test_any_changed_byte_of_a_header_is_found():
    good = ustar(b"name", size=10)

    for place in [*range(148), *range(157, 512)]:
        with pytest.raises(reader.Damaged):
            reader.parse_header(good[:place] + bytes([good[place] ^ 0x40]) + good[place + 1 :])


def test_zeros_end_a_tar():
    assert entry(bytes(1024)) is None


# ---- The map of a sparse file --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 512, 4096])
def test_a_map_in_pieces_of_any_size(size):
    """Blocks may be as small as somebody likes."""
    text, found = padded(b"200\n" + b"".join(b"%d\n2\n" % (number * 10) for number in range(200))), []
    stored = text + b"ab" * 200
    areas = reader.SparseMap(len(stored), 2000, lambda place, piece: found.append((place, bytes(piece))))

    for at in range(0, len(stored), size):
        areas.write(memoryview(stored)[at : at + size])
    areas.finish()

    assert {place - place % 10 for place, _ in found} == set(range(0, 2000, 10))
    assert b"".join(piece for _, piece in found) == b"ab" * 200


def test_a_map_whose_numbers_have_no_end_is_refused_before_all_of_it_is_in_memory():
    areas = reader.SparseMap(1 << 40, 1 << 40, lambda place, piece: None)

    with pytest.raises(reader.Damaged, match="wrong"):
        areas.write(memoryview(b"2\n" + b"1" * 600))
