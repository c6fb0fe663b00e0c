"""What an archive says of itself, as the console keeps it: JSON, and no more of it than a row should hold.

``of_head`` needs the first line of the manifest only, however many files it names; ``of_all`` all of it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backups.archives import cybersift_restore as reader

MOST = 100
"""So many folders, and so many Redis servers, are told of an archive that others made."""
MOST_JSON = 256 << 10
"""Characters of that, as JSON."""
NOT_BELIEVED = "what its manifest says of it cannot be believed"


@contextmanager
def believing() -> Iterator[None]:
    """What is not there, or of another kind than it should be, is ``Damaged``."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise reader.Damaged(NOT_BELIEVED) from error


def of_head(head: dict, footer: "reader.FooterData") -> dict:
    with believing():
        facts = {name: head[name] for name in ("backup_id", "host", "created")}
        counted = {name: head["counts"][name] for name in ("files", "bytes", "changed", "skipped")}
        return facts | counted | {"manifest_sha256": footer.sha256.hex()}


def of_all(found: "reader.Archive") -> dict:
    with believing():
        servers = [_redis(each) for each in found.manifest.redis]
        keys = sum(sum(each["keys"].values()) for each in servers)
        return {"sources": _sources(found), "redis": servers, "keys": keys}


def few(facts: dict) -> dict:
    """The same, cut to what a row should hold of an archive that anybody may have made."""
    cut = facts | {name: facts[name][:MOST] for name in ("sources", "redis")}
    if len(json.dumps(cut)) > MOST_JSON:
        raise reader.Damaged(NOT_BELIEVED)
    return cut


def _sources(found: "reader.Archive") -> list[dict]:
    """Name, files, bytes and packed bytes of each folder, in the order of the archive."""
    sources: dict[str, dict] = {}
    for extent in found.extents[1:]:
        top, name, *_ = f"{extent.members[0].path}/".split("/")
        if top == "files":
            name = reader.printable(name)
            source = sources.setdefault(name, {"name": name, "files": 0, "bytes": 0, "packed": 0})
            source["packed"] += extent.end - extent.start
            source["files"] += sum(member.type == "f" for member in extent.members)
            source["bytes"] += sum(member.size or 0 for member in extent.members if member.type == "f")
    return list(sources.values())


def _redis(entry: dict) -> dict:
    names = ("size", "keys", "expires", "rdb_version", "server", "mode", "consistent")
    shown = {name: reader.printable(entry[name]) for name in ("name", "path")}
    return shown | {name: entry.get(name) for name in names}


@dataclass
class Head:
    """The first line of a manifest, and how long its text is."""

    line: dict
    size: int


def read_head(source: "reader.Source", codec: "reader.Codec", footer: "reader.FooterData", footer_at: int) -> Head:
    """Without the rest of the manifest, so that its checksum is not looked at."""
    if footer.at + footer.size != footer_at:
        raise reader.Damaged("the footer does not fit the file: something is missing or too much")
    blocks = codec.blocks(source, footer.at, footer_at)
    stream = reader.Stream(codec.unpack(source.read(block.at, block.size), block) for block in blocks)
    header = reader.next_entry(stream)
    if header is None or header.path != reader.MANIFEST.encode():
        raise reader.Damaged("the footer does not lead to a manifest")
    lines = reader.Lines(stream.pieces(header.size), lambda piece: None)
    return Head(reader.Manifest.read_head(next(lines, b"")), header.size)
