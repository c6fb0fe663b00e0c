"""Keys and age files for tests."""

import hashlib
import io
from collections import defaultdict
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from backups.archives.format.age import bech32
from backups.archives.format.age.keys import Identity
from backups.archives.format.age.opening import AgeFile
from backups.archives.format.age.stream import Seal
from deploy.sandbox import packages


def new_identity() -> Identity:
    return Identity(X25519PrivateKey.generate().private_bytes_raw())


def secret_text(identity: Identity) -> str:
    """As age-keygen writes it."""
    return bech32.encode("age-secret-key-", identity.secret).upper()


def age_program() -> str:
    """The path of the program; skips the test where it cannot be had."""
    try:
        return packages.program("age", "age", print)
    except packages.Missing as missing:
        pytest.skip(str(missing))


def sealed(plain: bytes, *identities: Identity, piece: int = 100_000) -> bytes:
    """An age file, made in pieces."""
    seal, out = Seal([identity.recipient for identity in identities]), io.BytesIO()
    out.write(seal.begin())
    for at in range(0, len(plain), piece):
        out.write(seal.add(plain[at : at + piece]))
    out.write(seal.end())
    return out.getvalue()


def opened(path: Path, *identities: Identity, file_key: bytes | None = None) -> bytes:
    with path.open("rb") as file, AgeFile(file, identities=identities, file_key=file_key) as plain:
        return plain.read()


class Recorder:
    """Makes real ciphers, and keeps what each nonce of each key was used for, as a digest."""

    def __init__(self):
        self.uses: dict[tuple[bytes, bytes], list[bytes]] = defaultdict(list)

    def __call__(self, key: bytes) -> "RecordingCipher":
        return RecordingCipher(key, self.uses)

    @property
    def most(self) -> int:
        """How often the most used nonce was used."""
        return max(map(len, self.uses.values()))


class RecordingCipher:
    def __init__(self, key: bytes, uses: dict):
        self._key, self._cipher, self._uses = key, ChaCha20Poly1305(key), uses

    def encrypt_into(self, nonce: bytes, data: bytes, associated_data: bytes | None, buf: memoryview) -> int:
        self._uses[self._key, bytes(nonce)].append(hashlib.sha256(data).digest())
        return self._cipher.encrypt_into(nonce, data, associated_data, buf)
