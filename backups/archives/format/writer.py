"""Writes an archive: see docs/archive-format.md for what comes out.

    with ArchiveWriter(path, About(version="1.0")) as writer:
        writer.add_tree("etc", Path("/etc"), exclude=["*.bak"])
        writer.add_redis("main", chunks, describe)
        written = writer.finish()

Leaving the block without ``finish`` leaves no file. Everything that can end the writing is an ``ArchiveError``; what
cannot be read is no such thing: it stands in the manifest's errors.
"""

import json
import os
import socket
import struct
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from backups.gateways.filetree import Selection

from .age.keys import Recipient
from .age.sealing import SealedOutput
from .age.stream import MakeCipher
from .batches import Batches
from .blocks import WHOLE, codec
from .bodies import Body, gathered, put_body
from .errors import ArchiveError
from .headers import END, FILE, MOST_OCTAL, ROOT, header, padding
from .limits import MOST_PATH, MOST_REDIS
from .manifest import Counts, Manifest
from .output import Output
from .packing import Root
from .pipeline import Pipeline, Place, Progress
from .space import Room
from .trees import Tree, is_source

SCHEMA, TOOL = 1, "cybersift-backup"
FOOTER = struct.Struct("<QQ32s")
MODE = 0o600


@dataclass(frozen=True)
class About:
    """What is known of an archive at its start. ``sources`` goes into its first entry as it is; no secrets."""

    version: str
    sources: Sequence[dict] = ()
    host: str = field(default_factory=socket.gethostname)
    backup_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class RedisFacts:
    """What is known of a Redis server when its data has been read. ``keys`` and ``expires`` count by database.
    ``meta`` is the content of meta.json."""

    keys: dict[str, int]
    expires: dict[str, int]
    rdb_version: int
    server: str
    mode: str
    consistent: bool
    meta: dict


@dataclass(frozen=True)
class Written:
    """A finished archive. ``size`` in bytes; ``sha256`` of the whole file and ``manifest_sha256`` in hex.

    ``sha256`` is there for an encrypted one only: a plain one is changed in its place while it grows, and would have
    to be read again."""

    path: Path
    size: int
    counts: Counts
    manifest_sha256: str
    encrypted: bool
    sha256: str | None


class ArchiveWriter:
    """``codec_name`` is gz, zst or tar; ``pure`` keeps to the standard library. ``jobs`` processes pack small files
    and as many threads compress big ones; 1 starts no processes. ``progress(bytes read, files done)`` is called
    often, and ``cancelled()`` is asked between pieces. What is ``unreadable`` is a mark in the manifest's errors, or
    makes the archive fail (UnreadableFile); what has vanished and sockets, FIFOs and devices are always only named.
    ``keep_free`` bytes of the file system must stay free (NoSpace). Not for several threads.

    With ``recipients`` the file is one of age, which only they can read; ``file_key`` opens it too, for whoever is to
    read it back: keep it secret, and forget it then. Who gives one (16 random bytes) can do so after a crash, too.
    ``make_cipher`` is for tests.
    """

    def __init__(
        self,
        path: Path,
        about: About,
        *,
        codec_name: str = "gz",
        jobs: int = 2,
        pure: bool = False,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        unreadable: Literal["mark", "fail"] = "mark",
        keep_free: int = 0,
        recipients: Sequence[Recipient] | None = None,
        file_key: bytes | None = None,
        make_cipher: MakeCipher = ChaCha20Poly1305,
    ):
        self._about, self._codec_name, self._pure, self._jobs = about, codec_name, pure, jobs
        self._codec, self._progress = codec(codec_name, pure=pure), Progress(progress)
        self._sources: set[str] = set()
        # The archive may lie where nobody is to read the names in it.
        beside = Path(path).parent if recipients is None else Path(tempfile.gettempdir())
        self._manifest = Manifest(beside, strict=unreadable == "fail")
        sealed = (recipients, make_cipher, file_key)
        self._output = Output(Path(path)) if recipients is None else SealedOutput(Path(path), *sealed)
        self.file_key = self._output.file_key
        self._pipeline = Pipeline(self._output, self._codec, jobs, cancelled, Room(Path(path).parent, keep_free))
        try:
            self._put_header()
        except BaseException:
            self.abort()
            raise

    def __enter__(self) -> "ArchiveWriter":
        return self

    def __exit__(self, *_) -> None:
        self.abort()

    def add_tree(
        self,
        source: str,
        root: Path,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        one_file_system: bool = False,
        apart: Collection[tuple[int, int]] = (),
    ) -> None:
        """The directory ``root`` and what is in it, as files/<source>. Patterns as in gitignore files; directories in
        ``apart``, by device and inode, are not entered.

        ``root`` itself may be a symbolic link; nothing below it is followed. A root that cannot be opened is
        unreadable, also where it is not there.
        """
        self._claim(f"files/{source}", source)
        longest = MOST_PATH - len(f"files/{source}/".encode())
        selection = Selection(include, exclude, one_file_system=one_file_system, apart=apart, longest=longest)
        try:
            descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            self._manifest.add_error(f"files/{source}".encode(), error.strerror, error.errno, is_root=True)
            return
        facts = Root(descriptor, os.fstat(descriptor).st_dev if one_file_system else None, self._output.key)
        batches = Batches(facts, self._codec_name, pure=self._pure, jobs=self._jobs)
        try:
            parts = (self._pipeline, self._manifest, self._progress, batches)
            Tree(source.encode(), facts, *parts).add(selection)
        finally:
            batches.close()
            os.close(descriptor)

    def add_redis(
        self, name: str, chunks: Iterable[bytes], describe: Callable[[], RedisFacts], *, size: int | None = None
    ) -> Body:
        """The data of a server as redis/<name>/dump.rdb, and its meta.json.

        ``describe`` is called when all chunks have come. ``size`` in bytes where it is known before; ArchiveError if
        the chunks then have another.
        """
        self._claim(f"redis/{name}", name)
        if sum(each.startswith("redis/") for each in self._sources) > MOST_REDIS:
            raise ArchiveError(f"An archive holds the data of {MOST_REDIS} Redis servers at most.")
        path = f"redis/{name}/dump.rdb"
        place, body = self._put_stream(path, gathered(chunks), size, self._progress)
        facts = describe()
        meta = _json(facts.meta)
        entry = {"name": name, "path": path, "size": body.size, "sha256": body.sha256, "at": place.at}
        known = {key: value for key, value in vars(facts).items() if key != "meta"}
        meta_body = self._put_whole(f"redis/{name}/meta.json", meta)
        self._manifest.add_redis(entry | known | {"meta_sha256": meta_body.sha256})
        return body

    def finish(self) -> Written:
        """Write manifest and footer, and give the file its name. TargetExists if the name was taken meanwhile."""
        text = self._manifest.closed(self._head() | {"finished": _time(datetime.now(UTC))})
        place, _ = self._put_stream("BACKUP/manifest.json", gathered(text.pieces()), text.size)
        if self._codec.hops:
            self._pipeline.put(END)
        self._pipeline.drain()
        footer = FOOTER.pack(place.at, self._output.at - place.at, text.sha256)
        self._output.write(self._codec.footer(footer))
        if not self._codec.hops:
            self._output.write(_header("BACKUP/footer", len(footer)) + footer + padding(len(footer)) + END)
        self._output.finish()
        output = self._output
        return Written(
            output.path,
            output.size,
            self._manifest.counts,
            text.sha256.hex(),
            encrypted=self.file_key is not None,
            sha256=output.sha256,
        )

    def abort(self) -> None:
        """Remove what there is. After ``finish`` it only closes."""
        self._pipeline.close()
        self._manifest.close()
        self._output.abort()

    def _put_header(self) -> None:
        known = {"codec": self._codec_name, "sources": list(self._about.sources)}
        self._put_whole("BACKUP/header.json", _json(self._head() | known))

    def _head(self) -> dict:
        about = self._about
        head = {"schema": SCHEMA, "tool": TOOL, "version": about.version, "backup_id": about.backup_id}
        return head | {"created": _time(about.created), "host": about.host}

    def _claim(self, path: str, name: str) -> None:
        if not is_source(name):
            raise ValueError(f"{name!r} cannot be the name of a source.")
        if path in self._sources:
            raise ValueError(f"{path} is in this archive already.")
        self._sources.add(path)

    def _put_whole(self, path: str, content: bytes) -> Body:
        """A short entry in a block of its own."""
        self._pipeline.put(_header(path, len(content)) + content + padding(len(content)), WHOLE)
        self._pipeline.drain()
        return Body.of(content)

    def _put_stream(
        self, path: str, pieces: Iterable[bytes], size: int | None, progress: Progress | None = None
    ) -> tuple[Place, Body]:
        """An entry in pieces, all of it written when this returns. Where its size is not known, its header is
        overwritten at the end."""
        record = size is None or size > MOST_OCTAL
        place = self._pipeline.put_stored(_header(path, size or 0, size_record=record), final=size is not None)
        body = put_body(self._pipeline, pieces, progress)
        if size is None:
            self._pipeline.replace(place, _header(path, body.size, size_record=True))
            self._pipeline.settle()
        elif size != body.size:
            raise ArchiveError(f"{path} has {body.size} bytes, not the {size} that were announced.")
        self._pipeline.drain()
        return place, body


def _header(path: str, size: int, *, size_record: bool = False) -> bytes:
    now = int(datetime.now(UTC).timestamp()) * 1_000_000_000
    return header(path.encode(), FILE, MODE, ROOT, now, size=size, size_record=size_record)


def _json(facts: dict) -> bytes:
    return json.dumps(facts).encode("ascii") + b"\n"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
