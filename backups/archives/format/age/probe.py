"""Proves that somebody can read what is encrypted to a key: words that only the secret key shows.

words = new_words()
probe(recipient, words)     # a file that its owner decrypts: age -d -i key.txt probe.age
same_words(typed, words)    # what the owner then enters
"""

import hmac
import secrets
from pathlib import Path

from .keys import Recipient
from .stream import Seal

COUNT = 8
WORDS = tuple((Path(__file__).parent / "words.txt").read_text(encoding="ascii").split())
"""512 of them: 9 bits each."""


def new_words() -> str:
    """Eight random words with spaces between them: 72 bits."""
    return " ".join(secrets.choice(WORDS) for _ in range(COUNT))


def probe(recipient: Recipient, words: str) -> bytes:
    """A small age file for this recipient alone; its text is ``words`` and the end of a line."""
    seal = Seal([recipient])
    return seal.begin() + seal.add(words.encode() + b"\n") + seal.end()


def same_words(typed: str, words: str) -> bool:
    """Whatever the case and the spaces; how long it takes does not tell which words are right."""
    return hmac.compare_digest(_plain(typed), _plain(words))


def _plain(words: str) -> bytes:
    return " ".join(words.lower().split()).encode(errors="replace")
