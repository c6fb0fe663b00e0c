"""What came of comparing one folder or one Redis server with an archive."""

from dataclasses import dataclass, field
from typing import NamedTuple

from .. import cybersift_restore as reader

SAME, CHANGED, ATTRIBUTES = "same", "changed", "attributes"
ONLY_ARCHIVE, ONLY_THERE, EXPIRED = "only_archive", "only_there", "expired"
KINDS = (SAME, CHANGED, ATTRIBUTES, ONLY_ARCHIVE, ONLY_THERE, EXPIRED)
DIFFERENT = (CHANGED, ATTRIBUTES, ONLY_ARCHIVE, ONLY_THERE)
"""Keys of Redis that are only in the archive because their time is over are no difference: EXPIRED."""
WORDS = {
    SAME: "same",
    CHANGED: "changed",
    ATTRIBUTES: "attributes changed",
    ONLY_ARCHIVE: "only in the archive",
    ONLY_THERE: "only there",
    EXPIRED: "expired since",
}
MOST_NAMES = 1_000


class Difference(NamedTuple):
    """``path`` is that in the archive, as it can be shown; ``what`` differs, in few words."""

    kind: str
    path: str
    what: str


@dataclass
class Compared:
    """One folder or Redis server: how many entries of each kind, and the first MOST_NAMES that are not the same.
    ``error`` says why it could not be looked at."""

    name: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    differences: list[Difference] = field(default_factory=list)
    skipped: int = 0
    error: str = ""

    @property
    def is_same(self) -> bool:
        return not self.error and not any(self.counts[kind] for kind in DIFFERENT)

    def add(self, kind: str, path: str, what: str = "") -> None:
        self.counts[kind] += 1
        if kind != SAME:
            self.name_difference(kind, path, what)

    def name_difference(self, kind: str, path: str, what: str = "") -> None:
        """One that is counted elsewhere."""
        if len(self.differences) < MOST_NAMES:
            self.differences.append(Difference(kind, reader.printable(path), what))
