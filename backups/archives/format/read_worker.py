"""A helper process: ``python -m backups.archives.format.read_worker``. Descriptors come in the first message."""

import gc
import os
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

from backups.archives import cybersift_restore as reader

from .checking import Branch, Checker, Part
from .messages import receive, send
from .read_tasks import unpacked


def serve() -> None:
    """Answer until the input ends."""
    gc.disable()  # no cycles are made here
    with os.fdopen(0, "rb") as tasks, os.fdopen(1, "wb") as answers:
        archive, root, options = receive(tasks)
        source = reader.Source(os.fdopen(archive, "rb"))
        tree = None if root is None else Branch(root, reader.Options(*options))
        checker = Checker(Part(source, reader.codec_of(source)), tree)
        waiting = SimpleQueue()
        Thread(target=read_tasks, args=(tasks, waiting), daemon=True).start()
        while task := waiting.get():
            send(answers, answer(checker, tree, task))


def read_tasks(tasks: BinaryIO, waiting: SimpleQueue) -> None:
    """Take every task at once: a caller that waited for us to read it could not read our answers."""
    try:
        while True:
            waiting.put(receive(tasks))
    except EOFError:
        waiting.put(None)


def answer(checker: Checker, tree: Branch | None, task: list[tuple]) -> tuple:
    """What came of each extent, and attributes that could not be kept; or what made it impossible."""
    outcomes = []
    try:
        for number, message in task:
            outcome = checker.read(*unpacked(message))
            outcomes.append((number, tuple(outcome)))
            if tree is not None and outcome.damaged is not None:
                break
    except OSError as error:
        return "OSError", error.errno, error.strerror
    except reader.ArchiveError as error:
        return type(error).__name__, str(error), None
    undressed = 0
    if tree is not None:
        undressed, tree.undressed = tree.undressed, 0
    return "done", outcomes, undressed


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # nobody wants the answers any more
        serve()
