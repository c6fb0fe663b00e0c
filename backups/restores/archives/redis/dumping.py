"""Keeps what a restore replaces in Redis: one file for each database, read back before it counts."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from backups.gateways.redis.connection import connect
from backups.gateways.redis.errors import RedisError
from backups.gateways.redis.exchange import MARKER
from backups.gateways.redis.rdb import keys_of
from backups.gateways.redis.scan import Scan
from backups.gateways.redis.spare import size

from .databases import Database


class Dump(NamedTuple):
    """``keys`` are those in it, without our own marker."""

    path: str
    keys: int
    sha256: str
    size: int


class NotKept(RedisError):
    """What is to be replaced could not be kept, so it is not replaced."""


def path_of(run: int, database: Database) -> Path:
    """Where the dump of a database lies."""
    return Path(settings.SAFETY_DIR) / f"run-{run}-redis-{database.server}-{database.number}.rdb"


def part_of(path: Path) -> Path:
    """What a dump is called until it is whole."""
    return path.with_name(f".{path.name}.part")


def dump(database: Database, number: int, path: Path, *, frozen: bool) -> Dump:
    """What is in database ``number`` of the server, as that of ``database``, in a file that only we can read, on the
    disk and read back. ``frozen``: nobody writes to it, so that every key has to be there. Raises NotKept, OSError,
    and the gateway's errors."""
    Path(settings.SAFETY_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)
    access = database.access()
    part = part_of(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
        for piece in Scan(access, (number,), named={number: database.number}).pieces():
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    kept = read_back(part)
    if frozen:
        with connect(access) as connection:
            there = size(connection, number) - 1  # our marker
        if kept.keys + _expiring(part) < there or kept.keys > there:
            raise NotKept(f"Database {number} has {there} keys, and its dump {kept.keys}. Nothing is replaced.")
    part.replace(path)
    return kept._replace(path=str(path))


def read_back(path: Path) -> Dump:
    """What the file holds; its checksum is looked at. Raises RdbError and OSError."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    with path.open("rb") as file:
        keys = sum(key.name != MARKER for key in keys_of(file))
    return Dump(str(path), keys, sha256, path.stat().st_size)


def _expiring(path: Path) -> int:
    """Keys that may have gone since by themselves."""
    with path.open("rb") as file:
        return sum(key.expires is not None for key in keys_of(file))
