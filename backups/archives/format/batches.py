"""Packs batches in helper processes, because reading small files is bound by what one interpreter can do.

Helpers are plain subprocesses that talk in length-prefixed messages of marshal: a task of the queue may be a daemonic
process, which may not use multiprocessing. They inherit the descriptors of the tree's root and of a piece of memory
that they share with the caller: a block that came through a pipe would be copied three times. They have several tasks
at once, so that they never wait for the caller, and end with their input.
"""

import mmap
import os
import subprocess
import sys
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from backups.gateways.filetree import Owners

from .blocks import codec
from .errors import HelperDied
from .messages import SLOT, SLOTS, receive, send
from .packing import Batch, Packed, Root, Step, pack

HOME = Path(__file__).resolve().parents[3]
FEW_FILES = 64
"""A batch of fewer files is packed here: it is done before a helper has started."""


class Asked:
    """What a helper will answer. ``result`` must be asked for in the order of the tasks; the block in it is gone with
    the next task of its helper."""

    def __init__(self, helper: "Helper", slot: int):
        self._helper, self._slot = helper, slot

    def result(self) -> Packed:
        return self._helper.answer(self._slot)


class Helper:
    def __init__(self, root: Root, codec_name: str, pure: bool):
        shared = os.memfd_create("batches", os.MFD_CLOEXEC)
        try:
            os.ftruncate(shared, SLOTS * SLOT)
            self._memory = memoryview(mmap.mmap(shared, SLOTS * SLOT))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "backups.archives.format.batch_worker", str(shared)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[root.descriptor, shared],
                cwd=HOME,
            )
        finally:
            os.close(shared)
        self.slots = list(range(SLOTS))
        self._send((tuple(root), codec_name, pure))

    def ask(self, sections: list[tuple]) -> Asked:
        """Only while there are ``slots``."""
        slot = self.slots.pop()
        self._send((slot, sections))
        return Asked(self, slot)

    def answer(self, slot: int) -> Packed:
        try:
            steps, errors, rest = receive(self._process.stdout)
        except EOFError:
            raise self._died() from None
        self.slots.append(slot)
        at, found = slot * SLOT, []
        for step in map(Step._make, steps):
            if isinstance(step.block, int):
                text = at + step.block
                step = step._replace(
                    block=(self._memory[at:text],), text=bytes(self._memory[text : text + step.text])
                )
                at = text + len(step.text)
            found.append(step)
        return Packed(found, errors, rest)

    def close(self) -> None:
        """What it is doing is not wanted any more."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _send(self, message: tuple) -> None:
        try:
            send(self._process.stdin, message)
        except BrokenPipeError:
            raise self._died() from None

    def _died(self) -> HelperDied:
        return HelperDied(f"A helper process ended with {self._process.wait()}.")


class Batches:
    """Packs batches of a tree. ``jobs`` helpers start with the first batch that is worth it; one job means none."""

    def __init__(self, root: Root, codec_name: str, *, pure: bool, jobs: int):
        self._how = (root, codec_name, pure)
        self._root, self._codec, self._owners = root, codec(codec_name, pure=pure), Owners()
        self._jobs = jobs
        self._helpers: list[Helper] = []

    def submit(self, batch: Batch) -> Asked | Future:
        """Results must be asked for in the order of the batches, and be done with before the next batch."""
        if not self._helpers and self._jobs > 1 and batch.count >= FEW_FILES:
            for _ in range(self._jobs):
                self._helpers.append(Helper(*self._how))
        helper = max(self._helpers, key=lambda each: len(each.slots), default=None)
        if helper is not None and helper.slots:
            return helper.ask(batch.sections)
        done: Future = Future()
        done.set_result(self.here(batch.sections))
        return done

    def here(self, sections: list[tuple]) -> Packed:
        """Packed at once, in this process."""
        return pack(self._root, sections, self._codec, self._owners)

    def close(self) -> None:
        for helper in self._helpers:
            helper.close()
