"""Situations before a restore of a Redis database, made by chance from a seed: what became of its keys since, how the
server is set up by now, and what is asked for. What is in the databases before and after says what happened to each
key.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from backups.gateways.redis.connection import connect
from tests.gateways.redis.servers import Server, everything

SOON = 1_500
"""Milliseconds after which the key ``short`` is over: enough to be packed."""


@dataclass
class Situation:
    """``number`` is the database, ``edits`` are names of functions below, ``setting`` is one of SETTINGS."""

    seed: int
    mode: str
    number: int = 0
    edits: tuple[str, ...] = ()
    pattern: str = ""
    setting: str = ""

    def __str__(self) -> str:
        return f"{self.mode} {self.number}, {'+'.join(self.edits)}, {self.pattern or 'all'}, {self.setting}"


def changed(call: Callable, chance: random.Random) -> None:
    call("SET", "text", f"overwritten {chance.random()}")


def other_type(call: Callable, chance: random.Random) -> None:
    name = chance.choice(("hash:3", "set:600", "list:3"))
    call("DEL", name)
    call("SET", name, "a string now")


def written_again(call: Callable, chance: random.Random) -> None:
    """The same value, perhaps in another encoding."""
    members = [f"member {number:05}" for number in range(600)]
    call("DEL", "set:600")
    call("SADD", "set:600", *reversed(members))


def removed(call: Callable, chance: random.Random) -> None:
    call("DEL", "int:7", chance.choice(("hash:600", "list:600", "text")))


def added(call: Callable, chance: random.Random) -> None:
    call("SET", f"newer:{chance.random()}", "than the archive")
    call("HSET", "hash:newer", "a", "b")


def other_expiry(call: Callable, chance: random.Random) -> None:
    call("PEXPIRE", "expires", 10**7)
    call("PEXPIRE", "int:300", 10**7)


def kept_for_ever(call: Callable, chance: random.Random) -> None:
    call("PERSIST", "expires")


def emptied(call: Callable, chance: random.Random) -> None:
    call("FLUSHDB")


def over(call: Callable, chance: random.Random) -> None:
    """The time of a packed key is over."""
    end = time.monotonic() + 30
    while call("EXISTS", "short") and time.monotonic() < end:
        time.sleep(0.05)


def over_and_new(call: Callable, chance: random.Random) -> None:
    """And by now another one has its name."""
    over(call, chance)
    call("SET", "short", "another one, for ever")


EDITS = {
    each.__name__: each
    for each in (
        *(changed, other_type, written_again, removed, added, other_expiry, kept_for_ever, emptied),
        *(over, over_and_new),
    )
}
PATTERNS = ("", "", "", "hash:*", "int:?", "no-such-*", "s[eh]*")
MODES = ("merge", "replace", "spare")
SETTINGS = {
    "": lambda call: None,
    "replica": lambda call: call("REPLICAOF", "127.0.0.1", 1),
    "full": lambda call: call("CONFIG", "SET", "maxmemory", 1 << 20, "maxmemory-policy", "noeviction"),
    "evicts": lambda call: call("CONFIG", "SET", "maxmemory", 1 << 20, "maxmemory-policy", "allkeys-lru"),
    "all in use": lambda call: [
        (call("SELECT", number), call("SET", "in", "use")) for number in range(16) if number not in (0, 1, 5)
    ],
    "may not restore": lambda call: user(call, "-restore"),
    "may not swap": lambda call: user(call, "-swapdb"),
    "may not flush": lambda call: user(call, "-flushdb"),
    "may not dump": lambda call: user(call, "-dump"),
    "may write some keys": lambda call: user(call, "resetkeys", "~hash:*"),
}
USER, PASSWORD = "restores", "a secret word"


def user(call: Callable, *rules: str) -> None:
    call("ACL", "SETUSER", USER, "reset", "on", f">{PASSWORD}", "~*", "&*", "+@all", *rules)


FIRST = (
    Situation(1, "merge", edits=("changed", "removed", "added")),
    Situation(2, "replace", edits=("changed", "removed", "added", "other_expiry")),
    Situation(3, "spare", 1, ("changed",)),
    Situation(4, "merge", edits=("over_and_new", "kept_for_ever")),
    Situation(5, "replace", edits=("over_and_new", "other_type")),
    Situation(6, "merge", edits=("written_again", "other_type", "added"), pattern="hash:*"),
    Situation(7, "merge", 5, ("emptied",)),
    Situation(8, "replace", 3),
    Situation(9, "replace", edits=("changed",), setting="all in use"),
    Situation(10, "merge", edits=("changed",), setting="replica"),
    Situation(11, "merge", edits=("removed",), setting="evicts"),
    Situation(12, "replace", edits=("changed",), setting="may not swap"),
)
"""Those that every test has; more are made by chance."""


def situations(number: int, seed: int) -> list[Situation]:
    chance = random.Random(seed)
    return [*FIRST, *(_made(chance) for _ in range(number - len(FIRST)))][:number]


def _made(chance: random.Random) -> Situation:
    edits = tuple(chance.sample(sorted(EDITS), chance.randrange(1, 4)))
    setting = chance.choice(sorted(SETTINGS)) if chance.random() < 0.5 else ""
    number = chance.choice((0, 0, 1, 5, 3))
    return Situation(chance.randrange(10**6), chance.choice(MODES), number, edits, chance.choice(PATTERNS), setting)


def refill(server: Server, situation: Situation) -> None:
    """As it is packed, and set up as in the beginning; with a key whose time will be over, where that is meant."""
    short = any(edit.startswith("over") for edit in situation.edits)
    with connect(server.access) as connection:
        connection.call("REPLICAOF", "NO", "ONE")
        connection.call("CONFIG", "SET", "maxmemory", 0, "maxmemory-policy", "noeviction")
        connection.call("ACL", "DELUSER", USER)
        connection.call("FLUSHALL")
        for number in (0, 1, 5):
            connection.call("SELECT", number)
            for words in everything(number):
                connection.call(*words)
            if short and number == situation.number:
                connection.call("SET", "short", "is over soon", "PX", SOON)


def harm(server: Server, situation: Situation) -> None:
    chance = random.Random(situation.seed)
    with connect(server.access) as connection:
        for edit in situation.edits:
            connection.call("SELECT", situation.number)
            EDITS[edit](connection.call, chance)
        SETTINGS[situation.setting](connection.call)


Keys = dict[bytes, tuple]


def keys_of(server: Server) -> dict[int, Keys]:
    """By database, each key with the digest of its value and the moment at which it expires."""
    found: dict[int, Keys] = {}
    with connect(server.access) as connection:
        for number in range(16):
            connection.call("SELECT", number)
            if names := connection.call("KEYS", "*"):
                digests = connection.call("DEBUG", "DIGEST-VALUE", *names)
                expiries = [connection.call("PEXPIRETIME", name) for name in names]
                found[number] = dict(zip(names, zip(digests, expiries, strict=True), strict=True))
    return found


def happened(before: Keys, after: Keys) -> dict[str, int]:
    """How many keys were added, overwritten and removed."""
    return {
        "added": len(after.keys() - before.keys()),
        "overwritten": sum(before[name] != after[name] for name in before.keys() & after.keys()),
        "removed": len(before.keys() - after.keys()),
    }
