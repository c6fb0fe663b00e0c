"""What patterns take of a cluster, and what a person should hear about it. Pure: names in, sentences out.

The same words stand in the preview of a form and in the log of a run.
"""

import re
from collections.abc import Sequence

from backups.gateways.elasticsearch import patterns
from backups.gateways.elasticsearch.patterns import Named


def unmatched(wanted: Sequence[str], found: Sequence[Named]) -> list[str]:
    """The patterns that match nothing. One that takes away and finds nothing to take is no mistake: the default is
    one."""
    return [pattern for pattern in patterns.unmatched(wanted, found) if not pattern.startswith("-")]


def left_out(names: Sequence[str], found: Sequence[Named]) -> int:
    """How many indices of data streams are not among ``names``."""
    chosen = set(names)
    return sum(index.name.startswith(".ds-") and index.name not in chosen for index in found)


def stream_hints(wanted: Sequence[str], found: Sequence[Named]) -> list[str]:
    """For each pattern that matches no index, but is the name of a data stream: what takes the indices of it."""
    return [
        f"{pattern} is the name of data streams: {_indices_of(pattern)} takes their indices."
        for pattern in unmatched(wanted, found)
        if any(_backs(pattern).fullmatch(index.name) for index in found)
    ]


def warnings(wanted: Sequence[str], names: Sequence[str], found: Sequence[Named]) -> list[str]:
    """What a snapshot of ``names`` does not take, although somebody may think so."""
    said = [f"Nothing matches {', '.join(missed)}."] if (missed := unmatched(wanted, found)) else []
    said += stream_hints(wanted, found)
    if number := left_out(names, found):
        said.append(f"Indices of data streams that are left out: {number}. Patterns that begin with .ds- take them.")
    return said


def _indices_of(pattern: str) -> str:
    return f".ds-{pattern}" if pattern.endswith("*") else f".ds-{pattern}-*"


def _backs(pattern: str) -> re.Pattern:
    """What the indices behind data streams of this name are called: .ds-NAME-000001, from 7.11 on with the day."""
    name = ".*".join(re.escape(piece) for piece in pattern.split("*"))
    return re.compile(rf"\.ds-{name}-([0-9]{{4}}\.[0-9]{{2}}\.[0-9]{{2}}-)?[0-9]{{6}}", re.DOTALL)
