"""Names of archive files: from a template to one that is free. Pure.

``{host}`` is the short name of the host that is read, ``{time}`` the moment as 2026.11.22-0340 and ``{date}`` the
day, both in UTC.
"""

import re
from collections.abc import Collection
from datetime import UTC, datetime

LONGEST = 200
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
ENDINGS = {"gz": ".tar.gz", "zst": ".tar.zst", "tar": ".tar"}
ENCRYPTED = ".age"
RULE = "Use letters, digits, dot, hyphen and underscore, at most 200, and begin with a letter or a digit."


class BadName(ValueError):
    """Not a name that a file may have here; the message is for the person who wrote it."""


def expand(template: str, host: str, now: datetime) -> str:
    """The name without its ending that a template gives now. Raises BadName."""
    at = now.astimezone(UTC)
    parts = {"host": host.split(".")[0], "time": f"{at:%Y.%m.%d-%H%M}", "date": f"{at:%Y.%m.%d}"}
    name = re.sub(r"\{([a-z]+)\}", lambda found: parts.get(found[1], found[0]), template)
    if unknown := re.search(r"\{[^}]*\}?|\}", name):
        raise BadName(f"{unknown[0]} stands for nothing. What may stand in braces is host, time and date.")
    return check(name)


def check(name: str) -> str:
    """The name as it was given, if it may be one. Raises BadName."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise BadName(f"{name[:60]!r} cannot be the name of an archive. {RULE}")
    return name


def with_ending(stem: str, codec: str, *, encrypted: bool) -> str:
    """The name of the file: files-node-01.tar.gz.age."""
    return stem + ENDINGS[codec] + ENCRYPTED * encrypted


def stem_of(name: str) -> str:
    """The name without the ending that says what it is."""
    stem = name.removesuffix(ENCRYPTED)
    return next((stem.removesuffix(end) for end in ENDINGS.values() if stem.endswith(end)), stem)


def is_archive(name: str) -> bool:
    """Whether a file of this name may be an archive; partial files and indexes begin with a dot."""
    return not name.startswith(".") and name.removesuffix(ENCRYPTED).endswith((*ENDINGS.values(), ".tgz"))


def codec_of(name: str) -> str:
    """The codec that the ending promises."""
    stem = name.removesuffix(ENCRYPTED)
    return next((codec for codec, end in ENDINGS.items() if stem.endswith(end)), "gz")


def free(stem: str, taken: Collection[str]) -> str:
    """The name, or when it is taken the next free one: files-2, files-3 and so on. ``taken`` are names without their
    endings."""
    proposal, number = stem, 1
    while proposal in taken:
        number += 1
        tail = f"-{number}"
        proposal = stem[: LONGEST - len(tail)] + tail
    return proposal
