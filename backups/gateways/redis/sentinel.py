"""Asks Sentinels where the data of a group is to be had: a healthy replica, so that the primary need not fork, else
the primary itself. Source: "High availability with Redis Sentinel" in Redis's documentation."""

from collections.abc import Sequence
from dataclasses import replace

from .access import RedisAccess
from .connection import Connection, connect
from .errors import Answered, RedisError, Unreachable

UNWELL = {"s_down", "o_down", "disconnected"}


def server_of(sentinels: Sequence[RedisAccess], group: str, access: RedisAccess) -> RedisAccess:
    """``access`` with the host and port of a server of this group. The Sentinels are asked in turn; raises what the
    last one said, and ``Unreachable`` where none knows the group."""
    said: RedisError | None = None
    for sentinel in sentinels:
        try:
            with connect(sentinel) as connection:
                host, port = _replica(connection, group) or _primary(connection, group)
        except RedisError as error:
            said = error
        else:
            return replace(access, host=host, port=port, unix_socket="")
    raise said or Unreachable("No Sentinel was given.")


def _primary(connection: Connection, group: str) -> tuple[str, int]:
    found = connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", group)
    if not isinstance(found, list) or len(found) != 2:
        where = connection.access.where
        raise Unreachable(f"The Sentinel at {where} knows no group {group}. Look at its configuration.", repr(found))
    return found[0].decode(), int(found[1])


def _replica(connection: Connection, group: str) -> tuple[str, int] | None:
    try:
        found = connection.call("SENTINEL", "REPLICAS", group)
    except Answered:  # a Sentinel before Redis 5, or one that does not know the group: the primary is asked for next
        return None
    for words in found:
        facts = dict(zip(words[::2], words[1::2], strict=False))
        flags = set(facts.get(b"flags", b"").decode().split(","))
        if not flags & UNWELL and facts.get(b"master-link-status") == b"ok":
            return facts[b"ip"].decode(), int(facts[b"port"])
    return None
