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
    return mac_maker(key)(digest)


def mac_maker(key: bytes) -> Callable[[str], str]:
    """``mac_of`` with one key, for many digests: the keyed state is made once and copied."""
    keyed = hmac.new(key, digestmod=hashlib.sha256)

    def make(digest: str) -> str:
        mac = keyed.copy()
        mac.update(digest.encode("ascii"))
        return mac.hexdigest()

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
