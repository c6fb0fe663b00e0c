"""Restores of files that find their disk full in the middle of unpacking: they end as failed and say so, what was
staged is gone, and the live folders are what they were."""

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress

from backups.runs.models import Effect, RunState
from tests.faults.file_kills import FileKills, Struck
from tests.faults.place import Place

DISK_MB, BIG = 160, 40
"""Room for the big files once, and not for much more: then the disk is full soon."""
STAGED = 8 << 20
"""When so much was unpacked, the disk is filled."""
PIECE = 1 << 20


class FullDisk(FileKills):
    """A ``kill`` is what fills the disk."""

    big = BIG

    def __init__(self, place: Place, seed: int) -> None:
        super().__init__(place, seed)
        self.missing = "" if place.mount(self.tree, DISK_MB) else "no small disk can be mounted here"

    def strike(self) -> None:
        struck = self._harmed()
        plan, used = self._planned(struck), self._disk().used
        struck.run = run = self._agreed(plan)
        self.until("the middle", lambda: self._disk().used > used + STAGED, every=0.001)
        filler = self.tree / "filler"
        with filler.open("wb") as file, suppress(OSError):
            for number in itertools.count():
                os.posix_fallocate(file.fileno(), number * PIECE, PIECE)
        self.over(run)
        filler.unlink()
        ended = f"{run.state}, {run.effect}: {run.error}"
        self.seen[ended] += 1
        self.wrong += [f"run {run.pk} ended {ended}: {what}" for what in self._wrong(struck)]

    def _disk(self):
        return shutil.disk_usage(self.tree)

    def harm(self) -> None:
        """The big files are gone as well, so that all of them are unpacked."""
        super().harm()
        for file in (self.tree / "models/detector").glob("[0-9]*.bin"):
            file.unlink()

    def _wrong(self, struck: Struck) -> Iterator[str]:
        run = struck.run
        if (run.state, run.effect) != (RunState.FAILED, Effect.NONE):
            yield "it did not fail with nothing changed"
        if f"The disk of {self.tree}/models is full" not in run.error or "Make room" not in run.error:
            yield "it does not say that the disk is full, and what to do"
        yield from self._wrong_with(struck)
