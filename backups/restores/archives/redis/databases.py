"""A database of a restore: what was planned, the way to its server, and which keys are meant."""

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass

from backups.archives.models import RedisServer
from backups.archives.redis.access import access_of
from backups.gateways.redis.access import RedisAccess

from ..asked import RedisMode


@dataclass(frozen=True)
class Database:
    """``name`` is that of the data in the archive, ``number`` the database in it and on the server (by key, and by
    name for people). ``spare`` is the empty one that is loaded into; None for a merge."""

    name: str
    number: int
    server: int
    server_name: str
    mode: str
    pattern: str
    spare: int | None

    @property
    def words(self) -> str:
        return f"{self.server_name}, database {self.number}"

    @property
    def merges(self) -> bool:
        return self.mode == RedisMode.MERGE

    @property
    def replaces(self) -> bool:
        return self.mode == RedisMode.REPLACE

    def access(self) -> RedisAccess:
        """Raises NoAccess and the gateway's errors."""
        return access_of(RedisServer.objects.get(pk=self.server))

    def chosen(self) -> Callable[[int, bytes], bool]:
        """Which keys of the archive are meant."""
        matches, number = matching(self.pattern), self.number
        return lambda database, name: database == number and matches(name)


def matching(pattern: str) -> Callable[[bytes], bool]:
    """Whether a name fits a pattern as Redis has them: with ``*``, ``?``, brackets, and a backslash before what
    stands for itself."""
    if not pattern:
        return lambda name: True
    parts = re.split(r"\\(.)", pattern.encode().decode("latin-1"))
    globs = (part if number % 2 == 0 else f"[{part}]" for number, part in enumerate(parts))
    expression = re.compile(fnmatch.translate("".join(globs).replace("[^", "[!")), re.DOTALL)
    return lambda name: expression.match(name.decode("latin-1")) is not None
