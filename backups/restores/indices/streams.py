"""What becomes of data streams: one row for each index behind one, and all of a stream or none of it. Pure.

A stream is restored under a new name, or where its name is free. One that is there is never replaced: that would lose
its newer indices, or leave them without a stream.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from backups.gateways.elasticsearch.rename import BadRename, check_index_name, renamed, template_rename
from backups.gateways.elasticsearch.snapshots import SnapshotFacts
from backups.gateways.elasticsearch.streams import PREFIX, backing_of, can_roll_over, renamed_backing
from backups.repositories.preflight import WARN, Line

from . import rows as of_indices
from .asked import Asked, Mode
from .found import Found
from .refusals import foreseen, how_taken
from .row import Action, Row
from .rows import bare_row, worst_first

NEW_NAME = "Restore it under a new name"


def behind(asked: Asked, snapshot: SnapshotFacts | None) -> dict[str, list[str]]:
    """The indices behind each stream that was asked for."""
    if snapshot is None:
        return dict.fromkeys(asked.streams, [])
    held = backing_of({*snapshot.data_streams, *asked.streams}, snapshot.indices)
    return {stream: held[stream] for stream in asked.streams}


def names_after(asked: Asked, snapshot: SnapshotFacts | None) -> list[str]:
    """What the streams and their indices would be called."""
    found: list[str] = []
    for stream, indices in behind(asked, snapshot).items():
        try:
            found += [_renamed(stream, asked), *(_renamed_backing(index, asked) for index in indices)]
        except BadRename:
            continue
    return found


def rows(asked: Asked, found: Found) -> list[Row]:
    """Of everything that was asked for, worst first. An index that comes with its stream has one row."""
    held = behind(asked, found.snapshot)
    with_stream = {index for indices in held.values() for index in indices}
    alone = replace(asked, names=tuple(name for name in asked.names if name not in with_stream))
    made = [row for stream, indices in held.items() for row in _rows_of(stream, indices, asked, found)]
    return worst_first([*of_indices.rows(alone, found), *made])


def _rows_of(stream: str, indices: Sequence[str], asked: Asked, found: Found) -> list[Row]:
    bare = [replace(bare_row(name, found), stream=stream) for name in indices or [stream]]
    if stream in asked.skip:
        return [replace(row, note="Taken out of this restore.") for row in bare]
    if asked.mode == Mode.MISSING and stream in found.streams:
        return [replace(row, note=f"The data stream {stream} exists, and stays as it is.") for row in bare]
    try:
        made = [_named(row, asked) for row in bare]
    except BadRename as error:
        return _blocked(bare, str(error))
    if why := next(filter(None, _refusals(stream, made[0].stream_as, indices, asked, found)), ""):
        return _blocked(made, why)
    looked_at = [foreseen(row, asked, found) for row in made]
    bad = next((row for row in looked_at if row.action == Action.BLOCKED), None)
    if bad is None:
        return looked_at
    return _blocked(made, f"{bad.source}: {bad.note} A data stream comes as a whole.")


def _named(row: Row, asked: Asked) -> Row:
    """Raises BadRename."""
    stream_as, target = _renamed(row.stream, asked), _renamed_backing(row.source, asked)
    check_index_name(stream_as)
    check_index_name(target)
    action = Action.RENAME if asked.mode == Mode.BESIDE else Action.CREATE
    return replace(row, action=action, target=target, stream_as=stream_as, note=f"With the data stream {stream_as}.")


def _blocked(made: Sequence[Row], why: str) -> list[Row]:
    return [replace(row, action=Action.BLOCKED, note=why) for row in made]


def _renamed(stream: str, asked: Asked) -> str:
    return renamed(*template_rename(asked.template), stream) if asked.mode == Mode.BESIDE else stream


def _renamed_backing(index: str, asked: Asked) -> str:
    return renamed_backing(*template_rename(asked.template), index) if asked.mode == Mode.BESIDE else index


def _refusals(stream: str, stream_as: str, indices: Sequence[str], asked: Asked, found: Found) -> Iterator[str]:
    if found.snapshot is None:
        yield "The snapshot cannot be read."
    elif stream not in found.snapshot.data_streams:
        also = " Take it out, and choose its indices one by one." if indices else ""
        yield f"The snapshot does not hold this data stream{', only indices of it' if indices else ''}.{also}"
    if not found.capabilities.data_streams:
        yield "This server knows no data streams. Take it out, and choose its indices one by one under new names."
    if not indices:
        yield "Which indices are behind it cannot be told: no name in the snapshot begins like those of its indices."
    if asked.mode in Mode.REPLACING and stream in found.streams:
        yield f"It is a data stream of the cluster, and is not replaced. {NEW_NAME}, or delete the stream first."
    if taken := how_taken(stream_as, found):
        yield f"{stream_as} exists already {taken}. {NEW_NAME}, or take it out."
    if later := _made_later(stream_as, indices, found):
        yield f"{later} exists already, a name that the stream would give to an index. {NEW_NAME}, or take it out."
    if stream_as in found.busy:
        yield f"Another restore works on {stream_as}. Wait until it is over."


def _made_later(stream_as: str, indices: Sequence[str], found: Found) -> str:
    """An index or alias that a rollover of the stream would run into; empty where there is none."""
    number = max((int(index[-6:]) for index in indices), default=0)
    before = f"{PREFIX}{stream_as}-"
    tails = {name: name.removeprefix(before) for name in (*found.names, *found.aliases) if name.startswith(before)}
    later = [name for name, tail in tails.items() if tail.isdecimal() and int(tail) > number]
    return min(later, default="")


def lines(asked: Asked, found: Found, made: Sequence[Row], space) -> Iterator[Line]:
    """What holds for streams alone."""
    going = sorted({row.stream_as for row in made if row.goes and row.stream})
    bare = [name for name in going if not can_roll_over(name, found.templates)]
    if bare:
        what = f"{', '.join(bare[:3])}: can be read and written, but not rolled over before one is added."
        yield Line(WARN, "No index template makes data streams of this name", what)
    if going and asked.aliases:
        yield Line(WARN, "The aliases of data streams are not known beforehand", "The snapshot does not tell them.")


def planned(made: Sequence[Row]) -> dict[str, list[str]]:
    """The streams that rows bring, under their names, with the indices behind them."""
    found: dict[str, list[str]] = {}
    for row in made:
        if row.goes and row.stream:
            found.setdefault(row.stream_as, []).append(row.target)
    return found
