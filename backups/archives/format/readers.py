"""Helper processes that read extents of an archive, as many at once as there are jobs.

They are plain subprocesses, as those of ``batches`` are. A thread for each of them gives it tasks and takes its
answers; what came is looked at by the caller alone.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from backups.archives import cybersift_restore as reader

from .checking import Outcome
from .errors import Cancelled
from .messages import receive, send
from .read_tasks import Writes, packed

HOME = Path(__file__).resolve().parents[3]
AHEAD = 2
"""Tasks that a helper has at once, so that it never waits."""
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(128 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
"""Blocks come and go; to ask the kernel for new pages for each of them takes a tenth of the time (glibc)."""
LOOK_EVERY = 0.1
"""Seconds between two looks at whether all this is still wanted."""
Task = list[tuple[int, reader.Extent]]


class HelperDied(reader.ArchiveError):
    """A helper process ended before it answered: killed, or out of memory. Nothing is known of the archive."""


class Writing:
    """Where helpers write: a directory that all others are in, and how."""

    def __init__(self, root: int, options: reader.Options):
        self.root, self.options = root, options


class Helper:
    def __init__(self, archive: int, writing: Writing | None):
        kept = [archive] if writing is None else [archive, writing.root]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backups.archives.format.read_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=kept,
            cwd=HOME,
            env=os.environ | MEMORY,
        )
        root, options = (None, None) if writing is None else (writing.root, tuple(writing.options))
        with suppress(BrokenPipeError):  # it will be seen when an answer is wanted
            send(self._process.stdin, (archive, root, options))

    def work(self, tasks: Iterator, writes: Writes, done: Callable[[tuple], None]) -> None:
        """Do tasks until there are no more. Raises HelperDied."""
        waiting = 0
        try:
            while True:
                while waiting < AHEAD and (task := next(tasks, None)):
                    send(self._process.stdin, [(number, packed(extent, writes)) for number, extent in task])
                    waiting += 1
                if not waiting:
                    return
                done(receive(self._process.stdout))
                waiting -= 1
        except (BrokenPipeError, EOFError):
            raise HelperDied(f"A helper process ended with {self._process.wait()}.") from None

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """What it is doing is not wanted any more. Only when nobody is in ``work``."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


class Tasks:
    """Tasks for several threads; none any more when it was stopped."""

    def __init__(self, tasks: Iterator[Task]):
        self._tasks, self._lock, self.stopped = tasks, threading.Lock(), False

    def __next__(self) -> Task:
        with self._lock:
            if self.stopped:
                raise StopIteration
            return next(self._tasks)


class Readers:
    """``jobs`` helpers for the archive whose descriptor is given."""

    def __init__(self, archive: int, jobs: int, writing: Writing | None = None):
        self.undressed = 0
        self._helpers = [Helper(archive, writing) for _ in range(jobs)]

    def read(
        self, tasks: Iterator[Task], writes: Writes, cancelled: Callable[[], bool], *, stop_at_damage: bool
    ) -> Iterator[tuple[int, Outcome]]:
        """What came of each extent, as it comes. With ``stop_at_damage`` none behind a damaged one is begun; those
        before it are always read. Raises HelperDied, Cancelled, OSError, and the reader's errors."""
        given, answers = Tasks(tasks), SimpleQueue()
        threads = [
            threading.Thread(target=_work, args=(helper, given, writes, answers), daemon=True)
            for helper in self._helpers
        ]
        try:
            for thread in threads:
                thread.start()
            running = len(threads)
            while running:
                if cancelled():
                    raise Cancelled("cancelled")
                with suppress(Empty):
                    answer = answers.get(timeout=LOOK_EVERY)
                    running -= answer is None
                    for number, outcome in self._outcomes(answer):
                        given.stopped |= stop_at_damage and outcome.damaged is not None
                        yield number, outcome
        finally:
            given.stopped = True
            for helper in self._helpers:
                helper.kill()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _outcomes(self, answer: tuple | Exception | None) -> Iterator[tuple[int, Outcome]]:
        if answer is None:
            return
        if isinstance(answer, Exception):
            raise answer
        kind, first, second = answer
        if kind == "OSError":
            raise OSError(first, second)
        if kind != "done":
            raise getattr(reader, kind)(first)
        self.undressed += second
        for number, values in first:
            yield number, Outcome(*values)

    def close(self) -> None:
        for helper in self._helpers:
            helper.close()


def _work(helper: Helper, tasks: Tasks, writes: Writes, answers: SimpleQueue) -> None:
    """One thread: whatever happens comes out as an answer, and None at last."""
    try:
        helper.work(tasks, writes, answers.put)
    except Exception as error:  # noqa: BLE001 - it is raised again, where it can be dealt with
        answers.put(error)
    finally:
        answers.put(None)


def can_share(archive: reader.Archive) -> int | None:
    """The descriptor of the file, or None: what is decrypted on its way has none that would help."""
    if type(archive.source) is not reader.Source:
        return None
    with suppress(OSError, AttributeError):
        descriptor = archive.source.file.fileno()
        os.fstat(descriptor)
        return descriptor
    return None
