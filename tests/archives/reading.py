"""Reads archives for tests, by the words of docs/archive-format.md and none of the writer's code."""

import hashlib
import io
import json
import struct
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import zstandard

from backups.archives.format.writer import About, ArchiveWriter, Written

ABOUT = About(version="1.2.3", host="testhost", sources=({"name": "tree"},))


@dataclass(frozen=True)
class Block:
    at: int
    size: int
    kind: str
    plain: bytes


def gz_blocks(data: bytes) -> list[Block]:
    blocks, at = [], 0
    while data[at : at + 16] != struct.pack("<4sIBBHcsH", b"\x1f\x8b\x08\x04", 0, 0, 255, 52, b"B", b"F", 48):
        magic, time, _, system, extra, letter, kind, length = struct.unpack_from("<4sIBBHcsH", data, at)
        assert (magic, time, system, extra, letter, length) == (b"\x1f\x8b\x08\x04", 0, 255, 20, b"B", 16)
        size, plain_size = struct.unpack_from("<QQ", data, at + 16)
        plain = zlib.decompress(data[at : at + size], 31)
        assert len(plain) == plain_size
        blocks.append(Block(at, size, kind.decode(), plain))
        at += size
    assert len(data) - at == 74
    return blocks


def zst_blocks(data: bytes) -> list[Block]:
    blocks, at = [], 0
    while data[at : at + 10] != struct.pack("<IIcs", 0x184D2A5B, 52, b"B", b"F"):
        magic, length, letter, kind, number, size, plain_size = struct.unpack_from("<IIcsHQQ", data, at)
        assert (magic, length, letter, number) == (0x184D2A5B, 20, b"B", 16)
        plain = zstandard.ZstdDecompressor().decompress(data[at + 28 : at + size])
        assert len(plain) == plain_size
        blocks.append(Block(at, size, kind.decode(), plain))
        at += size
    assert len(data) - at == 60
    return blocks


class Archive:
    """All of a small archive: its blocks, the tar in them, its entries and its manifest."""

    def __init__(self, path: Path, codec: str):
        data = path.read_bytes()
        self.blocks = {"gz": gz_blocks, "zst": zst_blocks, "tar": lambda _: []}[codec](data)
        self.plain = b"".join(block.plain for block in self.blocks) if codec != "tar" else data
        self.tar = tarfile.open(fileobj=io.BytesIO(self.plain))  # noqa: SIM115
        self.members = self.tar.getmembers()
        self.names = [member.name for member in self.members]
        self.text = self.tar.extractfile("BACKUP/manifest.json").read()
        self.manifest = json.loads(self.text)
        self.files = {entry["path"]: entry for entry in self.manifest["files"]}
        self.errors = {entry["path"]: entry for entry in self.manifest["errors"]}
        self.footer = self._footer(data, codec)

    def _footer(self, data: bytes, codec: str) -> tuple[int, int, bytes]:
        if codec == "tar":
            return struct.unpack("<QQ32s", self.tar.extractfile("BACKUP/footer").read())
        return struct.unpack_from("<QQ32s", data, len(data) - (58 if codec == "gz" else 48))

    def content(self, path: str) -> bytes:
        return self.tar.extractfile(path).read()

    def check(self, codec: str) -> None:
        """Everything that the format promises of every archive."""
        self._check_order(codec)
        self._check_places(codec)
        self._check_digests()
        assert hashlib.sha256(self.text).digest() == self.footer[2]
        self._check_footer(codec)

    def _check_order(self, codec: str) -> None:
        named = [entry["path"] for entry in self.manifest["files"]]
        for entry in self.manifest["redis"]:
            named += [entry["path"], entry["path"].replace("dump.rdb", "meta.json")]
        tail = ["BACKUP/manifest.json", *(["BACKUP/footer"] if codec == "tar" else [])]
        assert self.names == ["BACKUP/header.json", *named, *tail]

    def _check_places(self, codec: str) -> None:
        entries = [*self.manifest["files"], *self.manifest["redis"]]
        begins = {member.name: member.offset for member in self.members}
        if codec == "tar":
            assert [entry["at"] for entry in entries] == [begins[entry["path"]] for entry in entries]
            return
        plain_at, blocks = 0, {}
        for block in self.blocks:
            blocks[block.at] = (plain_at, block)
            plain_at += len(block.plain)
        for entry in entries:
            start, block = blocks[entry["at"]]
            begin = begins[entry["path"]]
            assert start <= begin < start + len(block.plain)
            assert block.kind == "W" or begin == start

    def _check_digests(self) -> None:
        for entry in [*self.manifest["files"], *self.manifest["redis"]]:
            if "sha256" in entry and not entry.get("sparse"):
                data = self.content(entry["path"])
                assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["size"], entry["sha256"])

    def _check_footer(self, codec: str) -> None:
        at, size, _ = self.footer
        if codec == "tar":
            manifest, footer = self.tar.getmember("BACKUP/manifest.json"), self.tar.getmember("BACKUP/footer")
            assert (at, size) == (manifest.offset, footer.offset - manifest.offset)
        else:
            own = [block for block in self.blocks if at <= block.at < at + size]
            assert own[0].at == at and sum(block.size for block in own) == size and own[-1] == self.blocks[-1]
            assert b"".join(block.plain for block in own).rstrip(b"\0").endswith(self.text)


def write(tmp_path: Path, tree: Path, codec: str = "gz", *, name: str = "out", add=None, **options) -> Archive:
    """An archive of the tree, written, read and checked. ``add`` are options of add_tree."""
    path = tmp_path / name
    with ArchiveWriter(path, ABOUT, codec_name=codec, **({"jobs": 1} | options)) as writer:
        writer.add_tree("tree", tree, **(add or {}))
        written = writer.finish()
    assert isinstance(written, Written) and written.size == path.stat().st_size
    archive = Archive(path, codec)
    archive.check(codec)
    return archive
