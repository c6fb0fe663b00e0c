"""Index patterns to exact names.

The console expands patterns itself: what a wildcard means for closed and hidden indices differs between
versions, and an empty list means "everything" to the server.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

DEFAULT = ("*", "-.*")


class Named(Protocol):
    name: str


def split(text: str) -> tuple[str, ...]:
    """Patterns as people write them: separated by commas, spaces or lines."""
    return tuple(part for part in re.split(r"[,\s]+", text) if part)


def expand(patterns: Sequence[str], indices: Iterable[Named]) -> tuple[str, ...]:
    """The names of all indices that the patterns choose, sorted; open, closed and hidden alike.

    Patterns apply in their order: each adds what it matches, one that begins with ``-`` takes it away, and
    the later one wins. ``*`` stands for any characters; there is no other wildcard.
    """
    names = {index.name for index in indices}
    chosen: set[str] = set()
    for pattern in patterns:
        matched = _matches(pattern, names)
        chosen = chosen - matched if pattern.startswith("-") else chosen | matched
    return tuple(sorted(chosen))


def unmatched(patterns: Sequence[str], indices: Iterable[Named]) -> tuple[str, ...]:
    """The patterns that match no index at all: usually a typing mistake."""
    names = {index.name for index in indices}
    return tuple(pattern for pattern in patterns if not _matches(pattern, names))


def _matches(pattern: str, names: set[str]) -> set[str]:
    pattern = pattern.removeprefix("-")
    if "*" not in pattern:
        return {pattern} & names
    expression = re.compile(".*".join(re.escape(piece) for piece in pattern.split("*")), re.DOTALL)
    return {name for name in names if expression.fullmatch(name)}
