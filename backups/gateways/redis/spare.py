"""Restores into empty spare databases, compares, and puts them in the place of the others at one stroke.

Until SWAPDB nobody sees anything of it. It needs memory for both, and is not possible in a cluster. Afterwards the
spare database holds what was live before: swapping again takes everything back.
"""

from collections.abc import Mapping

from .about import About
from .access import RedisAccess
from .connection import Connection, connect
from .errors import RestoreRefused
from .functions import load_functions
from .outcome import Outcome
from .rdb import Source, keys_of
from .refusals import judge
from .resp import ErrorLine
from .restore import REPLACE, Restore
from .target import target


class SpareRestore:
    """``spare`` is for each database of the file the empty one to load into; others are left out. ``outcome`` counts
    by spare database; ``swapped`` are the pairs that were swapped, all or none of them. With
    ``accept_refused`` it swaps although some keys could not be written."""

    def __init__(self, access: RedisAccess, spare: Mapping[int, int], *, accept_refused: bool = False):
        self.access = access
        self.spare = dict(spare)
        self.accept_refused = accept_refused
        self._loading = Restore(access, REPLACE, self.spare)
        self.outcome = self._loading.outcome
        self.swapped: dict[int, int] = {}

    def run(self, source: Source) -> Outcome:
        """``RestoreRefused``: nothing live was changed. A spare database is then as far as it came; ``clear`` it."""
        slices = keys_of(source)
        with connect(self.access) as connection:
            refuse_unfit(connection, self.spare, target(connection).server)
            self._loading.write(slices, connection)
            self._compare(connection)
            self._swap(connection)
            load_functions(connection, slices.survey.functions, self.outcome, replace=True)
        return self.outcome

    def _swap(self, connection: Connection) -> None:
        """All pairs in one transaction: whoever is killed here leaves no mixture of databases."""
        connection.call("MULTI")
        for live, spare in self.spare.items():
            connection.call("SWAPDB", live, spare)
        for answer in connection.call("EXEC"):
            if isinstance(answer, ErrorLine):
                raise judge(answer.line, "SWAPDB")
        self.swapped = dict(self.spare)

    def _compare(self, connection: Connection) -> None:
        if not (self.outcome.complete or self.accept_refused):
            count = self.outcome.refused.total()
            message = (
                f"{count} keys could not be written, so the databases were not swapped. Nothing live was changed."
            )
            raise RestoreRefused(message, "\n".join(self.outcome.examples))
        for spare in self.spare.values():
            there, written = size(connection, spare), self.outcome.written[spare]
            if not written - self.outcome.expiring[spare] <= there <= written:
                raise RestoreRefused(
                    f"Database {spare} has {there} keys after {written} were written to it: others write to it, or "
                    "the server throws keys away (maxmemory). Nothing was swapped, and nothing live changed."
                )


def refuse_unfit(connection: Connection, spare: Mapping[int, int], server: About) -> None:
    """``RestoreRefused`` where spare databases are not empty, not spare, or cannot be had."""
    if server.cluster:
        raise RestoreRefused("A server of a cluster has one database only: there is no spare one to swap with.")
    if set(spare) & set(spare.values()) or len(set(spare.values())) < len(spare):
        raise RestoreRefused("Each database needs a spare one of its own, which is none of those to be restored.")
    for number in spare.values():
        if there := size(connection, number):
            raise RestoreRefused(f"Database {number} is not empty: it has {there} keys. Choose one that is.")


def size(connection: Connection, database: int) -> int:
    """Keys, also those expired but not yet collected."""
    connection.call("SELECT", database)
    return connection.call("DBSIZE")


def clear(access: RedisAccess, database: int) -> None:
    """Empties one database for good, without stopping the server: the spare one, after a swap or a failure."""
    with connect(access) as connection:
        connection.call("SELECT", database)
        connection.call("FLUSHDB", "ASYNC")
