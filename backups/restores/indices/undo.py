"""The plan of the way back of a swap: each safety copy takes the place of what replaced it. Pure but for ``find``.

It is a swap again: the safety copy is the working copy, and what is live now is itself kept under a new name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backups.clusters.connection import capabilities_of, open_client
from backups.clusters.models import Cluster, Purpose
from backups.gateways.elasticsearch import indices as es
from backups.gateways.elasticsearch import room as es_room
from backups.gateways.elasticsearch import swapping
from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.settings import cluster_settings
from backups.gateways.elasticsearch.swapping import AUTO_CREATE
from backups.repositories.preflight import FAIL, OK, Line
from backups.restores import kinds, locks
from backups.retention.models import SafetyCopy
from backups.templatetags.formats import count_of, stamp

from . import calls
from .asked import Asked, Mode
from .calls import Planned
from .finding import lacking
from .plan import VERSION, Plan, locks_of, names_of
from .row import Action, Row


@dataclass(frozen=True)
class Kept:
    """A safety copy as its row has it."""

    name: str
    of: str
    uuid: str
    documents: int | None
    aliases: dict
    replicas: str
    made_at: datetime


@dataclass(frozen=True)
class Here:
    """What is on the cluster now. ``aliases`` are the indices behind each name that is an alias."""

    cluster: str
    cluster_uuid: str
    version: str
    capabilities: Capabilities
    indices: dict[str, es.Index]
    described: dict[str, dict]
    aliases: dict[str, list[str]]
    auto_create: swapping.AutoCreate
    read_only: bool
    lacking: tuple[str, ...]
    busy: frozenset[str]


def find(cluster: Cluster, kept: Sequence[Kept], token: str, patience: float | None = None) -> Here:
    """Looks at the indices that the way back is about. Raises gateway errors."""
    client = open_client(cluster, Purpose.EVERYDAY, patience=patience)
    aliases = swapping.aliases_named(client, [copy.of for copy in kept])
    names = [name for copy in kept for name in (copy.of, copy.name, *aliases.get(copy.of, ()))]
    indices = {index.name: index for index in es.list_indices(client, health=False) if index.name in names}
    asked, settings = Asked((), Mode.SWAP, token), cluster_settings(client)
    return Here(
        cluster=cluster.name,
        cluster_uuid=cluster.uuid,
        version=cluster.version,
        capabilities=capabilities_of(cluster),
        indices=indices,
        described=es.describe(client, [name for name in names if name in indices]),
        aliases=aliases,
        auto_create=swapping.auto_create(settings),
        read_only=es_room.room(client, settings).read_only,
        lacking=tuple(lacking(cluster, asked)),
        busy=locks.held_indices(cluster.uuid, names),
    )


def kept_of(copies: Sequence[SafetyCopy]) -> list[Kept]:
    return [
        Kept(
            copy.name,
            copy.of,
            copy.facts["uuid"],
            copy.facts["documents"],
            copy.facts["aliases"],
            copy.facts["replicas"],
            copy.made_at,
        )
        for copy in copies
    ]


def make_undo_plan(kept: Sequence[Kept], here: Here, *, run: int, token: str, risk: str) -> Plan:
    """What the way back would do and lose. ``risk`` is that of the restore that it takes back."""
    asked = Asked(tuple(copy.of for copy in kept), Mode.SWAP, token)
    made = [_row(copy, here, asked) for copy in kept]
    said = _lines(kept, here)
    blocked = sum(row.action == Action.BLOCKED for row in made) + sum(line.state == FAIL for line in said)
    what = made[0].source if len(made) == 1 else count_of(len(made), "index", "indices")
    title = f"Roll back {what} on {here.cluster}"
    why = f"It replaces {count_of(len(made), 'live index', 'live indices')} by what run {run} kept of them."
    document = {
        "v": VERSION,
        "kind": "indices",
        "run_kind": kinds.UNDO,
        "mode": "undo",
        "consequence": f"{why} What was written since is lost to searches; it is kept as a safety copy itself.",
        "token": token,
        "options": {"undoes": run, "token": token, "skip": []},
        "source": {"run": run},
        "target": {"cluster": here.cluster, "uuid": here.cluster_uuid, "version": here.version},
        "numbers": {Action.REPLACE: len(made)},
        "bytes": sum(row.bytes or 0 for row in made),
        "newer": 0,
        "rows": [row.as_dict() for row in made],
        "checks": [line.as_dict() for line in said],
        "space": {},
        "seconds": None,
        "calls": [] if blocked else [planned.as_dict() for row in made for planned in _calls(row, here)],
        "risk": risk,
        "risk_reason": why,
        "bound": _bound(kept, made, here),
        "locks": locks_of(here.cluster_uuid, made),
    }
    return Plan(document, risk, why, blocked, title)


def _row(copy: Kept, here: Here, asked: Asked) -> Row:
    kept, live, behind = here.indices.get(copy.name), here.indices.get(copy.of), here.aliases.get(copy.of)
    # Behind an alias lies what took the place of the old index. It is kept under the name that it has.
    now = here.indices.get(behind[0]) if behind else live
    aliases_now = here.described.get(now.name, {}).get("aliases", {}) if now else {}
    return Row(
        source=copy.of,
        target=copy.of,
        action=Action.BLOCKED if _in_the_way(copy, here) else Action.REPLACE,
        note=_in_the_way(copy, here) or f"As it was at {stamp(copy.made_at)}. What came since drops out.",
        low=copy.documents,
        high=copy.documents,
        counted="exact" if copy.documents is not None else "not_counted",
        documents_now=now.documents if now else None,
        bytes=kept.bytes if kept else None,
        bytes_now=now.bytes if now else None,
        primaries=kept.primaries if kept else None,
        primaries_now=now.primaries if now else None,
        replicas=copy.replicas,
        state_now=live.state if live else "",
        uuid_now=live.uuid if live else "",
        aliases=copy.aliases,
        aliases_now={name: more for name, more in aliases_now.items() if name != copy.of},
        work=copy.name,
        before=behind[0] if behind else asked.before(copy.of) if live else "",
    )


def _in_the_way(copy: Kept, here: Here) -> str:
    kept = here.indices.get(copy.name)
    if kept is None or kept.uuid != copy.uuid:
        return f"The safety copy {copy.name} is not on the cluster any more: there is no way back for this index."
    if len(behind := here.aliases.get(copy.of, ())) > 1:
        return f"{copy.of} is an alias of several indices now: {', '.join(behind)}. Leave it on one of them."
    if {copy.of, copy.name, *behind} & here.busy:
        return "Another restore works on it. Wait until that is over."
    return ""


def _lines(kept: Sequence[Kept], here: Here) -> list[Line]:
    gone = Line(FAIL, "The safety copies are used up or gone", "There is no way back any more.")
    lacks = Line(FAIL, "The restricted credential may not do this", "; ".join(here.lacking))
    only = Line(FAIL, "The cluster is set to read only", "Remove cluster.blocks.read_only, then check again.")
    transient = Line(FAIL, "A transient action.auto_create_index is set", "Set it to null, then check again.")
    return [
        *([transient] if here.auto_create.transient is not None else []),
        *([] if kept else [gone]),
        lacks if here.lacking else Line(OK, "The restricted credential has the rights"),
        only if here.read_only else Line(OK, "The cluster takes changes"),
    ]


def _calls(row: Row, here: Here) -> list[Planned]:
    """The calls of a swap without the restore; where the name is an alias now, nothing has to be kept."""
    purpose = calls.Purpose
    first = [Planned(purpose.GUARD, row.source, calls.guard_call(here.auto_create.now, [row.source]))]
    if row.uuid_now:
        settings = here.described.get(row.source, {}).get("settings", {})
        first += [
            Planned(purpose.BLOCK_LIVE, row.source, swapping.block_writes_call(row.source, True)),
            Planned(purpose.KEEP, row.source, calls.keep_call(row, settings, here.capabilities)),
            Planned(purpose.DELETE_LIVE, row.source, swapping.delete_index_call(row.source)),
        ]
    elif row.before:
        # With its other aliases too: what is found through them would be doubled.
        taken = swapping.remove_aliases_call(row.before, [row.source, *row.aliases_now])
        first.append(Planned(purpose.UNALIAS, row.source, taken))
    return [
        *first,
        Planned(purpose.BLOCK_WORK, row.source, swapping.block_writes_call(row.work, True)),
        Planned(purpose.PLACE, row.source, calls.place_call(row, {}, {}, here.capabilities)),
        Planned(purpose.UNGUARD, row.source, swapping.auto_create_call(here.auto_create.persistent)),
        Planned(purpose.DELETE_WORK, row.source, swapping.delete_index_call(row.work)),
    ]


def _bound(kept: Sequence[Kept], made: Sequence[Row], here: Here) -> dict[str, str]:
    facts = {f"cluster {here.cluster}": here.cluster_uuid, AUTO_CREATE: str(here.auto_create.persistent)}
    for name in names_of(made):
        index = here.indices.get(name)
        behind = ", ".join(here.aliases.get(name, ()))
        other = f"alias of {behind}" if behind else "not there"
        facts[f"index {name}"] = f"{index.state} {index.uuid}" if index else other
    for row in made:
        facts[f"aliases of {row.source}"] = ", ".join(sorted(row.aliases_now)) or "none"
    return facts
