"""What becomes of each index. Pure: what is asked and what was found go in, rows come out."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from backups.gateways.elasticsearch.rename import BadRename, check_index_name, renamed, template_rename
from backups.templatetags.formats import count_of, number

from . import allocation, differences
from .asked import Asked, Mode
from .found import Found, Live, Recorded


class Action:
    """The five things that can become of an index."""

    CREATE, RENAME, REPLACE, SKIP, BLOCKED = "create", "rename", "replace", "skip", "blocked"


OUR_OWN = "The server would take this, the console does not."
"""Stands in the note of a row that is blocked by a rule of ours alone."""

ORDER = (Action.BLOCKED, Action.REPLACE, Action.RENAME, Action.CREATE, Action.SKIP)
"""Worst first."""


@dataclass(frozen=True)
class Row:
    """One index of the snapshot; with ``stream`` it comes with that data stream, which will be ``stream_as``.
    ``low`` and ``high`` bound its documents in the snapshot. ``aliases`` are those of the target afterwards,
    ``aliases_now`` those before; ``lost`` and ``gained`` say how they differ. ``work`` and ``before`` are the names
    of the copy until it is proven and of the safety copy. What is not known is None."""

    source: str
    target: str
    action: str
    note: str = ""
    low: int | None = None
    high: int | None = None
    counted: str = "not_counted"
    documents_now: int | None = None
    newer: int | None = None
    bytes: int | None = None
    bytes_now: int | None = None
    primaries: int | None = None
    primaries_now: int | None = None
    replicas: str = ""
    state_now: str = ""
    uuid_now: str = ""
    blocked_now: bool = False
    aliases: Mapping[str, Any] = field(default_factory=dict)
    aliases_now: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    mapping: Mapping[str, Any] = field(default_factory=dict)
    settings: tuple[Mapping[str, Any], ...] = ()
    work: str = ""
    before: str = ""
    stream: str = ""
    stream_as: str = ""

    @property
    def chosen(self) -> str:
        """What was chosen, and is named in the call that restores it: the index, or its stream."""
        return self.stream or self.source

    @property
    def goes(self) -> bool:
        """Whether the restore does something to it."""
        return self.action not in (Action.SKIP, Action.BLOCKED)

    @property
    def restored_as(self) -> str:
        """What the index is called that the server restores: the working copy of a swap, else the target."""
        return self.work or self.target

    def as_dict(self) -> dict:
        return asdict(self)


def rows(asked: Asked, found: Found) -> list[Row]:
    """One for each name that was asked for, worst first, then by name."""
    return worst_first([foreseen(_row(name, asked, found), asked, found) for name in asked.names])


def worst_first(made: Iterable[Row]) -> list[Row]:
    return sorted(made, key=lambda row: (ORDER.index(row.action), row.source))


def bare_row(name: str, found: Found) -> Row:
    """What is known of an index of the snapshot, before anything is decided."""
    recorded = found.recorded.get(name, Recorded())
    return Row(
        source=name,
        target=name,
        action=Action.SKIP,
        low=recorded.low,
        high=recorded.high,
        counted=recorded.counted,
        bytes=recorded.bytes,
        primaries=recorded.primaries,
    )


def _row(name: str, asked: Asked, found: Found) -> Row:
    bare, recorded = bare_row(name, found), found.recorded.get(name, Recorded())
    if name in asked.skip:
        return replace(bare, note="Taken out of this restore.")
    if asked.mode == Mode.BESIDE:
        return _beside(bare, asked, found, recorded)
    if name not in found.names:
        return _created(bare, asked, recorded)
    live = found.live.get(name) or Live(name, "", found.names[name])
    if asked.mode == Mode.MISSING:
        return replace(_with_now(bare, live, recorded), note="It exists, and stays as it is.")
    return _replaced(bare, asked, live, recorded)


def _beside(bare: Row, asked: Asked, found: Found, recorded: Recorded) -> Row:
    try:
        pattern, replacement = template_rename(asked.template)
        target = renamed(pattern, replacement, bare.source)
        check_index_name(target)
    except BadRename as error:
        return replace(bare, action=Action.BLOCKED, note=str(error))
    aliases = dict(recorded.aliases) if asked.aliases else {}
    note = "The live index stays as it is." if bare.source in found.names else "Not in the cluster now."
    return replace(
        bare, target=target, action=Action.RENAME, note=note, aliases=aliases, gained=tuple(sorted(aliases))
    )


def _created(bare: Row, asked: Asked, recorded: Recorded) -> Row:
    aliases = dict(recorded.aliases) if asked.aliases else {}
    return replace(
        bare, action=Action.CREATE, note="Not in the cluster.", aliases=aliases, gained=tuple(sorted(aliases))
    )


def _replaced(bare: Row, asked: Asked, live: Live, recorded: Recorded) -> Row:
    row = _with_now(bare, live, recorded)
    after = dict(recorded.aliases) if asked.aliases else dict(live.aliases)
    swapped = asked.mode in (Mode.SWAP, Mode.ALIAS)
    return replace(
        row,
        action=Action.REPLACE,
        note=_what_is_lost(live),
        aliases=after,
        aliases_now=dict(live.aliases),
        lost=tuple(sorted(live.aliases.keys() - after.keys())),
        gained=tuple(sorted(after.keys() - live.aliases.keys())),
        mapping=differences.of_mappings(live.mapping, recorded.mapping),
        settings=tuple(differences.of_settings(live.settings, recorded.settings) if recorded.settings else ()),
        work=asked.working(row.source) if swapped else "",
        before=asked.before(row.source) if swapped else "",
    )


def _with_now(bare: Row, live: Live, recorded: Recorded) -> Row:
    return replace(
        bare,
        documents_now=live.documents,
        newer=live.newer,
        bytes_now=live.bytes,
        primaries_now=live.primaries,
        replicas=live.replicas,
        state_now=live.state,
        uuid_now=live.uuid,
        blocked_now=live.blocked,
    )


def _what_is_lost(live: Live) -> str:
    if live.newer is None:
        return "Whether newer documents drop out cannot be told."
    if live.newer:
        verb = "drops" if live.newer == 1 else "drop"
        return f"{count_of(live.newer, 'newer document')} {verb} out: written after the snapshot."
    return "No newer documents."


def foreseen(row: Row, asked: Asked, found: Found) -> Row:
    """The row as it is, or blocked by what Elasticsearch would refuse about this index."""
    if not row.goes:
        return row
    why = next(filter(None, (test(row, asked, found) for test in REFUSALS)), "")
    return replace(row, action=Action.BLOCKED, note=why) if why else row


def _not_in_snapshot(row: Row, asked: Asked, found: Found) -> str:
    if found.snapshot is None or row.source in found.snapshot.indices:
        return ""
    return "The snapshot does not hold this index."


def _belongs_to_server(row: Row, asked: Asked, found: Found) -> str:
    if row.source == ".security" or row.source.startswith(".security-"):
        return "Elasticsearch restores its security index only as a part of a feature. Take it out."
    return ""


def _broken_in_snapshot(row: Row, asked: Asked, found: Found) -> str:
    shards = {f.shard for f in found.snapshot.failures if f.index == row.source} if found.snapshot else set()
    if not shards:
        return ""
    missing = f"{count_of(len(shards), 'shard')} of it {'is' if len(shards) == 1 else 'are'} not in the snapshot."
    if not asked.partial:
        return f"{missing} Take it out, or allow what is incomplete: the missing shards come back empty."
    if row.action == Action.REPLACE:
        return (
            f"{missing} What is incomplete is never restored over a live index. Restore it under a new name."
            f"{f' {OUR_OWN}' if row.work else ''}"
        )
    return ""


def _name_taken(row: Row, asked: Asked, found: Found) -> str:
    if row.action == Action.REPLACE or found.names.get(row.target) == "close":
        return ""
    return _taken(row.target, found)


def _taken(name: str, found: Found) -> str:
    taken_as = how_taken(name, found)
    return f"{name} exists already {taken_as}. Choose another new name, or take it out." if taken_as else ""


def _copy_overwrites_nothing(row: Row, asked: Asked, found: Found) -> str:
    """A restore over a closed index overwrites it, unless it has another number of shards."""
    if row.action == Action.REPLACE or not (taken := _taken(row.target, found)):
        return ""
    live = found.live.get(row.target)
    return f"{taken} {OUR_OWN}" if live and live.primaries == row.primaries else taken


def _working_names_taken(row: Row, asked: Asked, found: Found) -> str:
    for name in (row.work, row.before):
        if name and how_taken(name, found):
            return f"{name} exists already, which this restore would use. Make the plan again."
        if len(name.encode()) > 255:
            return "Its name is too long for the working copies that a swap needs. Choose another way to replace it."
    return ""


def how_taken(name: str, found: Found) -> str:
    """By what the name is used; empty where it is free."""
    if name in found.names:
        return f"({found.names[name]})"
    if name in found.aliases:
        return "as an alias"
    return "as a data stream" if name in found.streams else ""


def _other_shard_count(row: Row, asked: Asked, found: Found) -> str:
    if asked.mode != Mode.IN_PLACE or row.action != Action.REPLACE or row.primaries in (None, row.primaries_now):
        return ""
    return (
        f"The live index has {number(row.primaries_now)} primary shards, the snapshot {number(row.primaries)}. It "
        "cannot be overwritten. Replace it by swap, or restore it under a new name."
    )


def _alias_conflict(row: Row, asked: Asked, found: Found) -> str:
    for alias, options in row.aliases.items():
        if alias in found.names and alias != row.source:
            return f"Its alias {alias} is the name of an index now. Restore it without aliases."
        taken = row.action == Action.REPLACE and alias in row.aliases_now
        # Beside a copy the index itself stays, and keeps its aliases.
        others = set(found.aliases.get(alias, ())) - ({row.target} if row.action == Action.RENAME else {row.source})
        if options.get("is_write_index") and others and not taken:
            return f"Its alias {alias} may have a write index already. Restore it without aliases."
    return ""


def _stream_member(row: Row, asked: Asked, found: Found) -> str:
    if row.action == Action.REPLACE and row.source.startswith(".ds-"):
        return "It belongs to a data stream, and cannot be replaced alone. Restore it under a new name."
    return ""


def _cannot_be_kept(row: Row, asked: Asked, found: Found) -> str:
    """A swap and an alias keep the live index as a clone."""
    if not row.before:
        return ""
    if not found.capabilities.clone_index:
        return "This server cannot clone an index, so the live one cannot be kept. Replace it in place instead."
    return ""


def _closed_is_not_kept(row: Row, asked: Asked, found: Found) -> str:
    """Where a server clones it, the clone is open: there is no way back to what it was."""
    if not row.before or row.state_now != "close":
        return ""
    why = "It is closed, and a closed index cannot be kept as a clone. Open it, or replace it in place."
    return f"{why} {OUR_OWN}" if found.capabilities.clone_closed else why


def _allowed_nowhere(row: Row, asked: Asked, found: Found) -> str:
    if row.source not in found.recorded or allocation.RESET in asked.resets:
        return ""
    rules = allocation.nowhere(found.recorded[row.source].settings, [node.name for node in found.room.nodes])
    why = f"Its settings let it lie on no node of this cluster ({rules})."
    return f"{why} Leave the rules on which node it may lie behind." if rules else ""


def _locked(row: Row, asked: Asked, found: Found) -> str:
    return f"Another restore works on {row.target}. Wait until it is over." if row.target in found.busy else ""


# What the server refuses comes before our own rules, so that a note never hides it.
REFUSALS = (
    *(_not_in_snapshot, _belongs_to_server, _name_taken, _working_names_taken),
    *(_other_shard_count, _alias_conflict, _stream_member, _cannot_be_kept, _allowed_nowhere),
    *(_broken_in_snapshot, _closed_is_not_kept, _copy_overwrites_nothing, _locked),
)
