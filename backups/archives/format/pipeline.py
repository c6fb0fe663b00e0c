"""Keeps the order of an archive while its blocks are made by others.

What is put in is written in the order in which it was put in, however soon each block is ready; little waits at once.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .blocks import PIECE, Codec
from .errors import Cancelled
from .output import Output

WAITING_PER_JOB = 3


@dataclass
class Place:
    """Where something begins in the archive; None until it has been written."""

    at: int | None = None


@dataclass
class Progress:
    """Tells ``callback`` how many bytes were read and how many files are done, all in all."""

    callback: Callable[[int, int], None] | None = None
    bytes: int = 0
    files: int = 0

    def add(self, count: int = 0, files: int = 0) -> None:
        self.bytes += count
        self.files += files
        if self.callback and (count or files):
            self.callback(self.bytes, self.files)


class Pipeline:
    """``jobs`` threads compress; whoever calls writes. ``cancelled`` is asked before each thing that is put in."""

    def __init__(self, output: Output, codec: Codec, jobs: int, cancelled: Callable[[], bool] | None = None):
        self.output, self.codec = output, codec
        self._cancelled = cancelled or (lambda: False)
        self._most = WAITING_PER_JOB * jobs
        self._threads = ThreadPoolExecutor(jobs)
        self._waiting: deque[tuple[Future | None, Callable[[Any], Any]]] = deque()

    def put(self, data: bytes, kind: bytes = PIECE) -> None:
        """A block of this data."""
        self.add(self._threads.submit(self.codec.pack, data, kind), lambda parts: self.output.write(*parts))

    def put_stored(self, data: bytes, *, final: bool = False) -> Place:
        """A block that ``replace`` can overwrite with other data of this length, and ``rewind`` can forget, until
        ``settle``; one that is ``final`` needs neither."""
        place, block = Place(), self.codec.stored(data, PIECE)

        def write(_) -> None:
            if not final:
                self.output.hold()
            place.at = self.output.write(*block)

        self.add(None, write)
        return place

    def replace(self, place: Place, data: bytes) -> None:
        self.drain()
        self.output.overwrite(place.at, *self.codec.stored(data, PIECE))

    def rewind(self, place: Place) -> None:
        """Forget this place and everything after it."""
        self.drain()
        self.output.rewind(place.at)

    def settle(self) -> None:
        """What was put in so far stays as it is."""
        self.call(self.output.settle)

    def call(self, function: Callable[[], None]) -> None:
        """Call when everything that was put in before has been written."""
        self.add(None, lambda _: function())

    def add(self, future: Future | None, done: Callable[[Any], Any]) -> None:
        """Call ``done`` with the future's result when its turn has come."""
        if self._cancelled():
            raise Cancelled("cancelled")
        self._waiting.append((future, done))
        self.drain(self._most)

    def drain(self, keep: int = 0) -> None:
        while len(self._waiting) > keep:
            future, done = self._waiting.popleft()
            done(future.result() if future else None)

    def close(self) -> None:
        self._waiting.clear()
        self._threads.shutdown(cancel_futures=True)
