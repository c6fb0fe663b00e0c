"""Real servers of the tests, and what is put into them."""

import random
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from backups.gateways.redis.access import RedisAccess
from backups.gateways.redis.connection import connect
from backups.gateways.redis.errors import Loading
from deploy.sandbox.redis import Redis

KEPT = ("--appendonly", "yes", "--appendfsync", "always")
"""What was answered is there after a kill."""
DEBUG = ("--enable-debug-command", "local")
QUICK = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
LIBRARY = "#!lua name=lib\nredis.register_function('one', function() return 1 end)"
BIG = 5 << 20
KEYS = {0: 26, 1: 25, 5: 25}
"""By database, in a filled server."""


@dataclass
class Server:
    """``call`` opens a connection of its own."""

    process: Redis
    version: str = ""

    @property
    def access(self) -> RedisAccess:
        return RedisAccess(port=self.process.port, timeout=20)

    def like(self, **changes) -> RedisAccess:
        return replace(self.access, **changes)

    def call(self, *words, database: int = 0):
        with connect(self.access) as connection:
            connection.call("SELECT", database)
            return connection.call(*words)

    def wait(self) -> "Server":
        """Until it has read its data, or its primary's."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with suppress(Loading):
                if b"master_link_status:down" not in self.call("INFO", "replication"):
                    return self
        raise TimeoutError("Redis is not ready")

    def restart(self) -> None:
        """SIGKILL, and a new one on its data. The one that was killed must have let go of the port first."""
        self.process.kill()
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.process.port), timeout=1).close()
            except OSError:
                break
        self.process.start()
        self.wait()

    def digest(self) -> bytes:
        """Of all databases: keys, values, and which of them expire."""
        return self.call("DEBUG", "DIGEST")


def fill(server: Server, *, new: bool = True) -> None:
    """Every type in every encoding that the server has, in databases 0, 1 and 5. ``new``: it is 7.0 or later."""
    with connect(server.access) as connection:
        connection.call("FLUSHALL")
        for database in (0, 1, 5):
            connection.call("SELECT", database)
            for words in everything(database):
                connection.call(*words)
        connection.call("SELECT", 0)
        connection.call("SET", "big", random.Random(1).randbytes(BIG))
        if new:
            connection.call("FUNCTION", "LOAD", "REPLACE", LIBRARY)


def everything(database: int):
    yield "SET", "text", "words " * 50
    yield "SET", b"\x00\xff name", "binary"
    yield "SET", "name " * 30, f"long name {database}"
    yield "SET", b"4711", "the name is a number"
    for number in (7, -1, 300, -30000, 70000, 1 << 40):
        yield "SET", f"int:{number}", number
    yield "SET", "expires", "x", "PX", 10**9
    for size in (3, 600):
        members = [f"member {number:05}" for number in range(size)]
        yield "HSET", f"hash:{size}", *(word for name in members for word in (name, "value"))
        yield "RPUSH", f"list:{size}", *members
        yield "SADD", f"set:{size}", *members
        yield "SADD", f"integers:{size}", *range(size)
        yield "ZADD", f"zset:{size}", *(word for at, name in enumerate(members) for word in (at / 3, name))
    yield "ZADD", "zset:infinite", "inf", "a", "-inf", "b"
    yield "RPUSH", "list:long elements", "x" * 20000, "y" * 20000
    yield "HSET", "hash:long value", "field", "v" * 5000
    yield from a_stream()


def a_stream():
    for number in range(250):
        yield "XADD", "stream", f"{number + 1}-1", "field", f"value {number}"
    yield "XDEL", "stream", "3-1"
    yield "XGROUP", "CREATE", "stream", "group", "0"
    yield "XREADGROUP", "GROUP", "group", "somebody", "COUNT", "5", "STREAMS", "stream", ">"
    yield "XACK", "stream", "group", "1-1"


def empty(server: Server) -> None:
    """Empty again, and as it is started."""
    server.call("FLUSHALL")
    server.call("FUNCTION", "FLUSH")
    for name, value in (("maxmemory", "0"), ("maxmemory-policy", "noeviction"), ("proto-max-bulk-len", "512mb")):
        server.call("CONFIG", "SET", name, value)
