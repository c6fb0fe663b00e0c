"""Whole archives: what the tree had is in them, for GNU tar, gzip and Python, whatever the codec and the helpers."""

import hashlib
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from backups.archives.format.packing import SMALL
from backups.archives.format.writer import ArchiveWriter, RedisFacts

from .reading import ABOUT, Archive, write

CODECS = ("gz", "zst", "tar")
ODD = {
    "raw byte": b"\xff\xfe name",
    "newline": b"two\nlines",
    "long component": b"c" * 255,
    "quotes": b'"\\ \x01',
    "exactly 100 in the tar": b"e" * (100 - len("files/tree/")),
}
FACTS = RedisFacts({"0": 2}, {"0": 1}, 10, "7.0.15", "rdb", True, meta={"role": "master"})


@pytest.fixture
def tree(tmp_path) -> Path:
    """One of everything that an archive can hold."""
    root, noise = tmp_path / "tree", random.Random(3)
    deep = root / ("d" * 100) / ("e" * 100)
    for folder in (deep, root / "empty", root / "many"):
        folder.mkdir(parents=True)
    for name in ODD.values():
        (root / os.fsdecode(name)).write_bytes(name)
    (deep / ("f" * 98)).write_text("a path of 300 bytes")
    (root / "nothing").touch()
    (root / "one-mib").write_bytes(noise.randbytes(SMALL))
    (root / "one-more").write_bytes(noise.randbytes(SMALL + 1))
    (root / "two-blocks").write_bytes(noise.randbytes(SMALL) * 5)
    for number in range(150):
        (root / f"many/{number:03}").write_bytes(noise.randbytes(noise.randrange(2000)))
    (root / "link").symlink_to("many/000")
    (root / "long-link").symlink_to("t" * 150)
    (root / "second").hardlink_to(root / "many/001")
    (root / "third").hardlink_to(root / "one-more")
    (root / "many/000").chmod(0o640)
    os.utime(root / "many/000", ns=(0, 1_700_000_000_123_456_789))
    return root


def contents(root: Path) -> dict[bytes, bytes | None]:
    """Everything below a directory by path: content, link text, or None for directories."""
    found = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in folders + files:
            path = os.path.join(folder, name)  # noqa: PTH118 - names are bytes
            key = path.removeprefix(os.fsencode(root))
            if os.path.islink(path):  # noqa: PTH114
                found[key] = os.readlink(path)  # noqa: PTH115
            else:
                found[key] = None if os.path.isdir(path) else Path(os.fsdecode(path)).read_bytes()  # noqa: PTH112
    return found


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("jobs", [1, 2])
def test_gnu_tar_unpacks_what_was_packed(tmp_path, tree, codec, jobs):
    archive = write(tmp_path, tree, codec, jobs=jobs)

    out = tmp_path / "unpacked"
    out.mkdir()
    (tmp_path / "plain.tar").write_bytes(archive.plain)
    subprocess.run(["tar", "xf", tmp_path / "plain.tar", "-C", out], check=True, capture_output=True)

    assert contents(out / "files/tree") == contents(tree)
    assert (out / "files/tree/many/000").stat().st_mode & 0o7777 == 0o640
    assert (out / "files/tree/second").stat().st_ino == (out / "files/tree/many/001").stat().st_ino


@pytest.mark.parametrize("pure", [False, True])
def test_gzip_and_tar_read_the_file_as_it_is(tmp_path, tree, pure):
    write(tmp_path, tree, name="out.tar.gz", pure=pure)

    subprocess.run(["gzip", "-t", tmp_path / "out.tar.gz"], check=True)
    listed = subprocess.run(["tar", "tzf", tmp_path / "out.tar.gz"], check=True, capture_output=True).stdout

    assert listed.startswith(b"BACKUP/header.json\nfiles/tree/\n") and listed.endswith(b"BACKUP/manifest.json\n")


@pytest.mark.skipif(not shutil.which("zstd"), reason="no zstd")
def test_zstd_reads_the_file_as_it_is(tmp_path, tree):
    write(tmp_path, tree, "zst", name="out.tar.zst")

    subprocess.run(["zstd", "-qt", tmp_path / "out.tar.zst"], check=True)


def test_helpers_change_nothing_but_the_time_it_takes(tmp_path, tree):
    alone, helped = (write(tmp_path, tree, name=f"out{jobs}", jobs=jobs) for jobs in (1, 2))

    assert [block.plain for block in alone.blocks[1:-3]] == [block.plain for block in helped.blocks[1:-3]]
    assert alone.manifest["files"] == helped.manifest["files"]


def test_the_manifest_tells_everything(tmp_path, tree):
    archive = write(tmp_path, tree)
    files, facts = archive.files, (tree / "many/000").stat()

    known = {"type": "f", "size": facts.st_size, "mode": 0o640, "uid": facts.st_uid, "gid": facts.st_gid}
    assert files["files/tree/many/000"].items() >= (known | {"mtime": facts.st_mtime_ns}).items()
    assert files["files/tree/empty"]["type"] == "d"
    assert files["files/tree/long-link"].items() >= {"type": "l", "target": "t" * 150}.items()
    assert files["files/tree/many/001"].items() >= {"type": "h", "target": "files/tree/second"}.items()
    assert files["files/tree/third"].items() >= {"type": "h", "target": "files/tree/one-more"}.items()
    assert "files/tree/\udcff\udcfe name" in files
    counts = archive.manifest["counts"]
    assert (counts["dirs"], counts["links"], counts["files"]) == (5, 4, 156 + len(ODD) - 1)
    assert counts["bytes"] == sum(entry.get("size", 0) for entry in files.values())


def test_lines_of_the_manifest_are_one_entry_each(tmp_path, tree):
    lines = write(tmp_path, tree).text.decode("ascii").split("\n")

    first, last = lines.index('"files": ['), lines.index("],")
    assert first == 1 and json.loads(lines[0].rstrip(",") + "}")["complete"] is True
    assert all(json.loads(line.rstrip(","))["path"] for line in lines[first + 1 : last])


def test_big_files_own_their_blocks_and_small_ones_share(tmp_path, tree):
    archive = write(tmp_path, tree)
    at = {path: entry["at"] for path, entry in archive.files.items()}
    kinds = {block.at: block.kind for block in archive.blocks}

    assert kinds[at["files/tree/one-mib"]] == "W" and kinds[at["files/tree/one-more"]] == "K"
    assert at["files/tree/many/002"] == at["files/tree/many/149"]
    assert list(at.values()).count(at["files/tree/two-blocks"]) == 1
    assert max(len(block.plain) for block in archive.blocks) <= 4 << 20
    assert b"BACKUP/header.json" in archive.blocks[0].plain and len(archive.blocks[0].plain) == 1024


@pytest.mark.parametrize(("codec", "name"), [("gz", "s" * 200), *((codec, "sparse") for codec in CODECS)])
def test_a_file_with_holes_is_stored_without_them(tmp_path, codec, name):
    (tmp_path / "tree").mkdir()
    file, path = tmp_path / "tree" / name, f"files/tree/{name}"
    with file.open("wb") as stream:
        stream.truncate(64 << 20)
        for at in (4 << 20, 40 << 20):
            stream.seek(at)
            stream.write(b"data" * 2000)
    archive = write(tmp_path, tmp_path / "tree", codec)
    entry = archive.files[path]

    assert entry["sparse"] is True and entry["size"] == 64 << 20
    assert len(archive.plain) < 1 << 20
    assert archive.content(path) == file.read_bytes()
    member = archive.tar.getmember(path)
    stored = archive.plain[member.offset_data - 512 :][: 512 + sum(length for _, length in member.sparse)]
    assert hashlib.sha256(stored).hexdigest() == entry["sha256"]
    (tmp_path / "plain.tar").write_bytes(archive.plain)
    subprocess.run(["tar", "xf", tmp_path / "plain.tar", "-C", tmp_path, path], check=True)
    assert (tmp_path / path).read_bytes() == file.read_bytes()


def test_extended_attributes_are_kept(tmp_path):
    folder, file = tmp_path / "tree", tmp_path / "tree/file"
    folder.mkdir()
    file.write_bytes(b"x")
    try:
        os.setxattr(file, "user.note", b"\0\xff")
        os.setxattr(folder, "user.of", b"folder")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    archive = write(tmp_path, folder)

    assert archive.files["files/tree/file"]["xattrs"] == {"user.note": "AP8="}
    assert archive.tar.getmember("files/tree").pax_headers["SCHILY.xattr.user.of"] == "folder"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("size", [0, 100, (4 << 20) + 5])
def test_a_stream_becomes_an_entry_whether_its_size_is_known_or_not(tmp_path, codec, known, size):
    data = random.Random(size).randbytes(size)
    chunks = (data[at : at + 70_000] for at in range(0, size, 70_000))
    with ArchiveWriter(tmp_path / "out", ABOUT, codec_name=codec, jobs=1) as writer:
        body = writer.add_redis("main", chunks, lambda: FACTS, size=size if known else None)
        writer.finish()

    archive = Archive(tmp_path / "out", codec)
    archive.check(codec)
    (entry,) = archive.manifest["redis"]
    meta = archive.content("redis/main/meta.json")
    assert archive.content("redis/main/dump.rdb") == data
    assert (body.size, body.sha256) == (size, entry["sha256"])
    assert entry["keys"] == {"0": 2} and entry["consistent"] is True and "meta" not in entry
    assert json.loads(meta) == {"role": "master"} and hashlib.sha256(meta).hexdigest() == entry["meta_sha256"]


def test_the_first_entry_says_what_was_known_at_the_start(tmp_path, tree):
    archive = write(tmp_path, tree)
    head = json.loads(archive.content("BACKUP/header.json"))

    assert head.items() >= {"schema": 1, "tool": "cybersift-backup", "version": "1.2.3", "codec": "gz"}.items()
    assert head["backup_id"] == archive.manifest["backup_id"] and head["sources"] == [{"name": "tree"}]


def test_trees_with_the_same_name_and_names_that_lead_elsewhere_are_refused(tmp_path, tree):
    with ArchiveWriter(tmp_path / "out", ABOUT, jobs=1) as writer:
        writer.add_tree("tree", tree, include=["link"])
        for name in ("tree", "", "..", "a/b", "a\0", "\udcff"):
            with pytest.raises(ValueError):
                writer.add_tree(name, tree)


def test_patterns_choose_what_is_packed(tmp_path, tree):
    archive = write(tmp_path, tree, add={"include": ["/many/00*"], "exclude": ["*1"]})

    assert [name for name in archive.names if "00" in name] == [f"files/tree/many/00{n}" for n in (0, *range(2, 10))]
    assert archive.names[1:3] == ["files/tree", "files/tree/many"]


def test_progress_reaches_all_there_is(tmp_path, tree):
    seen = []
    archive = write(tmp_path, tree, progress=lambda count, files: seen.append((count, files)))

    counts = archive.manifest["counts"]
    assert seen == sorted(seen) and seen[-1] == (counts["bytes"], counts["files"])
