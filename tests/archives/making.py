"""Archives made by hand from docs/archive-format.md, so that the reader is not checked by the writer's own mistakes.

Everything can be made wrongly on purpose: the tests of hostile and damaged archives do.
"""

import base64
import hashlib
import json
import struct
import zlib
from dataclasses import dataclass, field

import zstandard

MTIME = 1_700_000_000_123_456_789
BACKUP_ID = "6f1c7a52-7a33-4f0f-9a0e-3f0a4cf5a7a1"
HEAD = {
    "schema": 1, "tool": "cybersift-backup", "version": "0.1.0", "backup_id": BACKUP_ID,
    "created": "2023-11-14T22:13:20Z", "host": "tests",
}  # fmt: skip


@dataclass
class Item:
    """An entry of the tar and its line in the manifest. ``extra`` changes the line, ``header`` the tar's header."""

    path: str
    type: str = "f"
    data: bytes = b""
    target: str = ""
    mode: int = 0o644
    xattrs: dict = field(default_factory=dict)
    holes: list | None = None
    """Of a sparse file: (place, data) pairs; ``size`` is then the size with the holes."""
    size: int | None = None
    extra: dict = field(default_factory=dict)
    header: dict = field(default_factory=dict)
    in_tar: bool = True
    in_manifest: bool = True
    alone: bool = False
    """In a block of its own, or in several (K) if it is bigger than ``piece``."""


def raw_name(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def ustar(
    name: bytes, *, size=0, kind=b"0", mode=0o644, link=b"", mtime=1_700_000_000, uid=0, gid=0, raw=None
) -> bytes:
    """A header of 512 bytes; ``raw`` puts bytes at places, before the checksum is taken."""
    head = bytearray(512)
    fields = {0: name[:100], 100: b"%07o\0" % mode, 108: b"%07o\0" % uid, 116: b"%07o\0" % gid,
              124: b"%011o\0" % size, 136: b"%011o\0" % mtime, 148: b" " * 8, 156: kind, 157: link[:100],
              257: b"ustar\x0000", 265: b"root", 297: b"root", **(raw or {})}  # fmt: skip
    for place, value in fields.items():
        head[place : place + len(value)] = value
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def pax(records: dict[bytes, bytes]) -> bytes:
    body = b"".join(pax_record(key, value) for key, value in records.items())
    return ustar(b"././@PaxHeader", size=len(body), kind=b"x") + padded(body) if records else b""


def pax_record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    while len(b"%d %s=%s\n" % (length, key, value)) != length:
        length = len(b"%d %s=%s\n" % (length, key, value))
    return b"%d %s=%s\n" % (length, key, value)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


KINDS = {"f": b"0", "d": b"5", "l": b"2", "h": b"1"}


def stored(item: Item) -> bytes:
    """What the tar stores of an entry: of a sparse file its map and its data."""
    if item.holes is None:
        return item.data
    areas = b"%d\n" % len(item.holes) + b"".join(b"%d\n%d\n" % (at, len(data)) for at, data in item.holes)
    return padded(areas) + b"".join(data for _, data in item.holes)


def member(item: Item) -> bytes:
    """The bytes of an entry in the tar."""
    name, link, data = raw_name(item.path), raw_name(item.target), stored(item)
    name += b"/" if item.type == "d" else b""
    records = {b"path": name} if len(name) > 100 else {}
    if len(link) > 100:
        records[b"linkpath"] = link
    for key, value in item.xattrs.items():
        records[b"SCHILY.xattr." + key.encode()] = value
    if item.holes is not None:
        records.update({b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.name": name,
                        b"GNU.sparse.realsize": b"%d" % item.size})  # fmt: skip
        name = b"GNUSparseFile.0/" + name
    known = {"name": name, "size": len(data), "kind": KINDS.get(item.type, b"0"), "mode": item.mode, "link": link}
    known.update(item.header)
    return pax(records) + ustar(known.pop("name"), **known) + padded(data)


def line(item: Item, at: int) -> dict:
    """The item's line in the manifest."""
    record = {"path": item.path, "type": item.type}
    if item.type == "f":
        size = len(item.data) if item.size is None else item.size
        record.update(size=size, sha256=hashlib.sha256(stored(item)).hexdigest())
    record.update(mode=item.mode, uid=0, gid=0, uname="root", gname="root", mtime=MTIME, at=at)
    if item.target:
        record["target"] = item.target
    if item.holes is not None:
        record["sparse"] = True
    if item.xattrs:
        record["xattrs"] = {key: base64.b64encode(value).decode() for key, value in item.xattrs.items()}
    return {**record, **item.extra}


def gzip_block(plain: bytes, kind: bytes = b"W", announced: int | None = None) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    body = packer.compress(plain) + packer.flush()
    size = 32 + len(body) + 8
    head = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + struct.pack("<H", 20)
    head += b"B" + kind + struct.pack("<HQQ", 16, size, len(plain) if announced is None else announced)
    return head + body + struct.pack("<II", zlib.crc32(plain), len(plain))


def zstd_block(plain: bytes, kind: bytes = b"W", announced: int | None = None) -> bytes:
    frame = zstandard.ZstdCompressor().compress(plain)
    head = struct.pack("<II", 0x184D2A5B, 20) + b"B" + kind
    return head + struct.pack("<HQQ", 16, 28 + len(frame), len(plain) if announced is None else announced) + frame


def plain_block(plain: bytes, kind: bytes = b"W", announced: int | None = None) -> bytes:
    return plain


BLOCKS = {"gz": gzip_block, "zst": zstd_block, "tar": plain_block}


def footer(codec: str, at: int, size: int, manifest: bytes) -> bytes:
    body = struct.pack("<QQ32s", at, size, hashlib.sha256(manifest).digest())
    if codec == "tar":
        return ustar(b"BACKUP/footer", size=48) + padded(body) + bytes(1024)
    field = b"BF" + struct.pack("<H", 48) + body
    if codec == "zst":
        return struct.pack("<II", 0x184D2A5B, 52) + field
    return b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + struct.pack("<H", 52) + field + b"\x03\x00" + bytes(8)


@dataclass
class Redis:
    name: str = "default"
    dump: bytes = b"REDIS0011" + b"\xff" * 9
    meta: bytes = b'{"server": "7.0.15"}'
    extra: dict = field(default_factory=dict)
    """Changes the line in the manifest; None takes a member away."""

    def items(self) -> list[Item]:
        folder = f"redis/{self.name}/"
        return [Item(folder + "dump.rdb", data=self.dump, mode=0o600), Item(folder + "meta.json", data=self.meta)]

    def line(self, at: int) -> dict:
        line = {"name": self.name, "path": f"redis/{self.name}/dump.rdb", "size": len(self.dump), "at": at,
                "sha256": hashlib.sha256(self.dump).hexdigest(), "keys": {"0": 1}, "expires": {"0": 0},
                "rdb_version": 11, "meta_sha256": hashlib.sha256(self.meta).hexdigest(), "server": "7.0.15",
                "mode": "rdb", "consistent": True, **self.extra}  # fmt: skip
        return {key: value for key, value in line.items() if value is not None}


def manifest_text(head: dict, files: list[dict], redis: list[dict], errors: list[dict]) -> bytes:
    def lines(records: list[dict]) -> str:
        return "".join(json.dumps(record) + ("," if number < len(records) else "") + "\n"
                       for number, record in enumerate(records, 1))  # fmt: skip

    counts = {"files": len(files), "bytes": 0, "changed": 0, "skipped": len(errors)}
    begin = json.dumps({"complete": True, "counts": counts, **head})[:-1] + ",\n"
    return (
        f'{begin}"files": [\n{lines(files)}],\n"redis": [\n{lines(redis)}],\n"errors": [\n{lines(errors)}]}}'.encode()
    )


@dataclass
class Maker:
    """Builds one archive: ``bytes_of(items)``. The last ``lines`` and ``blocks`` can be looked at afterwards."""

    codec: str = "gz"
    per_block: int = 3
    piece: int = 4096
    redis: list[Redis] = field(default_factory=list)
    errors: list[dict] = field(default_factory=list)
    head: dict = field(default_factory=lambda: dict(HEAD))
    header: dict | None = None
    manifest: bytes | None = None
    lines: list[dict] = field(default_factory=list)
    block_at: list[int] = field(default_factory=list)

    def bytes_of(self, items: list[Item]) -> bytes:
        self.out, self.lines, self.block_at = b"", [], []
        header = json.dumps(self.header if self.header is not None else {**self.head, "codec": self.codec}).encode()
        self._block(ustar(b"BACKUP/header.json", size=len(header)) + padded(header))
        for group in self._groups(items):
            self._group(group)
        redis = [self._redis(server) for server in self.redis]
        text = self.manifest or manifest_text(self.head, self.lines, redis, self.errors)
        return self._end(text)

    def _groups(self, items: list[Item]) -> list[list[Item]]:
        groups: list[list[Item]] = []
        for item in items:
            full = not groups or len(groups[-1]) >= self.per_block or groups[-1][-1].alone
            if full or item.alone or self.codec == "tar":
                groups.append([])
            groups[-1].append(item)
        return groups

    def _group(self, group: list[Item]) -> None:
        at = len(self.out)
        self.lines += [line(item, at) for item in group if item.in_manifest]
        data = b"".join(member(item) for item in group if item.in_tar)
        if group[0].alone and len(data) > self.piece:
            for place in range(0, len(data), self.piece):
                self._block(data[place : place + self.piece], b"K")
        elif data:
            self._block(data)

    def _redis(self, server: Redis) -> dict:
        at = len(self.out)
        self._block(b"".join(member(item) for item in server.items()))
        return server.line(at)

    def _block(self, plain: bytes, kind: bytes = b"W") -> None:
        self.block_at.append(len(self.out))
        self.out += BLOCKS[self.codec](plain, kind)

    def _end(self, text: bytes) -> bytes:
        at = len(self.out)
        ends = bytes(1024) if self.codec != "tar" else b""
        data = ustar(b"BACKUP/manifest.json", size=len(text)) + padded(text) + ends
        for place in range(0, len(data), 65536):
            self._block(data[place : place + 65536], b"K" if len(data) > 65536 else b"W")
        return self.out + footer(self.codec, at, len(self.out) - at, text)


def sample() -> list[Item]:
    """One of everything that an archive may hold."""
    return [
        Item("files/models", "d", mode=0o750),
        Item("files/models/a.bin", data=b"0123456789"),
        Item("files/models/empty", mode=0o600),
        Item("files/models/big", data=bytes(range(256)) * 60, alone=True),
        Item("files/models/" + "long/" * 30 + "name", data=b"long"),
        Item("files/models/odd\udcff\n", data=b"odd"),
        Item("files/models/locked", "d", mode=0o500),
        Item("files/models/locked/in", data=b"in", mode=0o400),
        Item("files/models/link", "l", target="a.bin", mode=0o777),
        Item("files/models/away", "l", target="/etc/passwd", mode=0o777),
        Item("files/models/hard", "h", target="files/models/a.bin"),
        Item("files/models/user", data=b"x", xattrs={"user.colour": b"blue\n=\0"}),
        Item("files/models/holes", holes=[(8192, b"d" * 4096), (1 << 20, b"")], size=1 << 20, alone=True),
    ]
