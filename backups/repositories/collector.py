"""Finds which repositories a cluster has registered, and keeps our rows in line: found, changed, gone.

One call a refresh. A repository with a run of ours at work is left to that run.
"""

from dataclasses import dataclass

from django.utils import timezone

from backups.audit import act
from backups.audit.acts import SECRET_WORDS, Act
from backups.clusters import leases
from backups.clusters.collector import CALL_SECONDS
from backups.clusters.connection import open_client
from backups.clusters.models import Cluster, Purpose
from backups.gateways.elasticsearch import repositories as es
from backups.gateways.elasticsearch.errors import GatewayError
from backups.runs.models import Run

from . import services
from .models import Repository, RepositoryState

HIDDEN = ("access_key", "secret_key", "sas_token", "credentials")
NOT_THERE = (
    "The cluster does not know this repository any more. Somebody removed it. What is in its folder stays there."
)


@dataclass(frozen=True)
class Changes:
    """What is different between the cluster and our rows."""

    found: tuple[es.RepositoryFacts, ...]
    changed: tuple[tuple[Repository, es.RepositoryFacts], ...]
    gone: tuple[Repository, ...]


def compare(registered: tuple[es.RepositoryFacts, ...], rows: list[Repository]) -> Changes:
    """Pure: the cluster's list against our rows, those of active runs left out by the caller on both sides."""
    known = {row.name: row for row in rows}
    there = {facts.name: facts for facts in registered}
    both = [(known[name], facts) for name, facts in there.items() if name in known]
    return Changes(
        tuple(facts for name, facts in there.items() if name not in known),
        tuple((row, facts) for row, facts in both if _differs(row, facts)),
        tuple(row for row in rows if row.name not in there and row.state == RepositoryState.REGISTERED),
    )


def shown(given: dict) -> dict:
    """Settings as they are kept: never a secret, which old plugins take as settings."""
    secret = (*SECRET_WORDS, *HIDDEN)
    return {key: "••••" if any(word in key.lower() for word in secret) else value for key, value in given.items()}


def collect(pk: int, fence: int) -> None:
    """The list of one cluster, after the cluster itself was refreshed under this fence."""
    cluster = Cluster.objects.prefetch_related("credentials").get(pk=pk)
    rows = list(cluster.repositories.all())
    busy = _busy(rows)
    try:
        registered = es.list_repositories(open_client(cluster, Purpose.EVERYDAY, patience=CALL_SECONDS))
    except GatewayError:
        return  # the cluster's own refresh says so when it lasts
    busy |= {facts.name for facts in registered if not facts.type}  # not understood: nothing is known of it
    free = tuple(facts for facts in registered if facts.name not in busy)
    changes = compare(free, [row for row in rows if row.name not in busy])
    with act(None) as a:
        if leases.still_mine(Cluster.objects, pk, fence):
            _record(a, cluster, changes)


def _busy(rows: list[Repository]) -> set[str]:
    """Names that a run of ours works on, or waits to."""
    kinds = (services.REGISTER, services.VERIFY)
    ids = {run.params.get("repository") for run in Run.objects.active().filter(kind__in=kinds).only("params")}
    return {row.name for row in rows if row.pk in ids or row.state == RepositoryState.WANTED}


def _record(a: Act, cluster: Cluster, changes: Changes) -> None:
    for facts in changes.found:
        row, made = Repository.objects.get_or_create(cluster=cluster, name=facts.name[:128], defaults=_columns(facts))
        if made:
            a.record("repository.found", row, change={"type": facts.type, **shown(facts.settings)})
    for row, facts in changes.changed:
        _change(a, row, facts)
    for row in changes.gone:
        columns = {"state": RepositoryState.MISSING, "message": NOT_THERE, "detail": "", "nodes": []}
        if Repository.objects.filter(pk=row.pk, state=row.state).update(**columns):
            a.record("repository.lost", row, outcome="failure")


def _change(a: Act, row: Repository, facts: es.RepositoryFacts) -> None:
    columns = _columns(facts)
    if row.state == RepositoryState.REGISTERED:
        columns.pop("registered_at")
    else:
        columns |= {"message": "", "detail": ""}
    if not Repository.objects.filter(pk=row.pk, state=row.state).update(**columns, collect_at=None):
        return
    if row.state != RepositoryState.REGISTERED:
        a.record("repository.found", row, change={"type": facts.type, **columns["settings"]})
    elif _plain(row.settings) != _plain(columns["settings"]) or row.type != columns["type"]:
        a.record("repository.changed", row, change={"before": row.settings, "after": columns["settings"]})


def _columns(facts: es.RepositoryFacts) -> dict:
    columns = {"type": facts.type[:20], "settings": shown(facts.settings), "uuid": facts.uuid[:40]}
    return columns | {"state": RepositoryState.REGISTERED, "registered_at": timezone.now()}


def _differs(row: Repository, facts: es.RepositoryFacts) -> bool:
    same = row.type == facts.type[:20] and _plain(row.settings) == _plain(shown(facts.settings))
    return not same or row.state != RepositoryState.REGISTERED or (facts.uuid[:40] not in ("", row.uuid))


def _plain(given: dict) -> dict:
    """Comparable: the server keeps texts, and ``compress`` is on where nobody says so."""
    texts = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in given.items()}
    return {"compress": "true"} | texts
