"""Every model of the app, so that Django finds them; each lives in the package of its subject."""

from .access.models import User
from .accounts.models import SignInTry
from .approvals.models import ApprovalRequest, Comment, Mail, Vote
from .archives.models import Archive, ArchiveLocation, ArchiveProfile, ArchiveRecipient, ArchiveRun, RedisServer
from .audit.models import AuditEntry, AuditHead, Checkpoint, Verification
from .clusters.models import Cluster, ClusterCredential
from .repositories.models import Repository
from .restores.models import RestorePlan, TargetLock
from .retention.models import Hold, SafetyCopy
from .runs.models import Run, RunLogLine, RunStep, WorkerHost
from .snapshots.models import Mapping, Snapshot, SnapshotIndex, SnapshotProfile

__all__ = [
    "ApprovalRequest",
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
    "Comment",
    "Hold",
    "Mail",
    "Mapping",
    "RedisServer",
    "Repository",
    "RestorePlan",
    "Run",
    "RunLogLine",
    "RunStep",
    "SafetyCopy",
    "SignInTry",
    "Snapshot",
    "SnapshotIndex",
    "SnapshotProfile",
    "TargetLock",
    "User",
    "Verification",
    "Vote",
    "WorkerHost",
]
