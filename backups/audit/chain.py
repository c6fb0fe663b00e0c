"""The text of an entry, its digest and its MAC. Pure: no database, no clock.

Canonical text (version 1) is a JSON object: keys sorted, no spaces, ASCII only, no NaN, times in UTC with six
decimals. It contains ``prev``, the digest of the entry before (64 zeros for the first). digest = SHA-256 of the
text; mac = HMAC-SHA256 of the digest's hex form.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime

FIRST = "0" * 64
VERSION = 1


def canonical(fields: dict) -> str:
    """The one text for these fields. Raises ValueError for what JSON cannot say (NaN) and TypeError otherwise."""
    return json.dumps(
        fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_plain
    )


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def mac_of(digest: str, key: bytes) -> str:
    return hmac.new(key, digest.encode("ascii"), hashlib.sha256).hexdigest()


def mac_maker(key: bytes) -> Callable[[str], str]:
    """``mac_of`` with one key, for many digests: the two keyed states of HMAC (RFC 2104) are made once and copied."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))

    def make(digest: str) -> str:
        first, second = inner.copy(), outer.copy()
        first.update(digest.encode("ascii"))
        second.update(first.digest())
        return second.hexdigest()

    return make


def stamp(moment: datetime) -> str:
    """A time as the texts write it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _plain(value):
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value) if isinstance(value, (set, frozenset)) else list(value)
    raise TypeError(f"An entry cannot hold a {type(value).__name__}.")
