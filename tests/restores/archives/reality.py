"""Situations before a restore of a folder, made by chance from a seed: what is packed, what became of it since, where
it lies now, and what is asked for. What is on the disk before and after says what happened to each name.
"""

import hashlib
import os
import random
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from backups.archives import cybersift_restore as reader

from .whereabouts import ELSEWHERE, PLACES

TYPES = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p"}


@dataclass
class Situation:
    """``edits`` are names of functions below, done in that order; ``place`` is what became of the folder as a whole.
    ``options`` are those of a plan. ``skip``: something that differs is taken out of the plan. ``excluded``: the
    profile leaves something out."""

    seed: int
    edits: tuple[str, ...] = ()
    place: str = "as it was"
    options: dict = field(default_factory=dict)
    skip: bool = False
    excluded: bool = False

    def __str__(self) -> str:
        return f"{self.place}, {'+'.join(self.edits)}, {self.options}" + ", skip" * self.skip + ", ex" * self.excluded


def grow(folder: Path, chance: random.Random) -> None:
    """What is packed: files, folders in folders, links of both kinds, an empty folder, names that are no text and
    such that differ by case alone."""
    for below in ("", "a", "a/deep", "b", "cache", "empty"):
        (folder / below).mkdir(parents=True, exist_ok=True)
    for number in range(12):
        path = folder / chance.choice(("", "a", "a/deep", "b")) / f"{number}.json"
        path.write_text(f"{number} " * chance.randrange(1, 200))
        path.chmod(chance.choice((0o644, 0o600, 0o755)))
    (folder / "a/kept.json").write_text("one more")
    (folder / "a/deep/kept.json").write_text("one more")
    (folder / "b/kept.json").write_text("one more")
    (folder / "Case.json").write_text("upper")
    (folder / "case.json").write_text("lower")
    (folder / "cache/old.tmp").write_text("left out")
    Path(os.fsdecode(bytes(folder) + b"/\xff odd")).write_text("odd")
    (folder / "current").symlink_to(chance.choice(("a", "missing", "/etc/hostname")))
    os.link(folder / "a/kept.json", folder / "b/linked.json")


def _files(folder: Path, chance: random.Random) -> Path:
    found = sorted(p for p in folder.rglob("*.json") if p.is_file() and not p.is_symlink())
    return chance.choice(found)


def changed(folder: Path, chance: random.Random) -> None:
    with _files(folder, chance).open("a") as file:
        file.write("changed")


def changed_unseen(folder: Path, chance: random.Random) -> None:
    """Of the same size and time."""
    path = _files(folder, chance)
    facts = path.stat()
    path.write_bytes(b"#" * facts.st_size)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def touched(folder: Path, chance: random.Random) -> None:
    os.utime(_files(folder, chance), (10**9, 10**9))


def other_mode(folder: Path, chance: random.Random) -> None:
    _files(folder, chance).chmod(0o640)


def other_owner(folder: Path, chance: random.Random) -> None:
    os.chown(_files(folder, chance), 1234, 1234)


def folder_mode(folder: Path, chance: random.Random) -> None:
    (folder / chance.choice(("", "a", "b"))).chmod(0o750)


def removed(folder: Path, chance: random.Random) -> None:
    _files(folder, chance).unlink()


def folder_removed(folder: Path, chance: random.Random) -> None:
    shutil.rmtree(folder / chance.choice(("a", "a/deep", "b", "empty")), ignore_errors=True)


def added(folder: Path, chance: random.Random) -> None:
    (folder / f"added-{chance.random()}").write_text("added")


def folder_added(folder: Path, chance: random.Random) -> None:
    (folder / "new/deep").mkdir(parents=True, exist_ok=True)
    (folder / "new/deep/added").write_text("added")


def in_the_cache(folder: Path, chance: random.Random) -> None:
    (folder / "cache/newer.tmp").write_text("left out")


def renamed_by_case(folder: Path, chance: random.Random) -> None:
    path = _files(folder, chance)
    path.rename(path.with_name(path.name.swapcase()))


def folder_for_file(folder: Path, chance: random.Random) -> None:
    path = _files(folder, chance)
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("inside")


def file_for_folder(folder: Path, chance: random.Random) -> None:
    path = folder / chance.choice(("a", "b", "empty"))
    if path.is_dir():
        shutil.rmtree(path)
        path.write_text("a file now")


def link_for_file(folder: Path, chance: random.Random) -> None:
    path = _files(folder, chance)
    path.unlink()
    path.symlink_to("/etc/hostname")


def link_for_folder(folder: Path, chance: random.Random) -> None:
    """What is behind it must not be written to."""
    path = folder / "b"
    if path.is_dir() and not path.is_symlink():
        path.rename(folder.parent / "behind")
        path.symlink_to(folder.parent / "behind")


def file_for_link(folder: Path, chance: random.Random) -> None:
    (folder / "current").unlink(missing_ok=True)
    (folder / "current").write_text("a file now")


def leads_elsewhere(folder: Path, chance: random.Random) -> None:
    (folder / "current").unlink(missing_ok=True)
    (folder / "current").symlink_to("elsewhere")


def unlinked(folder: Path, chance: random.Random) -> None:
    """The hard link is a file of its own, with other content."""
    path = folder / "b/linked.json"
    if path.exists():
        path.unlink()
        path.write_text("of its own")


def linked(folder: Path, chance: random.Random) -> None:
    """Two files have become one."""
    path, other = folder / "Case.json", folder / "case.json"
    if path.is_file() and other.is_file():
        path.unlink()
        os.link(other, path)


def pipe_for_file(folder: Path, chance: random.Random) -> None:
    path = _files(folder, chance)
    path.unlink()
    os.mkfifo(path)


def pipe_added(folder: Path, chance: random.Random) -> None:
    os.mkfifo(folder / f"pipe-{chance.random()}")


EDITS: dict[str, Callable] = {
    each.__name__: each
    for each in (
        *(changed, changed_unseen, touched, other_mode, other_owner, folder_mode, removed, folder_removed, added),
        *(folder_added, in_the_cache, renamed_by_case, folder_for_file, file_for_folder, link_for_file),
        *(link_for_folder, file_for_link, leads_elsewhere, unlinked, linked, pipe_for_file, pipe_added),
    )
}

FIRST = (
    Situation(1, ("changed", "removed", "added", "folder_added"), options={"remove": True}),
    Situation(2, ("changed", "removed", "added", "folder_added"), options={"remove": False}),
    Situation(3, ("folder_for_file", "file_for_folder", "link_for_file"), options={"remove": True}),
    Situation(4, ("folder_for_file", "folder_removed"), options={"remove": False, "only": ("folder/*.json",)}),
    Situation(5, ("link_for_folder", "pipe_for_file", "unlinked"), options={"remove": True}, excluded=True),
    Situation(6, ("changed_unseen", "touched", "other_mode", "folder_mode"), options={"by_hash": True}),
    Situation(7, ("changed", "in_the_cache", "renamed_by_case"), options={"remove": True}, excluded=True),
    Situation(8, ("changed",), place="read-only", options={"remove": True}),
    Situation(9, ("changed", "added"), place="a mount", options={"remove": True}),
    Situation(10, place="no parent", options={"only": ("folder/a/*",)}),
    Situation(11, ("changed",), place="locked inside", options={"remove": False}),
    Situation(12, ("changed", "removed", "leads_elsewhere"), options={"remove": True}, skip=True),
)
"""Those that every test has; more are made by chance."""


def situations(number: int, seed: int) -> list[Situation]:
    chance = random.Random(seed)
    return [*FIRST, *(_made(chance) for _ in range(number - len(FIRST)))][:number]


def _made(chance: random.Random) -> Situation:
    edits = tuple(chance.sample(sorted(EDITS), chance.randrange(1, 5)))
    options = {"remove": chance.random() < 0.6, "by_hash": chance.random() < 0.3}
    if chance.random() < 0.25:
        options["only"] = chance.choice(
            (("folder/a",), ("folder/b/*",), ("folder/*.json",), ("folder/a", "folder/b"))
        )
    place = chance.choice(sorted(PLACES)) if chance.random() < 0.6 else "as it was"
    if place == "as it was" and chance.random() < 0.2:
        place, options["remove"] = f"elsewhere: {chance.choice(ELSEWHERE)}", False
    return Situation(
        chance.randrange(10**6), edits, place, options, skip=chance.random() < 0.2, excluded=chance.random() < 0.3
    )


def seen(folder: Path, *, by_hash: bool) -> dict[str, tuple]:
    """What has each name now, from the folder itself on; without what a restore keeps and makes on the way.
    ``by_hash``: with content, else by size and time."""
    found = {}
    for place, directories, files in os.walk(os.fsencode(folder), onerror=_raise) if folder.is_dir() else ():
        directories[:] = [name for name in directories if b".before-" not in name and b".restore-" not in name]
        below = os.path.relpath(place, os.fsencode(folder.parent))
        found[os.fsdecode(below)] = _version(place, by_hash=by_hash)
        links = [each for each in directories if os.path.islink(place + b"/" + each)]  # noqa: PTH114 - odd names
        for name in (*files, *links):
            found[os.fsdecode(below + b"/" + name)] = _version(place + b"/" + name, by_hash=by_hash)
    if not folder.is_dir() and os.path.lexists(folder):
        found[folder.name] = _version(os.fsencode(folder), by_hash=by_hash)
    return {reader.printable(path): version for path, version in found.items()}


def _raise(error: OSError) -> None:
    raise error


def _version(path: bytes, *, by_hash: bool) -> tuple:
    facts = os.lstat(path)
    kind = TYPES[stat.S_IFMT(facts.st_mode)]
    if kind == "l":
        return kind, os.readlink(path)  # noqa: PTH115 - odd names
    mine = (kind, facts.st_mode, facts.st_uid, facts.st_gid)
    if kind != "f":
        return mine
    content = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest() if by_hash else ""
    return (*mine, facts.st_size, facts.st_mtime_ns, content)


def happened(before: dict[str, tuple], after: dict[str, tuple]) -> dict[str, str]:
    """Name -> create, replace, remove; without those to which nothing happened."""
    said = {path: "create" for path in after.keys() - before.keys()}
    said |= {path: "remove" for path in before.keys() - after.keys()}
    return said | {path: "replace" for path in before.keys() & after.keys() if before[path] != after[path]}
