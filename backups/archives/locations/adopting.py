"""What becomes of our rows of a location after a look: found, changed, missing, back. Inside the act of that look."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import QuerySet

from backups import clock
from backups.audit.acts import Act

from .. import names
from ..models import HOLDS_NAME, THERE, Archive, ArchiveLocation, ArchiveState
from .matching import Known

NAMED = 20
"""So many names stand in an entry."""

NOT_PROVEN = {
    "checksums_at": None,
    "checksums_good": None,
    "structure_at": None,
    "structure_good": None,
    "drilled_at": None,
    "drilled_good": None,
    "sha256": "",
    "damage": [],
}
KEPT = ("codec", "size", "mtime_ns", "gone_at")
GONE = "There is no file of this name in its location any more."
NEVER_MADE = "The run was given up, and there is no file of this name."
SAID_TOO_MUCH = "What its manifest says of it cannot be believed."


@dataclass
class Look:
    """What one look writes, and the names that its entries tell."""

    a: Act
    location: ArchiveLocation
    told: dict[str, list[str]] = field(
        default_factory=lambda: {"found": [], "returned": [], "damaged": [], "changed": [], "missing": []}
    )

    def gone(self, rows: Iterable[Known]) -> None:
        """Their files are not there. A run that was given up had not made its own."""
        for row in rows:
            if row.state == ArchiveState.UNKNOWN:
                _move(row, state=ArchiveState.FAILED, message=NEVER_MADE)
            elif _move(row, state=ArchiveState.MISSING, message=GONE, gone_at=clock.now()):
                self.told["missing"].append(row.name)

    def opened(self, name: str, columns: dict, row: Known | None) -> None:
        """A file was opened that is new, or is other than ``row`` says."""
        if row and _is_other(row.backup_id, columns):
            self.gone([row])
            row = None
        if row is None:
            self._new(name, columns)
        elif row.state == ArchiveState.UNKNOWN:
            if _adopt(row, columns):
                self.a.record("archive.adopted", Archive.objects.get(pk=row.pk))
        else:
            self._changed(row, columns)

    def tell(self) -> None:
        """One entry of each kind, with the first names."""
        told = self.told
        if told["found"]:
            extra = {what: told[what][:NAMED] for what in ("returned", "damaged") if told[what]}
            self._record("archives.found", told["found"], **extra)
        if told["changed"]:
            self._record("archives.changed", told["changed"], outcome="failure")
        if told["missing"]:
            self._record("archives.missing", told["missing"], outcome="failure")

    def _record(self, action: str, which: list[str], outcome: str = "success", **extra) -> None:
        change = {"number": len(which), "names": which[:NAMED]} | extra
        self.a.record(action, self.location, outcome=outcome, change=change)

    def _new(self, name: str, columns: dict) -> None:
        """A row of its own, or the one of a file that was there before."""
        if self._moves_in(name, columns):
            self.told["found"].append(name)
            return
        before = self._known_before(name, columns)
        if before and before.state != ArchiveState.MISSING:
            if _adopt(before, columns):
                self.a.record("archive.adopted", Archive.objects.get(pk=before.pk))
            return
        if before and (before.size, before.mtime_ns) == (columns["size"], columns["mtime_ns"]):
            columns = columns | {"sha256": before.sha256}  # by which it can still be told whether it is the same file
        if not (_adopt(before, columns) if before else self._insert(name, columns)):
            return
        self.told["found"].append(name)
        if before:
            self.told["returned"].append(name)
        if columns["state"] == ArchiveState.DAMAGED:
            self.told["damaged"].append(name)

    def _moves_in(self, name: str, columns: dict) -> bool:
        """A run made it here before this was a location: its row belongs here now, with all that is proven of it."""
        same = {"name": name, "size": columns["size"], "mtime_ns": columns["mtime_ns"]}
        row = self._outside().filter(state__in=THERE, **same).order_by("-pk").first()
        return bool(row) and _written({"location": self.location, "outside": ""}, lambda given: _move(row, **given))

    def _outside(self) -> QuerySet:
        """Archives that runs made in this directory outside every location."""
        here = {"outside": self.location.path, "host": self.location.host}
        return Archive.objects.filter(location=None, **here)

    def _known_before(self, name: str, columns: dict) -> Known | None:
        """The newest row of a file that vanished, or of a run that came to nothing, if it may be the same file."""
        states = (ArchiveState.MISSING, ArchiveState.FAILED, ArchiveState.CANCELLED)
        rows = known(self.location.archives.filter(name=name, state__in=states).order_by("-pk")[:20])
        for row in rows:
            sure = bool(row.backup_id) and row.backup_id == columns.get("backup_id")
            if sure or row.state == ArchiveState.MISSING and not _is_other(row.backup_id, columns):
                return row
        return None

    def _insert(self, name: str, columns: dict) -> bool:
        """False when a run has the name, or took it meanwhile."""
        in_hand = self._outside().filter(name=name, state__in=(ArchiveState.WANTED, ArchiveState.UNKNOWN))
        if in_hand.exists() or self.location.archives.filter(name=name, state__in=HOLDS_NAME).exists():
            return False
        fixed = {"location": self.location, "name": name}
        given = {"codec": names.codec_of(name)} | columns
        return _written(given, lambda values: bool(Archive.objects.create(**fixed, **values)))

    def _changed(self, row: Known, columns: dict) -> None:
        since = "verified" if row.proven else "made"
        if row.proven or row.ours:
            why = f"The file was changed since it was {since}."
            columns = columns | {"message": f"{why} {columns.get('message', '')}".strip()}
        if _adopt(row, columns) and (row.proven or row.ours):
            self.told["changed"].append(row.name)


def known(archives, busy: Iterable[int] = ()) -> list[Known]:
    """Rows as ``match`` takes them."""
    columns = ("pk", "name", "state", "size", "mtime_ns", "backup_id", "sha256", "made_by_id", "structure_at")
    return [
        Known(*row[:7], ours=row[7] is not None, proven=row[8] is not None, busy=row[0] in busy)
        for row in archives.values_list(*columns)
    ]


def _is_other(backup_id: str, columns: dict) -> bool:
    """Whether the file is surely not the archive with this id. One that is encrypted or damaged does not say."""
    return bool(backup_id) and columns.get("backup_id", backup_id) != backup_id


def _adopt(row: Known, columns: dict) -> bool:
    """The row says what the file is now, and nothing is proven of it. False when somebody else moved it."""
    given = {"message": "", "detail": "", "gone_at": None} | NOT_PROVEN | columns
    return _written(given, lambda values: _move(row, **values))


def _move(row: Known | Archive, **columns) -> bool:
    return bool(Archive.objects.filter(pk=row.pk, state=row.state).update(**columns))


def _written(columns: dict, write) -> bool:
    """Write them; if the database does not take what a file says of itself, that it is damaged. False when the name
    was taken by another row at this very moment, or the row moved."""
    try:
        with transaction.atomic():
            return write(columns)
    except IntegrityError:
        return False
    except (DatabaseError, ValueError, OverflowError):
        kept = {name: value for name, value in columns.items() if name in KEPT or name in NOT_PROVEN}
        return write(kept | {"state": ArchiveState.DAMAGED, "message": SAID_TOO_MUCH})
