"""What differs between two directories on this host, by name, kind, size and time. Reads only."""

import os
import stat
from collections.abc import Iterator

from .differing import TYPES
from .found import CREATE, REMOVE, REPLACE, Difference

Seen = dict[str, os.stat_result]


def between(live: str, kept: str) -> list[Difference]:
    """What would have to become of ``live`` so that it is as ``kept``, in order of name."""
    now, then = dict(_entries(live)), dict(_entries(kept))
    found = [difference(path, now.get(path), then.get(path)) for path in now.keys() | then.keys()]
    return sorted((each for each in found if each is not None), key=lambda each: each.path.split("/"))


def difference(path: str, now: os.stat_result | None, then: os.stat_result | None) -> Difference | None:
    """Of one name; None where nothing differs."""
    if now and then and _version(now) == _version(then):
        return None
    action = REPLACE if now and then else CREATE if then else REMOVE
    return Difference(
        path=path,
        action=action,
        type=_type(then or now),
        over=_type(now) if now else "",
        size=_size(then),
        size_now=_size(now),
        mtime=then.st_mtime_ns if then else None,
        mtime_now=now.st_mtime_ns if now else None,
    )


def _entries(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """What is in a directory, with its path below that. Links are not followed."""
    waiting = [""]
    while waiting:
        place = waiting.pop()
        with os.scandir(os.path.join(root, place)) as entries:  # noqa: PTH118 - names that are no text
            for entry in entries:
                path = f"{place}/{entry.name}" if place else entry.name
                yield path, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)


def _version(facts: os.stat_result) -> tuple:
    mode, owner = facts.st_mode, (facts.st_uid, facts.st_gid)
    return (mode, owner) if stat.S_ISDIR(mode) else (mode, owner, facts.st_size, facts.st_mtime_ns)


def _type(facts: os.stat_result) -> str:
    return TYPES.get(stat.S_IFMT(facts.st_mode), "")


def _size(facts: os.stat_result | None) -> int | None:
    return facts.st_size if facts and stat.S_ISREG(facts.st_mode) else None
