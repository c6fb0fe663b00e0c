"""The frozen text of a plan. Pure.

A document is JSON with sorted keys, so that the same plan is the same text. What must stay as it was until the start
is in ``bound``, a flat mapping of names to values: identities and existence, never how much there is, because live
data grows all the time.
"""

import json
from collections.abc import Mapping

MISSING = "not there"
KEYS = ("keys_now", "added", "overwritten", "removed")
CHANGES = ("replace", "remove", "create")
SHOWN = 50
"""So many files that moved are named; the rest is counted."""


def canonical(document: Mapping) -> str:
    """The text that is hashed, kept and shown."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def drift(frozen: Mapping, fresh: Mapping) -> list[str]:
    """What is not as it was when the plan was made, by name; what would do more harm than people agreed to; and what
    stands in the way by now. Empty when the frozen plan still holds. Both are documents. It names no file but those
    that are in the way."""
    before, now = frozen["bound"], fresh["bound"]
    said = [
        f"{name}: was {before.get(name, MISSING)}, is {now.get(name, MISSING)}"
        for name in sorted(before.keys() | now.keys(), key=_rank)
        if before.get(name, MISSING) != now.get(name, MISSING)
    ]
    return (
        said
        + _grown(frozen, fresh)
        + [f"{row['source']}: {row['note']}" for row in fresh["rows"] if row["action"] == "blocked"]
        + [f"{line['text']}: {line['sub']}" for line in fresh["checks"] if line["state"] == "fail"]
    )


def _grown(frozen: Mapping, fresh: Mapping) -> list[str]:
    """Harm of a kind that nobody agreed to. That more of the same is replaced is none: live data grows."""
    said = []
    if fresh["risk"] > frozen["risk"]:
        said.append(f"risk: was {frozen['risk']}, is {fresh['risk']}. {fresh['risk_reason']}")
    before = {row["source"]: row for row in frozen["rows"]}
    harmed = [row for row in fresh["rows"] if _adds(before.get(row["source"])) and _takes(row)]
    if files := sum(row.get("kind") == "file" for row in harmed):
        said.append(f"{files:,} of the files that were only to be added would replace or remove what is there")
    said += [
        f"{row['target']}: keys were only to be added, and live ones would be overwritten or removed"
        for row in harmed
        if row.get("kind") == "redis"
    ]
    folders = {folder["name"]: folder for folder in frozen.get("folders", ())}
    return said + [
        f"{now['name']}: nothing live was to be changed; now it is {_counted(now)}"
        for now in fresh.get("folders", ())
        if now["name"] in folders and not _changes(folders[now["name"]]) and _changes(now)
    ]


def _adds(row: Mapping | None) -> bool:
    return row is not None and row["action"] != "skip" and not _takes(row)


def _takes(row: Mapping) -> bool:
    """Whether it takes something live away: a file, or keys."""
    if row.get("kind") == "redis":
        return bool(row["overwritten"] or row["removed"])
    return row["action"] in ("replace", "remove")


def _changes(folder: Mapping) -> int:
    return folder["counts"]["replace"] + folder["counts"]["remove"]


def _rank(name: str) -> tuple[bool, str]:
    """Whether an index is there comes before which aliases it has."""
    return name.startswith("aliases"), name


def moved(frozen: Mapping, fresh: Mapping) -> list[str]:
    """What is different and does not matter for the plan: how much there is now. For people who decide. It names no
    file."""
    before = {row["source"]: row for row in frozen["rows"]}
    pairs = [(before[row["source"]], row) for row in fresh["rows"] if row["source"] in before]
    said = [_moved(old, row) for old, row in pairs if _differ(old, row, "documents_now", "newer")]
    said += [_moved_keys(old, row) for old, row in pairs if row.get("kind") == "redis" and _differ(old, row, *KEYS)]
    folders = {folder["name"]: folder for folder in frozen.get("folders", ())}
    return said + [
        f"{now['name']}: {_counted(now)} now; {_counted(folders[now['name']])} when this was asked."
        for now in fresh.get("folders", ())
        if now["name"] in folders and now["digest"] != folders[now["name"]]["digest"]
    ]


def moved_files(frozen: Mapping, fresh: Mapping) -> list[str]:
    """Which files that is about, by name, where both plans have a row for every file."""
    if frozen.get("more") or fresh.get("more"):
        return []
    before, now = (
        {row["source"]: row for row in one["rows"] if row.get("kind") == "file"} for one in (frozen, fresh)
    )
    said = [
        _moved_file(name, before.get(name), now.get(name))
        for name in sorted(before.keys() | now.keys())
        if name not in before or name not in now or _differ(before[name], now[name], "action", "bytes_now", "at_now")
    ]
    return said[:SHOWN] + ([f"And {len(said) - SHOWN:,} more."] if len(said) > SHOWN else [])


def _differ(old: Mapping, row: Mapping, *names: str) -> bool:
    return any(old[name] != row[name] for name in names)


def _counted(folder: Mapping) -> str:
    said = [f"{folder['counts'][action]:,} to {action}" for action in CHANGES if folder["counts"][action]]
    return ", ".join(said) or "nothing to do"


def _moved_file(name: str, old: Mapping | None, row: Mapping | None) -> str:
    if row is None or row["action"] == "skip":
        return f"{name}: nothing would be done any more ({old['action']} when this was asked)."
    if old is None or old["action"] == "skip":
        return f"{name}: {row['action']} now, and nothing when this was asked."
    if old["action"] == row["action"]:
        return f"{name}: {row['action']} as before, but it was written to since this was asked."
    return f"{name}: {row['action']} now, {old['action']} when this was asked."


def _moved_keys(old: Mapping, row: Mapping) -> str:
    does = f"{row['added']:,} added, {row['overwritten']:,} overwritten, {row['removed']:,} removed"
    count, were = row["keys_now"] or 0, old["keys_now"] or 0
    return f"{row['target']} has {count:,} keys now, {were:,} when this was asked: {does}."


def _moved(old: Mapping, row: Mapping) -> str:
    count, were = row["documents_now"], old["documents_now"]
    now = f"{count:,} documents now" if count is not None else "not counted now"
    then = f", {were:,} when this was asked" if were is not None else ""
    drops = f"; {row['newer']:,} drop out" if row["newer"] else ""
    return f"{row['source']} has {now}{then}{drops}."
