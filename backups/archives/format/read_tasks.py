"""Extents of an archive as messages to a helper process: few long strings, because there may be a million entries."""

import operator
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from backups.archives import cybersift_restore as reader

from .checking import Wanted

MEMBERS, STORED = 1000, 4 << 20
"""Entries, and bytes of the file, that make a task for a helper: more are asked for together only if they are in one
extent."""
Writes = Mapping[str, Any]
"""Where content is in the archive -> the entry that is made of it."""


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


def packed(extent: reader.Extent, writes: Writes) -> tuple:
    """An extent as marshal takes it."""
    members = extent.members
    if set(map(type, members)) == {reader.Line}:
        columns = list(zip(*members, strict=True))
        made = list(map(writes.get, columns[0])) if writes else [None] * len(members)
        as_it_is = bytes(map(operator.is_, made, members))
        if sum(as_it_is) + made.count(None) == len(members):
            return extent.start, extent.end, _columns(columns, as_it_is)
    return extent.start, extent.end, _rows(members, [writes.get(member.path) for member in members])


def unpacked(message: tuple) -> tuple[reader.Extent, list[Wanted]]:
    start, end, (texts, *rest) = message
    wanted = _of_columns(texts, *rest) if rest else [_pair(*values) for values in texts]
    return reader.Extent(start, end, [member for member, _ in wanted]), wanted


def _columns(columns: list[tuple], as_it_is: bytes) -> tuple:
    paths, types, sizes, whos, times, digests, ats = columns
    known = {who: number for number, who in enumerate(set(whos))}
    texts = ["\n".join(column) for column in (paths, types, sizes, times, digests)]
    which = list(map(known.__getitem__, whos)) if len(known) > 1 else [0] * len(whos)
    return texts, [tuple(who) for who in known], which, ats[0], as_it_is


def _of_columns(texts: list[str], whos: list[tuple], which: list[int], at: int, made: bytes) -> list[Wanted]:
    known = [reader.Who(*who) for who in whos]
    paths, types, sizes, times, digests = (text.split("\n") for text in texts)
    whos_of_all = map(known.__getitem__, which)
    columns = zip(paths, types, sizes, whos_of_all, times, digests, [at] * len(paths), strict=True)
    lines = list(map(partial(tuple.__new__, reader.Line), columns))
    return list(zip(lines, [line if wanted else None for line, wanted in zip(lines, made, strict=True)], strict=True))


def _rows(members: list, made: list) -> tuple:
    return ([(_values(m), True if each is m else _values(each)) for m, each in zip(members, made, strict=True)],)


def _values(entry: Any) -> tuple | None:
    if entry is None:
        return None
    if type(entry) is reader.Line:
        return ("", *entry[:3], tuple(entry.who), *entry[4:])
    return tuple(getattr(entry, name) for name in reader.Entry.__slots__)


def _pair(member: tuple, made: tuple | None | bool) -> Wanted:
    entry = _entry(member)
    return entry, entry if made is True else None if made is None else _entry(made)


def _entry(values: tuple) -> Any:
    if not values[0]:
        path, kind, size, who, *rest = values[1:]
        return reader.Line(path, kind, size, reader.Who(*who), *rest)
    known = dict(zip(reader.Entry.__slots__, values, strict=True))
    return reader.Entry(known.pop("path"), known.pop("type"), **known)
