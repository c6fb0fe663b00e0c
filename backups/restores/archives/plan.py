"""The plan of a restore from an archive: what is asked and what was found go in, a document comes out. Pure.

The same arguments give the same document; making it anew at the start shows what is different by then.
"""

from collections.abc import Sequence

from backups.approvals.models import Risk
from backups.restores import kinds
from backups.restores.indices.plan import Plan
from backups.restores.targets import path_target, redis_target
from backups.templatetags.formats import count_of, number

from . import conditions
from .asked import Asked, RedisMode
from .found import REMOVE, REPLACE, Found
from .rows import BLOCKED, FILE, MOST_ROWS, ORDER, Row, file_rows, folder_facts, left_over, newer_of, redis_rows

VERSION = 1


def make_plan(asked: Asked, found: Found) -> Plan:
    """What exactly would happen, what speaks against it, and how much harm it could do."""
    files, databases = file_rows(asked, found), redis_rows(asked, found)
    made = [*databases, *files]
    taken = locks(asked, found, made)
    said = conditions.lines(asked, found, made, taken)
    risk, why = risk_of(asked, made)
    blocked = sum(row.action == BLOCKED for row in made) + sum(line.state == conditions.FAIL for line in said)
    folders = [folder_facts(asked, folder, files) for folder in found.folders]
    written = sum(folder["bytes"] for folder in folders)
    document = {
        "v": VERSION,
        "kind": "archive",
        "run_kind": kinds.FILES,
        "consequence": consequence(found, made),
        "token": asked.token,
        "options": asked.as_options(),
        "source": _source(found),
        "target": {"host": found.host, "to": asked.to},
        "numbers": {action: sum(row.action == action for row in made) for action in ORDER},
        "same": sum(folder.same for folder in found.folders),
        "bytes": written,
        "newer": sum(1 for _ in newer_of(found)),
        "rows": [row.as_dict() for row in [*databases, *files[:MOST_ROWS]]],
        "more": left_over(files),
        "folders": folders,
        "checks": [line.as_dict() for line in said],
        "space": {"disks": conditions.disks(asked, found), "redis": _memory(found)},
        "seconds": round(written / found.rate, 1) if found.rate else None,
        "calls": [] if blocked else [{"text": text} for text in in_words(asked, folders, databases)],
        "risk": risk,
        "risk_reason": why,
        "bound": bound(asked, found, folders),
        "locks": taken,
    }
    return Plan(document, risk, why, blocked, title_of(found, made))


def title_of(found: Found, made: Sequence[Row]) -> str:
    """Of what it is, and where to; without names of files."""
    folders = [folder.name for folder in found.folders]
    databases = [row.target for row in made if row.kind != FILE]
    parts = (
        [", ".join(folders[:3]) + (f" and {len(folders) - 3} more" if len(folders) > 3 else "")] if folders else []
    )
    parts += [count_of(len(databases), "Redis database")] if databases else []
    return f"Restore {' and '.join(parts) or found.archive} on {found.host}"


def consequence(found: Found, made: Sequence[Row]) -> str:
    """The worst that the restore does, in one sentence."""
    files = {action: sum(row.action == action and row.kind == FILE for row in made) for action in ORDER}
    redis = [row for row in made if row.kind != FILE and row.action == REPLACE]
    if not files[REPLACE] and not files[REMOVE] and not redis:
        return f"Only what is missing is added on {found.host}. Nothing live is changed."
    said = []
    if files[REPLACE] or files[REMOVE]:
        removed = f" and {number(files[REMOVE])} removed" if files[REMOVE] else ""
        said.append(f"{count_of(files[REPLACE], 'live file is', 'live files are')} replaced{removed}")
    said += [f"the keys of {row.target} are {'replaced' if row.removed else 'overwritten'}" for row in redis]
    if newer := sum(1 for _ in newer_of(found)):
        said.append(f"{count_of(newer, 'newer file drops', 'newer files drop')} out")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]} on {found.host}."


def risk_of(asked: Asked, made: Sequence[Row]) -> tuple[str, str]:
    """How much harm it could do, with the reason in words."""
    changed = [row for row in made if row.action in (REPLACE, REMOVE)]
    if changed:
        many = count_of(len(changed), "live file or database", "live files and databases")
        return Risk.R2, f"It replaces or removes {many}."
    scratch = all(each.mode == RedisMode.SPARE for each in asked.redis) and (asked.to or not asked.folders)
    if scratch:
        return Risk.R0, "It only fills an empty place: nothing live is touched."
    return Risk.R1, "It adds to live folders or databases."


def bound(asked: Asked, found: Found, folders: Sequence[dict]) -> dict[str, str]:
    """What has to be at the start as it was when the plan was made: identities, never how much there is."""
    facts = {f"archive {found.archive}": found.digest or "not there"}
    for folder in folders:
        facts[f"folder {folder['target']}"] = f"{folder['identity'] or 'not there'} {folder['way']}"
    for each in found.databases:
        facts[f"Redis {each.server}"] = each.run_id or "not there"
        facts[f"Redis {each.server} spare for {each.number}"] = str(each.spare)
    return facts


def locks(asked: Asked, found: Found, made: Sequence[Row]) -> list[str]:
    """Every path and database that the restore changes or uses on the way."""
    taken = [path_target(found.host, folder.target) for folder in found.folders]
    for row in made:
        if row.kind != FILE:
            taken += [redis_target(row.server, each) for each in (row.database, row.spare) if each is not None]
    return sorted(set(taken))


def in_words(asked: Asked, folders: Sequence[dict], databases: Sequence[Row]) -> list[str]:
    """What is done, in its order."""
    said = []
    for folder in folders:
        stage = f"{folder['target']}.restore-{asked.token}"
        if folder["way"] == "scratch":
            said.append(f"unpack {folder['name']} to {folder['target']}, and check every file")
        elif folder["way"] == "swap":
            said.append(f"unpack {folder['name']} to {stage}, and check every file")
            said.append(f"exchange {stage} and {folder['target']}; keep the old as .before-{asked.token}")
        else:
            said.append(f"unpack what differs of {folder['name']} beside {folder['target']}, and check every file")
            said.append(f"exchange each file in {folder['target']}; keep the old ones in .before-{asked.token}")
    for row in databases:
        if row.mode == RedisMode.MERGE:
            said.append(f"RESTORE … REPLACE ABSTTL, key by key, into {row.target}")
        else:
            said.append(f"RESTORE … ABSTTL, key by key, into database {row.spare} of {row.server}")
        if row.mode == RedisMode.REPLACE:
            said.append(f"SWAPDB {row.database} {row.spare} on {row.server}")
    return said


def _source(found: Found) -> dict:
    made = found.made_at.isoformat() if found.made_at else None
    return {"archive": found.archive, "digest": found.digest, "taken_at": made, "state": found.state}


def _memory(found: Found) -> list[dict]:
    servers = {each.server: each for each in found.databases}
    return [
        {"server": each.server, "version": each.version, "memory": each.memory, "most": each.memory_most}
        for each in servers.values()
    ]
