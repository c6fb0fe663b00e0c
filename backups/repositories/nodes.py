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
        ("access_denied", "accessdenied", "permission denied", "blob container", "is not accessible"),
        "{node} cannot write to {location}. The account that runs Elasticsearch on {node} must be able to write to "
        "this folder: look at its mount, owner and rights, then verify again.",
    ),
)
OTHERWISE = "{node} cannot use {location}. Look at its mount and rights there, then verify again."


def lines_of(nodes: Sequence[Node], verified: Collection[str]) -> list[dict]:
    """After a good answer: one line for each node that takes part in snapshots, by those whose id answered."""
    return [
        _line(node, GOOD if node.id in verified else FAILED, "" if node.id in verified else _absent(node))
        for node in nodes
        if node.writes_snapshots
    ]


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
    """The text says "master node" without a name: the one that may be master, where there is only one."""
    if " node" not in reason or ("master" not in reason and "cluster-manager" not in reason):
        return []
    masters = [node for node in writers if {"master", "cluster_manager"} & set(node.roles)]
    return masters if len(masters) == 1 else []


def _absent(node: Node) -> str:
    return f"{node.name} did not answer the verification. See that it is up and has joined, then verify again."


def _line(node: Node, state: str, message: str) -> dict:
    return {"id": node.id, "name": node.name, "roles": list(node.roles), "state": state, "message": message}
