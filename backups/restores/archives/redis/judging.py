"""Whether a database holds what the archive has: how many keys, and of a sample values and expiries."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from backups import clock
from backups.gateways.redis.about import about
from backups.gateways.redis.canonical import digest_of
from backups.gateways.redis.connection import Connection, connect
from backups.gateways.redis.rdb import Key
from backups.gateways.redis.restore import REPLACE, Restore
from backups.gateways.redis.scan import FOOTER, FOREVER

from .databases import Database
from .loading import Pieces, chosen

SAMPLE = 1_000
"""So many keys are read back and compared, at even distances."""
CLOCKS_DIFFER = 2_000
"""Milliseconds, where a server tells only how long a key still has."""


@dataclass
class Judged:
    """``keys`` of the archive should be there, ``missing`` are not. Of ``sampled`` keys ``unlike`` are named."""

    keys: int = 0
    missing: int = 0
    sampled: int = 0
    unlike: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.missing and not self.unlike


def judge(database: Database, number: int, pieces: Pieces) -> Judged:
    """The database ``number`` of the server beside the archive. Raises the gateway's errors."""
    access, now = database.access(), int(clock.now().timestamp() * 1000)
    looking = Restore(access, REPLACE, {database.number: number}, dry_run=True)
    with connect(access) as connection:
        looking.write(chosen(database, pieces), connection)
        found, all_of = looking.outcome, looking.outcome.written[number]
        # Keys that expire may have gone by themselves.
        judged = Judged(keys=all_of, missing=all_of - found.expiring[number] - found.lasting[number])
        step = max(1, all_of // SAMPLE)
        exact = about(connection).knows(7, 0)
        connection.call("SELECT", number)
        for key in _every(step, _living(database, pieces, now)):
            judged.sampled += 1
            if why := _unlike(connection, key, exact):
                judged.unlike.append(f"{key.name.decode(errors='backslashreplace')}: {why}")
    return judged


def _living(database: Database, pieces: Pieces, now: int) -> Iterator[Key]:
    return (key for key in chosen(database, pieces) if key.expires is None or key.expires > now)


def _every(step: int, keys: Iterator[Key]) -> Iterator[Key]:
    return (key for number, key in enumerate(keys) if number % step == 0)


def _unlike(connection: Connection, key: Key, exact: bool) -> str:
    """What differs; empty where nothing does, or the key has gone by itself."""
    now = int(clock.now().timestamp() * 1000)
    dump = connection.call("DUMP", key.name)
    if dump is None:
        gone = key.expires is not None and key.expires <= now + CLOCKS_DIFFER
        return "" if gone else "not there"
    if digest_of(key) != digest_of(Key(key.database, key.name, dump[0], None, dump[1:-FOOTER])):
        return "another value"
    expires = connection.call("PEXPIRETIME" if exact else "PTTL", key.name)
    expires = expires if exact or expires == FOREVER else expires + now
    differs = abs(expires - (FOREVER if key.expires is None else key.expires))
    return "expires at another time" if differs > (0 if exact else CLOCKS_DIFFER) else ""
