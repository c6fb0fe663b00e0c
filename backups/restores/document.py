"""The frozen text of a plan. Pure.

A document is JSON with sorted keys, so that the same plan is the same text. What must stay as it was until the start
is in ``bound``, a flat mapping of names to values: identities and existence, never how much there is, because live
data grows all the time.
"""

import json
from collections.abc import Mapping

MISSING = "not there"


def canonical(document: Mapping) -> str:
    """The text that is hashed, kept and shown."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def drift(frozen: Mapping, fresh: Mapping) -> list[str]:
    """What is not as it was when the plan was made, by name; and what stands in the way by now. Empty when the frozen
    plan still holds. Both are documents."""
    before, now = frozen["bound"], fresh["bound"]
    said = [
        f"{name}: was {before.get(name, MISSING)}, is {now.get(name, MISSING)}"
        for name in sorted(before.keys() | now.keys(), key=_rank)
        if before.get(name, MISSING) != now.get(name, MISSING)
    ]
    return (
        said
        + [f"{row['source']}: {row['note']}" for row in fresh["rows"] if row["action"] == "blocked"]
        + [f"{line['text']}: {line['sub']}" for line in fresh["checks"] if line["state"] == "fail"]
    )


def _rank(name: str) -> tuple[bool, str]:
    """Whether an index is there comes before which aliases it has."""
    return name.startswith("aliases"), name


def moved(frozen: Mapping, fresh: Mapping) -> list[str]:
    """What is different and does not matter for the plan: how much there is now. For people who decide."""
    before = {row["source"]: row for row in frozen["rows"]}
    said = []
    for row in fresh["rows"]:
        old = before.get(row["source"])
        if old and (old["documents_now"], old["newer"]) != (row["documents_now"], row["newer"]):
            said.append(_moved(old, row))
    return said


def _moved(old: Mapping, row: Mapping) -> str:
    count, were = row["documents_now"], old["documents_now"]
    now = f"{count:,} documents now" if count is not None else "not counted now"
    then = f", {were:,} when this was asked" if were is not None else ""
    drops = f"; {row['newer']:,} drop out" if row["newer"] else ""
    return f"{row['source']} has {now}{then}{drops}."
