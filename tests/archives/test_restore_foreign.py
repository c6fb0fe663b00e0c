"""Tars that the console did not write: hostile ones are refused or contained, honest ones extracted."""

import bz2
import gzip
import io
import subprocess
import tarfile

import pytest
import zstandard

from backups.archives import cybersift_restore as reader

from .making import member, padded, pax, sample, ustar
from .restoring import archive_file, extract, is_refused, picture, verify

pytestmark = pytest.mark.usefixtures("hands")


def tar_of(*members: tarfile.TarInfo, form=tarfile.PAX_FORMAT) -> bytes:
    """A tar by Python's own module."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info in members:
            tar.addfile(info, io.BytesIO(b"evil"[: info.size]))
    return out.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", **more) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mtime = kind, link, 1_700_000_000
    made.size = 4 if kind == tarfile.REGTYPE else 0
    for key, value in more.items():
        setattr(made, key, value)
    return made


@pytest.fixture
def field(tmp_path):
    (tmp_path / "field/to").mkdir(parents=True)
    (tmp_path / "field/outside").mkdir()
    (tmp_path / "field/outside/victim").write_text("untouched")
    return tmp_path / "field"


SYM, LNK = tarfile.SYMTYPE, tarfile.LNKTYPE
REFUSED = {
    "dotdot": [info("../outside/marker")],
    "absolute": [info("/etc/evil")],
    "dotdot deep": [info("a/b/../../../outside/marker")],
    "link, then write through it": [info("l", SYM, "../outside"), info("l/marker")],
    "absolute link, then write through it": [info("l", SYM, "/etc"), info("l/marker")],
    "write through it, then link": [info("l/marker"), info("l", SYM, "../outside")],
    "write over a link": [info("l", SYM, "../outside/victim"), info("l")],
    "hard link outside": [info("h", LNK, "../outside/victim"), info("h")],
    "hard link by an absolute name": [info("h", LNK, "/etc/passwd")],
    "hard link to a link": [info("s", SYM, "../outside/victim"), info("h", LNK, "s")],
    "device": [info("dev", tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "FIFO": [info("pipe", tarfile.FIFOTYPE)],
    "twice": [info("f"), info("f")],
    "directory twice": [info("d", tarfile.DIRTYPE), info("d", tarfile.DIRTYPE)],
    "a file that is a parent": [info("f"), info("f/g")],
    "no name": [info("")],
    "the top as a file": [info(".")],
    "a link that is the top": [info(".", SYM, "/etc")],
    "NUL in a name": [info("x" * 120, pax_headers={"path": "ok\0../../outside/marker"})],
    "too long": [info("a" * 256)],
    "negative size": [info("a", pax_headers={"size": "-1"})],
}


@pytest.mark.parametrize("case", REFUSED)
def test_hostile_tars_are_refused(case, field, tmp_path):
    before = picture(field)

    for data in (tar_of(*REFUSED[case]), gzip.compress(tar_of(*REFUSED[case]))):
        assert is_refused(archive_file(tmp_path, data), field / "to")
        assert picture(field) == before


CONTAINED = {
    "setuid": ([info("suid", mode=0o6755)], {"suid": 0o100755}),
    "newline": ([info("a\nb", mode=0o600)], {"a\nb": 0o100600}),
    "a directory without rights": (
        [info("d", tarfile.DIRTYPE, mode=0), info("d/f")],
        {"d": 0o40000, "d/f": 0o100644},
    ),
    "a link away": ([info("l", SYM, "/etc/passwd")], {"l": 0o120777}),
    "before 1970": ([info("m", mtime=-5)], {"m": 0o100644}),
    "GNU's long names": ([info("long/" * 40 + "f")], None),
}


@pytest.mark.parametrize("case", CONTAINED)
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_odd_tars_are_contained(case, form, field, tmp_path):
    members, expected = CONTAINED[case]
    (field / "to").rmdir()
    before = picture(field)

    extract(archive_file(tmp_path, tar_of(*members, form=form)), field / "to")

    made = picture(field / "to")
    assert expected is None or {name: int(mode, 8) for name, (mode, _) in made.items()} == expected
    assert {name: seen for name, seen in picture(field).items() if not name.startswith("to")} == before


def test_what_gnu_tar_makes(tmp_path):
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/b/file").write_text("text")
    (tree / "a/hard").hardlink_to(tree / "a/b/file")
    (tree / "link").symlink_to("a/b/file")
    with (tree / "holes").open("wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"data")
    path = str(tmp_path / "tree.tar.gz")
    subprocess.run(["tar", "-C", tree, "-S", "--format=posix", "-czf", path, "."], check=True)

    done = extract(path, tmp_path / "to")

    assert done.entries == 6
    assert picture(tmp_path / "to") == picture(tree)
    assert (tmp_path / "to/a/hard").samefile(tmp_path / "to/a/b/file")
    assert verify(path).members == 6


def test_a_tar_in_zstd(tmp_path):
    path = archive_file(tmp_path, zstandard.compress(tar_of(info("a"))))

    extract(path, tmp_path / "to")

    assert (tmp_path / "to/a").read_bytes() == b"evil"


def test_they_are_shown_as_without_checksums(tmp_path):
    with reader.open_archive(archive_file(tmp_path, tar_of(info("a")))) as archive:
        assert not archive.has_checksums


def test_a_part_of_it(tmp_path):
    path = archive_file(tmp_path, tar_of(info("a/f"), info("b/f"), info("b/h", LNK, "a/f")))

    extract(path, tmp_path / "to", only=("b/f",))

    assert set(picture(tmp_path / "to")) == {"b", "b/f"}
    with pytest.raises(reader.Unavailable, match="ask for both"):
        extract(path, tmp_path / "other", only=("b/h",))
    with pytest.raises(reader.Unavailable, match="Nothing"):
        extract(path, tmp_path / "other", only=("z",))


def limited(path, to, **limits):
    with reader.open_archive(path, **limits) as archive:
        return reader.extract(archive, str(to))


def test_limits(tmp_path):
    path = archive_file(tmp_path, tar_of(info("a"), info("b"), info("c")))

    with pytest.raises(reader.Damaged, match="--max-members"):
        limited(path, tmp_path / "to", max_members=2)
    with pytest.raises(reader.Damaged, match="--max-bytes"):
        limited(path, tmp_path / "to", max_bytes=11)
    assert limited(path, tmp_path / "to", max_members=3, max_bytes=12).entries == 3


BOMB = 1 << 24


def bombs() -> dict[str, bytes]:
    whole = ustar(b"bomb", size=BOMB) + bytes(BOMB)
    return {
        "zstd": zstandard.ZstdCompressor(level=19).compress(whole),  # deflate ends at 1,032:1 and cannot do this
        "lying size": gzip.compress(ustar(b"bomb", size=(1 << 33) - 1) + bytes(BOMB)),
        "a gap without end": ustar(b"a", size=4) + padded(b"evil") + pax({b"size": b"9" * 18}) + ustar(b"b"),
        "sparse": pax({b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.name": b"s",
                       b"GNU.sparse.realsize": b"9" * 18}) + ustar(b"s", size=512) + padded(b"0\n") + bytes(1024),
    }  # fmt: skip


@pytest.mark.parametrize("case", ["zstd", "lying size", "a gap without end", "sparse"])
def test_bombs_are_refused(case, field, tmp_path):
    before = picture(field)

    assert is_refused(archive_file(tmp_path, bombs()[case]), field / "to")
    assert picture(field) == before


def test_a_gzip_bomb_stops_at_the_limit(tmp_path):
    path = archive_file(tmp_path, gzip.compress(ustar(b"bomb", size=BOMB) + bytes(BOMB)))

    with pytest.raises(reader.Damaged, match="--max-bytes"):
        limited(path, tmp_path / "to", max_bytes=1 << 20)
    assert [found.name for found in tmp_path.iterdir()] == ["backup.tar.gz"]


NO_ARCHIVE = {
    "nothing": b"",
    "little": b"hello",
    "text": b"hello " * 1000,
    "zeros and a cut": bytes(700),
    "bzip2": bz2.compress(tar_of(info("a"))),
    "gzip of nothing": gzip.compress(b""),
    "half a gzip": gzip.compress(tar_of(info("a")))[:60],
    "wrong CRC": gzip.compress(tar_of(info("a")))[:-8] + bytes(8),
    "half a zstd": zstandard.compress(tar_of(info("a")))[:40],
    "no zeros at the end": ustar(b"a", size=4) + padded(b"evil"),
    "a directory with content": ustar(b"d", size=512, kind=b"5") + bytes(512 * 3),
    "too many headers": pax({b"comment": b"x"}) * 20 + ustar(b"a") + bytes(1024),
    "a broken pax record": ustar(b"x", size=20, kind=b"x") + padded(b"99 path=a\n") + ustar(b"a") + bytes(1024),
    "a huge pax header": ustar(b"x", size=1 << 30, kind=b"x") + bytes(1024),
    "old sparse": ustar(b"a", kind=b"S") + bytes(1024),
}


@pytest.mark.parametrize("case", NO_ARCHIVE)
def test_what_is_no_archive_is_refused(case, field, tmp_path):
    before = picture(field)

    # Two sectors of zeros, or the end of one, are a tar of nothing to other programs; here it is an error as well.
    assert is_refused(archive_file(tmp_path, NO_ARCHIVE[case]), field / "to")
    assert picture(field) == before


def test_our_own_archive_without_its_footer_is_not_taken_for_one(tmp_path):
    data = b"".join(member(item) for item in sample())

    assert is_refused(
        archive_file(tmp_path, ustar(b"BACKUP/header.json", size=2) + padded(b"{}") + data), tmp_path / "to"
    )
