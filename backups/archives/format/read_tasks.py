"""Extents of an archive as messages to a helper process: few long strings, because there may be a million entries."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from backups.archives import cybersift_restore as reader

from .checking import Wanted

MEMBERS, STORED = 1000, 4 << 20
"""Entries, and bytes of the file, that make a task for a helper: more are asked for together only if they are in one
extent."""
MakeOf = Callable[[Any], Any]
"""Gives the entry that is made of the content of another one, or None."""


def tasks_of(extents: Iterable[tuple[int, reader.Extent]]) -> Iterator[list[tuple[int, reader.Extent]]]:
    """Numbered extents, in portions that are worth a message."""
    task, members, start = [], 0, 0
    for number, extent in extents:
        if task and (members + len(extent.members) > MEMBERS or extent.end - start > STORED):
            yield task
            task, members = [], 0
        start = start if task else extent.start
        task.append((number, extent))
        members += len(extent.members)
    if task:
        yield task


def packed(extent: reader.Extent, made_of: MakeOf) -> tuple:
    """An extent as marshal takes it."""
    members = extent.members
    made = [made_of(member) for member in members]
    alike = all(type(member) is reader.Line for member in members) and all(
        each is None or each is member for member, each in zip(members, made, strict=True)
    )
    return extent.start, extent.end, _columns(members, made) if alike else _rows(members, made)


def unpacked(message: tuple) -> tuple[reader.Extent, list[Wanted]]:
    start, end, (texts, *rest) = message
    wanted = _of_columns(texts, *rest) if rest else [Wanted(*map(_entry, pair)) for pair in texts]
    wanted = [pair._replace(made=pair.member) if pair.made is True else pair for pair in wanted]
    return reader.Extent(start, end, [pair.member for pair in wanted]), wanted


def _columns(members: list[reader.Line], made: list) -> tuple:
    paths, types, sizes, whos, times, digests, ats = zip(*members, strict=True)
    known = {who: number for number, who in enumerate(dict.fromkeys(whos))}
    texts = ["\n".join(column) for column in (paths, types, sizes, times, digests)]
    which = [known[who] for who in whos] if len(known) > 1 else [0] * len(whos)
    return texts, [tuple(who) for who in known], which, ats[0], bytes(each is not None for each in made)


def _of_columns(texts: list[str], whos: list[tuple], which: list[int], at: int, made: bytes) -> list[Wanted]:
    known = [reader.Who(*who) for who in whos]
    paths, types, sizes, times, digests = (text.split("\n") for text in texts)
    columns = zip(paths, types, sizes, (known[number] for number in which), times, digests, strict=True)
    lines = [reader.Line(*values, at) for values in columns]
    return [Wanted(line, line if wanted else None) for line, wanted in zip(lines, made, strict=True)]


def _rows(members: list, made: list) -> tuple:
    return ([(_values(m), True if each is m else _values(each)) for m, each in zip(members, made, strict=True)],)


def _values(entry: Any) -> tuple | None:
    if entry is None:
        return None
    if type(entry) is reader.Line:
        return ("", *entry[:3], tuple(entry.who), *entry[4:])
    return tuple(getattr(entry, name) for name in reader.Entry.__slots__)


def _entry(values: tuple | None | bool) -> Any:
    if values is None or values is True:
        return values
    if not values[0]:
        path, kind, size, who, *rest = values[1:]
        return reader.Line(path, kind, size, reader.Who(*who), *rest)
    known = dict(zip(reader.Entry.__slots__, values, strict=True))
    return reader.Entry(known.pop("path"), known.pop("type"), **known)
