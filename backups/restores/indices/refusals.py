"""What Elasticsearch would refuse about an index, or give up afterwards, and what the console does not do. Pure."""

from dataclasses import replace

from backups.templatetags.formats import count_of, number

from . import allocation
from .asked import Asked, Mode
from .found import Found
from .row import OUR_OWN, Action, Row


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
