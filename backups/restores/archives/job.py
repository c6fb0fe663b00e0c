"""What the turns of a restore from an archive share."""

import os
from dataclasses import dataclass
from functools import cached_property

from backups.archives.models import Archive
from backups.restores.job import Job
from backups.runs import Done, Stay
from backups.runs.models import Effect, Level, RunState

from .asked import Asked
from .redis.databases import Database
from .rows import REDIS, SKIP
from .ways import ENTRIES, SCRATCH, before_of, stage_of


@dataclass(frozen=True)
class Folder:
    """A folder of the frozen plan, with the names that the restore gives."""

    name: str
    target: str
    way: str
    inside: bool
    identity: str
    token: str

    keeps_stage = False
    """Whether what comes to the target is a safety copy, which must not be thrown away."""

    @property
    def stage(self) -> str:
        """Where it is unpacked; when that is there, all of it was unpacked and every checksum was right."""
        return stage_of(self.target, self.token, inside=self.inside)

    @property
    def list(self) -> str:
        """Which names are to be changed, of those that are moved one by one."""
        return f"{self.stage}.moves"

    @property
    def before(self) -> str:
        """Where what was there is kept."""
        return before_of(self.target, self.token, inside=self.inside)

    @property
    def old(self) -> int | None:
        """The inode of the folder that is to be replaced; None where there is none."""
        return int(self.identity.partition(":")[2]) if self.identity else None

    @property
    def by_entries(self) -> bool:
        return self.way == ENTRIES

    @property
    def is_scratch(self) -> bool:
        return self.way == SCRATCH


class ArchiveJob(Job):
    """A restore from an archive. What is where on the disk says how far it is, and nothing else does."""

    @cached_property
    def asked(self) -> Asked:
        return Asked.of(self.document["options"])

    @cached_property
    def archive(self) -> Archive:
        return Archive.objects.select_related("location", "made_by__run").get(pk=self.plan.archive_id)

    @cached_property
    def folders(self) -> list[Folder]:
        token = self.document["token"]
        facts = ("name", "target", "way", "inside", "identity")
        return [Folder(*(each[fact] for fact in facts), token) for each in self.document["folders"]]

    @cached_property
    def databases(self) -> list[Database]:
        servers = {(each.name, each.number): each.server for each in self.asked.redis}
        rows = [row for row in self.document["rows"] if row["kind"] == REDIS and row["action"] != SKIP]
        return [
            Database(
                name=row["name"],
                number=row["database"],
                server=servers[row["name"], row["database"]],
                server_name=row["server"],
                mode=row["mode"],
                pattern=row["pattern"],
                spare=row["spare"],
            )
            for row in rows
        ]

    @property
    def live(self) -> list[Folder]:
        """Those that are over live ones, or where one may come to be."""
        return [folder for folder in self.folders if not folder.is_scratch]

    @property
    def changed(self) -> list[Database]:
        """Databases of which something live is changed."""
        return [each for each in self.databases if each.merges or each.replaces]

    @property
    def is_root(self) -> bool:
        return os.geteuid() == 0

    @property
    def going_back(self) -> dict | None:
        """How the run will end when all of it was taken back: state, why and detail."""
        return self.turn.memory.get("back")

    def go_back(self, why: str, detail: str = "", *, state: str = RunState.FAILED) -> Stay:
        """From the next turn on everything is taken back."""
        self.turn.log(why, Level.WARNING)
        self.turn.remember(back={"state": state, "why": why, "detail": detail[:20_000]})
        return Stay()

    def unknown(self, why: str, detail: str = "") -> Done:
        """Given up without knowing what is there now. The locks stay: somebody has to look."""
        self.turn.log(why, Level.ERROR)
        error = f"{why} Somebody must look at {self.document['target']['host']}."
        return Done(RunState.FAILED, Effect.UNKNOWN, error=error, detail=detail)
