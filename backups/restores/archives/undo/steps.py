"""The kind of run that takes a restore from an archive back."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from backups import clock
from backups.restores import kinds
from backups.retention.models import CopyForm, SafetyCopy, SafetyCopyState

from .. import folders, moving
from ..contents import FileJob
from ..job import Folder
from ..redis.databases import Database
from ..steps import kind_of
from .finding import pieces_of


@dataclass(frozen=True)
class Kept(Folder):
    """A folder with what was kept of it: ``copy``, empty where there was nothing."""

    copy: str = ""
    keeps_stage = True

    @property
    def stage(self) -> str:
        if self.by_entries:
            return f"{self.copy}/{moving.TREE}"
        return self.copy or f"{self.target}.nothing-{self.token}"

    @property
    def list(self) -> str:
        return f"{self.copy}/{moving.LIST}"


class FromCopies:
    """What comes back, out of the safety copies of the restore."""

    def __init__(self, job: "UndoJob"):
        self.job = job

    def stages(self) -> dict[str, int | None]:
        """They lie beside their targets already."""
        return {folder.name: Path(folder.copy).stat().st_ino if folder.copy else None for folder in self.job.folders}

    def pieces(self, database: Database) -> Callable[[], Iterator[bytes]]:
        copy = self.job.dumps.get(facts__server=database.server, facts__database=database.number)
        return lambda: pieces_of(Path(copy.name))

    def judge(self, folder: Kept) -> tuple[int, int]:
        """Whether what is at the target is what was kept."""
        if folder.by_entries:
            moves = moving.read(f"{folder.before}/{moving.LIST}") or moving.Moves()
            return len(moves.moves), moving.not_there(folder.target, moves)
        if not folder.copy:
            return 1, int(os.path.lexists(folder.target))
        facts = self.job.copies.get(name=folder.copy).facts
        same = folders.listing_digest(folder.target)[0] == facts["digest"]
        same = same and Path(folder.target).stat().st_ino == facts["inode"]
        return sum(len(d) + len(f) for _, d, f in os.walk(folder.target)), int(not same)


class UndoJob(FileJob):
    """A restore that is taken back."""

    @property
    def folders(self) -> list[Kept]:
        token = self.document["token"]
        facts = ("name", "target", "way", "inside", "identity")
        return [
            Kept(*(each[fact] for fact in facts), token=token, copy=each["copy"]) for each in self.document["folders"]
        ]

    @property
    def copies(self):
        """Of the restore that is taken back."""
        return SafetyCopy.objects.filter(run=self.plan.undoes_id)

    @property
    def dumps(self):
        return self.copies.filter(form=CopyForm.DUMP)

    @contextmanager
    def contents(self) -> Iterator[FromCopies]:
        with nullcontext():
            yield FromCopies(self)

    def put_in_place(self, folder: Kept, young: int | None) -> None:
        if not folder.by_entries:
            super().put_in_place(folder, young)
            return
        before = moving.read(folder.list) or moving.Moves()
        moving.make_again(folder.target, before)
        super().put_in_place(folder, young)
        moving.dress(folder.target, before)

    def take_back(self, folder: Kept) -> bool:
        good = super().take_back(folder)
        if folder.by_entries and (before := moving.read(folder.list)):
            moving.remove_again(folder.target, before)
        return good

    def tidy(self) -> None:
        """Nothing: what came back was no copy made on the way."""

    def done(self) -> None:
        """What was put back and proven is no safety copy any more. What was not proven stays what it is: a dump may
        be the only one that has it. A folder that was exchanged as a whole is at its target, whatever came of it."""
        used, proven = [], {part["name"] for part in self.turn.memory["verdict"]["parts"] if not part["bad"]}
        for folder in self.folders:
            if folder.by_entries and folder.name in proven:
                folders.remove(folder.copy)
            if folder.copy and not os.path.lexists(folder.copy):
                used.append(folder.copy)
        for database in self.databases:
            if database.words in proven:
                copy = self.dumps.get(facts__server=database.server, facts__database=database.number)
                Path(copy.name).unlink(missing_ok=True)
                used.append(copy.name)
        self.turn.write(lambda a: self._write_used(a, used))

    def _write_used(self, a, names: list[str]) -> None:
        for copy in self.copies.filter(state=SafetyCopyState.KEPT, name__in=names):
            self.copies.filter(pk=copy.pk).update(state=SafetyCopyState.USED, ended_at=clock.now())
            a.record("safety_copy.used", copy, change={"of": copy.of}, run=self.turn.run.pk)


UNDO = kind_of(kinds.FILES_UNDO, "Roll back files and Redis data", UndoJob)
