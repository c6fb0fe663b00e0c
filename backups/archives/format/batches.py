"""Packs batches in helper processes, because reading small files is bound by what one interpreter can do.

Helpers are plain subprocesses that talk in length-prefixed messages of marshal: a task of the queue may be a daemonic
process, which may not use multiprocessing. They inherit the descriptor of the tree's root, and end with their input.
"""

import gc
import marshal
import os
import struct
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from backups.gateways.filetree import Owners

from .blocks import codec
from .errors import HelperDied
from .packing import Batch, Packed, pack

HOME = Path(__file__).resolve().parents[3]
LENGTH = struct.Struct("<Q")
FEW_FILES, FEW_BYTES = 64, 256 << 10
"""A batch below both is packed here: it is done before a helper has started."""


def send(stream: BinaryIO, message: Any) -> None:
    text = marshal.dumps(message)
    stream.write(LENGTH.pack(len(text)))
    stream.write(text)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """The next message. EOFError when the other side has ended."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    return marshal.loads(stream.read(length))  # noqa: S302 - from our own helper, never from outside


class Helper:
    def __init__(self, root: int, codec_name: str, pure: bool):
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "backups.archives.format.batch_worker",
                str(root),
                codec_name,
                "pure" if pure else "fast",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[root],
            cwd=HOME,
        )

    def ask(self, sections: list[tuple]) -> Packed:
        try:
            send(self._process.stdin, sections)
            return Packed(*receive(self._process.stdout))
        except (EOFError, BrokenPipeError):
            raise HelperDied(f"A helper process ended with {self._process.wait()}.") from None

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


class Batches:
    """Packs batches of the tree below ``root``. ``jobs`` helpers start with the first batch that is worth it; one job
    means none."""

    def __init__(self, root: int, codec_name: str, *, pure: bool, jobs: int):
        self._how = (root, codec_name, pure)
        self._root, self._codec, self._owners = root, codec(codec_name, pure=pure), Owners()
        self._jobs = jobs
        self._helpers: list[Helper] = []
        self._free: SimpleQueue[Helper] = SimpleQueue()
        self._threads = ThreadPoolExecutor(jobs)

    def submit(self, batch: Batch) -> Future:
        """The future's result is ``Packed``."""
        if self._jobs == 1 or (not self._helpers and batch.count < FEW_FILES and batch.size < FEW_BYTES):
            done: Future = Future()
            done.set_result(pack(self._root, batch.sections, self._codec, self._owners))
            return done
        if not self._helpers:
            self._start()
        return self._threads.submit(self._ask, batch.sections)

    def _start(self) -> None:
        for _ in range(self._jobs):
            self._helpers.append(Helper(*self._how))
            self._free.put(self._helpers[-1])

    def _ask(self, sections: list[tuple]) -> Packed:
        helper = self._free.get()
        try:
            return helper.ask(sections)
        finally:
            self._free.put(helper)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        for helper in self._helpers:
            helper.close()


def serve(arguments: list[str]) -> None:
    """What a helper does: answer until its input ends."""
    root, codec_name, how = arguments
    gc.disable()  # no cycles are made here, and looking for them takes one part in fifteen of the time
    own_codec, owners = codec(codec_name, pure=how == "pure"), Owners()
    with os.fdopen(0, "rb") as tasks, os.fdopen(1, "wb") as answers:
        while True:
            try:
                sections = receive(tasks)
            except EOFError:
                return
            send(answers, tuple(pack(int(root), sections, own_codec, owners)))
