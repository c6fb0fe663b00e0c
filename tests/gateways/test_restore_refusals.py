"""Refusals of a restore, in the server's words as they were seen and in those of the console."""

import pytest

from backups.gateways.elasticsearch import answers
from backups.gateways.elasticsearch.call import Call
from backups.gateways.elasticsearch.errors import NotFound, Refused

RESTORE, NAME, STATE = "snapshot_restore_exception", "invalid_index_name_exception", "illegal_state_exception"
OPEN = (
    "cannot restore index [a] because an open index with same name already exists in the cluster. Either close or "
    "delete the existing index or restore the index under a different name by providing a rename pattern"
)
UNIQUE = (
    "index, alias, and data stream names need to be unique, but the following duplicates were found [mm (alias of "
    "[m/UUID]) conflicts with index]"
)
LIMIT = (
    "Validation Failed: 1: this action would add [1] shards, but this cluster currently has [1]/[1] maximum normal "
    "shards open;"
)
OLD_LIMIT = (
    "Validation Failed: 1: this action would add [1] total shards, but this cluster currently has [2]/[1] maximum "
    "shards open;"
)
NEWER = (
    "the snapshot was created with Elasticsearch version [8.53.60-alpha0] which is higher than the version of this "
    "node [7.17.28]"
)
OLDER = (
    "the snapshot was created with Elasticsearch version [7.2.0] which is below the current versions minimum index "
    "compatibility version [8.0.0]"
)
NO_GLOBAL = "cannot restore global state since the snapshot was created without global state"
ALIAS = "The provided expression [al] matches an alias, specify the corresponding concrete indices instead."
MODIFY = "cannot modify setting [index.number_of_shards] on restore"
LATER = (
    "data stream [events] could create backing indices that conflict with 2 existing index(s) or alias(s) including "
    "'.ds-events-000002'"
)
WITHOUT = "Restore without aliases"

SEEN = (
    (RESTORE, OPEN, "exists and is open"),
    (
        RESTORE,
        "cannot restore index [c] with [3] shards from a snapshot of index [a] with [1] shards",
        "number of shards",
    ),
    (RESTORE, "cannot restore partial index [lost] because such index already exists", "not whole in the snapshot"),
    (RESTORE, "index [lost] wasn't fully snapshotted - cannot restore", "allow a partial restore"),
    (RESTORE, "snapshot does not exist", "still being made"),
    (RESTORE, "unsupported snapshot state [FAILED]", "did not end well"),
    (RESTORE, "indices [b] and [a] are renamed into the same index [same]", "the same new name"),
    (NAME, "Invalid index name [al], already exists as alias", "name of an alias"),
    (RESTORE, "cannot rename index [a] into [b] because of conflict with an alias with the same name", "of an alias"),
    (NAME, "Invalid index name [UPPER], must be lowercase", "does not accept a new name"),
    ("string_index_out_of_bounds_exception", "index 0, length 0", "is empty"),
    ("pattern_syntax_exception", "Unclosed group near index 1", "not a regular expression"),
    ("index_out_of_bounds_exception", "No group 1", "a group that the pattern does not have"),
    (STATE, LATER, "Restore it under another name"),
    (STATE, UNIQUE, WITHOUT),
    (STATE, "index and alias names need to be unique, but the following duplicates were found [mm]", WITHOUT),
    (STATE, "alias [logs] has more than one write index [logs-2,restored-logs-2]", WITHOUT),
    (RESTORE, NO_GLOBAL, "holds no global state"),
    (RESTORE, MODIFY, "cannot be changed"),
    (RESTORE, "cannot modify UnmodifiableOnRestore setting [index.uuid] on restore", "cannot be changed"),
    (RESTORE, "cannot remove setting [index.number_of_replicas] on restore", "or left out"),
    (
        "illegal_argument_exception",
        "Failed to parse value [abc] for setting [index.number_of_replicas]",
        "Correct it",
    ),
    ("settings_exception", "Failed to parse int setting [index.number_of_replicas] with value [abc]", "Correct it"),
    (RESTORE, "requested feature states [[kibana]] are not present in snapshot", "feature states"),
    ("illegal_argument_exception", "[x] can only be restored as part of a feature state", "their feature state"),
    (RESTORE, NEWER, "a newer server"),
    (RESTORE, OLDER, "too old for this one"),
    (RESTORE, "cannot restore index [a] because it cannot be upgraded", "reindex it there"),
    ("cluster_block_exception", "blocked by: [FORBIDDEN/6/cluster read-only (api)];", "set to read-only"),
    ("index_create_block_exception", "blocked by: [FORBIDDEN/10/cluster create-index blocked (api)];", "Make room"),
    ("validation_exception", LIMIT, "max_shards_per_node"),
    ("illegal_argument_exception", OLD_LIMIT, "max_shards_per_node"),
    (
        "concurrent_snapshot_execution_exception",
        "cannot restore a snapshot while a snapshot deletion is in-progress",
        "is being deleted",
    ),
    ("illegal_argument_exception", "Cannot close indices that are being restored: [[a/UUID]]", "being restored"),
    (
        "snapshot_in_progress_exception",
        "Cannot delete indices that are being snapshotted: [[a/UUID]]. Try again",
        "Wait until it is over",
    ),
    (STATE, 'index a must be read-only to resize index. use "index.blocks.write=true"', "Block writes"),
    ("illegal_argument_exception", ALIAS, "Nothing was deleted"),
    ("index_closed_exception", "closed", "Open it first"),
)


@pytest.mark.parametrize("before", ["", "[r:s/UUID] ", "[default:r:s/UUID] "])
@pytest.mark.parametrize(("kind", "reason", "words"), SEEN)
def test_a_refusal_says_what_to_do(kind, reason, words, before):
    call = Call("POST", ("_snapshot", "r", "s", "_restore"))
    found = answers.refusal(call, 500, {"type": kind, "reason": before + reason}, user="restricted")
    assert type(found) is Refused
    assert words in found.message


@pytest.mark.parametrize("kind", ["index_not_found_exception", "repository_missing_exception"])
def test_what_is_missing_is_not_found(kind):
    call = Call("POST", ("_snapshot", "r", "s", "_restore"))
    assert isinstance(answers.refusal(call, 404, {"type": kind, "reason": "x"}, user="restricted"), NotFound)
