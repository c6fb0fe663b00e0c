"""Compares the Redis data of an archive with what the server holds now, key by key."""

from collections.abc import Callable, Iterable
from datetime import datetime

from backups import clock
from backups.gateways.errors import GatewayError
from backups.gateways.redis import compare as keys
from backups.gateways.redis.compare import KeyComparison
from backups.gateways.redis.errors import RedisError

from .. import cybersift_restore as reader
from ..format.errors import Cancelled
from ..models import RedisServer
from ..redis.access import Copy, access_of
from .compared import ATTRIBUTES, CHANGED, EXPIRED, MOST_NAMES, ONLY_ARCHIVE, ONLY_THERE, SAME, Compared

KINDS = {
    keys.SAME: (SAME, ""),
    keys.CHANGED: (CHANGED, "value"),
    keys.EXPIRY: (ATTRIBUTES, "expires at another time"),
    keys.EXPIRED: (EXPIRED, ""),
    keys.ONLY_FIRST: (ONLY_ARCHIVE, ""),
    keys.ONLY_SECOND: (ONLY_THERE, ""),
}


def with_server(found: "reader.Archive", record: dict, server: RedisServer | None, **options) -> Compared:
    """The data of ``record`` beside what this server of the console holds now; read as for an archive."""
    name = reader.printable(record["name"])
    if server is None:
        return Compared(name, error=f"There is no Redis server {name} any more: its data was not compared.")
    try:
        return compare(found, record, Copy(server, access_of(server)).pieces(), at=clock.now(), **options)
    except RedisError as error:
        return Compared(name, error=f"Redis server {name}: {error}")


def compare(
    found: "reader.Archive",
    record: dict,
    now: Iterable[bytes],
    *,
    at: datetime,
    cancelled: Callable[[], bool] = lambda: False,
) -> Compared:
    """The keys of ``record``, which the manifest has, beside ``now``: an RDB file in pieces, as the server gives it.
    What kept it from being read is the ``error`` of the answer. Raises Cancelled, and the reader's errors."""

    def ask() -> None:
        if cancelled():
            raise Cancelled("cancelled")

    name, pieces = record["name"], reader.redis_pieces(found, record)
    compared = Compared(name)
    with KeyComparison(int(at.timestamp() * 1000), ask) as comparison:
        try:
            comparison.read(pieces, now)
        except GatewayError as error:
            compared.error = f"Redis server {reader.printable(name)}: {error}"
            return compared
        for kind, count in comparison.counts().items():
            compared.counts[KINDS[kind][0]] += count
        for each in comparison.differences(MOST_NAMES):
            kind, what = KINDS[each.kind]
            path = f"redis/{name}/{each.database}/{reader.decoded(each.name)}"
            compared.name_difference(kind, path, what)
        if not comparison.functions:
            compared.add(CHANGED, f"redis/{name}", "functions of the server")
    return compared
