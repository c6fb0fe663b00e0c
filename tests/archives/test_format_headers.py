"""Tar headers: Python's tarfile reads from them what went in, whatever it was."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.archives.format.headers import END, FILE, HARD_LINK, ROOT, SYMLINK, header, record, xattr_records
from backups.gateways.filetree import Owner

PLAIN_NAMES = st.binary(max_size=300).map(lambda raw: b"a" + raw.replace(b"\0", b"-").rstrip(b"/"))
IDS = st.one_of(st.integers(0, 70_000), st.integers(2_097_150, 2_097_154), st.just(2**32 - 2))
TIMES = st.integers(-(2**40), 2**62)
OWNERS = st.builds(Owner, IDS, IDS, st.sampled_from([b"", b"root", b"u" * 40, "jürgen".encode()]), st.just(b"staff"))


def read(head: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(head + END), errors="surrogateescape") as tar:
        return tar.next() or tar.firstmember


@given(name=PLAIN_NAMES, mode=st.integers(0, 0o7777), owner=OWNERS, mtime=TIMES)
def test_a_reader_finds_name_mode_owner_and_time(name, mode, owner, mtime):
    info = read(header(name, FILE, mode, owner, mtime))

    assert info.name.encode("utf-8", "surrogateescape") == name
    assert (info.mode, info.uid, info.gid) == (mode, owner.uid, owner.gid)
    assert (info.uname.encode(), info.gname.encode()) == (owner.uname, owner.gname)
    assert info.mtime == mtime // 1_000_000_000


@pytest.mark.parametrize("kind", [SYMLINK, HARD_LINK])
@given(target=PLAIN_NAMES)
def test_a_reader_finds_the_target_of_a_link(kind, target):
    info = read(header(b"link", kind, 0o777, ROOT, 0, target=target))

    assert info.linkname.encode("utf-8", "surrogateescape") == target
    assert info.type == kind


@pytest.mark.parametrize("size", [0, 1, 8 * 2**30 - 1, 8 * 2**30, 2**50])
def test_sizes_from_8_gib_stand_in_a_record(size):
    head = header(b"big", FILE, 0o644, ROOT, 0, size=size)

    with tarfile.open(fileobj=io.BytesIO(head)) as tar:
        assert tar.firstmember.size == size
    assert (b"size=" in head) == (size >= 8 * 2**30)


@given(first=st.integers(0, 2**40), second=st.integers(0, 2**40))
def test_headers_with_a_size_record_have_one_length(first, second):
    heads = [header(b"stream", FILE, 0o600, ROOT, 0, size=size, size_record=True) for size in (first, second)]

    assert len(heads[0]) == len(heads[1])


@given(key=st.binary(min_size=1, max_size=120), value=st.binary(max_size=1200))
def test_a_record_tells_its_own_length(key, value):
    made = record(key, value)

    assert int(made.split(b" ", 1)[0]) == len(made)
    assert made.endswith(b"=" + value + b"\n")


@pytest.mark.parametrize("length", [99, 100, 101, 255])
def test_names_up_to_100_bytes_need_no_record(length):
    assert len(header(b"n" * length, FILE, 0o644, ROOT, 0)) == (512 if length <= 100 else 3 * 512)


def test_extended_attributes_become_records_that_hold_no_equals_sign_in_their_key():
    records = xattr_records({b"user.a=b%": b"\0\xff"})
    info = read(header(b"file", FILE, 0o644, ROOT, 0, records=records))

    assert info.pax_headers["SCHILY.xattr.user.a%3Db%25"] == "\0\udcff"
