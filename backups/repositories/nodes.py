"""What a verification says of each node, and what to do about it: pure."""

from collections.abc import Collection, Sequence

from backups.gateways.elasticsearch.cluster import Node

GOOD, FAILED, UNKNOWN = "good", "failed", "unknown"

# What the server says, and what to do; the first that fits.
REMEDIES = (
    (
        ("stale file handle",),
        "{node} lost its mount of {location} (stale file handle). Mount the share there again, then verify again.",
    ),
    (
        ("read-only file system", "readonlyfilesystem"),
        "{location} is mounted read-only on {node}. Mount it writable there, then verify again.",
    ),
    (
        ("no space left",),
        "There is no space left at {location} on {node}. Free some, then verify again.",
    ),
    (
        ("a file written by master", "cannot be read on the node"),
        "{node} does not see what the other nodes write to {location}. Mount the same share there on every node, "
        "then verify again.",
    ),
    (
        ("access_denied", "accessdenied", "permission denied", "blob container", "blob store", "is not accessible"),
        "{node} cannot write to {location}. The account that runs Elasticsearch on {node} must be able to write to "
        "this folder: look at its mount, owner and rights, then verify again.",
    ),
)
# What servers before 7.17 say of a folder that the master could not use: no type of its own, and no node's name.
OF_THE_MASTER = ("failed to create blob container", "cannot create blob store")
OTHERWISE = "{node} cannot use {location}. Look at its mount and rights there, then verify again."


def lines_of(nodes: Sequence[Node], verified: Collection[str]) -> list[dict]:
    """After a good answer: one line for each node that takes part in snapshots, by those whose id answered."""
    return [
        _line(node, GOOD if node.id in verified else FAILED, "" if node.id in verified else _absent(node))
        for node in nodes
        if node.writes_snapshots
    ]


def tells_of_nodes(type: str, reason: str) -> bool:
    """Whether a refusal says something about the nodes, and not about the request."""
    return type == "repository_verification_exception" or any(text in reason for text in OF_THE_MASTER)


def lines_of_failure(nodes: Sequence[Node], location: str, reason: str, cause: str) -> list[dict]:
    """After a refusal: nodes that its text names have failed; of the others nothing is known."""
    writers = [node for node in nodes if node.writes_snapshots]
    named = [node for node in writers if node.id in reason or f"[{node.name}]" in reason] or _masters(writers, reason)
    return [
        _line(node, FAILED, remedy(node.name, location, f"{reason} {cause}"))
        if node in named
        else _line(node, UNKNOWN, "Not known: the cluster stops at the first node that fails.")
        for node in writers
    ]


def remedy(node: str, location: str, said: str) -> str:
    """What is wrong on this node, and what to do there."""
    words = next((words for texts, words in REMEDIES if any(text in said.lower() for text in texts)), OTHERWISE)
    return words.format(node=node, location=location)


def advice(lines: Sequence[dict]) -> str:
    """What to do about the nodes that failed."""
    return " ".join(line["message"] for line in lines if line["state"] == FAILED)


def failing(lines: Sequence[dict]) -> list[str]:
    return [line["name"] for line in lines if line["state"] == FAILED]


def in_words(lines: Sequence[dict]) -> str:
    """One sentence for all of them."""
    bad = failing(lines)
    if bad:
        return f"{len(bad)} of {len(lines)} nodes cannot use it: {', '.join(bad)}"
    good = [line for line in lines if line["state"] == GOOD]
    return f"{len(good)} of {len(lines)} nodes can write"


def _masters(writers: Sequence[Node], reason: str) -> list[Node]:
    """Where the text names no node it speaks of the master, which tries first ("master node", and before 7.17 only
    what it could not do): the one that may be master, where there is only one."""
    of_master = " node" in reason and ("master" in reason or "cluster-manager" in reason)
    if not (of_master or any(text in reason for text in OF_THE_MASTER)):
        return []
    masters = [node for node in writers if {"master", "cluster_manager"} & set(node.roles)]
    return masters if len(masters) == 1 else []


def _absent(node: Node) -> str:
    return f"{node.name} did not answer the verification. See that it is up and has joined, then verify again."


def _line(node: Node, state: str, message: str) -> dict:
    return {"id": node.id, "name": node.name, "roles": list(node.roles), "state": state, "message": message}
