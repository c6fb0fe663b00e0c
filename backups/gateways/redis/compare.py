"""Holds the keys of one RDB file against those of another. They lie in a database file of SQLite meanwhile, which
nobody else sees and which is gone with it: memory stays the same however many there are."""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from .canonical import digest_of
from .rdb import Source, keys_of

SAME, CHANGED, EXPIRY, EXPIRED, ONLY_FIRST, ONLY_SECOND = "same", "changed", "expiry", "expired", "first", "second"
AT_ONCE = 10_000
CACHE_KB = 64 << 10
COLUMNS = "(database integer, name blob, digest blob, expires integer, primary key (database, name)) without rowid"
TABLES = {name: f"create table {name} {COLUMNS}" for name in ("first", "second")}
FILL = {name: f"insert or replace into {name} values (?, ?, ?, ?)" for name in TABLES}  # noqa: S608 - both are ours
COMPARED = """create table compared as
select first.database as database, first.name as name, case
    when first.expires <= :now then 'expired'
    when second.digest is null then 'first'
    when second.digest <> first.digest then 'changed'
    when second.expires is not first.expires then 'expiry'
    else 'same' end as kind
from first left join second on second.database = first.database and second.name = first.name
union all
select second.database, second.name, 'second'
from second left join first on first.database = second.database and first.name = second.name
where first.digest is null or first.expires <= :now"""


class Difference(NamedTuple):
    """A key that is not the same in both."""

    database: int
    name: bytes
    kind: str


class KeyComparison:
    """``first`` and ``second`` are read once each, in this order; ``functions`` says whether those are the same.

    SAME, CHANGED by value, EXPIRY by when it expires only, ONLY_FIRST, EXPIRED (in the first, and its time was over
    at ``now``, in milliseconds since 1970: what has its name in the second is another one), ONLY_SECOND. Other keys
    than those ``chosen`` by database and name are left out. Raises ``RdbError``, and what ``asked`` raises now and
    then. Used with ``with``."""

    def __init__(
        self,
        now: int,
        asked: Callable[[], None] = lambda: None,
        chosen: Callable[[int, bytes], bool] = lambda database, name: True,
    ):
        self._now, self._asked, self._chosen, self._functions = now, asked, chosen, []
        self._sql = sqlite3.connect("", isolation_level=None)
        self._sql.execute(f"pragma cache_size = -{CACHE_KB}")
        self._sql.execute("pragma journal_mode = off")

    def __enter__(self) -> "KeyComparison":
        return self

    def __exit__(self, *_) -> None:
        self._sql.close()

    def read(self, first: Source, second: Source) -> None:
        for name, source in (("first", first), ("second", second)):
            self._fill(name, source)
        self._sql.execute(COMPARED, {"now": self._now})

    @property
    def functions(self) -> bool:
        return self._functions[0] == self._functions[1]

    def counts(self) -> dict[str, int]:
        return dict(self._sql.execute("select kind, count(*) from compared group by kind"))

    def counts_by_database(self) -> dict[int, dict[str, int]]:
        found: dict[int, dict[str, int]] = {}
        for database, kind, count in self._sql.execute(
            "select database, kind, count(*) from compared group by database, kind"
        ):
            found.setdefault(database, {})[kind] = count
        return found

    def differences(self, most: int) -> Iterator[Difference]:
        """The first ones, by database and name; not those that have expired."""
        asked = "select database, name, kind from compared where kind not in (?, ?) order by database, name limit ?"
        for row in self._sql.execute(asked, (SAME, EXPIRED, most)):
            yield Difference(*row)

    def _fill(self, table: str, source: Source) -> None:
        self._sql.execute(TABLES[table])
        slices = keys_of(source)
        keys = iter(slices)
        while some := list(islice(keys, AT_ONCE)):
            self._asked()
            rows = [
                (key.database, key.name, digest_of(key), key.expires)
                for key in some
                if self._chosen(key.database, key.name)
            ]
            self._sql.execute("begin")
            self._sql.executemany(FILL[table], rows)
            self._sql.execute("commit")
        self._functions.append(sorted(slices.survey.functions))
