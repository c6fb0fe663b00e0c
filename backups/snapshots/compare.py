"""What is different between the cheap list of a repository and our rows. Pure: facts in, work out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from backups.gateways.elasticsearch.snapshots import Listed, SnapshotFacts

from .models import WHOLE, SnapshotState

# So many known snapshots are read again with every refresh, in turn: damage is found in time.
SLICE = 10

# Of the next ones in turn the small files of shards and indices are looked at too, until so many were found whole.
IN_TURN, LOOKED_AT = 8, 1

# Their status makes the server read a file for every shard: it is not asked for bigger ones.
SHARDS_ASKED_AGAIN = 200

# States of rows that claim that the repository has the snapshot.
THERE = (*WHOLE, SnapshotState.DAMAGED, SnapshotState.RUNNING, SnapshotState.FAILED)
MAY_BE_THERE = frozenset((*THERE, SnapshotState.UNKNOWN))


class Known(NamedTuple):
    """A row, as far as comparing needs it. ``busy``: a run of ours works on it, and it is left to that run.
    ``shards`` is None where nobody read them."""

    pk: int
    name: str
    uuid: str
    state: str
    shards: int | None
    busy: bool = False


@dataclass(frozen=True)
class Work:
    """``new``: no row says that they are there. ``read``: rows whose details are due. ``gone``: the list has
    none of them, or has another one of this name. ``files``: those whose turn it is to have theirs looked at.
    ``damaged``: some row says that it is damaged, of whoever found that."""

    new: tuple[Listed, ...]
    read: tuple[tuple[Known, Listed], ...]
    gone: tuple[Known, ...]
    files: tuple[tuple[Known, Listed], ...] = ()
    damaged: bool = False

    @property
    def due(self) -> tuple[tuple[Known, Listed], ...]:
        """Rows that are looked at, for whichever reason."""
        return tuple(dict.fromkeys([*self.read, *self.files]))


def compare(listed: Iterable[Listed], rows: Collection[Known], *, turn: int = 0) -> Work:
    """Sort everything into what has to be done. ``turn`` counts the refreshes, so that each snapshot has its turn to
    be read although nothing shows a change, and to have its files looked at."""
    there = {one.name: one for one in listed}
    busy = {row.name for row in rows if row.busy}
    same, changed, quiet, gone = set(), [], [], []
    for row in {row.name: row for row in rows if row.name not in busy}.values():
        one = there.get(row.name)
        if one is None or not _same(row, one):
            gone.append(row)
            continue
        same.add(row.name)
        (changed if _changed(row, one) else quiet).append(row)
    new = tuple(one for name, one in there.items() if name not in same and name not in busy)
    read = [*changed, *_in_turn(quiet, turn * SLICE, SLICE)]
    files = _in_turn([row for row in quiet if _may_be_looked_at(row)], turn * LOOKED_AT, IN_TURN)
    damaged = any(row.state == SnapshotState.DAMAGED for row in rows)
    return Work(new, _beside(read, there), tuple(_in_turn(gone, turn, len(gone))), _beside(files, there), damaged)


def state_of(found: SnapshotFacts) -> tuple[str, str]:
    """State and sentence of a snapshot that somebody else made. Never green: what was asked for is not known."""
    if found.state == "IN_PROGRESS":
        return SnapshotState.RUNNING, ""
    whole = found.shards_failed == 0 and found.shards_successful == found.shards_total
    complete = f"{found.shards_successful} of {found.shards_total} shards are complete"
    if found.state == "SUCCESS" and whole and not found.failures:
        return SnapshotState.FOUND, f"Made by somebody else; {complete}. What it was to hold is not known."
    if found.state in ("SUCCESS", "PARTIAL"):
        return SnapshotState.PARTIAL, f"Made by somebody else. Partial: {complete}."
    if found.state in ("FAILED", "INCOMPATIBLE"):
        return SnapshotState.FAILED, f"Made by somebody else. The cluster calls it {found.state.lower()}."
    return (
        SnapshotState.UNKNOWN,
        "Made by somebody else. The cluster gives it a state that the console does not know.",
    )


def _same(row: Known, listed: Listed) -> bool:
    return row.state in MAY_BE_THERE and row.uuid == listed.uuid != ""


def _changed(row: Known, listed: Listed) -> bool:
    return row.state == SnapshotState.RUNNING or listed.state == "IN_PROGRESS"


def _may_be_looked_at(row: Known) -> bool:
    return row.state in WHOLE and row.shards is not None and row.shards <= SHARDS_ASKED_AGAIN


def _in_turn(rows: list[Known], start: int, most: int) -> list[Known]:
    """The next ones of a round that goes over all of them."""
    start %= len(rows) or 1
    return (rows[start:] + rows[:start])[:most]


def _beside(rows: Iterable[Known], there: dict[str, Listed]) -> tuple[tuple[Known, Listed], ...]:
    return tuple((row, there[row.name]) for row in rows)
