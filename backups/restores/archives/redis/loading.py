"""Loads a database: into an empty one, which is proven and exchanged at one stroke, or key by key over a live one."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from backups.gateways.redis import exchange
from backups.gateways.redis.connection import Connection, connect
from backups.gateways.redis.errors import RestoreRefused
from backups.gateways.redis.exchange import Chosen
from backups.gateways.redis.outcome import Outcome
from backups.gateways.redis.pipeline import Pipeline
from backups.gateways.redis.rdb import keys_of
from backups.gateways.redis.resp import ErrorLine, pack
from backups.gateways.redis.restore import REPLACE, Restore
from backups.gateways.redis.spare import size

from .databases import Database

Pieces = Callable[[], Iterable[bytes]]
"""Gives the RDB data anew, to be gone through once."""


def load_spare(database: Database, pieces: Pieces, token: str) -> Outcome:
    """All keys are in the spare database, and counted there. Begins anew after a crash. Raises RestoreRefused when
    some could not be written, or others write there; nothing live was touched then."""
    loading = Restore(database.access(), REPLACE, {database.number: database.spare})
    with connect(loading.access) as connection:
        exchange.claim(connection, database.spare, token)
        loading.write(chosen(database, pieces), connection)
        _refuse_incomplete(loading.outcome)
        _refuse_others(connection, database.spare, loading.outcome)
    return loading.outcome


def merge(database: Database, pieces: Pieces) -> Outcome:
    """Each key over the one of its name. Safe to repeat. Raises RestoreRefused when some could not be written."""
    loading = Restore(database.access(), REPLACE, {database.number: database.number})
    with connect(loading.access) as connection:
        loading.write(chosen(database, pieces), connection)
    _refuse_incomplete(loading.outcome)
    return loading.outcome


def chosen(database: Database, pieces: Pieces) -> Chosen:
    return Chosen(keys_of(pieces()), database.chosen())


def take_back_merge(database: Database, pieces: Pieces, dump: Path) -> None:
    """Every key that the archive has gets the value of before, or goes away. Other keys are not touched. Safe to
    repeat."""
    names = {key.name for key in chosen(database, pieces)}

    def of_before(file: BinaryIO) -> Chosen:
        return Chosen(keys_of(file), lambda number, name: number == database.number and name in names)

    restoring = Restore(database.access(), REPLACE, {database.number: database.number})
    with dump.open("rb") as file, connect(restoring.access) as connection:
        # First, because a server that is full takes nothing before it has room again.
        _remove(connection, database.number, names - {key.name for key in of_before(file)})
        file.seek(0)
        restoring.write(of_before(file), connection)
        _refuse_incomplete(restoring.outcome)


def _remove(connection: Connection, database: int, names: set[bytes]) -> None:
    def answered(labels: list, answers: list) -> None:
        if wrong := [answer for answer in answers if isinstance(answer, ErrorLine)]:
            raise RestoreRefused("Keys that were not there before could not be removed.", wrong[0].line)

    connection.call("SELECT", database)
    pipeline = Pipeline(connection, answered)
    for name in names:
        pipeline.add(None, pack("DEL", name))
    pipeline.finish()


def _refuse_incomplete(outcome: Outcome) -> None:
    if not outcome.complete:
        many = outcome.refused.total()
        raise RestoreRefused(f"{many:,} keys could not be written.", "\n".join(outcome.examples))


def _refuse_others(connection: Connection, spare: int, outcome: Outcome) -> None:
    there, written = size(connection, spare) - 1, outcome.written[spare]
    if not written - outcome.expiring[spare] <= there <= written:
        raise RestoreRefused(
            f"Database {spare} has {there:,} keys after {written:,} were written to it: others write to it, or the "
            "server throws keys away (maxmemory)."
        )
