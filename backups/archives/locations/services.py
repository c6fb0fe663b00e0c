"""Verbs on locations. What is saved is looked at by the worker of its host at once, without a run."""

from django.conf import settings
from django.db import IntegrityError, transaction

from backups.access import Denied, may
from backups.audit import act
from backups.audit.acts import Act
from backups.audit.timeline import changed_meanwhile
from backups.runs.models import WorkerHost

from ..models import HOLDS_NAME, ArchiveLocation, CheckState
from ..services import ArchiveRefused
from . import paths

RIGHT = "location.manage"

NOTHING_KNOWN = {
    "state": CheckState.UNCHECKED,
    "message": "",
    "detail": "",
    "space_free": None,
    "space_total": None,
    "looked_at": None,
    "failures": 0,
    "failing_since": None,
}


class AlreadyThere(ArchiveRefused):
    """The same location was added before; ``location`` is that one."""

    def __init__(self, location: ArchiveLocation) -> None:
        super().__init__(f"There is a location {location} already. Choose another name, or change that one.", "name")
        self.location = location


def save_location(
    *, name: str, host: str, path: str, actor, location: ArchiveLocation | None = None, seen: str = ""
) -> ArchiveLocation:
    """Add a location, or change one. ``seen`` is the digest of the location that the person's form was made from.

    Raises ArchiveRefused and Denied.
    """
    if actor is not None and not may(actor, RIGHT):
        raise Denied(RIGHT)
    values = {"name": _name(name), "host": host, "path": _path(path)}
    with act(actor) as a:
        return _change(a, location, values, seen) if location else _add(a, values)


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 60 or not name.isprintable():
        raise ArchiveRefused("Give it a name with at most 60 characters.", "name")
    return name


def _path(path: str) -> str:
    try:
        return paths.clean(path.strip(), str(settings.KEYS_DIR))
    except paths.BadPath as error:
        raise ArchiveRefused(str(error), "path") from error


def _add(a: Act, values: dict) -> ArchiveLocation:
    _refuse_unknown_host(values["host"])
    try:
        with transaction.atomic():
            location = ArchiveLocation.objects.create(**values)
    except IntegrityError as error:
        raise _why_taken(values) from error
    a.record("location.added", location, change=values)
    return location


def _change(a: Act, location: ArchiveLocation, values: dict, seen: str) -> ArchiveLocation:
    stored = ArchiveLocation.objects.select_for_update().get(pk=location.pk)
    if seen and seen != stored.digest:
        raise ArchiveRefused(changed_meanwhile(stored, "location.changed"))
    change = {
        key: {"before": getattr(stored, key), "after": value}
        for key, value in values.items()
        if getattr(stored, key) != value
    }
    moved = bool(change.keys() & {"host", "path"})
    if moved:
        _refuse_move(stored, values)
    columns = values | (NOTHING_KNOWN if moved else {}) | {"collect_at": None}
    try:
        with transaction.atomic():
            ArchiveLocation.objects.filter(pk=stored.pk).update(**columns)
    except IntegrityError as error:
        raise _why_taken(values, stored) from error
    stored.refresh_from_db()
    if change:
        a.record("location.changed", stored, change=change)
    return stored


def _refuse_move(location: ArchiveLocation, values: dict) -> None:
    field = "host" if values["host"] != location.host else "path"
    if number := location.archives.filter(state__in=HOLDS_NAME).count():
        which = "an archive is" if number == 1 else f"{number:,} archives are"
        raise ArchiveRefused(
            f"{which[:1].upper()}{which[1:]} in {location.path} on {location.host}, or about to be. After this "
            f"change {'it' if number == 1 else 'they'} would be missing. Add another location instead.",
            field,
        )
    if field == "host":
        _refuse_unknown_host(values["host"])


def _refuse_unknown_host(host: str) -> None:
    if host != settings.WORKER_HOST and not WorkerHost.objects.filter(name=host).exists():
        raise ArchiveRefused(
            f"No worker has ever run on {host}. Start one there (manage.py worker), then try again.", "host"
        )


def _why_taken(values: dict, own: ArchiveLocation | None = None) -> ArchiveRefused:
    others = ArchiveLocation.objects.exclude(pk=own.pk if own else None)
    there = others.filter(host=values["host"], path=values["path"]).first()
    if there and there.name == values["name"] and not own:
        return AlreadyThere(there)
    if there:
        return ArchiveRefused(f"This directory is the location {there} already.", "path")
    return ArchiveRefused(f"There is a location {values['name']} already. Choose another name.", "name")
