"""The console's own way to read archives: what ``cybersift_restore`` does, on all cores.

``python -m backups.archives.format.fast`` is that program with this speed. What is refused, and what an extraction
leaves behind, is the same: names and places are checked when the archive is opened, the target is the portable
reader's, and everything out of the ordinary is read by it.
"""

import gc
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from types import MappingProxyType

from backups.archives import cybersift_restore as reader

from .checking import Checker, Outcome
from .errors import Cancelled
from .read_tasks import Writes, tasks_of
from .readers import HelperDied, Readers, Writing, can_share

__all__ = ["HelperDied", "extract", "main", "verify"]

FEW_ENTRIES, FEW_BYTES = 500, 4 << 20
"""An archive that has less is read here, before a helper would have started."""
Cancel = Callable[[], bool]
Numbered = list[tuple[int, reader.Extent]]


def never() -> bool:
    return False


def verify(
    archive: "reader.Archive | reader.Foreign",
    jobs: int = 2,
    progress: reader.Progress = reader.no_progress,
    cancelled: Cancel = never,
    *,
    sample: float = 1.0,
    seed: int | None = None,
) -> reader.Verified:
    """As the portable ``verify``: names all damage. ``progress`` is told bytes, now and then.

    With a ``sample`` below 1, blocks with that part of the stored bytes are read, chosen by chance (``seed``); of the
    others it is only looked at whether they are where they should be. Raises Cancelled, and HelperDied.
    """
    progress = _obeying(progress, cancelled)
    if isinstance(archive, reader.Foreign):
        return reader.verify(archive, jobs, progress)
    found, damaged = reader.Verified(), []
    chosen = set(range(len(archive.extents)))
    if sample < 1:
        chosen = _chosen(archive, sample, random.Random(seed))  # noqa: S311 - no secret
        damaged += _structure(archive, chosen, cancelled)
    numbered = [(number, archive.extents[number]) for number in sorted(chosen)]
    with closing(_outcomes(archive, numbered, jobs, cancelled)) as outcomes:
        for number, outcome in outcomes:
            found.members += outcome.members
            found.bytes += outcome.bytes
            progress(outcome.bytes)
            if outcome.damaged is not None:
                damaged.append((number, outcome.damaged, outcome.why))
    for number, which, why in sorted(damaged):
        members = archive.extents[number].members
        found.damaged.append((members[which].path, why))
        found.unread += len(members) - 1 - which
    found.sampled = _stored(archive, chosen) / _stored(archive, range(len(archive.extents)))
    return found


def _stored(archive: reader.Archive, numbers: Iterable[int]) -> int:
    return sum(archive.extents[number].end - archive.extents[number].start for number in numbers)


def _chosen(archive: reader.Archive, sample: float, chance: random.Random) -> set[int]:
    """The first extent, which says whose archive it is, and others until there are enough."""
    enough = sample * _stored(archive, range(len(archive.extents)))
    chosen, stored = {0}, _stored(archive, [0])
    for number in chance.sample(range(1, len(archive.extents)), len(archive.extents) - 1):
        if stored >= enough:
            break
        chosen.add(number)
        stored += _stored(archive, [number])
    return chosen


def _structure(archive: reader.Archive, chosen: set[int], cancelled: Cancel) -> list[tuple[int, int, str]]:
    """Of extents that are not read: whether there are blocks that fill their place."""
    damaged = []
    for number, extent in enumerate(archive.extents):
        if cancelled():
            raise Cancelled("cancelled")
        try:
            if number not in chosen:
                archive.stored(extent)
        except reader.Damaged as error:
            damaged.append((number, 0, str(error)))
    return damaged


def extract(
    archive: "reader.Archive | reader.Foreign",
    to: str,
    options: reader.Options = reader.DEFAULTS,
    progress: reader.Progress = reader.no_progress,
    cancelled: Cancel = never,
) -> reader.Extracted:
    """As the portable ``extract``: all of it, or nothing. Raises Cancelled too; then the target is as it was."""

    def fill(archive, plan, root, options, progress) -> int:
        return _fill(archive, plan, Writing(root, options), progress, cancelled)

    return reader.extract(archive, to, options, _obeying(progress, cancelled), fill)


def _fill(archive, plan: reader.Plan, writing: Writing, progress: reader.Progress, cancelled: Cancel) -> int:
    wanted = {extent.start for extent in reader.wanted_extents(archive, plan)}
    numbered = [(number, extent) for number, extent in enumerate(archive.extents) if extent.start in wanted]
    with closing(reader.Tree(writing.root, writing.options)) as tree:
        for path in {entry.path.rpartition("/")[0] for entry in plan.writes.values()}:
            tree.directory(tree.place(path))
        _write(archive, numbered, plan, tree, writing, progress, cancelled)
        reader.links_and_directories(tree, plan)
        return tree.undressed


def _write(archive, numbered: Numbered, plan: reader.Plan, tree, writing: Writing, progress, cancelled) -> None:
    damaged = []

    jobs = writing.options.jobs
    with closing(_outcomes(archive, numbered, jobs, cancelled, plan.writes, writing, tree)) as outcomes:
        for number, outcome in outcomes:
            progress(outcome.bytes)
            if outcome.damaged is not None:
                damaged.append((number, outcome.damaged, outcome.why))
    if damaged:
        number, which, why = min(damaged)
        extent = archive.extents[number]
        raise reader.MemberDamaged(extent.members[which], extent, why)


def _outcomes(
    archive: reader.Archive,
    numbered: Numbered,
    jobs: int,
    cancelled: Cancel,
    writes: Writes = MappingProxyType({}),
    writing: Writing | None = None,
    tree: reader.Tree | None = None,
) -> Iterator[tuple[int, Outcome]]:
    """What came of each extent, the first one first; of extents that are written none behind a damaged one."""
    rest, descriptor = numbered[1:], can_share(archive)
    with ExitStack() as stack:
        readers = None
        if jobs > 1 and descriptor is not None and not _is_little(rest):
            readers = stack.enter_context(closing(Readers(descriptor, jobs, writing)))
        first = _first(archive, numbered[0][1])
        yield 0, first
        if tree is not None and first.damaged is not None:
            return
        if readers is None:
            yield from _here(archive, rest, cancelled, writes, tree)
            return
        yield from readers.read(tasks_of(rest), writes, cancelled, stop_at_damage=tree is not None)
        if tree is not None:
            tree.undressed += readers.undressed


def _first(archive: reader.Archive, extent: reader.Extent) -> Outcome:
    sizes: list[int] = []
    try:
        with closing(archive.read([extent], 1)) as parts:
            for each, stream in parts:
                reader.read_extent(archive, each, stream, lambda member: reader.Sink(), sizes.append)
    except reader.MemberDamaged as error:
        return Outcome(len(sizes), sum(sizes), 0, error.why)
    return Outcome(len(sizes), sum(sizes))


def _is_little(numbered: Numbered) -> bool:
    entries = sum(len(extent.members) for _, extent in numbered)
    return entries < FEW_ENTRIES and sum(extent.end - extent.start for _, extent in numbered) < FEW_BYTES


def _here(archive, numbered: Numbered, cancelled: Cancel, writes: Writes, tree) -> Iterator[tuple[int, Outcome]]:
    checker = Checker(archive, tree)
    for number, extent in numbered:
        if cancelled():
            raise Cancelled("cancelled")
        outcome = checker.read(extent, [(member, writes.get(member.path)) for member in extent.members])
        yield number, outcome
        if tree is not None and outcome.damaged is not None:
            return


def _obeying(progress: reader.Progress, cancelled: Cancel) -> reader.Progress:
    def told(count: int) -> None:
        if cancelled():
            raise Cancelled("cancelled")
        progress(count)

    return told


@contextmanager
def uncollected() -> Iterator[None]:
    """Millions of entries are no garbage: looking through them again and again takes a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def main(argv: list[str] | None = None) -> int:
    """The portable program, faster."""
    with uncollected():
        return reader.main(argv, reader.Hands(verify, extract))


if __name__ == "__main__":
    reader.end_in_order()
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the system takes a million entries back at once, Python one by one
