"""How the things that a restore changes are called in locks. Pure."""

from pathlib import PurePosixPath

LONGEST = 700
"""So many characters a lock may have."""


def index_target(cluster_uuid: str, name: str) -> str:
    return f"index:{cluster_uuid}:{name}"


def setting_target(cluster_uuid: str, name: str) -> str:
    return f"setting:{cluster_uuid}:{name}"


def path_target(host: str, path: str) -> str:
    return f"path:{host}:{path}"


def redis_target(server: str, database: int) -> str:
    return f"redis:{server}:{database}"


def words(target: str) -> str:
    """A target as people call it."""
    kind, _, rest = target.partition(":")
    owner, _, name = rest.partition(":")
    return f"Redis {owner} database {name}" if kind == "redis" else name


def nested(one: str, other: str) -> bool:
    """Whether one path lies in the other, on one host."""
    (host, path), (other_host, other_path) = (target[5:].split(":", 1) for target in (one, other))
    here, there = PurePosixPath(path), PurePosixPath(other_path)
    return host == other_host and (here in (there, *there.parents) or there in here.parents)
