"""Verbs on archives: make one, verify one, and what runs write down of them."""

import os
import uuid
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from backups import clock
from backups.access import Denied, may
from backups.access.secrets import seal
from backups.audit import act
from backups.audit.acts import Act
from backups.clusters import leases
from backups.runs import RunError, queue_run
from backups.runs.models import ACTIVE, Run, RunState
from backups.runs.services import queue_check

from . import names
from .models import HOLDS_NAME, Archive, ArchiveLocation, ArchiveProfile, ArchiveRun, ArchiveState

KIND, VERIFY, TAKE_OUT, COMPARE = "archive", "verify_archive", "take_out", "compare_archive"
DELETE = "delete_archive"
CONTENTS = "archives:contents"
KEPT_SECONDS, MOST_WAITING = 3600, 5
"""So long a file that was taken out of an archive waits, and so many for one person."""


class ArchiveRefused(Exception):
    """What was asked for cannot be done; the message is for the person who asked, ``field`` names the part of the
    form that it is about."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class AlreadySent(ArchiveRefused):
    """This form was sent before; ``run`` is what came of it."""

    def __init__(self, run: Run) -> None:
        super().__init__("This form was already sent. The archive was started once.")
        self.run = run


def queue_archive(
    *, actor, profile: ArchiveProfile, seen: str = "", name: str = "", reason: str = "", form_key: str = ""
) -> Run:
    """Fix the name of an archive of this profile in a row, and queue the run that makes it.

    ``name`` is without its ending; empty: what the profile's template gives now. ``seen`` is the digest of the
    profile that the person was shown. Raises ArchiveRefused and Denied.
    """
    if seen and seen != profile.digest:
        raise ArchiveRefused("This profile was changed since the form was opened. Look at it again, then start.")
    stem = _checked(name) if name else free_name(profile, timezone.now())
    file = names.with_ending(stem, profile.codec, encrypted=profile.recipients.exists())
    where = {"location": profile.location}
    return _queue(actor, profile, file, where, profile.location.host, reason=reason, form_key=form_key)


def queue_archive_at(*, actor, profile: ArchiveProfile, path: Path, reason: str = "") -> Run:
    """The same for one file by its whole path, on this host: for the command line. In the directory of a location it
    lies there; elsewhere it is listed as "not kept here". The ending has to be that of the profile."""
    host = settings.WORKER_HOST
    if profile.host != host:
        raise ArchiveRefused(f"Profile {profile} reads the files of {profile.host}. Run the command there.")
    encrypted = profile.recipients.exists()
    if not path.name.endswith(names.with_ending("", profile.codec, encrypted=encrypted)):
        ending = names.with_ending("", profile.codec, encrypted=encrypted)
        raise ArchiveRefused(f"Archives of profile {profile} end in {ending}. Give a path with that ending.")
    _checked(names.stem_of(path.name))
    location = location_at(path.parent)
    where = {"location": location} if location else {"location": None, "outside": str(path.parent)}
    return _queue(actor, profile, path.name, where, host, reason=reason)


def location_at(directory: Path) -> ArchiveLocation | None:
    """The location of this host that is this directory, by whatever name."""
    locations = ArchiveLocation.objects.filter(host=settings.WORKER_HOST).order_by("pk")
    if found := locations.filter(path=str(directory)).first():
        return found
    real = os.path.realpath(directory)
    return next((each for each in locations if os.path.realpath(each.path) == real), None)


def queue_verify(archive: Archive, *, actor, reason: str = "") -> Run:
    """Queue a run that reads the whole archive. Raises ArchiveRefused and Denied."""
    _refuse_others(actor, "archive.verify")
    if not archive.is_there:
        raise ArchiveRefused(f"{archive} is not there: it cannot be verified.")
    if goes_on(archive):
        raise ArchiveRefused(f"{archive} is being verified already.")
    if goes_on(archive, DELETE):
        raise ArchiveRefused(f"{archive} is being deleted.")
    return queue_run(
        VERIFY,
        actor=actor,
        subject=f"verify archive {archive}",
        subject_url=archive.get_absolute_url(),
        params={"archive": archive.pk},
        reason=reason,
        host=archive.kept_on,
    )


def look_inside(archive: Archive, *, actor, directory: int = 0, q: str = "", show: str = "", after: int = 0) -> Run:
    """Ask the worker for a page of what is in the archive: a check."""
    _refuse_others(actor, "archive.look")
    params = {"archive": archive.pk, "directory": directory, "q": q, "show": show, "after": after}
    params["template"] = "backups/archives/_contents.html"
    return queue_check("contents", actor=actor, form=CONTENTS, params=params, host=archive.kept_on)


def queue_take_out(archive: Archive, *, actor, number: int, path: str) -> Run:
    """Queue a run that takes one file out of the archive for a download. ``number`` is its place in the index,
    ``path`` its name as it was shown. Raises ArchiveRefused and Denied."""
    _refuse_others(actor, "archive.download")
    if not archive.is_there:
        raise ArchiveRefused(f"{archive} is not there any more.")
    if archive.kept_on != settings.WORKER_HOST:
        raise ArchiveRefused(
            f"{archive} lies on {archive.kept_on}, and this console runs on another host. Take the file out there: "
            "manage.py backup_restore -o restore --only."
        )
    if _waiting_for(actor) >= MOST_WAITING:
        raise ArchiveRefused(
            f"{MOST_WAITING} files that you took out wait already, or are about to. Each is removed an hour after it "
            "was taken out; then there is place for another one."
        )
    return queue_run(
        TAKE_OUT,
        actor=actor,
        subject=f"take a file out of {archive}",
        subject_url=archive.get_absolute_url(),
        params={"archive": archive.pk, "number": number, "path": path},
        host=archive.kept_on,
    )


def _waiting_for(actor) -> int:
    since = clock.now() - timedelta(seconds=KEPT_SECONDS)
    runs = Run.objects.filter(kind=TAKE_OUT, actor=actor)
    return runs.filter(Q(state__in=ACTIVE) | Q(state=RunState.SUCCEEDED, ended_at__gt=since)).count()


def record_download(run: Run, *, actor) -> None:
    """The file that this run took out is handed over."""
    archive = Archive.objects.get(pk=run.params["archive"])
    with act(actor) as a:
        a.record("archive.downloaded", archive, change={"path": run.params["path"]}, run=run.pk)


def queue_compare(archive: Archive, *, actor, full: bool = False) -> Run:
    """Queue a run that compares the archive with the folders and Redis servers that it was made of. ``full``: all
    content is read. Raises ArchiveRefused and Denied."""
    _refuse_others(actor, "archive.look")
    if not archive.is_there or archive.made_by is None:
        raise ArchiveRefused(f"{archive} cannot be compared: the console did not make it, or it is not there.")
    if goes_on(archive, COMPARE):
        raise ArchiveRefused(f"{archive} is being compared already.")
    return queue_run(
        COMPARE,
        actor=actor,
        subject=f"compare archive {archive}",
        subject_url=archive.get_absolute_url(),
        params={"archive": archive.pk, "full": full},
        host=archive.kept_on,
    )


def last_comparison(archive: Archive) -> Run | None:
    """The newest comparison of this archive that came to a result."""
    runs = Run.objects.filter(
        kind=COMPARE, params__archive=archive.pk, state__in=(RunState.SUCCEEDED, RunState.PARTIAL)
    )
    return runs.order_by("-pk").first()


def goes_on(archive: Archive, kind: str = VERIFY) -> bool:
    """Whether a run of this kind is at work on it, or is about to be."""
    return Run.objects.filter(kind=kind, params__archive=archive.pk, state__in=ACTIVE).exists()


def free_name(profile: ArchiveProfile, now: datetime) -> str:
    """The name, without its ending, that the profile gives now; the second one of a minute gets ``-2``. Raises
    ArchiveRefused."""
    try:
        stem = names.expand(profile.name_template, profile.host, now)
    except names.BadName as error:
        raise ArchiveRefused(str(error), "name_template") from error
    return names.free(stem, _taken(profile.location))


def set_state(archive: Archive, state: str, message: str = "", **columns) -> None:
    """Move an archive's row; only from within a run's commit, whose fence has been checked."""
    if archive.location_id:
        leases.soon(ArchiveLocation.objects.filter(pk=archive.location_id))
    Archive.objects.filter(pk=archive.pk).update(state=state, message=message, **columns)


def record_made(a: Act, archive: Archive, columns: dict, read: dict) -> None:
    """It is on the disk: what the file is (``columns`` of Archive) and what was read (those of ArchiveRun)."""
    ArchiveRun.objects.filter(pk=archive.made_by_id).update(**read)
    set_state(archive, ArchiveState.FINISHED, finished_at=timezone.now(), **columns)
    a.record("archive.made", archive, change={"size": columns["size"]}, run=archive.made_by.run_id)


def record_verified(a: Act, archive: Archive, run: Run, columns: dict, message: str = "") -> None:
    """It was read: what was found (``columns`` of Archive, its state among them). The file key is not needed any
    more."""
    forget_file_key(archive)
    state = columns.pop("state")
    set_state(archive, state, message, **columns)
    actions = {ArchiveState.DAMAGED: "archive.damaged", ArchiveState.MISSING: "archive.missing"}
    change = {"damage": columns["damage"]} if columns.get("damage") else {}
    a.record(actions.get(state, "archive.verified"), archive, change=change, run=run.pk)


def record_compared(a: Act, archive: Archive, run: Run, *, same: bool) -> None:
    """Nobody here can open it; whether it is the same file as before is all that can be said."""
    if same:
        a.record("archive.unchanged", archive, run=run.pk)


def record_deleted(a: Act, archive: Archive, run: Run, message: str) -> None:
    """A run of ours removed the file."""
    forget_file_key(archive)
    set_state(archive, ArchiveState.DELETED, message)
    change = {"sha256": archive.sha256, "size": archive.size, "location": str(archive.location)}
    a.record("archive.deleted", archive, change=change, run=run.pk)


def being_deleted() -> set[int]:
    """Archives that a run of ours deletes now: what becomes of them is that run's business."""
    runs = Run.objects.active().filter(kind=DELETE)
    return set(runs.values_list("params__archive", flat=True))


def keep_file_key(archive: Archive) -> None:
    """Make the key of an archive that will be encrypted, and keep it sealed until the archive was read back."""
    sealed = seal(archive.made_by.key_context, os.urandom(16).hex())
    ArchiveRun.objects.filter(pk=archive.made_by_id).update(sealed_key=sealed)


def forget_file_key(archive: Archive) -> None:
    """Nobody here opens it from now on."""
    ArchiveRun.objects.filter(pk=archive.made_by_id).update(sealed_key="")


def give_up(run: Run) -> None:
    """The engine gave the run up: whether the file exists is not known until its location is looked at again."""
    made_by = ArchiveRun.objects.filter(run=run)
    made_by.update(sealed_key="")
    for archive in Archive.objects.filter(made_by__in=made_by, state=ArchiveState.WANTED):
        set_state(archive, ArchiveState.UNKNOWN, "The run was given up. Look into the location for this name.")


def _queue(actor, profile, file: str, where: dict, host: str, *, reason: str, form_key: str = "") -> Run:
    _refuse_others(actor, "archive.start")
    if not profile.sources and not profile.redis.exists():
        raise ArchiveRefused(f"Profile {profile} names no folder and no Redis. There is nothing to archive.")
    with act(actor, reason=reason):
        try:
            run = queue_run(
                KIND,
                actor=actor,
                subject=f"archive {file}",
                params={"profile": {"name": profile.name, "url": profile.get_absolute_url()}},
                key=f"{KIND}:{form_key}" if form_key else "",
                reason=reason,
                host=host,
            )
        except RunError as error:
            raise AlreadySent(Run.objects.get(key=f"{KIND}:{form_key}")) from error
        archive = _take_name(profile, file, _frozen(profile, run), **where)
        run.subject_url = archive.get_absolute_url()
        run.save(update_fields=["subject_url"])
    return run


def _frozen(profile: ArchiveProfile, run: Run) -> ArchiveRun:
    """What the profile says now: a change from here on counts for the next run."""
    return ArchiveRun.objects.create(
        run=run,
        profile=profile,
        backup_id=uuid.uuid4(),
        sources={"folders": profile.sources, "redis": sorted(profile.redis.values_list("pk", flat=True))},
        recipients=[{"name": each.name, "key": each.key} for each in profile.recipients.all()],
        codec=profile.codec,
        unreadable=profile.unreadable,
        read_back=profile.read_back,
        keep_index=profile.keep_index,
    )


def _take_name(profile: ArchiveProfile, file: str, made_by: ArchiveRun, **where) -> Archive:
    facts = {"codec": made_by.codec, "encrypted": bool(made_by.recipients), "backup_id": str(made_by.backup_id)}
    try:
        with transaction.atomic():
            return Archive.objects.create(
                name=file, profile=profile, made_by=made_by, host=profile.host, **where, **facts
            )
    except IntegrityError as error:
        free = names.free(names.stem_of(file), _taken(profile.location))
        raise ArchiveRefused(f"{file} is taken in {profile.location}. Free is: {free}.", "name") from error


def _taken(location: ArchiveLocation) -> set[str]:
    rows = Archive.objects.filter(location=location, state__in=HOLDS_NAME)
    return {names.stem_of(name) for name in rows.values_list("name", flat=True)}


def _checked(stem: str) -> str:
    try:
        return names.check(stem)
    except names.BadName as error:
        raise ArchiveRefused(str(error), "name") from error


def _refuse_others(actor, what: str) -> None:
    """The system (a command on the console's own machine) may; a person needs the right."""
    if actor is not None and not may(actor, what):
        raise Denied(what)
