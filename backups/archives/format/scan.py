"""A tree on the disk as lines to be held against an archive: one for each entry, read by helpers beside other work.

A line has everything that a comparison looks at, so that of a million entries only those are looked at one by one
whose lines differ. Names that cannot be had stand in ``skipped``.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from backups.archives import cybersift_restore as reader

from .messages import receive, send
from .readers import HOME, LOOK_EVERY, HelperDied

CUT = "\0"
"""Between the parts of a line: no name and no number has it."""


@dataclass(frozen=True)
class Tree:
    """What is to be looked at: the directory ``path``, whose entries are called ``prefix`` and below; patterns and
    the rest as ``filetree.Selection`` has them. ``by_hash``: content is read, and stands in the line."""

    path: str
    prefix: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    one_file_system: bool = True
    apart: tuple[tuple[int, int], ...] = ()
    by_hash: bool = False


class Scan:
    """Begins at once, and waits for nobody: helpers put their lines into files, which are gone with it. Close it."""

    def __init__(self, tree: Tree, jobs: int = 2):
        self._files = [tempfile.TemporaryFile() for _ in range(jobs)]  # noqa: SIM115 - see close
        self._helpers = [_started(tree, part, file, jobs) for part, file in enumerate(self._files)]
        self.skipped: list[tuple[str, str]] = []

    def lines(self, cancelled: Callable[[], bool] = lambda: False) -> Iterator[list[str]]:
        """Some at a time, in no order. Raises HelperDied; after ``cancelled`` no more come."""
        for helper, file in zip(self._helpers, self._files, strict=True):
            if not _ended(helper, cancelled):
                return
            file.seek(0)
            try:
                while (message := receive(file)) is not None:
                    yield message
                self.skipped += receive(file)
            except EOFError:
                raise HelperDied(f"A helper process ended with {helper.returncode}.") from None

    def close(self) -> None:
        for helper, file in zip(self._helpers, self._files, strict=True):
            helper.kill()
            helper.wait()
            file.close()


def _started(tree: Tree, part: int, output: BinaryIO, parts: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "backups.archives.format.scan_worker"]
    helper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, cwd=HOME)
    send(helper.stdin, (tuple(vars(tree).values()), part, parts))
    helper.stdin.close()
    return helper


def _ended(helper: subprocess.Popen, cancelled: Callable[[], bool]) -> bool:
    """False when it is not wanted any more."""
    while not cancelled():
        with suppress(subprocess.TimeoutExpired):
            helper.wait(LOOK_EVERY)
            return True
    return False


def lines_of(members: Iterable[Any], whole: dict[str, Any], *, by_hash: bool) -> Iterator[str]:
    """The same lines, as the archive says they should be. Of a sparse file read by content there is none: what is
    stored of it is not its content."""
    tails: dict[int, str] = {}
    for member in members:
        if type(member) is reader.Line and member.type == "f":
            who = member.who
            if (tail := tails.get(id(who))) is None:
                tail = tails[id(who)] = f"{who.mode}{CUT}{who.uid}{CUT}{who.gid}"
            line = f"{member.path}{CUT}f{CUT}{member.size_digits}{CUT}{member.mtime_digits}{CUT}{tail}"
            yield f"{line}{CUT}{member.digest}" if by_hash else line
        elif line := _line(member, whole.get(member.target, member) if member.type == "h" else member, by_hash):
            yield line


def _line(member: Any, real: Any, by_hash: bool) -> str:
    if real.type == "d":
        return directory_line(member.path, real.mode, real.uid, real.gid)
    if real.type == "l":
        return link_line(member.path, real.target, real.uid, real.gid)
    if real.type != "f" or by_hash and real.sparse:
        return ""
    line = file_line(member.path, real.size, real.mtime, (real.mode, real.uid, real.gid))
    return f"{line}{CUT}{real.sha256}" if by_hash else line


def directory_line(path: str, mode: int, uid: int, gid: int) -> str:
    return f"{path}{CUT}d{CUT}{mode}{CUT}{uid}{CUT}{gid}"


def link_line(path: str, target: str, uid: int, gid: int) -> str:
    return f"{path}{CUT}l{CUT}{target}{CUT}{uid}{CUT}{gid}"


def file_line(path: str, size: int, mtime: int, who: tuple[int, int, int]) -> str:
    return f"{path}{CUT}f{CUT}{size}{CUT}{mtime}{CUT}{who[0]}{CUT}{who[1]}{CUT}{who[2]}"


def path_of(line: str) -> str:
    return line.partition(CUT)[0]
