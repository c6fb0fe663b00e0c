"""What a restore did, or would do."""

from collections import Counter
from dataclasses import dataclass, field

EXAMPLES = 20


@dataclass
class Outcome:
    """Keys by the number of the database they went to, or would go to.

    ``overwritten`` are among ``written``, and known to a dry run only: RESTORE does not tell. ``existing`` were left
    as they are (merge). ``expired`` had outlived their time, ``left_out`` are of databases that nobody asked for.
    ``refused`` counts by reason, in words, with the first few as ``examples``. ``expiring`` of those written will go
    away by themselves; ``lasting`` of those overwritten will not.
    """

    written: Counter[int] = field(default_factory=Counter)
    overwritten: Counter[int] = field(default_factory=Counter)
    existing: Counter[int] = field(default_factory=Counter)
    expiring: Counter[int] = field(default_factory=Counter)
    lasting: Counter[int] = field(default_factory=Counter)
    expired: int = 0
    left_out: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    functions: int = 0

    def refuse(self, reason: str, database: int, name: bytes) -> None:
        self.refused[reason] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"database {database}, {name.decode(errors='backslashreplace')}: {reason}")

    @property
    def complete(self) -> bool:
        """Nothing was refused."""
        return not self.refused
