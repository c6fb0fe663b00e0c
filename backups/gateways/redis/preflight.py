"""What stands against a restore, found before anything is written."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .about import About
from .access import RedisAccess
from .connection import Connection, connect
from .emit import FRAME
from .errors import Answered, RestoreRefused
from .resp import ErrorLine, pack
from .rights import RESTORE, SPARE, missing_rights
from .spare import refuse_unfit
from .survey import Survey
from .target import LIMIT, Target, target
from .values import MODULE

FULL = 0.9
"""Of maxmemory. The sizes in two servers never agree to the byte."""


@dataclass(frozen=True)
class Finding:
    """``stops``: the restore would fail, or harm what is there. Otherwise the person should know, and may go on."""

    stops: bool
    message: str


def preflight(
    access: RedisAccess, survey: Survey, into: Mapping[int, int] | None = None, *, spare: bool = False
) -> list[Finding]:
    """Writes nothing. ``into`` and ``spare`` as the restore will have them. Raises what ``target`` and ``connect``
    do: then there is nothing to find out."""
    databases = {number: number for number in survey.databases} if into is None else dict(into)
    with connect(access) as connection:
        at = target(connection)
        rights = missing_rights(connection, SPARE if spare else RESTORE, at.server, functions=bool(survey.functions))
        findings = [Finding(True, f"The Redis user lacks {each.rule}, {each.why}.") for each in rights]
        findings += _databases(connection, databases.values())
        if spare and not findings:
            findings += _spare(connection, databases, at.server)
    findings += [*_server(at.server), *_memory(at.server, survey), *_values(at, survey, set(databases))]
    return sorted(findings, key=lambda finding: not finding.stops)


def _databases(connection: Connection, numbers: Iterable[int]) -> Iterator[Finding]:
    for number in sorted(set(numbers)):
        connection.send(pack("SELECT", number))
        answer = connection.answer()
        if isinstance(answer, ErrorLine) and not answer.line.startswith("NOPERM"):
            yield Finding(True, f"The server has no database {number}. Raise 'databases' in its configuration.")


def _spare(connection: Connection, spare: Mapping[int, int], server: About) -> Iterator[Finding]:
    try:
        refuse_unfit(connection, spare, server)
    except (RestoreRefused, Answered) as error:
        yield Finding(True, error.message)


def _server(server: About) -> Iterator[Finding]:
    if server.loading:
        yield Finding(True, "The server is still reading its own data from disk. Wait until it has started.")
    if server.cluster:
        yield Finding(True, "The server is part of a cluster. Clusters are not restored to yet.")


def _memory(server: About, survey: Survey) -> Iterator[Finding]:
    """Overwritten keys give their memory back, so this is the worst case."""
    needed = server.memory + survey.memory
    if not server.maxmemory or needed <= FULL * server.maxmemory:
        return
    if server.memory >= server.maxmemory and not server.evicts:
        what = f"{server.memory:,} bytes are used, maxmemory is {server.maxmemory:,}"
        yield Finding(True, f"The server takes no more data: {what}. Raise maxmemory or make room.")
        return
    numbers = (
        f"{server.memory:,} bytes are used, the backup took {survey.memory:,}, maxmemory is {server.maxmemory:,}"
    )
    if server.evicts:
        what = f"the server would throw other keys away ({server.policy}), without an error"
        yield Finding(True, f"The data may not fit: {numbers}; {what}. Raise maxmemory.")
    else:
        yield Finding(False, f"The data may not fit: {numbers}. The restore would end in the middle.")


def _values(at: Target, survey: Survey, databases: set[int]) -> Iterator[Finding]:
    types = sum((content.types for number, content in survey.databases.items() if number in databases), Counter())
    for kind, count in sorted(types.items()):
        if kind in at.unknown:
            yield Finding(False, f"{count} keys will be left out: {at.unknown[kind]}.")
    if types[MODULE]:
        has = ", ".join(at.server.modules) or "none"
        yield Finding(
            False, f"{types[MODULE]} keys are values of modules; the server must have them (it has: {has})."
        )
    if survey.biggest + FRAME > at.limit:
        what = f"the largest has {survey.biggest:,} bytes, the server takes {at.limit:,} at once"
        yield Finding(False, f"Some keys will be left out: {what} ({LIMIT}).")
    if survey.module_records:
        yield Finding(False, f"{survey.module_records} notes of modules beside their keys cannot be restored.")
    if survey.functions and not at.server.knows(7, 0):
        yield Finding(
            False, f"{len(survey.functions)} libraries of functions will be left out: the server is too old."
        )
