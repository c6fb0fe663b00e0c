"""What an RDB file holds, in numbers."""

from collections import Counter
from dataclasses import dataclass, field

from .values import KINDS


@dataclass
class Content:
    """One database."""

    types: Counter[int] = field(default_factory=Counter)
    expires: int = 0

    @property
    def keys(self) -> int:
        return self.types.total()


@dataclass
class Survey:
    """``biggest`` is the size in bytes of the biggest value in the file, which may be packed smaller than in the
    server. ``module_records`` are notes of modules beside their keys, which no command can restore."""

    magic: str = "REDIS"
    version: int = 0
    databases: dict[int, Content] = field(default_factory=dict)
    functions: list[bytes] = field(default_factory=list)
    aux: dict[str, str] = field(default_factory=dict)
    module_records: int = 0
    biggest: int = 0

    def of(self, database: int) -> Content:
        """What is counted of a database that has keys."""
        return self.databases.setdefault(database, Content())

    @property
    def keys(self) -> int:
        return sum(content.keys for content in self.databases.values())

    @property
    def types(self) -> dict[str, int]:
        """Keys by the name of their type, over all databases."""
        total = sum((content.types for content in self.databases.values()), Counter())
        return {KINDS[kind].name: number for kind, number in sorted(total.items())}

    @property
    def memory(self) -> int:
        """Bytes that the server used when it wrote the file; 0 where it did not say."""
        text = self.aux.get("used-mem", "")
        return int(text) if text.isdecimal() and len(text) < 20 else 0
