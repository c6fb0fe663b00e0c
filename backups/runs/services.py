"""Verbs on runs: queue one, ask to cancel one, ask a question of the outside world (a check)."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from backups import clock
from backups.access import Denied, may
from backups.audit import act

from . import doorbell
from .models import ACTIVE, CHECK, CHECKS, LONG_CHECK, Run, RunState, WorkerHost

HOST_SILENT_AFTER = timedelta(seconds=15)


class RunError(Exception):
    """A run cannot be queued or cancelled; the message is for the person who asked."""


def queue_run(
    kind: str,
    *,
    actor,
    subject: str,
    subject_url: str = "",
    params: dict | None = None,
    key: str = "",
    reason: str = "",
    host: str = "",
) -> Run:
    """Queue a run with its entry, and ring its doorbell after the commit.

    ``key`` is unique for ever: the same key a second time raises RunError, which is how a form that was sent
    twice and two schedulers of one occurrence become one run. ``params["no_cancel"]`` says why it cannot be
    cancelled, where it cannot. Joins the act that is open.
    """
    with act(actor, reason=reason) as a:
        try:
            with transaction.atomic():
                run = Run.objects.create(
                    kind=kind,
                    key=key or f"{kind}:{uuid.uuid4().hex}",
                    subject=subject,
                    subject_url=subject_url,
                    params=params or {},
                    actor=actor,
                    reason=reason,
                    host=host,
                )
        except IntegrityError as error:
            raise RunError("This was already sent; the first one counts.") from error
        a.record("run.queued", run, change={"kind": kind}, run=run.pk)
        doorbell.ring(run.pk)
    return run


def queue_check(
    what: str,
    *,
    actor,
    form: str,
    params: dict | None = None,
    host: str = "",
    recorded: str = "",
    about=None,
    long: bool = False,
) -> Run:
    """Ask the worker to test or preview something for a form: no history, removed after a day.

    One per person and ``form``: an earlier unanswered one is given up. ``recorded`` names the action of an entry
    for the checks that deserve one (a test of credentials), about the object ``about``. ``host``: only the worker
    there can look. ``long``: it may take minutes, so that a process of its own looks.
    """
    with act(actor) as a:
        mine = Run.objects.filter(kind__in=CHECKS, actor=actor, subject=form, state__in=ACTIVE)
        mine.update(state=RunState.CANCELLED, ended_at=clock.now(), next_at=None)
        run = Run.objects.create(
            kind=LONG_CHECK if long else CHECK,
            key=f"check:{uuid.uuid4().hex}",
            subject=form,
            params={"what": what} | (params or {}),
            actor=actor,
            host=host,
        )
        if recorded:
            a.record(recorded, about)
        doorbell.ring(run.pk)
    return run


def request_cancel(run: Run, *, actor, reason: str = "") -> None:
    """Ask a run to end; its next turn obeys. Raises Denied, and RunError when it is over, was asked before, or
    cannot be cancelled. The system (a command on the console's own machine) may."""
    if actor is not None and not may(actor, "run.cancel", run):
        raise Denied("run.cancel")
    if run.no_cancel:
        raise RunError(run.no_cancel)
    with act(actor, reason=reason) as a:
        asked = Run.objects.filter(pk=run.pk, state__in=ACTIVE, cancel_requested_at=None).update(
            cancel_requested_at=clock.now(), cancel_requested_by=actor, next_at=None, version=F("version") + 1
        )
        if not asked:
            raise RunError("This run is over, or somebody asked to cancel it before.")
        a.record("run.cancel_requested", run, run=run.pk)
        doorbell.ring(run.pk)


def forget_cancel(run: Run) -> None:
    """Take a cancel back that could not be carried out, so that it can be asked for again. Part of a commit."""
    Run.objects.filter(pk=run.pk).update(cancel_requested_at=None, cancel_requested_by=None)


def remove_old_checks() -> int:
    """Delete checks that nobody looks at any more. The ticker calls this; history is never deleted."""
    old = Run.objects.filter(kind__in=CHECKS, queued_at__lt=clock.now() - settings.CHECK_KEPT)
    return old.delete()[0]


def beat(started_at) -> None:
    """Write this host's heartbeat."""
    WorkerHost.objects.update_or_create(
        name=settings.WORKER_HOST,
        defaults={"beat_at": clock.now(), "started_at": started_at, "version": settings.VERSION},
    )


def worker_is_alive() -> bool:
    """Whether any host's ticker wrote its heartbeat lately."""
    return _living_hosts().exists()


def host_is_away(run: Run) -> bool:
    """Whether this run waits for a host of its own that does not work at the moment."""
    return bool(run.host) and not _living_hosts().filter(name=run.host).exists()


def _living_hosts():
    """A heartbeat from the future was written by a clock that was wrong: it proves nothing."""
    now = clock.now()
    return WorkerHost.objects.filter(beat_at__range=(now - HOST_SILENT_AFTER, now + HOST_SILENT_AFTER))


def runs_before(run: Run) -> int:
    """How many queued runs are ahead of this one."""
    return Run.objects.filter(state=RunState.QUEUED, pk__lt=run.pk).count()
