"""What differs between a folder of an archive and its target, entry by entry. Reads only."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property

from django.conf import settings

from backups.archives import cybersift_restore as reader
from backups.archives.comparing import compared as words
from backups.archives.comparing import folders
from backups.archives.format.errors import Cancelled
from backups.archives.format.scan import Scan, Tree, lines_of, path_of
from backups.archives.sources import Source

from .found import CREATE, REMOVE, REPLACE, Difference

ACTIONS = {
    words.CHANGED: REPLACE,
    words.ATTRIBUTES: REPLACE,
    words.ONLY_ARCHIVE: CREATE,
    words.ONLY_THERE: REMOVE,
}
UNREAD, KEPT = "unread", "kept"
OFTEN = 200
"""So many entries lie between two questions whether somebody has cancelled."""
TYPES = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l"}


@dataclass(frozen=True)
class Differing:
    """``differences`` in order of name. ``kept_modes`` counts directories whose mode or owner is another one: where a
    folder is changed entry by entry they keep it."""

    differences: tuple[Difference, ...]
    same: int
    unread: int = 0
    kept_modes: int = 0


@dataclass(frozen=True)
class Look:
    """How to compare. ``whole``: also what the patterns of the source leave out. ``remove``: files that only the
    target has are differences. ``owners``: so are owners, setuid, setgid and sticky, which only root can give back.
    ``some``: ``only`` does not want everything."""

    whole: bool
    remove: bool
    by_hash: bool = False
    owners: bool = True
    only: Callable[[str], bool] = lambda path: True
    some: bool = False
    cancelled: Callable[[], bool] = lambda: False


def scan_of(source: Source, target: str, look: Look) -> Scan | None:
    """Begins to read the target, which helpers do while other work goes on; None where there is nothing."""
    if not os.path.lexists(target):
        return None
    patterns = ((), ()) if look.whole else (source.include, source.exclude)
    tree = Tree(target, f"files/{source.name}", *patterns, apart=tuple(source.apart), by_hash=look.by_hash)
    return Scan(tree, settings.ARCHIVE_JOBS if look.by_hash else 1)


def differing(
    found: "reader.Archive", source: Source, target: str, look: Look, scan: Scan | None = None
) -> Differing:
    """The entries of the archive's folder ``source`` beside the directory ``target``, of which ``scan`` may have been
    begun before. Raises Cancelled, and HelperDied."""
    prefix = f"files/{source.name}"
    members = list(members_of(found, prefix))
    wanted = wanted_of(members, look)
    scan = scan or scan_of(source, target, look)
    if scan is None:
        return Differing(tuple(_new(member, prefix) for member in wanted), 0)
    with closing(scan):
        links = {each.path: each for each in members} if any(each.type == "h" for each in members) else {}
        mine = set(lines_of(wanted, links, by_hash=look.by_hash))
        unlined = {each.path for each in wanted if look.by_hash and each.sparse}
        many, others = len(mine), _held_against(mine, scan, look)
        left = {path_of(line) for line in mine} | unlined
        one = _One(prefix, target, look, links, members)
        return _judged(found, one, [each for each in wanted if each.path in left], others, scan, many - len(mine))


def _held_against(mine: set[str], scan: Scan, look: Look) -> list[str]:
    """Takes the lines away that the target has too, and returns those that only the target has."""
    others: list[str] = []
    for lines in scan.lines(look.cancelled):
        found = set(lines)
        others += found - mine
        mine -= found
    if look.cancelled():
        raise Cancelled("cancelled")
    return others


def _new(member: "reader.Entry", prefix: str) -> Difference:
    return Difference(below(member.path, prefix), CREATE, member.type, size=member.size, mtime=member.mtime)


def members_of(found: "reader.Archive", prefix: str) -> Iterator["reader.Entry"]:
    start = f"{prefix}/"
    return (m for m in found.manifest.members if m.path.startswith(start) or m.path == prefix)


def wanted_of(members: Iterable["reader.Entry"], look: Look) -> list["reader.Entry"]:
    """Those that are asked for, and the directories that lead to them."""
    members = list(members)
    if not look.some:
        return members
    chosen = {member.path for member in members if look.only(member.shown)}
    chosen |= _above(chosen)
    return [member for member in members if member.path in chosen]


def _above(paths: Iterable[str]) -> set[str]:
    """The directories that lead to these."""
    found: set[str] = set()
    for path in paths:
        while (path := reader.parent_of(path)) and path not in found:
            found.add(path)
    return found


def _judged(found, one: "_One", left: list, others: list[str], scan: Scan, same: int) -> Differing:
    """Looks one by one at what is not the same at first sight."""
    lost = {error["path"] for error in found.manifest.errors if error["path"].startswith(one.prefix)}
    special = [path for path, _ in scan.skipped if one.is_special(path)]
    unseen = {path for path, _ in scan.skipped}.difference(special)
    counts, differences = Counter({words.SAME: same}), []
    for member in left:
        kind, what, now = one.of(member, unseen)
        counts[kind] += 1
        if kind not in (words.SAME, UNREAD, KEPT):
            differences.append(one.difference(kind, what, member.path, member, now))
    there = [*map(path_of, others), *special] if one.look.remove else ()
    only_there = [path for path in there if path not in one.named]
    stays = _above(path for path in only_there if not one.is_chosen(path)) if one.look.some else ()
    for path in only_there:
        if one.is_chosen(path) and path not in stays and not _was_missed(path, lost):
            differences.append(one.difference(words.ONLY_THERE, "", path, None, one.now(path)))
    differences.sort(key=lambda each: each.path.split("/"))
    return Differing(tuple(differences), counts[words.SAME], counts[UNREAD], counts[KEPT])


class _One:
    """Compares single entries."""

    def __init__(self, prefix: str, target: str, look: Look, links: dict, members: list):
        self.prefix, self.target, self.look, self.links, self.members = prefix, target, look, links, members
        self.asked = 0
        self._leads: dict[str, bool] = {"": True}

    @cached_property
    def named(self) -> set[str]:
        """What the archive has."""
        return {member.path for member in self.members}

    def now(self, path: str) -> os.stat_result | None:
        """What is there; what lies behind a link is not there."""
        place = below(path, self.prefix)
        return _now(self.target, place) if self._leads_to(reader.parent_of(place)) else None

    def _leads_to(self, place: str) -> bool:
        """Whether this is a directory below the target, without a link on the way."""
        if (found := self._leads.get(place)) is None:
            found = self._leads_to(reader.parent_of(place))
            found = found and _type(_now(self.target, place)) == "d"
            self._leads[place] = found
        return found

    def is_special(self, path: str) -> bool:
        """Whether a pipe, a socket or a device is there, which is seen for what it is without being read."""
        now = self.now(path)
        return now is not None and stat.S_IFMT(now.st_mode) not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)

    def is_chosen(self, path: str) -> bool:
        """Whether it was asked for."""
        return self.look.only(path.removeprefix("files/"))

    def of(self, member, unseen: set[str]) -> tuple[str, str, os.stat_result | None]:
        """What kind of difference it is, what differs, and what is there."""
        self.asked += 1
        if self.asked % OFTEN == 0 and self.look.cancelled():
            raise Cancelled("cancelled")
        if _is_below(member.path, unseen):
            return UNREAD, "", None
        now = self.now(member.path)
        if now is None:
            return words.ONLY_ARCHIVE, "", None
        return (*self._held_against(member, now), now)

    def _held_against(self, member, now: os.stat_result) -> tuple[str, str]:
        real = self.links.get(member.target, member) if member.type == "h" else member
        kind, place = TYPES.get(stat.S_IFMT(now.st_mode), ""), below(member.path, self.prefix)
        link = os.fsencode(os.readlink(_at(self.target, place))) if kind == "l" else b""  # noqa: PTH115 - odd names
        with _content_at(self.target, place) as content:
            found, what = folders.verdict(real, kind, now, link, content, full=self.look.by_hash)
        if found == words.ATTRIBUTES:
            bits = 0o7777 if self.look.owners else 0o777
            what = _given(what, self.look.owners, mode=bool((real.mode ^ now.st_mode) & bits))
            if what and member.type == "d" and not self.look.whole:
                return KEPT, ""
            found = found if what else words.SAME
        return found, what

    def difference(self, kind: str, what: str, path: str, member, now: os.stat_result | None) -> Difference:
        return Difference(
            path=below(path, self.prefix),
            action=ACTIONS[kind],
            type=member.type if member else _type(now),
            what=what,
            over=_type(now),
            size=member.size if member else None,
            size_now=now.st_size if now and stat.S_ISREG(now.st_mode) else None,
            mtime=member.mtime if member else None,
            mtime_now=now.st_mtime_ns if now else None,
        )


@contextmanager
def _content_at(target: str, place: str) -> Iterator[tuple[int, bytes, bytes]]:
    """By way of which content is read, without following links below the target."""
    above, _, name = reader.encoded(place).rpartition(b"/")
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield root, above, name
    finally:
        os.close(root)


def _is_below(path: str, places: set[str]) -> bool:
    while path:
        if path in places:
            return True
        path = reader.parent_of(path)
    return False


def _type(facts: os.stat_result | None) -> str:
    return TYPES.get(stat.S_IFMT(facts.st_mode), "") if facts else ""


def _at(target: str, place: str) -> str:
    return os.path.join(target, place) if place else target  # noqa: PTH118 - names that are no text


def _given(what: str, owners: bool, *, mode: bool) -> str:
    """The attributes that can be given back here; ``mode`` says whether one of the bits that can be differs."""
    left_out = (*(() if owners else ("owner",)), *(() if mode else ("mode ",)))
    return ", ".join(each for each in what.split(", ") if not each.startswith(left_out))


def _was_missed(path: str, lost: set[str]) -> bool:
    """The archive lacks it because it could not be read then: that it is only there says nothing."""
    return bool(lost) and _is_below(path, lost)


def _now(target: str, place: str) -> os.stat_result | None:
    try:
        return os.lstat(_at(target, place))
    except OSError:
        return None


def below(path: str, prefix: str) -> str:
    """Below the folder; empty for the folder itself."""
    return path[len(prefix) + 1 :]


def units(differences: tuple[Difference, ...]) -> list[Difference]:
    """Those that are moved: what lies in a directory that is moved itself goes with it. Directories that are only at
    the target are emptied and removed, not moved: somebody may have put something else into them."""
    chosen: list[Difference] = []
    top: str | None = None
    for each in differences:
        if top is not None and each.path.startswith(top):
            continue
        if each.action == REMOVE and each.type == "d":
            continue
        chosen.append(each)
        top = f"{each.path}/" if "d" in (each.type, each.over) else None
    return chosen
