"""The three ways to restore a folder, and what they call their working names. Pure."""

from .asked import Asked
from .found import FolderFound

SCRATCH, SWAP, ENTRIES = "scratch", "swap", "entries"
"""To an empty place; the whole folder exchanged at one stroke; entry by entry, where something of it stays."""


def way_of(asked: Asked, folder: FolderFound) -> str:
    """A folder is exchanged as a whole only where nothing of it has to stay, and where it can be renamed."""
    if folder.way:
        return folder.way
    if asked.to:
        return SCRATCH
    if not folder.identity:
        return SWAP
    whole = asked.remove and asked.takes_all and not folder.patterns
    return SWAP if whole and not folder.is_mount and not folder.holds else ENTRIES


def stage_of(target: str, token: str, *, inside: bool) -> str:
    """Where a folder is unpacked: beside its target, or in it where that cannot be renamed."""
    return f"{target}/.restore-{token}" if inside else f"{target}.restore-{token}"


def before_of(target: str, token: str, *, inside: bool) -> str:
    """Where what was there is kept."""
    return f"{target}/.before-{token}" if inside else f"{target}.before-{token}"
