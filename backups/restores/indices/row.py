"""One index in a plan: what becomes of it, as a value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


class Action:
    """The five things that can become of an index."""

    CREATE, RENAME, REPLACE, SKIP, BLOCKED = "create", "rename", "replace", "skip", "blocked"


OUR_OWN = "The server would take this, the console does not."
"""Stands in the note of a row that is blocked by a rule of ours alone."""

ORDER = (Action.BLOCKED, Action.REPLACE, Action.RENAME, Action.CREATE, Action.SKIP)
"""Worst first."""


@dataclass(frozen=True)
class Row:
    """One index of the snapshot; with ``stream`` it comes with that data stream, which will be ``stream_as``.
    ``low`` and ``high`` bound its documents in the snapshot. ``aliases`` are those of the target afterwards,
    ``aliases_now`` those before; ``lost`` and ``gained`` say how they differ. ``work`` and ``before`` are the names
    of the copy until it is proven and of the safety copy. What is not known is None."""

    source: str
    target: str
    action: str
    note: str = ""
    low: int | None = None
    high: int | None = None
    counted: str = "not_counted"
    documents_now: int | None = None
    newer: int | None = None
    bytes: int | None = None
    bytes_now: int | None = None
    primaries: int | None = None
    primaries_now: int | None = None
    replicas: str = ""
    state_now: str = ""
    uuid_now: str = ""
    blocked_now: bool = False
    aliases: Mapping[str, Any] = field(default_factory=dict)
    aliases_now: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    mapping: Mapping[str, Any] = field(default_factory=dict)
    settings: tuple[Mapping[str, Any], ...] = ()
    work: str = ""
    before: str = ""
    stream: str = ""
    stream_as: str = ""

    @property
    def chosen(self) -> str:
        """What was chosen, and is named in the call that restores it: the index, or its stream."""
        return self.stream or self.source

    @property
    def goes(self) -> bool:
        """Whether the restore does something to it."""
        return self.action not in (Action.SKIP, Action.BLOCKED)

    @property
    def restored_as(self) -> str:
        """What the index is called that the server restores: the working copy of a swap, else the target."""
        return self.work or self.target

    def as_dict(self) -> dict:
        return asdict(self)
