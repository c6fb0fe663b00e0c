"""What a product and version can do. Sending more than that is refused, or worse, silently ignored."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Capabilities:
    """Of one cluster. ``product`` is "elasticsearch" or "opensearch"."""

    product: str
    version: tuple[int, ...]

    @classmethod
    def parse(cls, product: str, version: str) -> "Capabilities":
        """From a version as the server writes it, like 8.19.0 or 3.0.0-beta1."""
        return cls(product, tuple(int(number) for number in re.findall(r"\d+", version.partition("-")[0])))

    def _since(self, elasticsearch: tuple[int, ...], opensearch: tuple[int, ...] | None = None) -> bool:
        first = elasticsearch if self.product == "elasticsearch" else opensearch
        return first is not None and self.version >= first

    def version_id(self) -> int | None:
        """The version as a number, as snapshots hold it; None where they hold one of their own (8.9 and later)."""
        if self._since((8, 9)):
            return None
        major, minor, patch = (*self.version, 0, 0)[:3]
        number = major * 1_000_000 + minor * 10_000 + patch * 100 + 99
        return number ^ 0x08000000 if self.product == "opensearch" else number

    @property
    def metadata(self) -> bool:
        """A snapshot keeps notes of whoever made it. Older servers drop them without a word."""
        return self._since((7, 3), (1,))

    @property
    def cleanup(self) -> bool:
        """Leftovers in a repository can be removed."""
        return self._since((7, 4), (1,))

    @property
    def obeys_watermark(self) -> bool:
        """A restore onto a node over the low watermark fails at once and for ever, on a single node too."""
        return self._since((8,))

    @property
    def concurrent(self) -> bool:
        """More than one snapshot operation at a time."""
        return self._since((7, 9), (1,))

    @property
    def data_streams(self) -> bool:
        return self._since((7, 9), (1,))

    @property
    def clone(self) -> bool:
        return self._since((7, 10), (1,))

    @property
    def clone_index(self) -> bool:
        """An index can be copied by hard links, on the spot."""
        return self._since((7, 4), (1,))

    @property
    def clone_closed(self) -> bool:
        """One that is closed too; the copy is open."""
        return self._since((8,))

    @property
    def feature_states(self) -> bool:
        return self._since((7, 12))

    @property
    def index_details(self) -> bool:
        return self._since((7, 13))

    @property
    def paging(self) -> bool:
        """Lists of snapshots come in pages."""
        return self._since((7, 15))

    @property
    def index_names(self) -> bool:
        """A list of snapshots can leave out what they hold."""
        return self._since((8, 3))

    @property
    def async_delete(self) -> bool:
        """A delete may answer at once and go on by itself."""
        return self._since((8, 15))
