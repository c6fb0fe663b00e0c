"""Work that a thread does in the order in which it is given."""

import queue
import threading
from collections.abc import Callable
from typing import Any

MOST = 4
"""Items that wait; who gives more waits too."""


class Beside:
    """A thread that calls ``work`` with each item. What it raises, the next ``give`` or ``drain`` raises, and nothing
    more is done."""

    def __init__(self, work: Callable[[Any], None]):
        self._work, self._queue = work, queue.Queue(MOST)
        self._error: BaseException | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def give(self, item: Any) -> None:
        self._look()
        self._queue.put(item)

    def drain(self) -> None:
        """Return when all is done that was given."""
        self._queue.join()
        self._look()

    def stop(self) -> None:
        """End the thread after what it is at; the rest is left undone. Safe to call twice."""
        if not self._stopped:
            self._stopped = True
            self._queue.put(None)
            self._thread.join()

    def _look(self) -> None:
        if self._error:
            raise self._error

    def _run(self) -> None:
        """Goes on taking after an error, so that nobody waits for ever."""
        while (item := self._queue.get()) is not None:
            if not (self._error or self._stopped):
                try:
                    self._work(item)
                except BaseException as error:  # noqa: BLE001 - raised again in the thread that gives
                    self._error = error
            del item
            self._queue.task_done()
