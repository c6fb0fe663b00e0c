"""Holds the files of a location against our rows. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..models import ArchiveState
from .folder import File

SETTLED_NS = 5_000_000_000
"""A file that was written to so lately may still grow: whoever copies it in does not say when that is over."""


class Known(NamedTuple):
    """A row that says, or may mean, that there is a file. ``busy``: a run of ours is at work on it. ``ours``: made
    by a run; ``proven``: read back, whatever came of it."""

    pk: int
    name: str
    state: str
    size: int | None
    mtime_ns: int | None
    backup_id: str
    sha256: str
    ours: bool
    proven: bool
    busy: bool = False

    @property
    def is_run_s(self) -> bool:
        """Whatever is there of it is that run's business."""
        return self.busy or self.state == ArchiveState.WANTED


@dataclass
class Work:
    """``gone``: rows without their file; ``to_open``: files that are new, or other than their row says, with that
    row; ``unsettled``: how many are left for later."""

    gone: list[Known] = field(default_factory=list)
    to_open: list[tuple[File, Known | None]] = field(default_factory=list)
    unsettled: int = 0


def match(rows: Iterable[Known], files: Mapping[str, File], now_ns: int) -> Work:
    """What has to be done. A file whose time lies in the future is taken as it is: some clock is wrong."""
    work, taken = Work(), set()
    for row in rows:
        taken.add(row.name)
        if row.is_run_s:
            continue
        if row.name not in files:
            work.gone.append(row)
        elif (file := files[row.name])[1:] != (row.size, row.mtime_ns) or row.state == ArchiveState.UNKNOWN:
            work.to_open.append((file, row))
    work.to_open += [(file, None) for name, file in sorted(files.items()) if name not in taken]
    settled = [each for each in work.to_open if not 0 <= now_ns - each[0].mtime_ns < SETTLED_NS]
    work.unsettled = len(work.to_open) - len(settled)
    work.to_open = settled
    return work
