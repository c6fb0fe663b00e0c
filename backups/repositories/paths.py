"""Locations of ``fs`` repositories, as Elasticsearch understands them. Compared by components, never as text."""

import json
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from posixpath import normpath

LONGEST = 1000


class BadLocation(ValueError):
    """The location cannot be one. The text says why."""


def check_location(location: str) -> str:
    """The location without a slash at the end. Raises BadLocation."""
    if not location or len(location) > LONGEST:
        raise BadLocation(f"Enter the folder, at most {LONGEST} characters.")
    if any(ord(character) < 32 or ord(character) == 127 for character in location) or "\\" in location:
        raise BadLocation("The location contains a backslash or a control character. Write it like /mnt/backup/es.")
    if ".." in PurePosixPath(location).parts:
        raise BadLocation("The location contains .. as a folder. Write the whole path.")
    cleaned = normpath(location)
    if cleaned in ("/", "//", "."):
        raise BadLocation("The location is the root folder. Choose a folder for the snapshots.")
    return cleaned.replace("//", "/", 1) if cleaned.startswith("//") else cleaned


def resolve(location: str, path_repo: Sequence[str]) -> PurePosixPath:
    """Where a node writes: a relative location starts at the first entry of its ``path.repo``."""
    first = path_repo[0] if path_repo else "/"
    return PurePosixPath(normpath(PurePosixPath(first) / location))


def allows(path_repo: Sequence[str], location: str) -> bool:
    """Whether a node with this ``path.repo`` accepts the location."""
    place = resolve(location, path_repo)
    return any(place.is_relative_to(normpath(root)) for root in path_repo)


def allowed_everywhere(nodes: Sequence[dict]) -> list[str]:
    """The folders in ``path.repo`` of every node that must reach a repository and shows it; in the order of the
    first. ``nodes`` are rows as they are kept with a cluster."""
    shown = [node.get("path_repo") for node in nodes if node.get("writes_snapshots")]
    first, *others = [roots for roots in shown if roots is not None] or [[]]
    return [root for root in first if all(root in roots for roots in others)]


def same_place(one: str, other: str, path_repo: Sequence[str]) -> bool:
    """Whether two locations are one folder on a node with this ``path.repo``."""
    return resolve(one, path_repo) == resolve(other, path_repo)


def setting_with(path_repo: Iterable[str], location: str) -> str:
    """The line of ``elasticsearch.yml`` that would allow the location."""
    return f"path.repo: {json.dumps([*path_repo, str(PurePosixPath('/') / location)])}"
