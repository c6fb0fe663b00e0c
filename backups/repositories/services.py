"""Verbs on repositories."""

from urllib.parse import urlencode

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from backups.access import Denied, may
from backups.audit import act
from backups.audit.acts import Act
from backups.clusters.models import Cluster, Purpose
from backups.gateways.elasticsearch.datemath import BadName, check_name
from backups.runs import RunError, queue_run
from backups.runs.models import ACTIVE, Run
from backups.runs.services import queue_check

from . import paths
from .models import Repository, RepositoryState
from .nodes import failing
from .preflight import settings_of

REGISTER, VERIFY = "register_repository", "verify_repository"
FORM = "repository:new"

FREE = (RepositoryState.FAILED, RepositoryState.MISSING)
"""States in which a row may be registered anew: the cluster does not have the repository."""


class RepositoryError(Exception):
    """A repository cannot be registered or verified; the message is for the person who asked, ``field`` names the
    part of the form that it is about."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class AlreadySent(RepositoryError):
    """This form was sent before; ``run`` is what came of it."""

    def __init__(self, run: Run) -> None:
        super().__init__("This form was already sent. The repository is registered once.")
        self.run = run


def request_registration(
    *, cluster: Cluster, name: str, location: str, compress: bool, actor, form_key: str = ""
) -> Run:
    """Take the name in a row, and queue the run that registers the repository. Raises RepositoryError and Denied."""
    _refuse_others(actor, "repository.manage")
    name, location = _checked(name, location)
    key = f"{REGISTER}:{form_key}" if form_key else ""
    if sent := Run.objects.filter(key=key).first() if key else None:
        raise AlreadySent(sent)
    if why := why_not_restricted(cluster):
        raise RepositoryError(why)
    settings = settings_of(location, compress)
    with act(actor) as a:
        _refuse_twins(cluster, name, location)
        repository = _take_name(cluster, name, settings)
        run = _queue(REGISTER, f"register repository {name}", repository, actor, key)
        a.record("repository.requested", repository, change=settings, run=run.pk)
    return run


def request_verification(repository: Repository, *, actor) -> Run:
    """Queue a verification on every node. Asked twice, the second gets the run of the first. Raises
    RepositoryError and Denied."""
    _refuse_others(actor, "repository.verify")
    if repository.state not in (RepositoryState.REGISTERED, RepositoryState.MISSING):
        raise RepositoryError(f"{repository.name} is not registered. Register it first.")
    if repository.is_readonly:
        raise RepositoryError(f"{repository.name} is read-only: no node writes there, so there is nothing to verify.")
    if why := why_not_restricted(repository.cluster):
        raise RepositoryError(why)
    earlier = Run.objects.filter(kind=VERIFY, key__startswith=f"{VERIFY}:{repository.pk}:")
    if active := earlier.filter(state__in=ACTIVE).first():
        return active
    key = f"{VERIFY}:{repository.pk}:{earlier.count() + 1}"
    try:
        return _queue(VERIFY, f"verify repository {repository.name}", repository, actor, key)
    except RunError:  # somebody was faster by a moment
        return Run.objects.get(key=key)


def request_check(*, cluster: Cluster, name: str, location: str, compress: bool, actor, form_key: str = "") -> Run:
    """Ask the worker whether this could be registered; the preview of the form. It may be asked as often as one
    likes, so the key of the form does not matter."""
    _refuse_others(actor, "repository.manage")
    name, location = _checked(name, location)
    params = {"cluster": cluster.pk, "name": name, "settings": settings_of(location, compress)}
    return queue_check("location", actor=actor, form=FORM, params=params)


def why_not_restricted(cluster: Cluster) -> str:
    """Why acts that need the restricted credential are not possible on this cluster; empty when they are."""
    if cluster.credential(Purpose.RESTRICTED):
        return ""
    if any(row.purpose == Purpose.RESTRICTED for row in cluster.credentials.all()):
        return f"The restricted credential of {cluster} was not found good yet. Test the connection of the cluster."
    return f"This needs the restricted credential of {cluster}, which is not set."


def again(repository: Repository) -> dict:
    """The way to register it once more, with what was asked for."""
    asked = {"cluster": repository.cluster_id, "name": repository.name, "location": repository.location}
    url = f"{reverse('repositories:register')}?{urlencode(asked)}"
    return {"act": "repository.manage", "label": "Register again", "url": url}


def twins_of(repository: Repository) -> list[Repository]:
    """Other registered rows that write to the same storage: the same uuid anywhere, or the same place on its cluster.
    On other clusters the same place may be the same storage, where a uuid does not say that it is not. Who only
    reads does no harm."""
    if repository.is_readonly:
        return []
    others = Repository.objects.targets().exclude(pk=repository.pk)
    same = Q(pk=None)
    if repository.uuid:
        same |= Q(uuid=repository.uuid)
    if repository.location:
        place = Q(type=repository.type, settings__location=repository.location)
        same |= place & (Q(cluster=repository.cluster_id) | Q(uuid="")) if repository.uuid else place
    return list(others.filter(same).select_related("cluster")[:5])


def runs_of(repository: Repository):
    """Its registrations and verifications, newest first."""
    kinds = {"kind__in": (REGISTER, VERIFY)}
    return Run.objects.filter(**kinds, params__repository=repository.pk).select_related("actor").order_by("-pk")


def record_registered(a: Act, repository: Repository, run: Run, *, message: str = "") -> None:
    """The cluster has it. ``message`` says what is wrong with it all the same."""
    _set(repository, state=RepositoryState.REGISTERED, registered_at=timezone.now(), message=message, detail="")
    a.record("repository.registered", repository, change=repository.settings, run=run.pk)


def record_refused(
    a: Act, repository: Repository, run: Run, message: str, detail: str, lines: list[dict] | None = None
) -> None:
    """The cluster does not have it, or nobody knows. ``lines`` are what it said of its nodes."""
    _set(repository, state=RepositoryState.FAILED, message=message, detail=detail, nodes=lines or [])
    a.record("repository.refused", repository, outcome="failure", change={"why": message}, run=run.pk)


def record_verification(
    a: Act,
    repository: Repository,
    run: Run,
    lines: list[dict],
    *,
    message: str = "",
    detail: str = "",
    uuid: str = "",
) -> None:
    """What the nodes said. ``message`` is empty when every node can write."""
    columns = {"nodes": lines, "verified_at": timezone.now(), "message": message, "detail": detail}
    _set(repository, state=RepositoryState.REGISTERED, **columns, **({"uuid": uuid} if uuid else {}))
    outcome = "failure" if message else "success"
    change = {"nodes": len(lines)} | ({"failing": failing(lines), "why": message} if message else {})
    a.record("repository.verified", repository, outcome=outcome, change=change, run=run.pk)


def record_missing(repository: Repository, message: str) -> None:
    """The cluster does not know it any more."""
    _set(repository, state=RepositoryState.MISSING, message=message, detail="", nodes=[])


def give_up(run: Run) -> None:
    """The engine gave a registration up: whether the cluster has the repository is not known."""
    Repository.objects.filter(pk=run.params["repository"], state=RepositoryState.WANTED).update(
        state=RepositoryState.FAILED,
        message="The run was given up. Register it again: what is on the cluster by then is found and adopted.",
    )


def _set(repository: Repository, **columns) -> None:
    """Whatever changed it, the collector looks at once."""
    Repository.objects.filter(pk=repository.pk).update(**columns, collect_at=None)


def _refuse_others(actor, right: str) -> None:
    """The system may; a person needs the right."""
    if actor is not None and not may(actor, right):
        raise Denied(right)


def _checked(name: str, location: str) -> tuple[str, str]:
    try:
        return check_name(name), paths.check_location(location)
    except BadName as error:
        raise RepositoryError(str(error), "name") from error
    except paths.BadLocation as error:
        raise RepositoryError(str(error), "location") from error


def _refuse_twins(cluster: Cluster, name: str, location: str) -> None:
    """The same folder under another name; the run asks the cluster once more."""
    others = cluster.repositories.exclude(name=name).exclude(state__in=FREE)
    twin = next((other for other in others if other.location == location), None)
    if twin:
        raise RepositoryError(
            f"This folder is the repository {twin.name} already. Two names for one folder damage it.", "location"
        )


def _take_name(cluster: Cluster, name: str, settings: dict) -> Repository:
    """A new row, or the row of one that the cluster does not have. Once registered, a name keeps its folder: what
    is known of its snapshots lies there."""
    again = {"state": RepositoryState.WANTED, "settings": settings, "message": "", "detail": "", "nodes": []}
    free = Q(registered_at=None) | Q(settings__location=settings["location"])
    if Repository.objects.filter(free, cluster=cluster, name=name, state__in=FREE).update(**again):
        return Repository.objects.get(cluster=cluster, name=name)
    try:
        with transaction.atomic():
            return Repository.objects.create(cluster=cluster, name=name, settings=settings)
    except IntegrityError as error:
        raise RepositoryError(f"{cluster} has a repository {name} already. Choose another name.", "name") from error


def _queue(kind: str, subject: str, repository: Repository, actor, key: str) -> Run:
    return queue_run(
        kind,
        actor=actor,
        subject=f"{subject} on {repository.cluster}",
        subject_url=repository.get_absolute_url(),
        params={"repository": repository.pk},
        key=key,
    )
