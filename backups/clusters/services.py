"""Verbs on clusters."""

import re

from django.db import IntegrityError, transaction

from backups.access import Denied, may
from backups.access.secrets import seal
from backups.audit import act
from backups.audit.acts import Act
from backups.audit.timeline import changed_meanwhile
from backups.gateways.elasticsearch.addresses import BadAddress
from backups.runs.models import Run
from backups.runs.services import queue_check

from . import addresses as shapes
from . import authorities
from .models import Cluster, ClusterCredential, ClusterState, Purpose

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")

CHANGES = ("cluster.changed", "credential.saved", "credential.promoted")

NOTHING_KNOWN = {"product": "", "version": "", "uuid": "", "cluster_name": "", "health": {}, "nodes": []}


class ClusterError(Exception):
    """A cluster cannot be saved; the message is for the person who asked, ``field`` names the part of the form."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class AlreadyThere(ClusterError):
    """The same cluster was added before; ``cluster`` is that one."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(f"There is a cluster {cluster} already. Choose another name, or change that one.", "name")
        self.cluster = cluster


def save_cluster(
    *,
    name: str,
    addresses: list[str],
    ca_file: str,
    credentials: dict[str, tuple[str, str] | None],
    actor,
    cluster: Cluster | None = None,
    seen: str = "",
) -> Cluster:
    """Add a cluster, or change one, and queue the test of what was saved.

    ``credentials`` has (user, password) by purpose; None removes one, a purpose that is not named stays as it is.
    ``seen`` is the digest of the cluster that the person's form was made from. Passwords are sealed here, and
    nothing in this process can open them again. Raises ClusterError and Denied.
    """
    _refuse_others(actor)
    values = {"name": _name(name), "addresses": _addresses(addresses), "ca_file": _ca_file(ca_file)}
    for purpose, given in credentials.items():
        _refuse_bad_user(purpose, given)
    with act(actor) as a:
        if cluster:
            # Gives up the earlier test, so it comes first: a turn locks its run before the cluster, and so must we.
            _queue_test(cluster, actor)
            cluster = _change(a, cluster, values, credentials, seen)
        else:
            cluster = _add(a, values, credentials)
            _queue_test(cluster, actor)
        for purpose, given in credentials.items():
            if given:
                _save_credential(a, cluster, purpose, *given)
    return cluster


def request_test(cluster: Cluster, *, actor) -> Run:
    """Queue a test of every credential of the cluster, with its entry."""
    _refuse_others(actor)
    return queue_check(
        "cluster",
        actor=actor,
        form=form_of(cluster),
        params={"cluster": cluster.pk},
        recorded="cluster.tested",
        about=cluster,
    )


def _queue_test(cluster: Cluster, actor) -> Run:
    return queue_check("cluster", actor=actor, form=form_of(cluster), params={"cluster": cluster.pk})


def form_of(cluster: Cluster) -> str:
    """What the checks of this cluster are for: a person has one of them at a time."""
    return f"cluster:{cluster.pk}"


def _refuse_others(actor) -> None:
    """The system (a command on the console's own machine) may; a person needs the right."""
    if actor is not None and not may(actor, "cluster.manage"):
        raise Denied("cluster.manage")


def _name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ClusterError(
            f"{name!r} cannot be a name. Use letters, digits, dot, hyphen and underscore, at most 60, and begin with "
            "a letter or a digit.",
            "name",
        )
    return name


def _addresses(addresses: list[str]) -> list[str]:
    try:
        cleaned = shapes.clean(addresses)
    except BadAddress as error:
        raise ClusterError(error.message, "addresses") from error
    if not 1 <= len(cleaned) <= shapes.MOST:
        raise ClusterError(f"Enter between 1 and {shapes.MOST} addresses, one a line.", "addresses")
    return cleaned


def _ca_file(name: str) -> str:
    if name and not authorities.is_name(name):
        raise ClusterError("Choose one of the certificates by its name.", "ca_file")
    return name


def _refuse_bad_user(purpose: str, given: tuple[str, str] | None) -> None:
    if given is None and purpose == Purpose.EVERYDAY:
        raise ClusterError("The everyday credential is needed: pages and backups use it.", "everyday_user")
    user, password = given or ("-", "-")
    if not user or ":" in user:
        raise ClusterError("Enter a user name without a colon.", f"{purpose}_user")
    if not password:
        raise ClusterError(f"Enter the password of {user}.", f"{purpose}_password")


def _add(a: Act, values: dict, credentials: dict) -> Cluster:
    if Purpose.EVERYDAY not in credentials:
        raise ClusterError("Enter the everyday credential: pages and backups use it.", "everyday_user")
    try:
        with transaction.atomic():
            cluster = Cluster.objects.create(**values)
    except IntegrityError as error:
        there = Cluster.objects.get(name=values["name"])
        same = there.addresses == values["addresses"] and there.ca_file == values["ca_file"]
        raise (AlreadyThere(there) if same else _taken(values["name"])) from error
    a.record("cluster.added", cluster, change=values)
    return cluster


def _change(a: Act, cluster: Cluster, values: dict, credentials: dict, seen: str) -> Cluster:
    stored = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if seen and seen != stored.digest:
        raise ClusterError(changed_meanwhile(stored, *CHANGES))
    change = {
        key: {"before": getattr(stored, key), "after": value}
        for key, value in values.items()
        if getattr(stored, key) != value
    }
    moved = bool(shapes.places(values["addresses"]) - shapes.places(stored.addresses))
    if moved and Purpose.EVERYDAY not in credentials:
        raise ClusterError(shapes.MOVED, "everyday_password")
    columns = dict(values)
    if moved:
        columns |= NOTHING_KNOWN | {"state": ClusterState.UNCHECKED, "message": "", "detail": "", "answered_at": None}
    elif Purpose.EVERYDAY in credentials:
        columns["uuid"] = ""  # whoever has the new password decides which cluster it is
    try:
        with transaction.atomic():
            Cluster.objects.filter(pk=stored.pk).update(**columns)
    except IntegrityError as error:
        raise _taken(values["name"]) from error
    change |= _drop_credentials(stored, credentials, moved=moved)
    stored.refresh_from_db()
    if change:
        a.record("cluster.changed", stored, change=change)
    return stored


def _drop_credentials(cluster: Cluster, credentials: dict, *, moved: bool) -> dict:
    """Remove what shall go; after a move that is every stored password. Returns what the entry says of it."""
    gone = cluster.credentials.all()
    if not moved:
        gone = gone.filter(purpose__in=[purpose for purpose, given in credentials.items() if given is None])
    left = {row.purpose: row.username for row in gone if not credentials.get(row.purpose)}
    gone.delete()
    return {f"{purpose} user": [user, None] for purpose, user in left.items()}


def _save_credential(a: Act, cluster: Cluster, purpose: str, user: str, password: str) -> None:
    cluster.credentials.filter(purpose=purpose, in_use=False).delete()
    credential = ClusterCredential(cluster=cluster, purpose=purpose, username=user)
    credential.sealed = seal(credential.context, password)
    credential.save(force_insert=True)
    a.record("credential.saved", cluster, change={"purpose": purpose, "user": user})


def _taken(name: str) -> ClusterError:
    return ClusterError(f"There is a cluster {name} already. Choose another name.", "name")
