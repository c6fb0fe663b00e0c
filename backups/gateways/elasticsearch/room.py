"""Whether there is room for a restore: on the disks, below the limit of shards, and without a block in the way.

A restore onto disks that are too full is accepted by Elasticsearch 8 and 9 and then fails for ever; the others take
it where there is one data node. All of it can be read with the right to monitor the cluster.
"""

import re
from dataclasses import dataclass

from .answers import need
from .call import Call
from .client import Client
from .settings import ClusterSettings

DISK = "cluster.routing.allocation.disk"
NODE_FIELDS = "nodes.*.name,nodes.*.roles,nodes.*.fs.total.total_in_bytes,nodes.*.fs.total.available_in_bytes"
UNITS = {"b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40, "pb": 2**50}
SIZE = re.compile(r"([0-9.]+)\s*([kmgtp]?b)")

# The server's numbers of blocks on the whole cluster: read-only, read-only but for deletions; no new indices.
READ_ONLY = {"6", "13"}
NO_NEW_INDICES = "10"


@dataclass(frozen=True)
class NodeRoom:
    """One data node. ``bytes_free`` is what its process can still use."""

    name: str
    bytes_total: int
    bytes_free: int


@dataclass(frozen=True)
class Room:
    """Watermarks are the server's text (see ``watermark_bytes``), empty where it does not look at the disks; the
    headrooms are how much of a big disk they ask for at most, empty where there is no such bound. ``shards_now``
    counts all copies, those of closed indices too, which the limit ``shards_most`` leaves out."""

    nodes: tuple[NodeRoom, ...]
    watermark_low: str
    shards_now: int
    shards_most: int | None
    read_only: bool
    create_blocked: bool
    headroom_low: str = ""


def room(client: Client, settings: ClusterSettings) -> Room:
    """As it is now, with the settings that were read before."""
    blocks = _blocks(client)
    call = Call("GET", ("_cluster", "health"))
    health = client.send(call)
    counted = ("active_shards", "initializing_shards", "unassigned_shards")
    most = settings.get("cluster.max_shards_per_node")
    return Room(
        nodes=_nodes(client),
        **_watermarks(settings),
        shards_now=sum(need(call, health, key, int) for key in counted),
        shards_most=int(most) * need(call, health, "number_of_data_nodes", int) if most else None,
        read_only=bool(READ_ONLY & set(blocks)),
        create_blocked=NO_NEW_INDICES in blocks,
    )


def watermark_bytes(text: str, total: int, headroom: str = "") -> int:
    """How many bytes of a disk of this size must stay free: "85%" and "0.85" say how much may be used, "500mb" what
    must be left. At most ``headroom`` where there is one. Raises ``ValueError`` for anything else."""
    text = text.strip().lower()
    if not text:
        return 0
    if (size := _size(text)) is not None:
        return size
    used = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0 <= used <= 1:
        raise ValueError(f"{text} is no share of a disk.")
    bound = _size(headroom.strip().lower())
    free = round(total * (1 - used))
    return free if bound is None else min(free, bound)


def _size(text: str) -> int | None:
    """None where it is no size in bytes, like the server's -1 for no bound."""
    found = SIZE.fullmatch(text)
    return round(float(found[1]) * UNITS[found[2]]) if found else None


def _nodes(client: Client) -> tuple[NodeRoom, ...]:
    call = Call("GET", ("_nodes", "stats", "fs"), {"filter_path": NODE_FIELDS})
    found = need(call, client.send(call), "nodes", dict).values()
    # A node without any role is left without the list by the filter.
    data = [node for node in found if any(str(role).startswith("data") for role in node.get("roles", ()))]
    return tuple(sorted((_node(call, node) for node in data), key=lambda node: node.name))


def _node(call: Call, found: dict) -> NodeRoom:
    total = need(call, need(call, found, "fs", dict), "total", dict)
    sizes = (need(call, total, key, int) for key in ("total_in_bytes", "available_in_bytes"))
    return NodeRoom(need(call, found, "name", str), *sizes)


def _watermarks(settings: ClusterSettings) -> dict[str, str]:
    looks = settings.get(f"{DISK}.threshold_enabled") != "false"
    names = {"watermark_low": "low", "headroom_low": "low.max_headroom"}
    marks = {field: settings.get(f"{DISK}.watermark.{name}") or "" for field, name in names.items()}
    return marks if looks else dict.fromkeys(marks, "")


def _blocks(client: Client) -> dict[str, dict]:
    body = client.send(Call("GET", ("_cluster", "state", "blocks"), {"filter_path": "blocks.global"}))
    return body.get("blocks", {}).get("global", {})
