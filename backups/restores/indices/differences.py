"""What is different between an index as it is and as it was. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

SHOWN = 50
"""So many fields of a kind are named; the rest is counted."""

# Settings that every index has for itself, or that say only how it came to be.
OWN = ("uuid", "creation_date", "provided_name", "version", "resize", "history", "number_of_shards", "blocks")


def of_mappings(now: Mapping | None, after: Mapping | None) -> dict:
    """Fields that come (``added``), go (``removed``) or get another type (``changed``); empty where nothing differs,
    or one of the mappings is not known. At most SHOWN names of each, the number of all beside."""
    if now is None or after is None:
        return {}
    here, there = dict(_fields(now)), dict(_fields(after))
    kinds = {
        "added": sorted(there.keys() - here.keys()),
        "removed": sorted(here.keys() - there.keys()),
        "changed": sorted(name for name in here.keys() & there.keys() if here[name] != there[name]),
    }
    return {kind: {"number": len(names), "names": names[:SHOWN]} for kind, names in kinds.items() if names}


def of_settings(now: Mapping, after: Mapping) -> list[dict]:
    """The settings of an index that would be different: name, value now, value after; None for not set."""
    here, there = dict(_flat(now)), dict(_flat(after))
    return [
        {"name": name, "now": here.get(name), "after": there.get(name)}
        for name in sorted(here.keys() | there.keys())
        if here.get(name) != there.get(name) and name.split(".")[1] not in OWN
    ]


def _fields(mapping: Mapping, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in (mapping.get("properties") or {}).items():
        yield f"{prefix}{name}", str(field.get("type", "object"))
        yield from _fields(field, f"{prefix}{name}.")


def _flat(settings: Mapping, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
