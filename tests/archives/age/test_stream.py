"""Sealing and opening: any size, any place, and nothing that was changed."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backups.archives.cybersift_restore import Damaged, Unavailable
from backups.archives.format.age.opening import AgeFile
from backups.archives.format.age.stream import CHUNK, SEALED, Seal

from .making import Recorder, new_identity, opened, sealed

ME, OTHER, STRANGER = (new_identity() for _ in range(3))
EDGES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 5 * CHUNK]
DATA = random.Random(3).randbytes(6 * CHUNK)
one_folder = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("piece", [1000, CHUNK, CHUNK + 1, 10 * CHUNK])
def test_what_is_sealed_is_opened_again(tmp_path, size, piece):
    path = tmp_path / "file.age"
    path.write_bytes(sealed(DATA[:size], ME, OTHER, piece=piece))

    assert opened(path, ME) == opened(path, STRANGER, OTHER) == DATA[:size]


@one_folder
@given(st.lists(st.sampled_from([0, 1, 17, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK]), max_size=6))
def test_in_whatever_pieces_it_comes(tmp_path, sizes):
    recorder, data = Recorder(), DATA * 3
    seal = Seal([ME.recipient], recorder)
    out, at = [seal.begin()], 0
    for size in sizes:
        out.append(seal.add(data[at : at + size]))
        at += size
    out.append(seal.end())
    path = tmp_path / "file.age"
    path.write_bytes(b"".join(out))

    assert opened(path, ME) == opened(path, file_key=seal.file_key) == data[:at]
    assert recorder.most == 1 and len(recorder.uses) == max(1, -(-at // CHUNK))


@one_folder
@given(st.sampled_from(EDGES), st.lists(st.tuples(st.integers(0, 6 * CHUNK), st.integers(0, 3 * CHUNK)), max_size=8))
def test_any_part_is_as_a_slice(tmp_path, size, parts):
    path = tmp_path / "file.age"
    path.write_bytes(sealed(DATA[:size], ME))
    with path.open("rb") as file, AgeFile(file, identities=[ME]) as plain:
        assert plain.size == size == plain.seek(0, 2)
        for at, count in parts:
            assert plain.read_at(at, count) == DATA[:size][at : at + count]
            plain.seek(at)
            assert plain.read(count) == DATA[:size][at : at + count]
            assert plain.tell() == at + len(DATA[:size][at : at + count])


def test_a_long_part_comes_in_several_reads_of_the_disk(tmp_path):
    path, data = tmp_path / "file.age", DATA * 30
    path.write_bytes(sealed(data, ME))
    with path.open("rb") as file, AgeFile(file, identities=[ME]) as plain:
        assert plain.read_at(100, len(data) - 200) == data[100:-100]


def test_another_key_is_named(tmp_path):
    path = tmp_path / "file.age"
    path.write_bytes(sealed(b"secret", ME, OTHER))

    for identities in ([STRANGER], []):
        with pytest.raises(Unavailable, match="not encrypted for this key"):
            opened(path, *identities)
    with pytest.raises(Damaged, match="another key"):
        opened(path, file_key=bytes(16))


def test_without_a_recipient_nothing_is_sealed():
    with pytest.raises(ValueError, match="needs a recipient"):
        Seal([])


def test_two_files_of_the_same_have_nothing_in_common():
    one, two = Seal([ME.recipient]), Seal([ME.recipient])

    assert one.file_key != two.file_key
    assert one.begin().splitlines()[1:3] != two.begin().splitlines()[1:3]
    assert one.end() != two.end()


def is_refused(path, data: bytes) -> bool:
    path.write_bytes(data)
    try:
        opened(path, ME)
    except (Damaged, Unavailable):
        return True
    return False


def test_every_bit_of_the_header_counts(tmp_path):
    whole = sealed(b"content", ME, OTHER)
    end = whole.index(b"---")
    end = whole.index(b"\n", end) + 1 + 16  # with the nonce of the payload

    for bit in range(8 * end):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        assert is_refused(tmp_path / "file.age", bytes(changed)), f"bit {bit}"


@one_folder
@given(st.integers(0, 2 * SEALED + 999 + 16), st.integers(0, 7))
def test_a_bit_anywhere_in_the_payload_counts(tmp_path, place, bit):
    changed = bytearray(sealed(DATA[: 2 * CHUNK + 1000], ME))
    changed[-1 - place] ^= 1 << bit

    assert is_refused(tmp_path / "file.age", bytes(changed))


def test_what_was_not_changed_can_still_be_read(tmp_path):
    path, whole = tmp_path / "file.age", bytearray(sealed(DATA[: 3 * CHUNK], ME))
    whole[-2 * SEALED + 5] ^= 1
    path.write_bytes(whole)
    with path.open("rb") as file, AgeFile(file, identities=[ME]) as plain:
        assert plain.read_at(0, CHUNK) + plain.read_at(2 * CHUNK, CHUNK) == DATA[:CHUNK] + DATA[2 * CHUNK : 3 * CHUNK]
        with pytest.raises(Damaged, match=r"changed in the 65,552 bytes from byte \d"):
            plain.read_at(CHUNK - 1, 2)


@pytest.mark.parametrize("size", [1, CHUNK, 3 * CHUNK, 3 * CHUNK + 7])
def test_a_file_that_is_cut_is_refused_at_once(tmp_path, size):
    whole = sealed(DATA[:size], ME)
    payload = len(whole) - size - 16 * -(-size // CHUNK)
    edges = {payload + number * SEALED for number in range(size // CHUNK + 1)}
    cuts = {cut + near for cut in edges | {payload - 16, len(whole)} for near in (-17, -16, -1, 0, 1, 15, 16, 17)}

    for cut in sorted(cut for cut in cuts if cut < len(whole)):
        assert is_refused(tmp_path / "file.age", whole[:cut]), cut


def test_chunks_that_changed_places_or_came_twice_are_refused(tmp_path):
    whole = sealed(DATA[: 3 * CHUNK], ME)
    head, chunks = whole[: -3 * SEALED], [whole[at : at + SEALED] for at in (-3 * SEALED, -2 * SEALED)]
    last = whole[-SEALED:]

    for order in ([*chunks[::-1], last], [chunks[0], last], [*chunks, last, last], [chunks[0], *chunks, last]):
        assert is_refused(tmp_path / "file.age", b"".join([head, *order]))


def test_several_threads_read_at_once(tmp_path):
    path = tmp_path / "file.age"
    path.write_bytes(sealed(DATA, ME))
    places = [random.Random(seed).randrange(len(DATA)) for seed in range(200)]
    with path.open("rb") as file, AgeFile(file, identities=[ME]) as plain, ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda at: plain.read_at(at, 100_000), places))

    assert found == [DATA[at : at + 100_000] for at in places]
