"""The check ``redis``: goes to a server with its credential, keeps what was found, and says it in words."""

from dataclasses import dataclass, field

from django.utils import timezone

from backups.audit.acts import Act
from backups.gateways.redis.about import About, about
from backups.gateways.redis.connection import Connection, connect
from backups.gateways.redis.errors import BadCredential, RedisError
from backups.gateways.redis.rights import BY_SCAN, BY_SYNC, Missing, may_flush, missing_rights
from backups.runs import Turn
from backups.templatetags.formats import count_of, size

from ..models import CheckState, RedisMode, RedisServer
from .access import access_of

USER = "cybersift-backup"


@dataclass
class Look:
    """What a look at a server found; ``error`` where there is nothing else."""

    facts: About | None = None
    missing: dict[str, list[Missing]] = field(default_factory=dict)
    flushes: bool = False
    error: RedisError | None = None

    @property
    def modes(self) -> list[str]:
        """In which ways its data can be read."""
        return [mode for mode in RedisMode.values if mode in self.missing and not self.missing[mode]]


def check_redis(turn: Turn) -> dict:
    """Params: ``server``, its primary key. The result is what the fragment of checks shows."""
    server = RedisServer.objects.get(pk=turn.run.params["server"])
    new = bool(server.new_sealed)
    found = look(server, new=new)
    turn.write(lambda a: record(a, server, found, new=new))
    return in_words(server, found)


def look(server: RedisServer, *, new: bool) -> Look:
    """Ask the server, with the credential that waits where there is one."""
    try:
        with connect(access_of(server, new=new)) as connection:
            return _look(connection)
    except RedisError as error:
        return Look(error=error)


def _look(connection: Connection) -> Look:
    facts = about(connection)
    missing = {
        RedisMode.RDB: missing_rights(connection, BY_SYNC, facts),
        RedisMode.SCAN: missing_rights(connection, BY_SCAN, facts),
    }
    return Look(facts, missing, may_flush(connection))


def record(a: Act, server: RedisServer, found: Look, *, new: bool) -> None:
    """Keep what was found, in the commit of the check; put a credential that works to use."""
    rows = RedisServer.objects.filter(pk=server.pk, new_sealed=server.new_sealed, address=server.address)
    columns = {"checked_at": timezone.now()} | _verdict(found)
    if new and found.error is None:
        columns |= {"username": server.new_username, "sealed": server.new_sealed}
    if new and (found.error is None or isinstance(found.error, BadCredential)):
        columns |= {"new_username": "", "new_sealed": ""}
    if not rows.update(**columns) or not new:
        return  # another credential was saved since, or there is none to judge
    change = {"user": server.new_username or "default"}
    if found.error is None:
        a.record("credential.promoted", server, change=change)
    elif isinstance(found.error, BadCredential):
        a.record("credential.refused", server, outcome="failure", change=change | {"why": found.error.message})


def _verdict(found: Look) -> dict:
    if found.error is not None:
        return {"state": CheckState.BAD, "message": found.error.message, "detail": found.error.detail}
    facts = found.facts
    kept = {
        "product": facts.product,
        "version": facts.version,
        "role": facts.role,
        "databases": {str(number): keys for number, keys in sorted(facts.databases.items())},
        "keys": sum(facts.databases.values()),
        "memory": facts.memory,
        "modes": found.modes,
    }
    if not found.modes:
        return {"state": CheckState.BAD, "message": NO_WAY, "detail": "", "facts": kept}
    return {"state": CheckState.GOOD, "message": "", "detail": "", "facts": kept}


NO_WAY = "The user may read its data in neither way. Give it the rights that are named."


def in_words(server: RedisServer, found: Look) -> dict:
    """``state`` (good, bad), ``title``, ``text``, ``lines`` of state, text and sub, ``call`` to be typed at the
    server, and ``detail`` for those who may read raw errors."""
    if found.error is not None:
        return {
            "state": "bad",
            "title": f"No way into {server}",
            "text": found.error.message,
            "detail": found.error.detail,
        }
    facts, modes = found.facts, found.modes
    titles = {0: NO_WAY, 1: f"It works, by {' '.join(modes)} only", 2: "Both ways work"}
    databases = count_of(len(facts.databases), "database")
    keys = count_of(sum(facts.databases.values()), "key")
    text = f"{facts.product} {facts.version}, {facts.role}, {keys} in {databases}, {size(facts.memory)} in memory."
    lines = [line for mode in RedisMode.values for line in _lines(mode, found.missing[mode])]
    lines += _warnings(server, found)
    call = "" if len(modes) == 2 else acl_line(server)
    return {
        "state": "good" if modes else "bad",
        "title": titles[len(modes)],
        "text": text,
        "lines": lines,
        "acl": call,
    }


def _lines(mode: str, missing: list[Missing]) -> list[dict]:
    how = {"rdb": "rdb: one moment, all databases", "scan": "scan: key by key"}[mode]
    if not missing:
        return [{"state": "ok", "text": how}]
    lacks = "; ".join(f"{each.rule}, {each.why}" for each in missing)
    return [{"state": "idle", "text": f"{how}: not possible", "sub": f"The user lacks {lacks}."}]


def _warnings(server: RedisServer, found: Look) -> list[dict]:
    lines = []
    if server.mode not in found.modes and found.modes:
        text = f"It is to be read by {server.mode}, and will be read by {found.modes[0]}."
        lines.append({"state": "warn", "text": text})
    if found.flushes:
        text = "Its user may empty the databases (FLUSHDB)"
        lines.append(
            {"state": "warn", "text": text, "sub": "A backup needs to read only. Give it a user of its own."}
        )
    if not server.sealed and not server.new_sealed:
        lines.append(
            {"state": "warn", "text": "No password is needed: whoever reaches the server may read its data."}
        )
    return lines


def acl_line(server: RedisServer) -> str:
    """What makes a user who may copy all data and change nothing; the password is for the administrator to choose."""
    user = server.new_username or server.username or USER
    rights = "+ping +info +select +replconf +sync +psync +scan +dump +pttl +pexpiretime +function|dump"
    return f"ACL SETUSER {user} on >PASSWORD ~* {rights}"
