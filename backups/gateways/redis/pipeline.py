"""Many commands to one server without waiting for each: the server works on one portion while we make the next."""

from collections import deque
from collections.abc import Callable

from .connection import Connection

PORTION = 256 << 10
"""Bytes of one write. Bigger parts are sent by themselves, without being copied."""
COMMANDS = 5000
"""Of one portion: their answers wait in the server."""


class Pipeline:
    """``answered(labels, answers)`` is called for each portion of commands, in order, at the latest in ``finish``;
    what it raises ends the pipeline, and the connection is of no more use then."""

    def __init__(self, connection: Connection, answered: Callable[[list, list], None]):
        self._connection = connection
        self._answered = answered
        self._parts: list[bytes | memoryview] = []
        self._size = 0
        self._labels: deque[object] = deque()
        self._sent = 0

    def add(self, label: object, *parts: bytes | memoryview) -> None:
        self._labels.append(label)
        for part in parts:
            size = len(part)
            if size > PORTION:
                self._write()
                self._connection.send(part)
            else:
                self._parts.append(part)
                self._size += size
        if self._size > PORTION or len(self._labels) - self._sent >= COMMANDS:
            self._portion()

    def finish(self) -> None:
        self._write()
        self._take(len(self._labels))
        self._sent = 0

    def _portion(self) -> None:
        """Send this one, then take the answers of the one before."""
        self._write()
        self._take(self._sent)
        self._sent = len(self._labels)

    def _write(self) -> None:
        if self._parts:
            self._connection.send(b"".join(self._parts))
            self._parts, self._size = [], 0

    def _take(self, count: int) -> None:
        if count:
            answers, label = self._connection.answers(count), self._labels.popleft
            self._answered([label() for _ in range(count)], answers)
