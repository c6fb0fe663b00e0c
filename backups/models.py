"""Every model of the app, so that Django finds them; each lives in the package of its subject."""

from .access.models import User
from .accounts.models import SignInTry
from .archives.models import Archive, ArchiveLocation, ArchiveProfile, ArchiveRecipient, ArchiveRun, RedisServer
from .audit.models import AuditEntry, AuditHead, Checkpoint, Verification
from .clusters.models import Cluster, ClusterCredential
from .repositories.models import Repository
from .runs.models import Run, RunLogLine, RunStep, WorkerHost
from .snapshots.models import Mapping, Snapshot, SnapshotIndex, SnapshotProfile

__all__ = [
    "Archive",
    "ArchiveLocation",
    "ArchiveProfile",
    "ArchiveRecipient",
    "ArchiveRun",
    "AuditEntry",
    "AuditHead",
    "Checkpoint",
    "Cluster",
    "ClusterCredential",
    "Mapping",
    "RedisServer",
    "Repository",
    "Run",
    "RunLogLine",
    "RunStep",
    "SignInTry",
    "Snapshot",
    "SnapshotIndex",
    "SnapshotProfile",
    "User",
    "Verification",
    "WorkerHost",
]
