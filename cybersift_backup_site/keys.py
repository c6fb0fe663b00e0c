"""The console's own keys, one file each in ``keys/`` (folder 0700, files 0600).

=====================  ======================================================================
``django``             Django's SECRET_KEY: sessions and form tokens
``audit_mac``          key of the MAC over every audit entry; outside the database on purpose
``audit_signing.pem``  Ed25519 private key that signs checkpoints (worker)
``audit_signing.pub``  its public half; whoever has it can check the audit trail
``secrets.pem``        X25519 private key that opens sealed credentials (worker)
``secrets.pub``        its public half: web processes can seal, never open
=====================  ======================================================================

Made once by ``manage.py init``, never replaced: a lost key is a reason to restore it, not to make another.
"""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

NAMES = ("django", "audit_mac", "audit_signing.pem", "audit_signing.pub", "secrets.pem", "secrets.pub")


def make_keys(folder: Path) -> list[str]:
    """Make the keys that are missing; returns their names. Existing files are never touched."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    made = []
    for name in ("django", "audit_mac"):
        if not (folder / name).exists():
            _write(folder / name, secrets.token_urlsafe(64).encode())
            made.append(name)
    for stem, kind in (("audit_signing", Ed25519PrivateKey), ("secrets", X25519PrivateKey)):
        made += _make_pair(folder, stem, kind)
    return made


def _make_pair(folder: Path, stem: str, kind) -> list[str]:
    private_file, public_file = folder / f"{stem}.pem", folder / f"{stem}.pub"
    made = []
    if not private_file.exists():
        if public_file.exists():
            raise FileNotFoundError(f"{private_file} is missing, but {public_file} is there: bring it back.")
        pem = kind.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(private_file, pem)
        made.append(private_file.name)
    if not public_file.exists():
        private = serialization.load_pem_private_key(private_file.read_bytes(), password=None)
        pem = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _write(public_file, pem)
        made.append(public_file.name)
    return made


def _write(file: Path, content: bytes) -> None:
    """Write whole or not at all: a killed start must not leave half a key."""
    partial = file.with_name(file.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    partial.rename(file)
