"""What a restore brings back, out of its archive."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backups.archives import cybersift_restore as reader
from backups.archives.reading import Telling
from backups.archives.sources import Source
from backups.runs.models import Level

from . import folders, room
from .finding import kept_apart, sources_of
from .job import ArchiveJob, Folder
from .opening import opened
from .redis.databases import Database

NAMED = 1_000
"""So many entries that are not right are named in the log."""


class Changed(reader.ArchiveError):
    """It is not what was planned with."""


class FromArchive:
    """While the archive is open."""

    def __init__(self, job: ArchiveJob, found: "reader.Archive"):
        self.job, self.found = job, found

    def stages(self) -> dict[str, int | None]:
        """Everything is unpacked beside its target; the inode of each. Raises the reader's errors, Cancelled and
        OSError."""
        if self.found.footer.sha256.hex() != self.job.document["source"]["digest"]:
            raise Changed("The archive is another one than was planned with.")
        telling, stages = Telling(self.job.turn, self.job.document["bytes"]), {}
        how = {"by_hash": self.job.asked.by_hash, "cancelled": lambda: self.job.turn.cancel_requested}
        for folder in self.job.folders:
            look = folders.job_look(self.job, folder, **how)
            with room.needed_at(folder.target):
                stages[folder.name] = folders.unpack(self.found, folder, self._source(folder), look, telling)
            self.job.turn.log(f"{folder.name} is unpacked beside {folder.target}.")
        return stages

    def pieces(self, database: Database) -> Callable[[], Iterator[memoryview]]:
        """Gives the data of a database's server anew, to be gone through once."""
        record = reader.redis_record(self.found, database.name)
        return lambda: reader.redis_pieces(self.found, record)

    def judge(self, folder: Folder) -> tuple[int, int]:
        """How many entries were read again, and how many of them are not as in the archive."""
        look = folders.job_look(self.job, folder, by_hash=True)
        bad, unread = folders.unlike(self.found, folder, self._source(folder), look)
        for each in bad[:NAMED]:
            path = f"files/{folder.name}/{reader.printable(each.path)}".rstrip("/")
            self.job.turn.log(f"Not as in the archive: {path} ({each.what or 'not there'})", Level.NAME)
        entries = folders.members_of(self.found, f"files/{folder.name}")
        return sum(look.only(member.shown) for member in entries), len(bad) + unread

    def _source(self, folder: Folder) -> Source:
        (source,) = (each for each in sources_of(self.job.archive, self.found) if each.name == folder.name)
        return kept_apart(source, folder.target, self.job.archive)


class FileJob(ArchiveJob):
    """A restore from an archive, with what it brings back."""

    @contextmanager
    def contents(self) -> Iterator[FromArchive]:
        """Raises the reader's errors."""
        with opened(self.archive, self.asked.identity) as found:
            yield FromArchive(self, found)

    def put_in_place(self, folder: Folder, young: int | None) -> None:
        """Raises the reader's Unavailable, and OSError."""
        with room.needed_at(folder.target):
            folders.put_in_place(folder, young)

    def take_back(self, folder: Folder) -> bool:
        """Whether the target is what it was. Raises the reader's Unavailable, and OSError."""
        return folders.take_back(folder, self.turn.memory.get("stages", {}))

    def tidy(self) -> None:
        """What was needed on the way only."""
        for folder in self.folders:
            folders.clear(folder)

    def done(self) -> None:
        """In the commit of the last step."""
