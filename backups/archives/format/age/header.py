"""The header of an age file: the key of the file, wrapped for each recipient, and a MAC over all of it."""

import base64
import hmac
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backups.archives.cybersift_restore import Damaged, Unavailable

from .keys import Identity, Recipient, public_of

VERSION = b"age-encryption.org/v1"
KIND, INFO = b"X25519", b"age-encryption.org/v1/X25519"
KEY, WRAPPED, SHARE = 16, 32, 32
NONCE = bytes(12)
"""A wrapping key encrypts once, so its nonce may stand still."""

LONGEST = 1 << 20
"""Bytes; a header that is longer is refused. Each recipient takes about 100."""

WIDTH = 64
ARGUMENTS = re.compile(rb"-> ([!-~]+(?: [!-~]+)*)")
BODY = re.compile(rb"[A-Za-z0-9+/]{0,64}")
END = re.compile(rb"--- ([A-Za-z0-9+/]{43})")


class Stanza(NamedTuple):
    arguments: list[bytes]
    body: bytes


class Header(NamedTuple):
    """``authenticated``: what the MAC covers. ``length`` of all of it in the file, in bytes."""

    stanzas: list[Stanza]
    authenticated: bytes
    mac: bytes
    length: int


def make(file_key: bytes, recipients: Iterable[Recipient]) -> bytes:
    """ValueError without recipients: nobody could ever read the file."""
    stanzas = [_wrapped(file_key, recipient) for recipient in recipients]
    if not stanzas:
        raise ValueError("An encrypted file needs a recipient.")
    text = b"".join([VERSION, b"\n", *stanzas, b"---"])
    return text + b" " + _base64(_mac(file_key, text)) + b"\n"


def parse(data: bytes) -> Header:
    """The header at the beginning of ``data``; ``Damaged`` where it is not exactly as it should be."""
    lines = _Lines(data)
    if lines.next() != VERSION:
        raise Damaged("the file is no age file of version 1")
    stanzas = []
    while (line := lines.next()).startswith(b"->"):
        stanzas.append(_stanza(line, lines))
    end = END.fullmatch(line)
    if not end or not stanzas:
        raise _damaged()
    authenticated = data[: lines.at - len(line) - 1 + len(b"---")]
    return Header(stanzas, authenticated, decoded(end[1]), lines.at)


def check(header: Header, file_key: bytes) -> None:
    """``Damaged`` unless who made the header knew this key."""
    if not hmac.compare_digest(_mac(file_key, header.authenticated), header.mac):
        raise Damaged("the header of the encrypted file was changed, or belongs to another key")


def unwrap(header: Header, identities: Sequence[Identity]) -> bytes:
    """The key of the file, checked; ``Unavailable`` where none of the identities is a recipient."""
    for stanza in header.stanzas:
        if stanza.arguments[0] != KIND:
            continue
        share = _share(stanza)
        for identity in identities:
            if (file_key := _unwrapped(share, stanza.body, identity)) is not None:
                check(header, file_key)
                return file_key
    raise Unavailable("The archive was not encrypted for this key.")


def derive(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


def decoded(text: bytes) -> bytes:
    """Base64 without padding; only the one way of writing the bytes is accepted."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise _damaged() from None
    if _base64(data) != text:
        raise _damaged()
    return data


class _Lines:
    def __init__(self, data: bytes):
        self._data, self.at = data, 0

    def next(self) -> bytes:
        """Without its end, which must be there."""
        end = self._data.find(b"\n", self.at, LONGEST)
        if end < 0:
            raise _damaged()
        line, self.at = self._data[self.at : end], end + 1
        return line


def _stanza(line: bytes, lines: _Lines) -> Stanza:
    arguments = ARGUMENTS.fullmatch(line)
    if not arguments:
        raise _damaged()
    body = []
    while not body or len(body[-1]) == WIDTH:
        body.append(lines.next())
        if not BODY.fullmatch(body[-1]):
            raise _damaged()
    return Stanza(arguments[1].split(b" "), decoded(b"".join(body)))


def _wrapped(file_key: bytes, recipient: Recipient) -> bytes:
    secret = X25519PrivateKey.generate()
    share = public_of(secret)
    key = _wrapping_key(secret, recipient.public, share + recipient.public)
    body = ChaCha20Poly1305(key).encrypt(NONCE, file_key, None)
    return b"-> %s %s\n%s\n" % (KIND, _base64(share), _base64(body))


def _share(stanza: Stanza) -> bytes:
    if len(stanza.arguments) != 2 or len(stanza.body) != WRAPPED:
        raise _damaged()
    share = decoded(stanza.arguments[1])
    if len(share) != SHARE:
        raise _damaged()
    return share


def _unwrapped(share: bytes, body: bytes, identity: Identity) -> bytes | None:
    secret = X25519PrivateKey.from_private_bytes(identity.secret)
    key = _wrapping_key(secret, share, share + public_of(secret))
    try:
        return ChaCha20Poly1305(key).decrypt(NONCE, body, None)
    except InvalidTag:
        return None


def _wrapping_key(secret: X25519PrivateKey, public: bytes, salt: bytes) -> bytes:
    try:
        shared = secret.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:  # it came out as zeros
        raise _damaged() from None
    return derive(shared, salt, INFO)


def _mac(file_key: bytes, text: bytes) -> bytes:
    return hmac.digest(derive(file_key, b"", b"header"), text, "sha256")


def _base64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _damaged() -> Damaged:
    return Damaged("the header of the encrypted file is damaged")
