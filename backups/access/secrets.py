"""Sealed secrets: X25519 boxes that web processes can close and only workers can open.

Box (version 1) = 0x01, ephemeral X25519 public key (32 bytes), nonce (12), ChaCha20-Poly1305 ciphertext; base64.
Key = HKDF-SHA256 over the shared secret with both public keys in the info. The *context* (such as
``cluster:3:everyday``) is authenticated, so that a box copied to another row does not open.
"""

import base64
import os
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

VERSION = b"\x01"


class SealError(Exception):
    """A box does not open: wrong key, changed, or sealed for something else. Says which, never what was in it."""


def seal(context: str, secret: str) -> str:
    """Close ``secret`` for ``context``; needs the public key only."""
    receiver = _public_key(settings.KEYS_DIR / "secrets.pub")
    ephemeral = X25519PrivateKey.generate()
    sender = ephemeral.public_key().public_bytes_raw()
    cipher = _cipher(ephemeral.exchange(receiver), sender, receiver.public_bytes_raw())
    nonce = os.urandom(12)
    box = VERSION + sender + nonce + cipher.encrypt(nonce, secret.encode(), context.encode())
    return base64.b64encode(box).decode()


def unseal(context: str, box: str) -> str:
    """Open a box that was sealed for ``context``. Raises SealError."""
    private = _private_key(settings.KEYS_DIR / "secrets.pem")
    try:
        raw = base64.b64decode(box, validate=True)
    except ValueError as error:
        raise SealError(f"The sealed secret of {context} is damaged.") from error
    version, sender, nonce, sealed = raw[:1], raw[1:33], raw[33:45], raw[45:]
    if version != VERSION or len(sealed) < 16:
        raise SealError(f"The sealed secret of {context} has an unknown form.")
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(sender))
        return (
            _cipher(shared, sender, private.public_key().public_bytes_raw())
            .decrypt(nonce, sealed, context.encode())
            .decode()
        )
    except (InvalidTag, ValueError) as error:  # ValueError: a sender's key of low order, or no UTF-8
        raise SealError(f"The sealed secret of {context} does not open with this key.") from error


def _cipher(shared: bytes, sender: bytes, receiver: bytes) -> ChaCha20Poly1305:
    kdf = HKDF(hashes.SHA256(), length=32, salt=None, info=b"cybersift-console-seal-1" + sender + receiver)
    return ChaCha20Poly1305(kdf.derive(shared))


@lru_cache(maxsize=4)
def _public_key(file: Path) -> X25519PublicKey:
    return serialization.load_pem_public_key(file.read_bytes())


@lru_cache(maxsize=4)
def _private_key(file: Path) -> X25519PrivateKey:
    try:
        return serialization.load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise SealError("This process has no key to open sealed secrets; only workers have it.") from error
