"""What a server can take of an RDB file."""

from dataclasses import dataclass

from .about import REPLICA, About, about
from .connection import Connection
from .emit import FRAME
from .errors import ReadOnly
from .rdb import Key
from .values import KINDS

USUAL_LIMIT = 512 << 20
"""``proto-max-bulk-len`` where the user may not ask for it."""
LIMIT = "proto-max-bulk-len"


@dataclass(frozen=True)
class Target:
    """``limit`` is the size in bytes of the biggest argument that a command may have, ``unknown`` says why a type of
    value cannot be had here."""

    server: About
    limit: int
    unknown: dict[int, str]

    def refuses(self, key: Key) -> str:
        """Why this key cannot be written here, or ''."""
        if key.type in self.unknown:
            return self.unknown[key.type]
        if len(key.value) + FRAME > self.limit:
            return f"larger than the {self.limit} bytes that the server takes at once ({LIMIT})"
        return ""


def target(connection: Connection) -> Target:
    """Raises ``ReadOnly`` for a replica that takes no writes."""
    server = about(connection)
    if server.role == REPLICA and server.read_only:
        raise ReadOnly("This server is a replica and takes no writes. Give the address of the primary.")
    answer = connection.tolerated("CONFIG", "GET", LIMIT)
    known = isinstance(answer, list) and len(answer) == 2 and answer[1].isdigit()
    return Target(server, int(answer[1]) if known else USUAL_LIMIT, _unknown(server))


def _unknown(server: About) -> dict[int, str]:
    highest, who = server.rdb_version, f"{server.product} {server.version}"
    newer = {kind: of.name for kind, of in KINDS.items() if of.since > highest}
    return {kind: f"{who} does not know this kind: {name}" for kind, name in newer.items()}
