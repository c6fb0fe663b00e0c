"""The very calls that a plan sends, in their order. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from backups.gateways.elasticsearch import restores, swapping
from backups.gateways.elasticsearch.call import Call
from backups.gateways.elasticsearch.rename import template_rename

from .asked import Asked, Mode
from .found import Found
from .row import Action, Row


class Purpose:
    """What a call is for, within a restore."""

    CLOSE, RESTORE = "close", "restore"
    BLOCK_LIVE, KEEP, GUARD, BLOCK_WORK = "block_live", "keep", "guard", "block_work"
    DELETE_LIVE, PLACE, UNGUARD, DELETE_WORK = "delete_live", "place", "unguard", "delete_work"
    ALIAS, UNALIAS = "alias", "unalias"


class Planned(NamedTuple):
    """A call, what it is for, and which index it is about (none for a call about all)."""

    purpose: str
    index: str
    call: Call

    def as_dict(self) -> dict:
        """JSON. ``text`` is for people; the rest is what ``frozen_call`` sends."""
        call = self.call
        return {
            "purpose": self.purpose,
            "index": self.index,
            "text": call.text(),
            "method": call.method,
            "parts": list(call.parts),
            "params": dict(call.params),
            "body": call.body,
        }


def frozen_call(planned: Mapping[str, Any]) -> Call:
    """The call that a frozen plan holds, to be sent as it is."""
    return Call(planned["method"], tuple(planned["parts"]), planned["params"], planned["body"])


class Batch(NamedTuple):
    """Indices that one restore call brings back, because they are renamed in one way."""

    rows: tuple[Row, ...]
    rename: tuple[str, str] | None


def batches(asked: Asked, rows: Sequence[Row]) -> list[Batch]:
    """What is sent to the server in one call each. ``rows`` are all of the plan."""
    going = [row for row in rows if row.goes]
    plain = [row for row in going if not row.work and row.target == row.source]
    worked = [row for row in going if row.work]
    beside = [row for row in going if not row.work and row.target != row.source]
    made = [
        Batch(tuple(plain), None),
        Batch(tuple(beside), template_rename(asked.template) if beside else None),
        Batch(tuple(worked), template_rename(asked.working("{index}")) if worked else None),
    ]
    return [batch for batch in made if batch.rows]


def restore_call(asked: Asked, found: Found, batch: Batch, *, first: bool = True) -> Call:
    """Brings one batch back; the ``first`` one brings the global state, where it is wanted."""
    overwrites = any(row.action == Action.REPLACE for row in batch.rows) and batch.rename is None
    return restores.restore_call(
        found.repository,
        found.snapshot.name if found.snapshot else "",
        list(dict.fromkeys(row.chosen for row in batch.rows)),
        rename=batch.rename,
        # Over a live index the snapshot's aliases replace those of now; to a working copy none may point.
        include_aliases=asked.aliases and not any(row.work for row in batch.rows),
        partial=asked.partial and not overwrites,
        index_settings=asked.settings,
        ignore_index_settings=asked.resets,
        global_state=asked.global_state and first,
        capabilities=found.capabilities,
    )


def planned(asked: Asked, found: Found, rows: Sequence[Row]) -> list[Planned]:
    """Everything that changes the cluster when all goes well, in order."""
    if found.snapshot is None:
        return []
    return [*_before(asked, rows), *_restores(asked, found, rows), *_swaps(asked, found, rows)]


def _before(asked: Asked, rows: Sequence[Row]) -> Iterator[Planned]:
    if asked.mode == Mode.IN_PLACE:
        for row in replaced(rows):
            if row.state_now != "close":
                yield Planned(Purpose.CLOSE, row.source, swapping.close_call(row.source))


def _restores(asked: Asked, found: Found, rows: Sequence[Row]) -> Iterator[Planned]:
    for number, batch in enumerate(batches(asked, rows)):
        yield Planned(Purpose.RESTORE, "", restore_call(asked, found, batch, first=number == 0))


def _swaps(asked: Asked, found: Found, rows: Sequence[Row]) -> Iterator[Planned]:
    for row in replaced(rows):
        if row.work:
            kept = keep_call(row, found.live[row.source].settings, found.capabilities)
            yield Planned(Purpose.BLOCK_LIVE, row.source, swapping.block_writes_call(row.source, True))
            yield Planned(Purpose.KEEP, row.source, kept)
            yield from _alias(row) if asked.mode == Mode.ALIAS else _place(asked, found, row)


def _alias(row: Row) -> Iterator[Planned]:
    yield Planned(Purpose.ALIAS, row.source, alias_call(row))


def _place(asked: Asked, found: Found, row: Row) -> Iterator[Planned]:
    settings = found.recorded[row.source].settings if row.source in found.recorded else {}
    yield Planned(Purpose.GUARD, row.source, guard_call(found.auto_create.now, [row.source]))
    yield Planned(Purpose.BLOCK_WORK, row.source, swapping.block_writes_call(row.work, True))
    yield Planned(Purpose.DELETE_LIVE, row.source, swapping.delete_index_call(row.source))
    yield Planned(Purpose.PLACE, row.source, place_call(row, asked.settings, settings, found.capabilities))
    yield Planned(Purpose.UNGUARD, row.source, swapping.auto_create_call(found.auto_create.persistent))
    yield Planned(Purpose.DELETE_WORK, row.source, swapping.delete_index_call(row.work))


def keep_call(row: Row, settings: Mapping[str, Any], capabilities) -> Call:
    """Keeps the live index as a clone; nothing points to it."""
    replicas = replicas_of(settings)
    return swapping.clone_call(row.source, row.before, replicas=replicas, aliases={}, capabilities=capabilities)


def place_call(row: Row, overrides: Mapping[str, Any], settings: Mapping[str, Any], capabilities) -> Call:
    """Puts the proven copy under the name, with its aliases."""
    replicas = overrides.get("index.number_of_replicas", replicas_of(settings, row.replicas))
    return swapping.clone_call(
        row.work, row.source, replicas=replicas, aliases=dict(row.aliases), capabilities=capabilities
    )


def back_call(row: Row, capabilities) -> Call:
    """Puts the clone of the old index under its name again, with the aliases that it had."""
    return swapping.clone_call(
        row.before, row.source, replicas=row.replicas or "1", aliases=dict(row.aliases_now), capabilities=capabilities
    )


def alias_call(row: Row) -> Call:
    """Takes the live index away and makes its name an alias of the copy, in one."""
    return swapping.alias_swap_call(
        remove_index=row.source, add_index=row.work, alias=row.source, aliases=dict(row.aliases)
    )


def guard_call(auto_create: str | None, names: Sequence[str]) -> Call:
    """Keeps writers from making these names anew while they are missing."""
    return swapping.auto_create_call(swapping.without_names(auto_create, names))


def replicas_of(settings: Mapping[str, Any], default: str = "1") -> str:
    """Replicas as the settings of an index say."""
    return str(settings.get("index", {}).get("number_of_replicas", default or "1"))


def replaced(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.action == Action.REPLACE]
