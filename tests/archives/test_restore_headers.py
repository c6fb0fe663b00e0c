"""Headers of tar entries, as different programs write them."""

import sys

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


def sparse_map(data: bytes, real: int) -> tuple[reader.SparseMap, list[tuple[int, bytes]]]:
    """A map that takes so much, and what it gives."""
    put: list[tuple[int, bytes]] = []
    return reader.SparseMap(len(data), real, lambda place, piece: put.append((place, bytes(piece)))), put


@pytest.mark.parametrize("step", [1, 7, 512, 4096])
def test_a_map_of_a_sparse_file_that_comes_in_pieces_is_looked_at_once(step):
    """Else the work would grow with the square of its length: whoever made the archive says how it comes."""
    areas = [(number * 10, 1) for number in range(200)]
    data = padded(b"200\n" + b"".join(b"%d\n%d\n" % area for area in areas)) + b"\n" * 200
    taken, put = sparse_map(data, 2000)
    splits = []

    def look(_frame, event: str, called) -> None:
        if event == "c_call" and called.__name__ in ("split", "partition"):
            splits.append(called)

    sys.setprofile(look)
    try:
        for at in range(0, len(data), step):
            taken.write(memoryview(data)[at : at + step])
    finally:
        sys.setprofile(None)
    taken.finish()

    assert put == [(place, b"\n") for place, _ in areas] and len(splits) == 1


def test_a_map_of_a_sparse_file_has_no_lines_without_an_end():
    taken, _ = sparse_map(bytes(1 << 20), 1)
    taken.write(memoryview(b"1\n"))
    taken.write(memoryview(b"1" * 61))

    with pytest.raises(reader.Damaged, match="is wrong"):
        taken.write(memoryview(b"1"))
