"""The table of who may do what, as people read it: made from ``access.roles.ACTS``, with a sentence for each act."""

from typing import NamedTuple

from backups.access import ACTS, ROLES

LABELS: dict[str, str] = {
    "pages.read": "See dashboard, snapshots, archives, runs, clusters and repositories",
    "raw.read": "See exact calls and raw errors",
    "snapshot.start": "Start snapshots",
    "archive.look": "See which files are in an archive",
    "archive.start": "Make archives",
    "archive.verify": "Verify archives",
    "archive.download": "Download a file out of an archive",
    "run.cancel": "Cancel runs",
    "restore.request": "Ask for a restore",
    "lock.clear": "Clear the locks of a restore whose end nobody knows",
    "request.vote": "Approve or reject requests",
    "request.comment": "Comment on requests",
    "hold.place": "Hold a snapshot or archive",
    "hold.release": "Release a hold",
    "copy.ask_delete": "Ask for the deletion of what is held",
    "copy.delete": "Delete snapshots and archives that nothing holds",
    "restore.break_glass": "Break-glass: restore without approval",
    "request.review": "Review what was done without approval",
    "repository.verify": "Verify repositories",
    "cluster.manage": "Connect clusters, change credentials",
    "repository.manage": "Register repositories",
    "location.manage": "Add locations, Redis servers, and those who can open archives",
    "profile.manage": "Add and change profiles",
    "person.read": "See people and roles",
    "person.manage": "Add people, change roles, set one-time passwords",
    "entry.read_own": "Read own entries of the audit log",
    "entry.read_all": "Read all entries of the audit log",
    "entry.export": "Export the audit log",
}

NOTES: dict[str, str] = {
    "request.vote": "Never an own request",
    "lock.clear": "Never of an own restore",
    "restore.break_glass": "Loud, and must be reviewed by somebody else",
    "person.manage": "Never of one's own account",
}


class Row(NamedTuple):
    """One act: its sentence, a note under it, and yes or no for each role, in the order of ROLES."""

    label: str
    note: str
    cells: list[tuple[str, bool]]


def matrix() -> list[Row]:
    return [
        Row(label, NOTES.get(act, ""), [(role, role in ACTS[act]) for role in ROLES]) for act, label in LABELS.items()
    ]


def gains_and_loses(before: set[str], after: set[str]) -> tuple[list[str], list[str]]:
    """What somebody may do, and may do no longer, when the roles ``before`` become ``after``."""
    could = {act for act in LABELS if ACTS[act] & before}
    can = {act for act in LABELS if ACTS[act] & after}
    return (
        [label for act, label in LABELS.items() if act in can - could],
        [label for act, label in LABELS.items() if act in could - can],
    )
