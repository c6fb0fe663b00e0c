"""The ledger's keys, read once per process from the folder of keys."""

from functools import lru_cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings


@lru_cache(maxsize=1)
def mac_key() -> bytes:
    """Every process that writes entries needs it."""
    return (settings.KEYS_DIR / "audit_mac").read_bytes()


@lru_cache(maxsize=1)
def signing_key() -> Ed25519PrivateKey:
    """Workers only."""
    return serialization.load_pem_private_key((settings.KEYS_DIR / "audit_signing.pem").read_bytes(), password=None)


@lru_cache(maxsize=1)
def public_key() -> Ed25519PublicKey:
    return serialization.load_pem_public_key((settings.KEYS_DIR / "audit_signing.pub").read_bytes())
