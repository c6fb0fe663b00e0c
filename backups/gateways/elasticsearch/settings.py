"""The settings of the cluster that restores depend on, in one read."""

from collections.abc import Mapping
from dataclasses import dataclass

from .call import Call
from .client import Client

# One pattern for the whole of a flat name: a point in it would be a step deeper.
WANTED = (
    "*.cluster*disk*threshold_enabled,*.cluster*watermark*low*,*.cluster*watermark*high*,"
    "*.cluster*max_shards_per_node,*.action*auto_create_index"
)


@dataclass(frozen=True)
class ClusterSettings:
    """By their whole names. ``defaults`` are those that the nodes started with, too."""

    persistent: Mapping[str, str]
    transient: Mapping[str, str]
    defaults: Mapping[str, str]

    def get(self, name: str) -> str | None:
        """The one that counts: transient before persistent before default."""
        places = (self.transient, self.persistent, self.defaults)
        return next((place[name] for place in places if place.get(name) is not None), None)


def cluster_settings(client: Client) -> ClusterSettings:
    """As they are now."""
    params = {"include_defaults": True, "flat_settings": True, "filter_path": WANTED}
    body = client.send(Call("GET", ("_cluster", "settings"), params))
    return ClusterSettings(*(body.get(place, {}) for place in ("persistent", "transient", "defaults")))
