"""A Redis for `make run`, with believable data: every type, three databases, expiries. About 20,000 keys."""

import random
import secrets
from pathlib import Path

import redis

from deploy.sandbox.packages import Say
from deploy.sandbox.redis import Redis

ACL = ("on", "~*", "&*", "+ping", "+info", "+select", "+replconf", "+psync", "+sync", "+scan", "+dump")
ACL += ("+pttl", "+pexpiretime", "+dbsize", "+function|dump", "+function|list", "+auth")
"""What a user needs who copies all data, by SYNC or key by key, and may change nothing."""
USER = "cybersift-backup"
AT_ONCE = 1_000


class Sandbox(Redis):
    """Started, filled, and with a user for backups that may read everything and change nothing. Its data is made anew
    at every start; the password of the user stays."""

    user = USER

    def __init__(self, folder: Path, say: Say) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / "password"
        if not kept.is_file():
            kept.touch(0o600)
            kept.write_text(secrets.token_urlsafe(18))
        self.password = kept.read_text()
        super().__init__(say, folder=folder)
        self.address = f"127.0.0.1:{self.port}"
        own = redis.Redis(port=self.port)
        fill(own)
        own.execute_command("ACL", "SETUSER", USER, "reset", *ACL, f">{self.password}")
        own.close()


def fill(server: redis.Redis) -> None:
    """Fill an empty server; one that has data is left alone."""
    if server.dbsize():
        return
    grown = random.Random("redis")  # noqa: S311 data of a play, not secrets
    for database, number in ((0, 16_000), (1, 4_000), (2, 200)):
        server.select(database)
        pipe = server.pipeline(transaction=False)
        for at in range(number):
            _key(pipe, grown, at)
            if at % AT_ONCE == AT_ONCE - 1:
                pipe.execute()
        pipe.execute()
    server.select(0)


def _key(pipe, grown: random.Random, at: int) -> None:
    host = f"10.20.{at // 250 % 250}.{at % 250}"
    kind = at % 6
    if kind == 0:
        pipe.set(f"session:{at}", grown.randbytes(48), ex=86_400 + at)
    elif kind == 1:
        pipe.hset(f"host:{host}", mapping={"seen": at, "score": grown.random(), "os": "linux"})
    elif kind == 2:
        pipe.zadd(f"rank:{at}", {f"rule-{n}": grown.random() for n in range(1 + at % 20)})
    elif kind == 3:
        pipe.sadd(f"peers:{host}", *range(at % 40 + 1))
    elif kind == 4:
        pipe.rpush(f"queue:{at}", *(f"event-{n}" for n in range(at % 30 + 1)))
    else:
        pipe.xadd(f"alerts:{at}", {"rule": f"rule-{at % 50}", "host": host}, id=f"{at + 1}-0")
