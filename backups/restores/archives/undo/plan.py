"""The plan that takes a restore back. Pure."""

from backups.restores import kinds
from backups.restores.indices.plan import Plan
from backups.templatetags.formats import count_of

from ..asked import Asked
from ..found import Found
from ..plan import make_plan


def make_undo_plan(asked: Asked, found: Found) -> Plan:
    """As every plan from an archive, with what taking it back loses."""
    made = make_plan(asked, found)
    document = made.document | {
        "run_kind": kinds.FILES_UNDO,
        "consequence": consequence(found, made.document),
        "source": {"archive": "", "digest": "", "taken_at": None, "state": "", "run": found.undoes},
        "calls": [{"text": text} for text in in_words(found, made.document)] if made.document["calls"] else [],
    }
    document["bound"].pop(f"archive {found.archive}")
    for folder in found.folders:
        if folder.copy:
            document["bound"][f"kept {folder.copy}"] = folder.why or "whole"
    title = f"Take back run {found.undoes} on {found.host}"
    return Plan(document, made.risk, made.risk_reason, made.blocked, title)


def consequence(found: Found, document: dict) -> str:
    """What it loses, in one sentence."""
    said = f"What run {found.undoes} replaced comes back on {found.host}"
    losses = []
    if newer := document["newer"]:
        losses.append(count_of(newer, "file that was", "files that were") + " written since")
    if keys := sum(row["removed"] + row["overwritten"] for row in document["rows"] if row["kind"] == "redis"):
        losses.append(count_of(keys, "key that is", "keys that are") + " there now")
    return f"{said}, and {' and '.join(losses)} drop out." if losses else f"{said}. Nothing newer drops out."


def in_words(found: Found, document: dict) -> list[str]:
    """What is done, in its order."""
    said, token = [], document["token"]
    for folder in found.folders:
        if folder.copy:
            said.append(f"exchange {folder.copy} and {folder.target}; keep what is there now as .before-{token}")
        else:
            said.append(f"move {folder.target} away; keep it as .before-{token}")
    for row in document["rows"]:
        if row["kind"] == "redis":
            said.append(f"RESTORE … ABSTTL, key by key, into database {row['spare']} of {row['server']}")
            said.append(f"SWAPDB {row['database']} {row['spare']} on {row['server']}")
    return said
