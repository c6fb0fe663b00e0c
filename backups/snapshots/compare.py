"""What is different between the cheap list of a repository and our rows. Pure: facts in, work out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from backups.gateways.elasticsearch.snapshots import Listed, SnapshotFacts

from .models import SnapshotState

# States of rows that claim that the repository has the snapshot.
THERE = (
    *(SnapshotState.VERIFIED, SnapshotState.PARTIAL, SnapshotState.FOUND, SnapshotState.DAMAGED),
    *(SnapshotState.RUNNING, SnapshotState.FAILED),
)


class Known(NamedTuple):
    """A row, as far as comparing needs it. ``busy``: a run of ours works on it, and it is left to that run."""

    pk: int
    name: str
    uuid: str
    state: str
    busy: bool = False


@dataclass(frozen=True)
class Work:
    """``new``: no row says that they are there. ``read``: rows whose details are due. ``gone``: the list has
    none of them, or has another one of this name."""

    new: tuple[Listed, ...]
    read: tuple[tuple[Known, Listed], ...]
    gone: tuple[Known, ...]


def compare(listed: Iterable[Listed], rows: Collection[Known], again: Collection[int] = ()) -> Work:
    """Sort everything into what has to be done. ``again``: rows to be read although nothing shows a change."""
    there = {one.name: one for one in listed}
    busy = {row.name for row in rows if row.busy}
    known = {row.name: row for row in rows if row.name not in busy}
    same = {name: row for name, row in known.items() if name in there and _same(row, there[name])}
    new = tuple(one for name, one in there.items() if name not in same and name not in busy)
    gone = tuple(row for name, row in known.items() if name not in same)
    changed = [(row, there[row.name]) for row in same.values() if _changed(row, there[row.name])]
    quiet = [
        (row, there[row.name]) for row in same.values() if row.pk in again and not _changed(row, there[row.name])
    ]
    return Work(new, (*changed, *quiet), gone)


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
    return row.state in (*THERE, SnapshotState.UNKNOWN) and row.uuid == listed.uuid != ""


def _changed(row: Known, listed: Listed) -> bool:
    return row.state == SnapshotState.RUNNING or listed.state == "IN_PROGRESS"
