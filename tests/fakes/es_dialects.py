"""How servers differ, as far as the console can see it. What is not here they all do alike.

Written from the recordings in ``tests/contract``, which hold the fake to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

DISABLED = (
    "The repository has been disabled to prevent data corruption because its contents were found not to match its "
    "expected state. To re-enable this repository, first ensure that this cluster has exclusive write access to it, "
    "and then re-register the repository with this cluster."
)
DISABLED_BEFORE_8 = (
    "Could not read repository data because the contents of the repository do not match its expected state. The "
    "repository has been disabled to prevent corrupting its contents. To re-enable it and continue using it please "
    "remove the repository from the cluster and add it again to make the cluster recover the known state of the "
    "repository from its physical contents."
)
NO_PRIMARIES = "Indices don't have primary shards"
NO_PRIMARIES_SINCE_8 = (
    "the following indices have unassigned primary shards and cannot be included in a snapshot unless [partial] is "
    "set to [true]:"
)


@dataclass(frozen=True)
class Dialect:
    """The way of one server; the defaults are those of Elasticsearch 8.19 and 9."""

    front_door: bool = False
    """Answers to GET /, which the test builds of Elasticsearch 8 and 9 do not."""
    build_flavor: str = "default"
    names_itself: bool = True
    """In a header of every answer that is not about security."""
    health: tuple[str, ...] = ("unassigned_primary_shards",)
    """Keys of the cluster's health that not all have."""
    manager_role: str = "master"
    lists_paths: bool = False
    """The folder of the data is a list."""
    security_is_index: bool = False
    """Without security the question for privileges is taken for the name of an index."""
    hides: bool = True
    index_settings: Mapping = field(
        default_factory=lambda: {"routing": {"allocation": {"include": {"_tier_preference": "data_content"}}}}
    )
    index_version: int | None = 8536000
    """What snapshots have as their version's number, where it is no longer that of the server."""
    # --- restores
    counts_failures: bool = True
    """A count says how many shards failed; elsewhere only that not all were successful."""
    data_streams: bool = True
    stream_aliases: Mapping = field(default_factory=lambda: {"data_stream_aliases": {}})
    disk: Mapping = field(
        default_factory=lambda: {"watermark.low.max_headroom": "200GB", "watermark.high.max_headroom": "150GB"}
    )
    """Settings of the disks that not all have."""
    unanswered: Mapping | None = field(default_factory=dict)
    """What a search without any shard says of each beside the rest; None for nothing at all."""
    names_closed: bool = True
    alias_errors: Mapping = field(default_factory=lambda: {"errors": False})
    # --- repositories
    keeps_unverified: bool = False
    """A repository that could not be verified is registered all the same."""
    wraps_unverified: bool = True
    repository_uuid: bool = True
    in_use: tuple[int, str] = (409, "repository_conflict_exception")
    disabled: str = DISABLED
    wraps_disabled: bool = True
    registering_mends: bool | None = True
    """Registering a repository again that it has stopped using: None is refused, False changes nothing."""
    missing_is_beside: bool = False
    """A list of a repository that is not registered is answered with 200, and with the reason beside it."""
    # --- snapshots
    metadata: bool = True
    concurrent: bool = True
    async_delete: bool = True
    feature_states: bool = True
    """Brings them with the global state unless told not to."""
    taken: str = "snapshot_name_already_in_use_exception"
    no_primaries: str = NO_PRIMARIES_SINCE_8
    keeps_failed: bool = False
    """A create that is refused elsewhere for a broken index is accepted, and its FAILED snapshot stays."""
    described: tuple[str, ...] = ("repository", "data_streams", "feature_states")
    """Keys of a snapshot that not all have."""
    counted: bool = True
    """A list says how many there are."""
    index_names: bool = True
    """A list can leave out what the snapshots hold."""
    leaves_out_empty: bool = False
    """A ``filter_path`` that excludes leaves out lists that are empty, too."""
    lists_empty: bool = True
    """The list that reads no files has snapshots without an index too."""
    wraps_damaged: bool = False
    status_says_partial: bool = False


ES_8_19 = Dialect()
ES_8_15 = replace(ES_8_19, health=(), wraps_disabled=False, leaves_out_empty=True)
ES_7_17 = replace(
    ES_8_15,
    index_version=None,
    disk={},
    unanswered={"index": "x", "index_uuid": "x", "shard": "0"},
    alias_errors={},
    front_door=True,
    keeps_unverified=True,
    in_use=(500, "illegal_state_exception"),
    disabled=DISABLED_BEFORE_8,
    registering_mends=None,
    missing_is_beside=True,
    index_names=False,
    async_delete=False,
    taken="invalid_snapshot_name_exception",
    no_primaries=NO_PRIMARIES,
)
OS_1 = replace(
    ES_7_17,
    stream_aliases={},
    unanswered=None,
    build_flavor="",
    names_itself=False,
    health=("discovered_master",),
    lists_paths=True,
    registering_mends=False,
    security_is_index=True,
    index_settings={},
    repository_uuid=False,
    feature_states=False,
    missing_is_beside=False,
    described=("data_streams",),
    counted=False,
)
OS_2 = replace(
    OS_1,
    health=("discovered_master", "discovered_cluster_manager"),
    manager_role="cluster_manager",
    security_is_index=False,
    index_settings={"replication": {"type": "DOCUMENT"}},
    described=("data_streams", "remote_store_index_shallow_copy"),
    status_says_partial=True,
)
OS_3 = replace(OS_2, disk={"warm_threshold_enabled": "true"})
ES_7_2 = replace(
    OS_1,
    names_closed=False,
    data_streams=False,
    build_flavor="oss",
    health=(),
    hides=False,
    wraps_unverified=False,
    metadata=False,
    concurrent=False,
    keeps_failed=True,
    described=(),
    lists_empty=False,
    wraps_damaged=True,
)
DIALECTS = {
    "elasticsearch-7.2.0": ES_7_2,
    "elasticsearch-7.17.28": ES_7_17,
    "elasticsearch-8.15.3": ES_8_15,
    "elasticsearch-8.19.0": ES_8_19,
    "elasticsearch-9.2.0": ES_8_19,
    "opensearch-1.3.20": OS_1,
    "opensearch-2.19.0": OS_2,
    "opensearch-3.3.0": OS_3,
}
EVERY = tuple(DIALECTS)
