"""Looks at the cluster and at our own rows before a plan is made. Reads only; ten calls, however many indices."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import chain
from statistics import median

from backups.clusters.connection import capabilities_of, open_client
from backups.clusters.models import Cluster, Purpose
from backups.gateways.elasticsearch import cluster as es_cluster
from backups.gateways.elasticsearch import indices as es
from backups.gateways.elasticsearch import room as es_room
from backups.gateways.elasticsearch import snapshots as es_snapshots
from backups.gateways.elasticsearch import streams as es_streams
from backups.gateways.elasticsearch import swapping
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.errors import Answered, GatewayError
from backups.gateways.elasticsearch.rename import BadRename, renamed, template_rename
from backups.gateways.elasticsearch.settings import cluster_settings
from backups.repositories.models import Repository
from backups.restores import locks
from backups.runs.models import Run, RunState
from backups.snapshots.models import Counted, Snapshot, SnapshotIndex

from . import streams
from .asked import Asked, Mode
from .found import Found, Live, Recorded

RATES = 5
"""So many of the newest good restores say how fast this cluster restores."""

DEFAULT_TIME_FIELD = "@timestamp"


def find(asked: Asked, snapshot: Snapshot, now: datetime, *, patience: float | None = None) -> Found:
    """Everything that a plan is made from. ``snapshot`` is the row in the repository of the cluster to restore into.
    Raises gateway errors; of the snapshot itself they are kept in ``problem``."""
    cluster = snapshot.repository.cluster
    client = open_client(cluster, Purpose.EVERYDAY, patience=patience)
    facts, problem = _snapshot(client, snapshot)
    settings = cluster_settings(client)
    listed = {index.name: index for index in es.list_indices(client, health=False)}
    targets = [*_targets(asked, listed), *streams.names_after(asked, facts)]
    replaced = [name for name in asked.names if name in listed] if asked.mode in Mode.REPLACING else []
    described = es.describe(client, replaced)
    newer = _newer(cluster, snapshot, facts, described, patience) if replaced else {}
    aliases = _aliases(listed.values())
    live = {name: _live(listed[name], described.get(name, {}), newer.get(name)) for name in targets if name in listed}
    return Found(
        at=now,
        cluster=cluster.name,
        cluster_uuid=cluster.uuid,
        version=cluster.version,
        capabilities=capabilities_of(cluster),
        repository=snapshot.repository.name,
        snapshot=facts,
        recorded=recorded(snapshot, [*asked.names, *chain(*streams.behind(asked, facts).values())]),
        names={name: index.state for name, index in listed.items()},
        closed_shards=sum(index.primaries for index in listed.values() if index.state == "close"),
        aliases=aliases,
        streams=frozenset(swapping.aliases_named(client, [*targets, *_working(asked)])) - aliases.keys(),
        live=live,
        room=es_room.room(client, settings),
        auto_create=swapping.auto_create(settings) if asked.mode == Mode.SWAP and replaced else None,
        lacking=tuple(lacking(cluster, asked)),
        rate=rate(cluster),
        busy=locks.held_indices(cluster.uuid, targets),
        problem=problem,
        templates=es_streams.templates(client) if asked.streams else (),
        safety=_for_safety(snapshot) if asked.mode == Mode.IN_PLACE else None,
        # What this cluster made it can read.
        newest_id=None if snapshot.run_id else es_cluster.newest_version_id(client, capabilities_of(cluster)),
    )


def recorded(snapshot: Snapshot, names: Iterable[str]) -> dict[str, Recorded]:
    """What was written down when the snapshot was made: by the run that made it, on whichever cluster that was."""
    rows = SnapshotIndex.objects.filter(snapshot=snapshot, name__in=list(names))
    if not rows and snapshot.uuid:
        rows = SnapshotIndex.objects.filter(snapshot__uuid=snapshot.uuid, name__in=list(names))
    return {row.name: _recorded(row) for row in rows.select_related("mapping")}


def lacking(cluster: Cluster, asked: Asked) -> list[str]:
    """What the restricted credential would need and does not have, as far as the cluster said."""
    credential = cluster.restricted
    if credential is None:
        return [f"{cluster} has no restricted credential in use. An administrator can enter it on its page."]
    if not credential.may:
        return []
    may, lacks = credential.may, []
    if not may["cluster"].get("manage"):
        lacks.append("manage")
    if asked.mode in Mode.REPLACING and not may["index"].get("manage"):
        lacks.append("manage on indices")
    if not may["index"].get("read"):
        lacks.append("read on indices, to count what was restored")
    return [f"{credential.username} lacks {name}" for name in lacks]


def rate(cluster: Cluster) -> float | None:
    """Bytes a second, the median of the newest good restores into this cluster; None where there was none."""
    done = Run.objects.filter(kind__startswith="restore_", state=RunState.SUCCEEDED, params__cluster=cluster.pk)
    rates = done.order_by("-pk").values_list("result__rate", flat=True)[: RATES * 4]
    known = [value for value in rates if value][:RATES]
    return median(known) if known else None


def _snapshot(client: Client, snapshot: Snapshot) -> tuple[es_snapshots.SnapshotFacts | None, str]:
    try:
        return es_snapshots.get(client, snapshot.repository.name, snapshot.name), ""
    except Answered as error:
        if error.passes:
            raise
        return None, error.message


def _targets(asked: Asked, listed: Mapping) -> list[str]:
    """The names that the restore would give or use, which may exist already."""
    if asked.mode != Mode.BESIDE:
        return [name for name in asked.names if name in listed]
    try:
        pattern, replacement = template_rename(asked.template)
        return [renamed(pattern, replacement, name) for name in asked.names]
    except BadRename:
        return []


def _working(asked: Asked) -> list[str]:
    return [make(name) for name in asked.names for make in (asked.working, asked.before)]


def _aliases(indices: Iterable[es.Index]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for index in indices:
        for alias in index.aliases:
            found.setdefault(alias, []).append(index.name)
    return {alias: tuple(names) for alias, names in found.items()}


def _live(index: es.Index, described: Mapping, newer: int | None) -> Live:
    settings = described.get("settings", {})
    return Live(
        name=index.name,
        uuid=index.uuid,
        state=index.state,
        documents=index.documents,
        bytes=index.bytes,
        primaries=index.primaries,
        replicas=str(settings.get("index", {}).get("number_of_replicas", "1")),
        aliases=described.get("aliases", {alias: {} for alias in index.aliases}),
        mapping=described.get("mappings"),
        settings=settings,
        newer=newer,
    )


def _newer(cluster: Cluster, snapshot: Snapshot, facts, described: Mapping, patience) -> dict[str, int]:
    """Only the restricted credential may read documents; without it, or without a field of time, nobody can tell."""
    field = snapshot.profile.time_field if snapshot.profile else DEFAULT_TIME_FIELD
    dated = [name for name, found in described.items() if _is_date(found.get("mappings", {}), field)]
    if facts is None or facts.started_at is None or not dated:
        return {}
    try:
        return es.newer(open_client(cluster, Purpose.RESTRICTED, patience=patience), dated, field, facts.started_at)
    except GatewayError:
        return {}


def _is_date(mapping: Mapping, field: str) -> bool:
    found: Mapping = mapping
    for part in field.split("."):
        found = (found.get("properties") or {}).get(part, {})
    return found.get("type") in ("date", "date_nanos")


def _for_safety(snapshot: Snapshot) -> int | None:
    """Where a safety snapshot can go: beside the one that is restored, else to any repository of the cluster."""
    targets = list(Repository.objects.targets().filter(cluster=snapshot.repository.cluster).order_by("pk"))
    beside = [repository for repository in targets if repository.pk == snapshot.repository_id]
    return next((repository.pk for repository in beside + targets), None)


def _recorded(row: SnapshotIndex) -> Recorded:
    low, high = sorted(((row.documents_before or 0), (row.documents_after or 0)))
    counted = row.counted != Counted.NOT_COUNTED
    return Recorded(
        low=low if counted else None,
        high=high if counted else None,
        counted=row.counted,
        bytes=row.bytes,
        primaries=row.primaries,
        aliases=row.aliases,
        mapping=row.mapping.body if row.mapping else None,
        settings=row.settings,
    )
