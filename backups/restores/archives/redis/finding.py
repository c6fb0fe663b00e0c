"""Looks at Redis servers, and compares their keys with those of the archive, before a plan is made. Reads only."""

import io
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from django.conf import settings

from backups import clock
from backups.archives import cybersift_restore as reader
from backups.archives.format.errors import Cancelled
from backups.archives.models import RedisMode as How
from backups.archives.models import RedisServer
from backups.archives.redis.access import access_of
from backups.gateways.errors import GatewayError
from backups.gateways.redis import compare
from backups.gateways.redis.about import About, about
from backups.gateways.redis.access import RedisAccess
from backups.gateways.redis.compare import KeyComparison
from backups.gateways.redis.connection import Connection, connect
from backups.gateways.redis.errors import Answered, Forbidden, RedisError, Unsupported
from backups.gateways.redis.preflight import preflight
from backups.gateways.redis.rdb import survey_of
from backups.gateways.redis.rights import BACK, BY_SCAN, may_flush, missing_rights
from backups.gateways.redis.scan import Scan
from backups.gateways.redis.survey import Survey
from backups.gateways.redis.sync import rdb_by_sync

from ..asked import Asked, Database, RedisMode
from ..found import DatabaseFound
from .databases import matching

USUAL_DATABASES = 16
NOTHING = b"REDIS0009\xff" + bytes(8)
"""An RDB file without keys."""


def find_databases(asked: Asked, found: "reader.Archive", records: dict, cancelled: Callable[[], bool]) -> list:
    """One for each database that was asked for and is in the archive. Raises Cancelled and the reader's errors."""
    there = sorted((each for each in asked.redis if each.name in records), key=lambda each: (each.server, each.name))
    made, taken = [], {}
    for (server, name), group in groupby(there, key=lambda each: (each.server, each.name)):
        row = RedisServer.objects.filter(pk=server, host=settings.WORKER_HOST).first()
        wanted = list(group)
        if row is None:
            why = f"No Redis server of this console is reached from {settings.WORKER_HOST} for it."
            made += [DatabaseFound(each.name, each.number, "?", stops=(why,)) for each in wanted]
            continue
        spares = taken.setdefault(server, {each.number for each in asked.redis if each.server == server})
        record = records[name]
        made += Looking(
            row, wanted, lambda record=record: reader.redis_pieces(found, record), spares, cancelled
        ).run()
    return made


class Looking:
    """At one server, for some databases of the RDB data that ``pieces`` gives each time anew. ``taken`` are databases
    that are no spare ones."""

    def __init__(self, row: RedisServer, wanted: Sequence[Database], pieces, taken: set[int], cancelled):
        self.row, self.wanted, self.pieces = row, wanted, pieces
        self.taken, self.cancelled = taken, cancelled

    def run(self) -> list[DatabaseFound]:
        try:
            survey = survey_of(self._archive())
            access = access_of(self.row)
            with connect(access) as connection:
                server = about(connection)
                lacking = _lacking(connection)
                spares = {each.number: self._spare(connection, server) for each in self.wanted if needs_spare(each)}
            counts = self._compared(access)
            return [self._of(each, server, survey, access, spares, counts, lacking) for each in self.wanted]
        except RedisError as error:
            return [
                DatabaseFound(each.name, each.number, self.row.name, stops=(error.message,)) for each in self.wanted
            ]

    def _archive(self) -> Iterator[memoryview]:
        for piece in self.pieces():
            if self.cancelled():
                raise Cancelled("cancelled")
            yield piece

    def _spare(self, connection: Connection, server: About) -> int | None:
        """The last database that has no keys and is not asked for; None where there is none."""
        answer = None if server.cluster else connection.tolerated("CONFIG", "GET", "databases")
        known = isinstance(answer, list) and len(answer) == 2 and answer[1].isdigit()
        for number in reversed(range(int(answer[1]) if known else USUAL_DATABASES)):
            if number not in self.taken and number not in server.databases and _selects(connection, number):
                self.taken.add(number)
                return number
        return None

    def _compared(self, access: RedisAccess) -> dict[int, dict[str, int]]:
        """Keys of each kind by database."""
        patterns = {each.number: matching(each.pattern) for each in self.wanted}
        live = [each.number for each in self.wanted if each.mode != RedisMode.SPARE]

        def chosen(database: int, name: bytes) -> bool:
            return database in patterns and patterns[database](name)

        def ask() -> None:
            if self.cancelled():
                raise Cancelled("cancelled")

        with KeyComparison(int(clock.now().timestamp() * 1000), ask, chosen) as comparison:
            comparison.read(self._archive(), live_pieces(self.row, access, live) if live else io.BytesIO(NOTHING))
            return comparison.counts_by_database()

    def _of(self, each: Database, server: About, survey: Survey, access, spares, counts, lacking) -> DatabaseFound:
        kinds = counts.get(each.number, {})
        of = {name: kinds.get(name, 0) for name in (*compare_kinds(), compare.EXPIRED)}
        spare = spares.get(each.number)
        stops, notes = _judged(each, survey, access, spare)
        return DatabaseFound(
            name=each.name,
            number=each.number,
            server=self.row.name,
            where=access.where,
            run_id=server.run_id,
            version=f"{server.product} {server.version}",
            keys_now=server.databases.get(each.number, 0),
            in_archive=sum(of.values()) - of[compare.ONLY_SECOND],
            added=of[compare.ONLY_FIRST],
            overwritten=of[compare.CHANGED] + of[compare.EXPIRY],
            same=of[compare.SAME],
            only_there=of[compare.ONLY_SECOND],
            expired=of[compare.EXPIRED],
            spare=spare,
            memory=server.memory,
            memory_most=server.maxmemory,
            stops=(*lacking, *stops),
            notes=tuple(notes),
        )


def compare_kinds() -> tuple[str, ...]:
    return compare.SAME, compare.CHANGED, compare.EXPIRY, compare.ONLY_FIRST, compare.ONLY_SECOND


def needs_spare(each: Database) -> bool:
    return each.mode != RedisMode.MERGE


def live_pieces(row: RedisServer, access: RedisAccess, databases: Sequence[int]) -> Iterator[bytes]:
    """What the server has now, as an RDB file: of one moment where it hands that out, else key by key."""
    if row.mode == How.RDB:
        stream = rdb_by_sync(access)
        try:
            first = next(stream)
        except (Forbidden, Unsupported):
            pass
        else:
            yield first
            yield from stream
            return
    yield from Scan(access, tuple(databases)).pieces()


def _lacking(connection: Connection) -> list[str]:
    """What the console's user would need and does not have."""
    rights = [*missing_rights(connection, BY_SCAN), *missing_rights(connection, BACK)]
    said = [f"The Redis user lacks {each.rule}, {each.why}." for each in rights]
    if not may_flush(connection):
        said.append("The Redis user lacks +flushdb, to empty the database that is loaded into.")
    return list(dict.fromkeys(said))


def _selects(connection: Connection, number: int) -> bool:
    try:
        connection.call("SELECT", number)
    except Answered:
        return False
    return connection.call("DBSIZE") == 0


def _judged(each: Database, survey: Survey, access: RedisAccess, spare: int | None) -> tuple[list[str], list[str]]:
    """What stands against it, and what to know."""
    if needs_spare(each) and spare is None:
        return ["The server has no empty database to load into."], []
    if each.pattern and each.mode == RedisMode.REPLACE:
        return ["A pattern of keys goes with overwriting key by key, not with replacing all of the database."], []
    if each.number not in survey.databases:
        return [f"The archive has no keys of database {each.number}."], []
    into = {each.number: each.number if spare is None else spare}
    try:
        findings = preflight(access, survey, into, spare=each.mode == RedisMode.REPLACE)
    except GatewayError as error:
        return [error.message], []
    notes = [finding.message for finding in findings if not finding.stops]
    if survey.functions:
        notes.append("Functions of the server belong to no database: they are not restored.")
    return [finding.message for finding in findings if finding.stops], notes
