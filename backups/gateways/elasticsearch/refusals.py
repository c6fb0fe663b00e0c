"""Refusals of Elasticsearch in the words of an administrator: what happened, why, what to do.

The texts on the left were seen on real servers; they are matched anywhere in the answer, because versions put
different things before and after them.
"""

import json
import re

from . import restore_refusals
from .call import Call

# In the answer to a write that waits for its end, like a delete; OpenSearch has no such words.
WRITER = re.compile(r"last cluster to write to this repository was \[([A-Za-z0-9_-]{22})\]")

NOT_AS_LEFT = (
    "Elasticsearch has stopped using this repository: its files are not as this cluster left them. Another cluster "
    "has written to it, or files were removed or replaced. See that only this cluster writes there, and bring back "
    "what is missing from a copy of the storage. Then {}: what its folder does not list by then is forgotten."
)
AGAIN = "register it on the cluster again with the same settings (PUT /_snapshot/…)"
ANEW = "remove it from the cluster (DELETE /_snapshot/…) and register it again with the same settings"
LIST_UNREAD = (
    "Elasticsearch cannot read the list of snapshots that this repository keeps (its file index-N): it is broken or "
    "missing, or the storage does not answer. Nothing in it can be used until then. See that every node reaches the "
    "storage. If the file is at fault, bring it back from a copy of the storage, then register the repository again."
)
UNREAD = ("Unexpected exception when loading repository data", "could not read repository data from index blob")
# About the repository as a whole, which stays as it is until somebody does something.
UNUSABLE = (
    ("concurrent modification of the index-N file", NOT_AS_LEFT.format(ANEW)),
    ("has been disabled to prevent data corruption", NOT_AS_LEFT.format(AGAIN)),
    ("has been disabled to prevent corrupting its contents", NOT_AS_LEFT.format(ANEW)),  # before 8
    *((text, LIST_UNREAD) for text in UNREAD),
)

SENTENCES = (
    (
        "because this setting is empty",
        "The location was refused: no directory is allowed for backups. Add path.repo with the directory to "
        "elasticsearch.yml on every node, and restart the nodes.",
    ),
    (
        "doesn't match any of the locations specified by path.repo",
        "The location was refused: it is outside the directories that the nodes allow. Choose one below "
        "them, or add the directory to path.repo in elasticsearch.yml on every node and restart the nodes.",
    ),
    (
        "is not accessible on",
        "A node cannot write to the repository's directory. Make it writable for the account that runs "
        "Elasticsearch, and check that every node sees the same storage there.",
    ),
    (
        "failed to create blob container",
        "A node cannot create files in the repository's directory. Make it writable for the account that "
        "runs Elasticsearch.",
    ),
    (
        "repository type [",
        "The cluster does not know this type of repository. Install the plugin on every node, or choose another.",
    ),
    (
        "repository is readonly",
        "The repository is registered as read-only. Choose another, or register it again without readonly.",
    ),
    (
        "readonly repository",
        "The repository is registered as read-only. Choose another, or register it again without readonly.",
    ),
    *UNUSABLE,
    (
        "trying to modify or unregister repository",
        "The repository is in use. Wait until its snapshots and restores are over.",
    ),
    (
        "cannot delete snapshot during a restore",
        "The snapshot is being restored. Wait until the restore is over.",
    ),
    (
        "Cannot start another operation",
        "The cluster runs as many snapshots as it allows. Wait until one is over.",
    ),
    (
        "already in-progress",
        "A snapshot of this name is being made at this moment. Choose another name.",
    ),
    (
        "snapshot with the same name already exists",
        "The repository already has a snapshot of this name. Choose another name.",
    ),
    (
        "have unassigned primary shards",
        "Some indices have no active primary shard, so they cannot be saved whole. Repair them, leave them "
        "out, or allow a partial snapshot.",
    ),
    (
        "Indices don't have primary shards",
        "Some indices have no active primary shard, so they cannot be saved whole. Repair them, leave them "
        "out, or allow a partial snapshot.",
    ),
    (
        "metadata must be smaller than",
        "The notes to be stored with the snapshot are too long. Shorten the reason.",
    ),
    *restore_refusals.SENTENCES,
)

BY_TYPE = restore_refusals.BY_TYPE | {
    "concurrent_snapshot_execution_exception": (
        "Another snapshot operation is running, and this cluster allows one at a time. Wait until it is over."
    ),
    "repository_missing_exception": (
        "The repository is not registered on the cluster. Register it again, or choose another."
    ),
    "snapshot_missing_exception": "The snapshot is not in the repository. It was deleted, or never made.",
    "index_not_found_exception": "An index does not exist any more. Look at the choice of indices again.",
    "invalid_snapshot_name_exception": ("Elasticsearch does not accept the name of the snapshot. Choose another."),
    "cluster_block_exception": "The cluster is blocked against changes. Remove the block, then try again.",
    "master_not_discovered_exception": "The cluster has no elected master node. Bring its nodes back first.",
    "process_cluster_event_timeout_exception": "The cluster is too busy and gave up. Try again later.",
    "es_rejected_execution_exception": "The cluster is too busy and refused the request. Try again later.",
    "circuit_breaking_exception": "The cluster is short of memory and refused the request. Try again later.",
}


def is_unusable(error: dict) -> bool:
    """Whether it is about the repository as a whole."""
    whole = _whole(error)
    return any(text in whole for text, _ in UNUSABLE)


def is_unread(error: dict) -> bool:
    """Whether it is about the list of the repository, which the storage may give again by itself."""
    whole = _whole(error)
    return any(text in whole for text in UNREAD)


def sentence(call: Call, error: dict, cause: str) -> str:
    """One plain sentence or two for this error."""
    whole = _whole(error)
    for text, words in SENTENCES:
        if text in whole:
            return _with_writer(words, whole)
    if words := BY_TYPE.get(str(error.get("type"))):
        return words
    return f"Elasticsearch refused {call.method} {call.target}: {cause or 'it gave no reason'}."


def _with_writer(words: str, whole: str) -> str:
    found = WRITER.search(whole)
    return words.replace("Another cluster", f"Another cluster ({found[1]})", 1) if found else words


def _whole(error: dict) -> str:
    return json.dumps(error, ensure_ascii=False)
