"""The official test vectors of age, out of the npm package cctv-age (0BSD): downloaded once, never installed.

The package is one file of JavaScript with each vector in base64, so nothing has to be run to read them.
"""

import base64
import hashlib
import re
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.sandbox.elasticsearch import SERVERS

PACKAGE = "cctv-age@0.2.0"
SHA256 = "94a2a220a95b158a69997e84405bb5d4ef84adf05d15bf341b83ec3ba9dd846e"
VECTOR = re.compile(rb'var (\w+)_default = __toBinary\("([A-Za-z0-9+/=]+)"\)')
LONGEST = 120  # seconds


class Vector(NamedTuple):
    """``facts`` as they stand at its head: expect, payload (SHA-256), identity, …"""

    name: str
    facts: dict[str, str]
    file: bytes


def vectors() -> list[Vector]:
    """All for X25519, stream, header and MAC; skips the test where they cannot be had."""
    with tarfile.open(_package()) as package:
        script = package.extractfile("package/index.js").read()
    found = [_vector(name.decode(), base64.b64decode(data)) for name, data in VECTOR.findall(script)]
    return [vector for vector in found if not _is_elsewhere(vector)]


def _is_elsewhere(vector: Vector) -> bool:
    """Passphrases, armour and other kinds of keys are not ours."""
    facts = vector.facts
    return "armored" in facts or "passphrase" in facts or vector.name.startswith(("hybrid", "armor", "scrypt"))


def _vector(name: str, data: bytes) -> Vector:
    head, _, file = data.partition(b"\n\n")
    facts = dict(line.split(": ", 1) for line in head.decode().splitlines())
    return Vector(name, facts, zlib.decompress(file) if facts.get("compressed") == "zlib" else file)


def _package() -> Path:
    place = SERVERS / "cctv-age-0.2.0.tgz"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            _download(folder).rename(place)
    assert hashlib.sha256(place.read_bytes()).hexdigest() == SHA256
    return place


def _download(folder: str) -> Path:
    try:
        command = ["npm", "pack", "--silent", PACKAGE]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=LONGEST)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"the test vectors of age ({PACKAGE}) cannot be had: {error}")
    return next(Path(folder).glob("*.tgz"))
