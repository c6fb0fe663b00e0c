"""A restore into spare databases that ends itself by SIGKILL before its n-th step at the exchange.

    python -m tests.gateways.redis.dying console|alone PORT ARCHIVE-OR-RDB STEP

A step is a command of the exchange, before it is sent (even numbers) and when it was sent but not answered.
"""

import itertools
import os
import signal
import sys
from pathlib import Path

from backups.archives import cybersift_restore as reader
from backups.gateways.redis.access import RedisAccess
from backups.gateways.redis.connection import Connection
from backups.gateways.redis.spare import SpareRestore

SPARE = {0: 8, 1: 9}
COMMANDS = ("MULTI", "SWAPDB", "EXEC")


def die_at(step: int, of: type) -> None:
    """``of``: the class whose ``call`` sends a command and waits for the answer."""
    steps, call, answer = itertools.count(), of.call, of.answer
    exchanging = []

    def check() -> None:
        if exchanging and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted_call(self, *words):
        if words[0] in COMMANDS:
            exchanging.append(words)
        check()
        return call(self, *words)

    def counted_answer(self):
        check()
        return answer(self)

    of.call, of.answer = counted_call, counted_answer


def main(which: str, port: str, path: str, step: str) -> None:
    if which == "console":
        die_at(int(step), Connection)
        with Path(path).open("rb") as file:
            SpareRestore(RedisAccess(port=int(port), timeout=20), SPARE).run(file)
        return
    die_at(int(step), reader.RedisLine)
    with reader.open_archive(path) as archive:
        address = reader.redis_address(f"redis://127.0.0.1:{port}")
        reader.restore_redis(archive, address, reader.RedisOptions(mode=reader.SPARE, spare=SPARE))


if __name__ == "__main__":
    main(*sys.argv[1:])
