"""The plan of a restore of indices: what is asked and what was found go in, a document comes out. Pure.

The same arguments give the same document; making it anew at the start shows what is different by then.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from backups.approvals.models import Risk
from backups.gateways.elasticsearch.swapping import AUTO_CREATE
from backups.restores import kinds
from backups.restores.targets import index_target, setting_target
from backups.templatetags.formats import count_of

from . import calls, conditions, streams
from .asked import SCRATCH, Asked, Mode
from .found import Found
from .row import ORDER, Action, Row

VERSION = 1

RUN_KINDS = {
    Mode.BESIDE: kinds.BESIDE,
    Mode.MISSING: kinds.BESIDE,
    Mode.SWAP: kinds.SWAP,
    Mode.ALIAS: kinds.SWAP,
    Mode.IN_PLACE: kinds.IN_PLACE,
}
"""The kind of run that carries it out."""


class Plan(NamedTuple):
    """``document`` is JSON. ``blocked`` counts what stands in the way; with any, nothing can be asked for."""

    document: dict
    risk: str
    risk_reason: str
    blocked: int
    title: str


def make_plan(asked: Asked, found: Found) -> Plan:
    """What exactly would happen, what speaks against it, and how much harm it could do."""
    made = streams.rows(asked, found)
    space = conditions.space_of(asked, found, made)
    said = conditions.lines(asked, found, made, space)
    risk, why = risk_of(asked, made)
    blocked = _blocked(made, said)
    document = {
        "v": VERSION,
        "kind": "indices",
        "run_kind": RUN_KINDS[asked.mode],
        "consequence": consequence(found, made),
        "token": asked.token,
        "mode": asked.mode,
        "options": asked.as_options(),
        "source": _source(found),
        "target": {"cluster": found.cluster, "uuid": found.cluster_uuid, "version": found.version},
        "numbers": {action: sum(row.action == action for row in made) for action in ORDER},
        "bytes": sum(row.bytes or 0 for row in made if row.goes),
        "newer": sum(row.newer or 0 for row in made if row.action == Action.REPLACE),
        "rows": [row.as_dict() for row in made],
        "checks": [line.as_dict() for line in said],
        "space": space.as_dict(),
        "seconds": _seconds(found, made),
        "calls": [] if blocked else [planned.as_dict() for planned in calls.planned(asked, found, made)],
        "risk": risk,
        "risk_reason": why,
        "bound": bound(asked, found, made),
        "safety": _safety(asked, found),
        "locks": locks_of(found.cluster_uuid, made),
    }
    return Plan(document, risk, why, blocked, title_of(found, made))


def title_of(found: Found, made: Sequence[Row]) -> str:
    named = [row for row in made if row.goes] or made
    chosen = {row.chosen for row in named}
    what = chosen.pop() if len(chosen) == 1 else count_of(len(named), "index", "indices")
    return f"Restore {what} into {found.cluster}"


def consequence(found: Found, made: Sequence[Row]) -> str:
    """The worst that the restore does, in one sentence."""
    replaced = [row for row in made if row.action == Action.REPLACE]
    if not replaced:
        added = count_of(sum(row.goes for row in made), "index is", "indices are")
        return f"{added} added to {found.cluster}. Nothing live is changed."
    what = f"{count_of(len(replaced), 'live index is', 'live indices are')} replaced on {found.cluster}"
    if any(row.newer is None for row in replaced):
        return f"{what}; whether newer documents drop out cannot be told everywhere."
    newer = sum(row.newer for row in replaced)
    return (
        f"{what}, and {count_of(newer, 'newer document drops', 'newer documents drop')} out." if newer else f"{what}."
    )


def risk_of(asked: Asked, made: Sequence[Row]) -> tuple[str, str]:
    """How much harm it could do, with the reason in words."""
    risk, why = _risk_of(asked, made)
    if asked.least > risk:
        return asked.least, f"{why} It takes back a restore of risk {asked.least}."
    return risk, why


def _risk_of(asked: Asked, made: Sequence[Row]) -> tuple[str, str]:
    if asked.global_state:
        return Risk.R3, "It brings back settings and templates of the whole cluster."
    if replaced := sum(row.action == Action.REPLACE for row in made):
        return Risk.R2, f"It replaces {count_of(replaced, 'live index', 'live indices')}."
    going = [row for row in made if row.goes]
    if asked.aliases and going:
        return Risk.R1, "It adds indices to aliases that are in use."
    if asked.mode == Mode.BESIDE and all((row.stream_as or row.target).startswith(SCRATCH) for row in going):
        return Risk.R0, f"It only adds copies whose names begin with {SCRATCH}: nothing live is touched."
    return Risk.R1, "It adds indices under names that live searches may find."


def bound(asked: Asked, found: Found, made: Sequence[Row]) -> dict[str, str]:
    """What has to be at the start as it was when the plan was made."""
    facts = {
        f"cluster {found.cluster}": found.cluster_uuid,
        f"snapshot {found.snapshot.name}" if found.snapshot else "snapshot": (
            f"{found.snapshot.uuid} {found.snapshot.state}" if found.snapshot else "not there"
        ),
    }
    if found.auto_create:
        facts["action.auto_create_index"] = str(found.auto_create.persistent)
    # What is blocked or exists by now too: that it was not so is what has to be said.
    for name in sorted({name for row in made if row.chosen not in asked.skip for name in _names(row)}):
        facts[f"index {name}"] = _identity(name, found)
    for row in made:
        if row.action == Action.REPLACE:
            facts[f"aliases of {row.source}"] = _aliases(found.live[row.source].aliases)
            facts[f"writes to {row.source}"] = "blocked" if row.blocked_now else "open"
    return facts


def locks_of(cluster_uuid: str, made: Sequence[Row]) -> list[str]:
    """What nobody else may restore meanwhile. Swaps also lock the one setting by which they keep writers out, so that
    two of them do not take it from each other."""
    swaps = [setting_target(cluster_uuid, AUTO_CREATE)] if any(row.work for row in made) else []
    return [*(index_target(cluster_uuid, name) for name in names_of(made)), *swaps]


def names_of(made: Sequence[Row]) -> list[str]:
    """Every name that the restore gives, replaces or uses on the way."""
    return sorted({name for row in made if row.goes for name in _names(row)})


def _names(row: Row) -> list[str]:
    return [name for name in (row.target, row.work, row.before, row.stream_as) if name]


def _aliases(aliases: Mapping) -> str:
    """Aliases with what makes a difference: which one is written to, filters, routing."""
    return ", ".join(f"{name} {more}" if (more := aliases[name]) else name for name in sorted(aliases)) or "none"


def _safety(asked: Asked, found: Found) -> dict:
    """What the safety snapshot of a restore in place is called, and where it goes."""
    if asked.mode != Mode.IN_PLACE:
        return {}
    return {"repository": found.safety, "name": f"safety-{asked.token}"}


def _identity(name: str, found: Found) -> str:
    if name in found.live:
        return f"{found.live[name].state} {found.live[name].uuid}"
    if name in found.aliases:
        return "an alias"
    if name in found.streams:
        return "a data stream"
    return found.names.get(name, "not there")


def _source(found: Found) -> dict:
    snapshot = found.snapshot
    if snapshot is None:
        return {"repository": found.repository, "snapshot": "", "uuid": "", "taken_at": None}
    taken = snapshot.started_at.isoformat() if snapshot.started_at else None
    return {
        "repository": found.repository,
        "snapshot": snapshot.name,
        "uuid": snapshot.uuid,
        "state": snapshot.state,
        "taken_at": taken,
    }


def _blocked(made: Sequence[Row], said: Sequence[conditions.Line]) -> int:
    return sum(row.action == Action.BLOCKED for row in made) + sum(line.state == conditions.FAIL for line in said)


def _seconds(found: Found, made: Sequence[Row]) -> float | None:
    """How long the copying would take at the speed that this cluster restored with before; None where no restore was
    measured, or the sizes are not known."""
    going = [row for row in made if row.goes]
    if not found.rate or any(row.bytes is None for row in going):
        return None
    return round(sum(row.bytes for row in going) / found.rate, 1)
