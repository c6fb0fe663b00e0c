"""What a restore kept, beside what is there now. Reads only."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from django.conf import settings

from backups.archives.format.errors import Cancelled
from backups.archives.models import RedisServer
from backups.gateways.redis.errors import RdbError
from backups.retention.models import CopyForm, SafetyCopy, SafetyCopyState
from backups.runs.models import Effect, Run

from .. import moving
from ..asked import Asked, Database, RedisMode
from ..between import between, difference
from ..finding import busy, free_at, size_of, there
from ..folders import listing_digest
from ..found import CREATE, REMOVE, DatabaseFound, Difference, FolderFound, Found
from ..redis.dumping import read_back
from ..redis.finding import Looking
from ..ways import ENTRIES, SWAP

NOTHING = "It changed nothing that could be taken back."
CHANGED = "What was kept of it is not any more what it was when it was kept."
FOLDER = "d"
Cancel = Callable[[], bool]


def asked_for(run: Run, token: str) -> Asked:
    """What taking this restore back asks for: all of it."""
    document = run.request.plan.document
    dumps = SafetyCopy.objects.filter(run=run, form=CopyForm.DUMP, state=SafetyCopyState.KEPT)
    return Asked(
        token=token,
        folders=tuple(folder["name"] for folder in document["folders"] if folder["way"] != "scratch"),
        remove=True,
        redis=tuple(
            Database(copy.facts["name"], copy.facts["database"], copy.facts["server"], RedisMode.REPLACE)
            for copy in dumps
        ),
    )


def find(asked: Asked, run: Run, now: datetime, cancelled: Cancel = lambda: False) -> Found:
    """Everything that the plan is made from. Raises Cancelled."""
    document = run.request.plan.document
    known = {"at": now, "host": settings.WORKER_HOST, "archive": str(run), "made_at": run.ended_at, "undoes": run.pk}
    known |= {"is_root": os.geteuid() == 0, "busy": busy(), "safety_free": free_at(settings.SAFETY_DIR)}
    if run.effect != Effect.APPLIED:
        return Found(**known, problem=NOTHING)
    copies = {copy.of: copy for copy in SafetyCopy.objects.filter(run=run, form=CopyForm.FOLDER)}
    parts = [each for each in document["folders"] if each["way"] != "scratch"]
    folders = [_folder(each, copies.get(each["target"]), cancelled) for each in parts]
    databases = [found for each in asked.redis for found in _database(run, each, cancelled)]
    return Found(**known, folders=tuple(folders), databases=tuple(databases))


def _folder(part: dict, copy: SafetyCopy | None, cancelled: Cancel) -> FolderFound:
    """Of a folder that was not there before nothing was kept: it goes away."""
    target, way = part["target"], ENTRIES if part["way"] == ENTRIES else SWAP
    known = {"name": part["name"], "target": target, "way": way, "copy": copy.name if copy else ""}
    known |= there(target) | {"is_mount": part["inside"]}
    base = Path(target).parent
    known |= {"free": free_at(base), "size_of_disk": size_of(base), "device": base.stat().st_dev}
    if cancelled():
        raise Cancelled("cancelled")
    if "why" not in known:
        known["why"] = _why_not(part, copy)
    if way == ENTRIES and not known.get("identity"):
        known["why"] = "The folder is not there any more."
    if known["why"]:
        return FolderFound(**known)
    return FolderFound(**known, differences=tuple(_differences(known, part, copy)))


def _why_not(part: dict, copy: SafetyCopy | None) -> str:
    if copy is None:
        return "" if not part["identity"] else "Nothing was kept of it."
    if copy.state != SafetyCopyState.KEPT:
        return f"What was kept of it is {copy.get_state_display().lower()}."
    try:
        facts = Path(copy.name).stat()
        tree = f"{copy.name}/{moving.TREE}" if part["way"] == ENTRIES else copy.name
        same = facts.st_ino == copy.facts["inode"] and listing_digest(tree)[0] == copy.facts["digest"]
    except OSError as error:
        return f"{copy.name} cannot be read: {error.strerror}."
    return "" if same else CHANGED


def _differences(known: dict, part: dict, copy: SafetyCopy | None) -> list[Difference]:
    target = known["target"]
    if part["way"] == ENTRIES:
        return _of_list(target, copy.name)
    if not known.get("identity"):
        return [Difference("", CREATE, FOLDER)] if copy else []
    if copy is None:
        return [Difference("", REMOVE, FOLDER, over=FOLDER)]
    return between(target, copy.name)


def _of_list(target: str, copy: str) -> list[Difference]:
    """What was changed name by name, and the directories that went or came."""
    moves = moving.read(f"{copy}/{moving.LIST}") or moving.Moves()
    found = [
        difference(move.path, _seen(target, move.path), _seen(f"{copy}/{moving.TREE}", move.path))
        for move in moves.moves
    ]
    for folder in moves.folders:
        there_now = _seen(target, folder.path) is not None
        if folder.goes and not there_now:
            found.append(Difference(folder.path, CREATE, FOLDER))
        elif folder.comes and there_now:
            found.append(Difference(folder.path, REMOVE, FOLDER, over=FOLDER))
    return [each for each in found if each is not None]


def _seen(root: str, path: str) -> os.stat_result | None:
    try:
        return os.lstat(os.path.join(root, path))  # noqa: PTH118 - names that are no text
    except (FileNotFoundError, NotADirectoryError):
        return None


def _database(run: Run, asked: Database, cancelled: Cancel) -> list[DatabaseFound]:
    copy = _dump_of(run, asked)
    row = RedisServer.objects.filter(pk=asked.server, host=settings.WORKER_HOST).first()
    bare = {"name": asked.name, "number": asked.number, "server": copy.facts["server_name"]}
    if row is None:
        return [DatabaseFound(**bare, stops=("There is no such Redis server any more.",))]
    path = Path(copy.name)
    try:
        if read_back(path).sha256 != copy.facts["sha256"]:
            return [DatabaseFound(**bare, stops=(CHANGED,))]
    except (OSError, RdbError) as error:
        return [DatabaseFound(**bare, stops=(f"{path} cannot be read: {error}",))]
    taken = {copy.facts["database"] for copy in SafetyCopy.objects.filter(run=run, form=CopyForm.DUMP)}
    return Looking(row, [asked], lambda: pieces_of(path), taken, cancelled).run()


def _dump_of(run: Run, asked: Database) -> SafetyCopy:
    known = {"facts__server": asked.server, "facts__database": asked.number}
    return SafetyCopy.objects.get(run=run, form=CopyForm.DUMP, state=SafetyCopyState.KEPT, **known)


def pieces_of(path: Path):
    """The file, piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece
