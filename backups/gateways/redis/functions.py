"""Loads the functions of an RDB file (7.0 and later): libraries of scripts, which belong to the server as a whole."""

from .connection import Connection
from .errors import Answered
from .outcome import Outcome


def load_functions(connection: Connection, sources: list[bytes], outcome: Outcome, *, replace: bool) -> None:
    """Without ``replace`` a library that is there stays as it is. A refusal is noted, and the rest goes on."""
    for source in sources:
        try:
            connection.call("FUNCTION", "LOAD", *(["REPLACE"] if replace else []), source)
            outcome.functions += 1
        except Answered as error:
            if not ("already exists" in error.detail and not replace):
                outcome.refused[f"a library of functions: {error.detail}"] += 1
