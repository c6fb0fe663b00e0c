"""``manage.py backup_restore -o restore`` over live data: makes the plan and files the request for it.

Root may do everything on this host, but a restore has a person who answers for it: ``--as`` names who asks. What they
may ask for, and how many others have to agree, is the same as in the browser.
"""

from pathlib import Path

from django.conf import settings

from backups.access import Denied
from backups.access.models import User
from backups.approvals.errors import ApprovalError
from backups.approvals.models import ApprovalRequest
from backups.archives.command_line import FAILED, OK, USAGE, WARNINGS, Console, Ended, archive_at, follow
from backups.archives.models import Archive
from backups.audit import checkpoints
from backups.restores import services as restores
from backups.restores.models import RestorePlan
from backups.restores.services import RestoreError
from backups.runs import Kind
from backups.runs.models import RunState

from . import services
from .asked import Asked

ASKED, NOT_POSSIBLE = 4, 3


def ask(
    console: Console,
    kinds: dict[str, Kind],
    *,
    path: Path,
    to: Path | None,
    redis: str,
    only: list[str],
    identity: Path | None,
    full: bool,
    reason: str,
    person: str,
    ticket: str,
    remove: bool,
    break_glass: bool,
    **_,
) -> int:
    """The folders of an archive to where they came from. Files the request and exits 4; with ``break_glass`` it
    starts at once, and is followed to its end."""
    if to is not None or redis:
        raise Ended("With --as everything goes to where it came from. Leave out --to and --redis.", USAGE)
    archive, actor = _archive(path), _person(person)
    options = {"only": tuple(only), "remove": remove, "by_hash": full, "identity": _key_name(identity)}
    try:
        plan = _planned(console, kinds, archive, actor, options)
        for line in plan.document["checks"]:
            if line["state"] != "ok":
                console.say(f"{line['text']}: {line['sub']}".rstrip(": "), state=line["state"])
        if plan.blocked:
            raise Ended("Something stands in the way. Nothing was asked for.", NOT_POSSIBLE)
        said = {"reason": reason, "ticket": ticket, "typed_name": plan.place, "break_glass": break_glass}
        request = restores.ask(actor=actor, plan=plan, **said)
    except (RestoreError, ApprovalError) as error:
        raise Ended(str(error), USAGE) from error
    except Denied as error:
        raise Ended(f"{actor} may not do that: {error}", NOT_POSSIBLE) from error
    if break_glass:
        return _followed(console, kinds, request)
    console.result(f"{request.number}: {plan.document['consequence']} {_waits(request)}", request=request.number)
    return ASKED


def _archive(path: Path) -> Archive:
    archive = archive_at(path)
    if archive is None:
        raise Ended(
            f"The console does not know {path}, so it cannot ask for its restore. Restore to an empty directory with "
            "--to, or let its location be looked at first.",
            NOT_POSSIBLE,
        )
    if archive.kept_on != settings.WORKER_HOST:
        raise Ended(f"{archive} lies on {archive.kept_on}. Run the command there.", NOT_POSSIBLE)
    return archive


def _person(name: str) -> User:
    found = User.objects.filter(username=name, is_active=True).first()
    if found is None:
        raise Ended(f"There is no active person with the user name {name}.", USAGE)
    return found


def _key_name(identity: Path | None) -> str:
    """Whoever carries it out later has to find the key, too."""
    if identity is None:
        return ""
    if identity.resolve().parent != Path(settings.IDENTITIES_DIR).resolve():
        raise Ended(f"Over live data the key has to lie in {settings.IDENTITIES_DIR}.", USAGE)
    return identity.name


def _planned(console: Console, kinds, archive: Archive, actor: User, options: dict) -> RestorePlan:
    names = tuple(source["name"] for source in archive.sources)
    asked = Asked(token=services.new_token(), folders=names, **options)
    run = follow(console, services.queue_plan(actor=actor, archive=archive, options=asked.as_options()), kinds)
    if run.state != RunState.SUCCEEDED:
        raise Ended(run.error or "The plan was not made.", 130 if run.state == RunState.CANCELLED else FAILED)
    return RestorePlan.objects.get(pk=run.result["plan"])


def _waits(request: ApprovalRequest) -> str:
    if not request.needed:
        return "It needs no approval, and starts by itself."
    people = "one other person" if request.needed == 1 else f"{request.needed} other people"
    return f"It starts by itself when {people} approved of it."


def _followed(console: Console, kinds, request: ApprovalRequest) -> int:
    """It is loud already; what a checkpoint covers cannot be denied later."""
    console.say(f"{request.number}: everybody who approves was told, and somebody has to review it.")
    checkpoints.make_checkpoint()
    request.refresh_from_db()
    run = follow(console, request.run, kinds)
    if run.state not in (RunState.SUCCEEDED, RunState.PARTIAL):
        raise Ended(run.error or run.get_state_display(), 130 if run.state == RunState.CANCELLED else FAILED)
    verdict = run.result["verdict"]["sentence"]
    console.result(verdict, run=run.pk, request=request.number, state=run.state)
    return OK if run.state == RunState.SUCCEEDED else WARNINGS
