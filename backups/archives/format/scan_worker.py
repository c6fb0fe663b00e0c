"""A helper process: ``python -m backups.archives.format.scan_worker``. Looks at every n-th directory of a tree."""

import gc
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress

from backups.gateways.filetree import Directory, Selection, Skipped, join, open_directory, open_file, reason, walk

from .messages import receive, send
from .scan import CUT, Tree, directory_line, file_line, link_line

AT_ONCE = 5_000
PIECE = 1 << 20


def serve() -> None:
    """Lines in portions, None, and at last what was skipped."""
    gc.disable()  # no cycles are made here
    facts, part, parts = receive(sys.stdin.buffer)
    looking, waiting, answers = Looking(Tree(*facts)), [], sys.stdout.buffer
    for line in looking.lines(part, parts):
        waiting.append(line)
        if len(waiting) == AT_ONCE:
            send(answers, waiting)
            waiting = []
    send(answers, waiting)
    send(answers, None)
    send(answers, looking.skipped)


class Looking:
    """At one tree."""

    def __init__(self, tree: Tree):
        self.tree, self.skipped = tree, []
        patterns = (tree.include, tree.exclude)
        self.selection = Selection(*patterns, one_file_system=tree.one_file_system, apart=set(tree.apart))
        self.prefix = tree.prefix.encode()

    def lines(self, part: int, parts: int) -> Iterator[str]:
        try:
            root = os.open(self.tree.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            self._skip(b"", reason(error))
            return
        try:
            for number, each in enumerate(walk(root, self.selection)):
                if number % parts != part:
                    continue
                if isinstance(each, Skipped):
                    self._skip(each.path, each.why)
                else:
                    yield from self._directory(root, each)
        finally:
            os.close(root)

    def _skip(self, path: bytes, why: str) -> None:
        self.skipped.append((self._name(path), why))

    def _name(self, path: bytes) -> str:
        return (join(self.prefix, path) if path else self.prefix).decode("utf-8", "surrogateescape")

    def _directory(self, root: int, each: Directory) -> Iterator[str]:
        facts, above = each.stat, self._name(each.path)
        if each.first:
            yield directory_line(above, stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid)
        for link in each.links:
            target = link.target.decode("utf-8", "surrogateescape")
            yield link_line(f"{above}/{_text(link.name)}", target, link.stat.st_uid, link.stat.st_gid)
        if not each.files:
            return
        try:
            descriptor = open_directory(root, each.path)
        except OSError as error:
            self._skip(each.path, reason(error))
            return
        try:
            yield from self._files(descriptor, above, each)
        finally:
            os.close(descriptor)

    def _files(self, descriptor: int, above: str, each: Directory) -> Iterator[str]:
        look, is_regular = _with_content if self.tree.by_hash else _by_name, stat.S_ISREG
        for name in each.files:
            try:
                facts, digest = look(descriptor, name)
            except OSError as error:
                self._skip(join(each.path, name), reason(error))
                continue
            if is_regular(facts.st_mode):
                who = facts.st_mode & 0o7777, facts.st_uid, facts.st_gid
                yield file_line(f"{above}/{_text(name)}", facts.st_size, facts.st_mtime_ns, who) + digest
            else:
                self._skip(join(each.path, name), "became something else")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _by_name(directory: int, name: bytes) -> tuple[os.stat_result, str]:
    return os.stat(name, dir_fd=directory, follow_symlinks=False), ""


def _with_content(directory: int, name: bytes) -> tuple[os.stat_result, str]:
    """What it is, and the rest of its line."""
    descriptor = open_file(directory, name)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            return facts, ""
        data = os.read(descriptor, min(facts.st_size + 1, PIECE))
        sha256, whole = hashlib.sha256(data), len(data) == facts.st_size
        while not whole and (data := os.read(descriptor, PIECE)):
            sha256.update(data)
        return facts, CUT + sha256.hexdigest()
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # nobody wants the answers any more
        serve()
    os._exit(0)
