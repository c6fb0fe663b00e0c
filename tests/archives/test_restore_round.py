"""Archives made by hand from the format's page, through the reader: everything comes back as it was."""

import os
import shutil
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from backups.archives import cybersift_restore as reader

from .making import MTIME, Item, Maker, Redis, sample
from .restoring import archive_file, extract, is_refused, picture, verify

pytestmark = pytest.mark.usefixtures("hands")

CODECS = ("gz", "tar", "zst")


@pytest.fixture(params=CODECS)
def sample_file(request, tmp_path) -> str:
    return archive_file(tmp_path, Maker(codec=request.param, redis=[Redis()]).bytes_of(sample()))


def test_all_comes_back(sample_file, tmp_path):
    to = tmp_path / "to"

    done = extract(sample_file, to)

    models = to / "files/models"
    assert done.entries == 15
    assert (models / "a.bin").read_bytes() == b"0123456789"
    assert (models / "big").read_bytes() == bytes(range(256)) * 60
    assert (models / ("long/" * 30) / "name").read_bytes() == b"long"
    assert Path(os.fsdecode(os.fsencode(models) + b"/odd\xff\n")).read_bytes() == b"odd"
    assert (models / "a.bin").samefile(models / "hard")
    assert str((models / "away").readlink()) == "/etc/passwd"
    assert (to / "redis/default/dump.rdb").read_bytes() == Redis().dump
    assert (to / "redis/default/meta.json").read_bytes() == Redis().meta
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar.gz", "to"]


def test_modes_and_times_are_those_of_the_manifest(sample_file, tmp_path):
    extract(sample_file, tmp_path / "to")

    models = tmp_path / "to/files/models"
    modes = {
        name: stat.S_IMODE((models / name).stat().st_mode) for name in ("", "a.bin", "empty", "locked", "locked/in")
    }
    assert modes == {"": 0o750, "a.bin": 0o644, "empty": 0o600, "locked": 0o500, "locked/in": 0o400}
    for name in ("", "a.bin", "locked", "link", "holes"):
        assert (models / name).lstat().st_mtime_ns == MTIME, name
    assert stat.S_IMODE((tmp_path / "to").stat().st_mode) == 0o700


def test_sparse_files_keep_their_holes(sample_file, tmp_path):
    extract(sample_file, tmp_path / "to")

    holes = tmp_path / "to/files/models/holes"
    assert holes.read_bytes() == bytes(8192) + b"d" * 4096 + bytes((1 << 20) - 12288)
    assert holes.stat().st_blocks * 512 < 1 << 19


def test_attributes_come_back_where_the_file_system_has_them(sample_file, tmp_path):
    done = extract(sample_file, tmp_path / "to")

    path = tmp_path / "to/files/models/user"
    if done.undressed:
        assert os.listxattr(path) == []
    else:
        assert os.getxattr(path, "user.colour") == b"blue\n=\0"


def test_all_is_right(sample_file):
    found = verify(sample_file)

    assert (found.members, found.damaged, found.unread) == (16, [], 0)


ACL_ENTRIES = ((1, 6, 0xFFFFFFFF), (2, 4, 1234), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in ACL_ENTRIES)
"""As the kernel has it (posix_acl_xattr.h): version 2, then tag, rights and number of owner, user 1234, group, mask
and others."""


def test_access_lists_come_back_where_the_file_system_has_them(tmp_path):
    item = Item("files/a", data=b"x", mode=0o640, xattrs={"system.posix_acl_access": ACL, "trusted.a": b"x"})

    done = extract(archive_file(tmp_path, Maker().bytes_of([item])), tmp_path / "to")

    path = tmp_path / "to/files/a"
    if not done.undressed:
        assert os.getxattr(path, "system.posix_acl_access") == ACL
    assert "trusted.a" not in os.listxattr(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_tar_unpacks_the_same(tmp_path):
    """What a bare host unpacks with tar, and what the reader extracts."""
    path = archive_file(tmp_path, Maker().bytes_of(sample()))
    extract(path, tmp_path / "to")
    (tmp_path / "tar").mkdir()

    subprocess.run(["tar", "xzf", path, "-C", tmp_path / "tar"], check=True)

    shutil.rmtree(tmp_path / "tar/BACKUP")
    ours, theirs = picture(tmp_path / "to"), picture(tmp_path / "tar")
    assert {name: (mode[:3], content) for name, (mode, content) in ours.items()} == {
        name: (mode[:3], content) for name, (mode, content) in theirs.items()
    }


@pytest.mark.parametrize("codec", CODECS)
def test_the_list_reads_no_data(codec, tmp_path):
    maker = Maker(codec=codec, errors=[{"path": "files/pipe", "why": "a FIFO"}])
    data = maker.bytes_of([Item("files/a", data=b"x" * 5000), Item("files/b", "l", target="a")])
    start, end = maker.block_at[1], maker.block_at[-1]
    path = archive_file(tmp_path, data[:start] + b"?" * (end - start) + data[end:])

    with reader.open_archive(path) as archive:
        assert [entry.path for entry in archive.manifest.entries] == ["files/a", "files/b"]
        assert archive.manifest.errors == maker.errors
        assert archive.manifest.head["backup_id"] == maker.head["backup_id"]


def test_an_archive_of_nothing(tmp_path):
    path = archive_file(tmp_path, Maker().bytes_of([]))

    assert extract(path, tmp_path / "to").entries == 0
    assert verify(path).members == 1


ONLY = (
    (("models/a.bin",), {"files", "files/models", "files/models/a.bin"}),
    (("*/in",), {"files", "files/models", "files/models/locked", "files/models/locked/in"}),
    (("models/locked/",), {"files", "files/models", "files/models/locked", "files/models/locked/in"}),
    (("models/hard",), {"files", "files/models", "files/models/hard"}),
    (("redis",), {"redis", "redis/default", "redis/default/dump.rdb", "redis/default/meta.json"}),
    (("models/link", "models/emp?y"), {"files", "files/models", "files/models/link", "files/models/empty"}),
)


@pytest.mark.parametrize(("only", "names"), ONLY, ids=lambda value: str(value)[:30])
def test_what_is_asked_for_alone(only, names, sample_file, tmp_path):
    extract(sample_file, tmp_path / "to", only=only)

    assert set(picture(tmp_path / "to")) == names


def test_a_part_is_extracted_although_another_is_damaged(tmp_path):
    maker = Maker(per_block=1)
    data = maker.bytes_of([Item("files/a", data=b"a"), Item("files/b", data=b"b")])
    bad = maker.block_at[1] + 34
    path = archive_file(tmp_path, data[:bad] + bytes([data[bad] ^ 1]) + data[bad + 1 :])

    assert "files/a" in is_refused(path, tmp_path / "to")
    assert extract(path, tmp_path / "to", only=("b",)).entries == 1
    assert [name for name, _ in verify(path).damaged] == ["files/a"]


def test_nothing_of_that_name(sample_file, tmp_path):
    with pytest.raises(reader.Unavailable, match="Nothing in the archive"):
        extract(sample_file, tmp_path / "to", only=("nothing",))
    assert not (tmp_path / "to").exists()


def test_a_mode_loses_what_is_special_unless_asked(tmp_path):
    path = archive_file(tmp_path, Maker().bytes_of([Item("files/s", data=b"x", mode=0o4755)]))

    extract(path, tmp_path / "to")

    assert stat.S_IMODE((tmp_path / "to/files/s").stat().st_mode) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owners_and_special_modes_for_root(tmp_path):
    items = [Item("files/s", data=b"x", mode=0o4755, extra={"uid": 1234, "gid": 1235}),
             Item("files/l", "l", target="s", extra={"uid": 1236, "gid": 1})]  # fmt: skip
    path = archive_file(tmp_path, Maker().bytes_of(items))

    extract(path, tmp_path / "to", owner=True, special=True)

    found = (tmp_path / "to/files/s").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 1235, 0o4755)
    assert (tmp_path / "to/files/l").lstat().st_uid == 1236


def test_without_openat2_and_renameat2(sample_file, tmp_path, monkeypatch):
    """Old kernels: every step is walked, and rename(2) replaces the empty directory."""
    extract(sample_file, tmp_path / "new")
    monkeypatch.setattr(reader, "LIBC", None)
    (tmp_path / "old").mkdir(mode=0o700)

    extract(sample_file, tmp_path / "old")
    extract(sample_file, tmp_path / "missing")

    assert picture(tmp_path / "old") == picture(tmp_path / "new") == picture(tmp_path / "missing")


def test_zstd_by_the_program(tmp_path, monkeypatch):
    if not shutil.which("zstd"):
        pytest.skip("the program zstd is not here")
    path = archive_file(tmp_path, Maker(codec="zst").bytes_of(sample()))
    monkeypatch.setattr(reader, "zstd_module", lambda: None)

    assert verify(path).damaged == []


def test_zstd_by_nothing(tmp_path, monkeypatch):
    path = archive_file(tmp_path, Maker(codec="zst").bytes_of(sample()))
    monkeypatch.setattr(reader, "zstd_module", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(reader.Unavailable, match="Install the program zstd"):
        verify(path)


AGE = """#!/bin/sh
test "$1 $2 $(cat "$3")" = "--decrypt --identity key" || { echo "age: error: no identity matched" >&2; exit 1; }
tail -c +23
"""


@pytest.fixture
def encrypted(tmp_path, monkeypatch) -> str:
    """An archive behind the first line of age's format, and a stand-in for the program: it takes that line off."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/age").write_text(AGE)
    (tmp_path / "bin/age").chmod(0o755)
    (tmp_path / "key").write_text("key")
    (tmp_path / "other").write_text("other")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return archive_file(tmp_path, reader.AGE + Maker().bytes_of(sample()), "backup.tar.gz.age")


def test_an_encrypted_archive_is_decrypted_by_age(encrypted, tmp_path):
    before = sorted(tmp_path.iterdir())

    with reader.open_archive(encrypted, str(tmp_path / "key"), str(tmp_path)) as archive:
        assert reader.verify(archive).damaged == []
        assert sorted(tmp_path.iterdir()) == before


def test_an_encrypted_archive_without_its_key(encrypted, tmp_path, monkeypatch):
    with pytest.raises(reader.Unavailable, match="no identity matched"), \
         reader.open_archive(encrypted, str(tmp_path / "other"), str(tmp_path)):  # fmt: skip
        pass
    with pytest.raises(reader.Unavailable, match="--identity FILE"), reader.open_archive(encrypted):
        pass
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(reader.Unavailable, match="Install the program age"), reader.open_archive(encrypted, "key"):
        pass
