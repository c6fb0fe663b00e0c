"""Recipients (public keys) and identities (secret keys), as people paste them.

No message repeats what was entered: it may be a secret.
"""

import re
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import bech32

PUBLIC, SECRET = "age", "age-secret-key-"
LENGTH = 32


class BadKey(ValueError):
    """It is no key that can be used here; the message is a sentence for the person who entered it."""


@dataclass(frozen=True)
class Recipient:
    """Who may read an archive. ``str()`` is the key in its usual form, age1…"""

    public: bytes

    def __str__(self) -> str:
        return bech32.encode(PUBLIC, self.public)


@dataclass(frozen=True)
class Identity:
    """A secret key. It is never written anywhere."""

    secret: bytes = field(repr=False)

    @property
    def recipient(self) -> Recipient:
        return Recipient(public_of(X25519PrivateKey.from_private_bytes(self.secret)))


def public_of(secret: X25519PrivateKey) -> bytes:
    return secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def parse_recipient(text: str) -> Recipient:
    """BadKey says why not."""
    text = text.strip()
    _refuse_others(text)
    prefix, public = _decoded(text, "This is no valid public key: ")
    if prefix != PUBLIC or len(public) != LENGTH:
        raise BadKey("This is no public key of age: one begins with age1 and has 62 characters.")
    _refuse_low_order(public)
    return Recipient(public)


def parse_identity(text: str) -> Identity:
    """BadKey says why not."""
    text = text.strip()
    if text.lower().startswith("age1"):
        raise BadKey("This is a public key. Reading takes the secret key, which begins with AGE-SECRET-KEY-1.")
    prefix, secret = _decoded(text, "This is no valid secret key: ")
    if prefix != SECRET or len(secret) != LENGTH:
        raise BadKey("This is no secret key of age: one begins with AGE-SECRET-KEY-1.")
    return Identity(secret)


def parse_identities(text: str) -> list[Identity]:
    """The keys of an identity file, as age-keygen writes it: one a line, comments begin with #."""
    lines = [line.strip() for line in text.splitlines()]
    identities = [parse_identity(line) for line in lines if line and not line.startswith("#")]
    if not identities:
        raise BadKey("There is no secret key in this file.")
    return identities


def _refuse_others(text: str) -> None:
    """What people have at hand and mistake for a recipient."""
    small = text.lower()
    if SECRET in small:
        raise BadKey(
            "This is the secret key. It must not be entered here, and nobody else should have it. "
            "Enter the public key: it begins with age1."
        )
    if small.startswith(("ssh-", "ecdsa-", "sk-ssh-")):
        raise BadKey("SSH keys are not supported here. Make a key with age-keygen and enter its public key: age1…")
    if re.match(r"age1[a-z0-9+._-]+1", small):
        raise BadKey(
            "Keys of plugins and of other kinds (age1name1…) are not supported here, only those of age-keygen."
        )
    if not small.startswith("age1"):
        raise BadKey("Enter a public key of age: it begins with age1.")


def _decoded(text: str, beginning: str) -> tuple[str, bytes]:
    try:
        return bech32.decode(text)
    except ValueError as error:
        raise BadKey(f"{beginning}{error}.") from None


def _refuse_low_order(public: bytes) -> None:
    """With such a point every shared secret is zero, which everybody knows."""
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise BadKey("This is no valid public key: what is encrypted to it, everybody could read.") from None
