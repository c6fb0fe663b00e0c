"""What becomes of each index. Pure: what is asked and what was found go in, rows come out."""

from collections.abc import Iterable
from dataclasses import replace

from backups.gateways.elasticsearch.rename import BadRename, check_index_name, renamed, template_rename
from backups.templatetags.formats import count_of

from . import differences
from .asked import Asked, Mode
from .found import Found, Live, Recorded
from .refusals import foreseen
from .row import ORDER, Action, Row


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
