"""What a user of a cluster needs for what the console does, and what it may do, in words."""

from dataclasses import dataclass

from .models import ClusterCredential, Purpose


@dataclass(frozen=True)
class Right:
    """Something that the console does, the privileges it needs, and the credential it is done with."""

    words: str
    purpose: str
    cluster: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    required: bool = True

    @property
    def needs(self) -> str:
        of_index = [f"index: {', '.join(self.index)}"] if self.index else []
        return "; ".join([*self.cluster, *of_index])

    def missing(self, may: dict) -> list[str]:
        """Names of the privileges that are not among those in ``may`` (as kept in ClusterCredential.may)."""
        lacks = [name for name in self.cluster if not may["cluster"].get(name)]
        return lacks + [f"{name} on indices" for name in self.index if not may["index"].get(name)]


RIGHTS = (
    Right("See health, nodes and settings", Purpose.EVERYDAY, cluster=("monitor",)),
    Right("See repositories and snapshots", Purpose.EVERYDAY, cluster=("monitor_snapshot",)),
    Right("Make snapshots", Purpose.EVERYDAY, cluster=("create_snapshot",)),
    Right("See indices, sizes and mappings", Purpose.EVERYDAY, index=("monitor", "view_index_metadata")),
    Right("Register, verify, delete, cancel and restore", Purpose.RESTRICTED, cluster=("manage",)),
    Right("Close and delete restored indices", Purpose.RESTRICTED, index=("manage",), required=False),
    Right("Count documents of restored indices", Purpose.RESTRICTED, index=("read",), required=False),
)

TOO_STRONG = "It may also manage the cluster, which backups never need. Give it a smaller role."


def of(purpose: str) -> list[Right]:
    return [right for right in RIGHTS if right.purpose == purpose]


def allowed(credential: ClusterCredential) -> list[str]:
    """What this credential may do of what it is for; empty when the cluster could not say."""
    return [right.words for right in of(credential.purpose) if credential.may and not right.missing(credential.may)]


def lacking(purpose: str, may: dict) -> list[str]:
    """Names of the privileges without which this credential is of no use. Empty when the cluster cannot say."""
    missing = [name for right in of(purpose) if may and right.required for name in right.missing(may)]
    return list(dict.fromkeys(missing))


def too_strong(purpose: str, may: dict) -> bool:
    return bool(may) and purpose == Purpose.EVERYDAY and bool(may["cluster"].get("manage"))


@dataclass(frozen=True)
class Ability:
    """A line of the table "What works here". ``state`` is allowed, blocked or unknown."""

    right: Right
    state: str
    reason: str


def abilities(cluster) -> list[Ability]:
    """What the console can do on this cluster with the credentials in use, and why not."""
    return [_ability(right, cluster.credential(right.purpose)) for right in RIGHTS]


def _ability(right: Right, credential: ClusterCredential | None) -> Ability:
    if credential is None:
        return Ability(right, "blocked", f"No {right.purpose} credential is in use.")
    if not credential.may:
        return Ability(right, "unknown", "The cluster does not say; it shows when it is done.")
    if missing := right.missing(credential.may):
        return Ability(right, "blocked", f"{credential.username} lacks {', '.join(missing)}.")
    return Ability(right, "allowed", "")
