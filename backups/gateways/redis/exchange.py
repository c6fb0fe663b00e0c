"""An empty database of ours, filled, exchanged with a live one, and exchanged back: where it stands is read from the
server itself, after a crash of ours or of the server.

A key of our own says whose the spare database is: ``loading`` while it is ours to fill and to empty, ``swapped`` when
it holds what was live before. It changes in the same transaction as the databases do, and never reaches a live one.
"""

from collections.abc import Iterator

from .connection import Connection
from .crc64 import crc64
from .emit import TYPES, VERSIONS
from .encoding import put_string
from .errors import RestoreRefused
from .rdb import Key, Slices
from .refusals import judge
from .resp import ErrorLine
from .spare import size

MARKER = b"backup-console:restore"
LOADING, SWAPPED, FOREIGN, EMPTY = "loading", "swapped", "foreign", "empty"
STRING = 0


class Chosen:
    """Of the keys of a file those that ``chosen`` wants, by database and name, and never our marker."""

    def __init__(self, keys: Slices, chosen):
        self._keys, self._chosen = keys, chosen

    @property
    def survey(self):
        return self._keys.survey

    def __iter__(self) -> Iterator[Key]:
        chosen = self._chosen
        return (key for key in self._keys if chosen(key.database, key.name) and key.name != MARKER)


def stand_of(connection: Connection, spare: int, token: str) -> str:
    """Whose the spare database is: EMPTY, FOREIGN (has keys of others), or LOADING or SWAPPED by this restore."""
    there = size(connection, spare)
    mark = connection.call("GET", MARKER) if there else None
    if mark in (_mark(token, LOADING), _mark(token, SWAPPED)):
        return mark.decode().partition(":")[2]
    return FOREIGN if there else EMPTY


def claim(connection: Connection, spare: int, token: str) -> None:
    """The spare database is ours, and empty but for our marker. Raises RestoreRefused when it is somebody else's, and
    does not touch it then."""
    stand = stand_of(connection, spare, token)
    if stand == FOREIGN:
        raise RestoreRefused(f"Database {spare} is not empty any more. Nothing was changed.")
    if stand == SWAPPED:
        raise RestoreRefused(f"Database {spare} holds what was live before. Nothing was changed.")
    if stand == LOADING:
        connection.call("FLUSHDB")
    _put_mark(connection, token, LOADING)


def swap(connection: Connection, live: int, spare: int, token: str) -> None:
    """Exchange the two at one stroke. Nothing happens when they were exchanged before."""
    stand = stand_of(connection, spare, token)
    if stand == SWAPPED:
        return
    if stand != LOADING:
        raise RestoreRefused(f"Database {spare} does not hold any more what was loaded into it. Nothing was swapped.")
    commands = (("DEL", MARKER), ("SWAPDB", live, spare), ("SELECT", spare), _marking(token, SWAPPED))
    _together(connection, spare, commands)


def swap_back(connection: Connection, live: int, spare: int, token: str) -> bool:
    """The live database is the one of before; False when they had not been exchanged."""
    if stand_of(connection, spare, token) != SWAPPED:
        return False
    commands = (("DEL", MARKER), ("SWAPDB", live, spare), ("SELECT", spare), _marking(token, LOADING))
    _together(connection, spare, commands)
    return True


def empty(connection: Connection, spare: int, token: str) -> None:
    """Removes what is ours in the spare database: what was loaded, or what was live before. Nobody else's keys."""
    if stand_of(connection, spare, token) in (LOADING, SWAPPED):
        connection.call("FLUSHDB", "ASYNC")


def leave(connection: Connection, spare: int, token: str) -> None:
    """What was loaded into the spare database is everybody's now."""
    if stand_of(connection, spare, token) == LOADING:
        connection.call("DEL", MARKER)


def _together(connection: Connection, database: int, commands) -> None:
    connection.call("SELECT", database)
    connection.call("MULTI")
    for words in commands:
        connection.call(*words)
    for answer in connection.call("EXEC"):
        if isinstance(answer, ErrorLine):
            raise judge(answer.line, "SWAPDB")


def _put_mark(connection: Connection, token: str, word: str) -> None:
    connection.call(*_marking(token, word))


def _marking(token: str, word: str) -> tuple:
    """As RESTORE, because that right is there: a restore writes everything in this way."""
    body = TYPES[STRING] + put_string(_mark(token, word)) + VERSIONS[STRING]
    return "RESTORE", MARKER, 0, body + crc64(body).to_bytes(8, "little"), "REPLACE"


def _mark(token: str, word: str) -> bytes:
    return f"{token}:{word}".encode()
