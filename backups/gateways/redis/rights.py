"""Which rights a user lacks, found by asking for something that cannot be done, so that nothing is done.

Redis looks at the rights of a user before it looks at what is asked: a call that must fail for another reason tells
whether it was allowed. SYNC, which would make the server fork, fails while an earlier answer is unsent.
"""

from dataclasses import dataclass

from .about import About
from .connection import Connection
from .errors import NotRedis
from .refusals import names_a_key
from .resp import ErrorLine, pack

BY_SYNC, BY_SCAN, RESTORE, SPARE, BACK = "rdb", "scan", "restore", "spare", "back"
NO_KEY = "backup-console:no-such-key"
NO_PAYLOAD = "no payload"
NO_DATABASE = "x"
NO_LIBRARY = ""


@dataclass(frozen=True)
class Missing:
    """``rule`` is what ACL SETUSER would add, ``why`` is for people, ``detail`` the server's line."""

    rule: str
    why: str
    detail: str


INFO = ("+info", "to see what the server is and which databases it has", ("INFO", "server"))
SELECT = ("+select", "to go through its databases", ("SELECT", "0"))
NEEDED = {
    BY_SYNC: (
        INFO,
        ("+replconf", "to ask for a copy of its data", ("REPLCONF", "capa", "eof")),
    ),
    BY_SCAN: (
        INFO,
        SELECT,
        ("+scan", "to list its keys", ("SCAN", "0", "COUNT", "1")),
        ("+dump", "to read a value", ("DUMP", NO_KEY)),
    ),
    RESTORE: (
        INFO,
        SELECT,
        ("+exists", "to see which keys are there already", ("EXISTS", NO_KEY)),
        ("+restore", "to write a value", ("RESTORE", NO_KEY, "0", NO_PAYLOAD)),
    ),
}
NEEDED[SPARE] = (
    *NEEDED[RESTORE],
    ("+dbsize", "to see that the spare database is empty, and to count", ("DBSIZE",)),
    ("+swapdb", "to put the spare database in the place of the other", ("SWAPDB", NO_DATABASE, NO_DATABASE)),
    ("+multi", "to exchange all databases at once", ("MULTI",)),  # and the next one ends it, empty
    ("+exec", "to exchange all databases at once", ("EXEC",)),
)
NEEDED[BACK] = (
    ("+dbsize", "to count keys", ("DBSIZE",)),
    ("+get", "to know which database is whose after a crash", ("GET", NO_KEY)),
    ("+del", "to take keys back that were not there before", ("DEL", NO_KEY)),
)
LOAD = ("+function|load", "to load functions", ("FUNCTION", "LOAD", NO_LIBRARY))
EXPIRY = "to read when a key expires"


def missing_rights(
    connection: Connection, purpose: str, server: About | None = None, *, key: str = NO_KEY, functions: bool = False
) -> list[Missing]:
    """What the user would need for one of the purposes above and does not have; also what the server does not know or
    its provider has switched off. Changes nothing; leaves database 0 selected. ``server`` decides how expiries are
    read (a user without +info is taken to be on a new one). ``key`` is the name to ask with, where only some are to
    be used; it is read and, with what cannot be a value, offered to RESTORE. ``functions``: there are some to load.
    """
    needed = list(NEEDED[purpose])
    new = server is None or server.knows(7, 0)
    if purpose == BY_SCAN:
        needed.append(("+pexpiretime" if new else "+pttl", EXPIRY, ("PEXPIRETIME" if new else "PTTL", NO_KEY)))
    if functions and new:
        needed.append(LOAD)
    found = [
        _asked(connection, rule, why, [key if word == NO_KEY else word for word in ask]) for rule, why, ask in needed
    ]
    if purpose == BY_SYNC:
        found.append(_sync(connection))
    once = {each.rule: each for each in reversed(found) if each}
    return list(reversed(once.values()))


def may_flush(connection: Connection) -> bool:
    """Whether the user may empty a database, which nobody needs who only reads. A word that FLUSHDB does not know is
    refused after the rights were looked at."""
    connection.send(pack("FLUSHDB", NO_DATABASE))
    answer = connection.answer()
    return isinstance(answer, ErrorLine) and "syntax" in answer.line.lower()


def _asked(connection: Connection, rule: str, why: str, words: list[str]) -> Missing | None:
    connection.send(pack(*words))
    return _judged(rule, why, connection.answer())


def _sync(connection: Connection) -> Missing | None:
    """One write, so that SYNC is looked at while PING's answer is unsent."""
    connection.send(pack("PING") + pack("SYNC"))
    connection.answer()
    try:
        answer = connection.answer()
    except NotRedis:  # the network has split the write, and the data begins: so it is allowed
        return None
    return _judged("+sync", "to receive a copy of its data", answer)


def _judged(rule: str, why: str, answer) -> Missing | None:
    if not isinstance(answer, ErrorLine):
        return None
    line = answer.line
    if line.startswith("NOPERM") or line.startswith("EXECABORT"):  # what EXEC says where it is not allowed
        return Missing("~*" if names_a_key(line) else rule, why, line)
    if "unknown command" in line.lower():
        return Missing(rule, f"{why}; this server does not have the command", line)
    return None
