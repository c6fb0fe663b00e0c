"""On which nodes an index may lie: the rules in its settings, against the data nodes. Pure.

A server takes a restore that no node may hold, and gives its shards up at once.
"""

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase

RESET = "index.routing.allocation.*"
NAME, TIERS = "_name", "_tier_preference"


def nowhere(settings: Mapping, nodes: Collection[str]) -> str:
    """The rules by name that leave none of these nodes, like "require._name: warm-*"; empty where one is left."""
    rules = [rule for rule in _rules(settings) if rule[1] == NAME]
    if not rules or not nodes or any(all(_allows(rule, node) for rule in rules) for node in nodes):
        return ""
    return ", ".join(map(_text, rules))


def untold(settings: Mapping) -> str:
    """The rules by what the console does not know of nodes: addresses, and what an administrator calls them."""
    return ", ".join(_text(rule) for rule in _rules(settings) if rule[1] not in (NAME, TIERS))


def _rules(settings: Mapping) -> Iterator[tuple[str, str, str]]:
    allocation = settings.get("index", {}).get("routing", {}).get("allocation", {})
    for kind in ("require", "include", "exclude"):
        for attribute, values in sorted(allocation.get(kind, {}).items()):
            if values:
                yield kind, attribute, str(values)


def _allows(rule: tuple[str, str, str], node: str) -> bool:
    kind, _, values = rule
    found = [fnmatchcase(node, value.strip()) for value in values.split(",")]
    return {"require": all(found), "include": any(found), "exclude": not any(found)}[kind]


def _text(rule: tuple[str, str, str]) -> str:
    kind, attribute, values = rule
    return f"{kind}.{attribute}: {values}"
