"""A helper process: ``python -m backups.archives.format.batch_worker <descriptor of the shared memory>``."""

import gc
import mmap
import os
import sys
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

from backups.gateways.filetree import Owners

from .ahead import Ahead
from .blocks import codec
from .messages import SLOT, SLOTS, receive, send
from .packing import Packed, Root, pack


def serve(shared: int) -> None:
    """Answer until the input ends."""
    gc.disable()  # no cycles are made here, and looking for them takes one part in fifteen of the time
    memory = mmap.mmap(shared, SLOTS * SLOT)
    with os.fdopen(0, "rb") as tasks, os.fdopen(1, "wb") as answers:
        root, codec_name, pure = receive(tasks)
        own_codec, owners, waiting = codec(codec_name, pure=pure), Owners(), SimpleQueue()
        ahead = Ahead(root[0])
        Thread(target=read_tasks, args=(tasks, waiting, ahead), daemon=True).start()
        while task := waiting.get():
            slot, sections = task
            packed = pack(Root(*root), sections, own_codec, owners)
            ahead.learn(sum(step.files for step in packed.steps))
            send(answers, put(memory, slot, packed))


def read_tasks(tasks: BinaryIO, waiting: SimpleQueue, ahead: Ahead) -> None:
    """Take every task at once: a caller that waited for us to read it could not read our answers."""
    try:
        while True:
            task = receive(tasks)
            ahead.announce(task[1])
            waiting.put(task)
    except EOFError:
        waiting.put(None)


def put(memory: mmap.mmap, slot: int, packed: Packed) -> tuple:
    """Put blocks and texts into the shared memory, and their lengths in their places; those that are too long for it
    are in the answer."""
    at, end, steps = slot * SLOT, (slot + 1) * SLOT, []
    for step in packed.steps:
        length = sum(map(len, step.block))
        if at + length + len(step.text) > end:
            steps.append(tuple(step))
            continue
        for part in (*step.block, step.text):
            memory[at : at + len(part)] = part
            at += len(part)
        steps.append(tuple(step._replace(block=length, text=len(step.text))))
    return steps, packed.errors, packed.rest


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # nobody wants the answers any more
        serve(int(sys.argv[1]))
