"""Refusals of a restore, and of what a swap does, in the words of an administrator. Read by ``refusals``.

All of them come at once and change nothing; a closed index stays closed. The texts on the left were seen on real
servers; they are matched anywhere in the answer.
"""

SENTENCES = (
    (
        "because an open index with same name already exists",
        "An index that would be restored exists and is open. Restore under another name, or plan to replace it.",
    ),
    (
        "because such index already exists",
        "An index that is not whole in the snapshot cannot be restored over one that exists. Restore it under "
        "another name.",
    ),
    (
        "shards from a snapshot of index",
        "The existing index has another number of shards than the one in the snapshot, so it cannot be restored in "
        "place. Restore beside it and swap, or restore under another name.",
    ),
    (
        "wasn't fully snapshotted",
        "The snapshot does not have every shard of an index that was chosen. Leave the index out, choose another "
        "snapshot, or allow a partial restore: the missing shards are then empty.",
    ),
    (
        "snapshot does not exist",
        "The snapshot is not in the repository, or it is still being made. Look at the list of snapshots again.",
    ),
    (
        "unsupported snapshot state",
        "The snapshot did not end well and cannot be restored. Choose another one.",
    ),
    (
        "are renamed into the same index",
        "Two indices would get the same new name. Choose a name that keeps what tells them apart.",
    ),
    (
        "already exists as alias",
        "A new name is the name of an alias on the cluster. Choose another name, or remove the alias.",
    ),
    (
        "conflict with an alias",
        "A new name is the name of an alias on the cluster. Choose another name, or remove the alias.",
    ),
    (
        "names need to be unique",
        "An alias in the snapshot has the name of something that exists on the cluster. Restore without aliases.",
    ),
    (
        "could create backing indices that conflict",
        "An index on the cluster has a name that the data stream would give to one of its own. Restore it under "
        "another name.",
    ),
    (
        "more than one write index",
        "The restored index would become a second write index of an alias. Restore without aliases.",
    ),
    (
        "cannot restore global state since the snapshot was created without",
        "The snapshot holds no global state. Restore without it.",
    ),
    (
        "Failed to parse",
        "One of the settings has a value that the server does not take. Correct it, then try again.",
    ),
    (
        "setting [index.",
        "One of the settings cannot be changed or left out by a restore. Leave it as it is in the snapshot.",
    ),
    (
        "are not present in snapshot",
        "The snapshot does not hold the feature states that were asked for. Restore without them.",
    ),
    (
        "not installed on the current master node",
        "The cluster lacks a feature whose state was asked for. Restore without it, or install it.",
    ),
    (
        "can only be restored as part of a feature state",
        "System indices come back only with their feature state. Leave them out of the choice.",
    ),
    (
        "cannot restore a snapshot while a snapshot deletion is in-progress",
        "A snapshot is being deleted in the cluster. Wait until that is over, then try again.",
    ),
    (
        "which is higher than the version of this node",
        "The snapshot was made by a newer server than this one and cannot be read here. Restore it on a cluster of "
        "that version or a later one.",
    ),
    (
        "below the current versions minimum index compatibility version",
        "The snapshot was made by a server too old for this one. Restore it on an older cluster and copy from there.",
    ),
    (
        "because it cannot be upgraded",
        "An index in the snapshot was created by a server too old for this one. Restore it on an older cluster, "
        "reindex it there, and copy from there.",
    ),
    (
        "this action would add [",
        "The restore needs more shards than the cluster allows. Remove indices, add a data node, or raise "
        "cluster.max_shards_per_node.",
    ),
    (
        "Cannot close indices that are being restored",
        "The index is being restored and cannot be closed. Wait until that is over.",
    ),
    (
        "indices that are being snapshotted",
        "A snapshot of the index is being made. Wait until it is over.",
    ),
    (
        "must be read-only to resize index",
        "An index can be copied on the spot only while nobody may write to it. Block writes to it first.",
    ),
    (
        "matches an alias",
        "The name is that of an alias; only an index itself can be deleted. Nothing was deleted.",
    ),
    (
        "create-index blocked",
        "The cluster lets nobody create indices, usually because its disks are nearly full. Make room, then remove "
        "cluster.blocks.create_index.",
    ),
    (
        "cluster read-only",
        "The cluster is set to read-only. Remove the block (cluster.blocks.read_only), then try again.",
    ),
)

BY_TYPE = {
    "invalid_index_name_exception": "Elasticsearch does not accept a new name of an index. Choose another.",
    "string_index_out_of_bounds_exception": "A new name of an index is empty. Choose another.",
    "pattern_syntax_exception": "The pattern for new names is not a regular expression. Write it in another way.",
    "index_out_of_bounds_exception": "The replacement for new names uses a group that the pattern does not have.",
    "index_closed_exception": "The index is closed. Open it first.",
    "snapshot_in_progress_exception": "A snapshot of the index is being made. Wait until it is over.",
}
