"""Every action that an entry may name. A closed list: ``record()`` refuses others.

An action is ``<noun>.<past participle>``. The sentence is what a person reads; it may use ``{actor}`` and
``{object}``. Grave actions get a checkpoint within a second.
"""

from typing import NamedTuple

INFO, NOTICE, GRAVE = 1, 2, 3


class Action(NamedTuple):
    """``kind`` groups actions in the filter of the log page."""

    kind: str
    severity: int
    sentence: str


ACTIONS: dict[str, Action] = {
    # sign-in and access
    "person.signed_in": Action("Sign-in", INFO, "{actor} signed in"),
    "person.signed_out": Action("Sign-in", INFO, "{actor} signed out"),
    "sign_in.failed": Action("Sign-in", NOTICE, "Sign-in as {object} failed"),
    "sign_in.throttled": Action("Sign-in", NOTICE, "Sign-in as {object} was refused after too many tries"),
    "step_up.passed": Action("Sign-in", INFO, "{actor} gave the password again"),
    "step_up.failed": Action("Sign-in", NOTICE, "{actor} gave a wrong password again"),
    "session.expired": Action("Sign-in", INFO, "The session of {object} ended by itself"),
    "access.denied": Action("Access", NOTICE, "{actor} was denied {object}"),
    # people
    "person.added": Action("People", GRAVE, "{actor} added {object}"),
    "person.changed": Action("People", NOTICE, "{actor} changed {object}"),
    "person.deactivated": Action("People", GRAVE, "{actor} deactivated {object}"),
    "person.reactivated": Action("People", GRAVE, "{actor} reactivated {object}"),
    "roles.changed": Action("People", GRAVE, "{actor} changed the roles of {object}"),
    "password.changed": Action("People", NOTICE, "{actor} changed their password"),
    "password.reset": Action("People", GRAVE, "{actor} set a one-time password for {object}"),
    # configuration
    "cluster.added": Action("Configuration", NOTICE, "{actor} added cluster {object}"),
    "cluster.changed": Action("Configuration", NOTICE, "{actor} changed cluster {object}"),
    "cluster.tested": Action("Configuration", INFO, "{actor} tested the credentials of cluster {object}"),
    "cluster.lost": Action("Configuration", NOTICE, "Cluster {object} does not answer"),
    "cluster.returned": Action("Configuration", NOTICE, "Cluster {object} answers again"),
    "credential.saved": Action("Configuration", GRAVE, "{actor} saved a credential of {object}"),
    "credential.promoted": Action("Configuration", NOTICE, "A checked credential of {object} is in use now"),
    "credential.refused": Action("Configuration", NOTICE, "A saved credential of {object} was refused"),
    "repository.requested": Action("Configuration", NOTICE, "{actor} asked to register repository {object}"),
    "repository.registered": Action("Configuration", NOTICE, "Repository {object} was registered"),
    "repository.refused": Action("Configuration", NOTICE, "Repository {object} was not registered"),
    "repository.verified": Action("Configuration", INFO, "Repository {object} was verified"),
    "repository.found": Action("Configuration", NOTICE, "Repository {object} was found on its cluster"),
    "repository.changed": Action("Configuration", NOTICE, "The settings of repository {object} were changed"),
    "repository.lost": Action(
        "Configuration", GRAVE, "Repository {object} is not registered on its cluster any more"
    ),
    "profile.added": Action("Configuration", NOTICE, "{actor} added profile {object}"),
    "profile.changed": Action("Configuration", NOTICE, "{actor} changed profile {object}"),
    "location.added": Action("Configuration", NOTICE, "{actor} added location {object}"),
    "location.changed": Action("Configuration", NOTICE, "{actor} changed location {object}"),
    "recipient.added": Action("Configuration", GRAVE, "{actor} added {object} to those who can open archives"),
    "recipient.removed": Action("Configuration", GRAVE, "{actor} removed {object} from those who can open archives"),
    "recipient.proven": Action("Configuration", NOTICE, "{actor} showed that {object} can open archives"),
    "redis.added": Action("Configuration", NOTICE, "{actor} added Redis server {object}"),
    "redis.changed": Action("Configuration", NOTICE, "{actor} changed Redis server {object}"),
    "redis.tested": Action("Configuration", INFO, "{actor} tested the credential of Redis server {object}"),
    # runs
    "run.queued": Action("Runs", INFO, "{actor} started {object}"),
    "run.running": Action("Runs", INFO, "Work began on {object}"),
    "run.succeeded": Action("Runs", INFO, "{object} succeeded"),
    "run.partial": Action("Runs", NOTICE, "{object} ended incomplete"),
    "run.failed": Action("Runs", NOTICE, "{object} failed"),
    "run.cancelled": Action("Runs", NOTICE, "{object} was cancelled"),
    "run.cancel_requested": Action("Runs", NOTICE, "{actor} asked to cancel {object}"),
    "credential.used": Action("Runs", NOTICE, "The restricted credential was used for {object}"),
    "snapshot.verified": Action("Backups", INFO, "The entry of snapshot {object} was read back and agrees"),
    "snapshot.deleted": Action("Backups", GRAVE, "Snapshot {object} was deleted"),
    "snapshot.adopted": Action("Backups", NOTICE, "Snapshot {object} was found to be there after all"),
    "snapshots.found": Action("Backups", INFO, "Snapshots that others made were found in {object}"),
    "snapshots.missing": Action("Backups", GRAVE, "Snapshots vanished from {object}"),
    "snapshots.damaged": Action("Backups", GRAVE, "Snapshots in {object} cannot be read"),
    "archive.made": Action("Backups", INFO, "Archive {object} was written"),
    "archive.verified": Action("Backups", INFO, "Archive {object} was read back whole, and is good"),
    "archive.unchanged": Action("Backups", INFO, "Archive {object} is still the file that was read back"),
    "archive.missing": Action("Backups", GRAVE, "Archive {object} is not in its location any more"),
    "archive.damaged": Action("Backups", GRAVE, "Archive {object} is damaged"),
    "archive.downloaded": Action("Backups", NOTICE, "{actor} downloaded a file out of archive {object}"),
    "archive.deleted": Action("Backups", GRAVE, "Archive {object} was deleted"),
    "archive.adopted": Action("Backups", NOTICE, "Archive {object} was found to be there after all"),
    "files.restore_started": Action("Restores", NOTICE, "{actor} began to restore files to {object}"),
    "files.restored": Action("Restores", NOTICE, "Files were restored to {object}"),
    "files.restore_failed": Action("Restores", NOTICE, "Files were not restored to {object}"),
    "redis.restore_started": Action("Restores", NOTICE, "{actor} began to restore data to Redis at {object}"),
    "redis.restored": Action("Restores", NOTICE, "Data was restored to Redis at {object}"),
    "redis.restore_failed": Action("Restores", NOTICE, "Data was not restored to Redis at {object}"),
    "restore.applied": Action("Restores", NOTICE, "{object} changed live data"),
    "restore.verified": Action("Restores", NOTICE, "{object} was verified: everything is as planned"),
    "restore.unverified": Action("Restores", GRAVE, "{object} was done, and could not be verified"),
    "restore.rolled_back": Action("Restores", GRAVE, "{object} was rolled back: the data is as it was before"),
    "safety_copy.made": Action("Restores", NOTICE, "Safety copy {object} was made and verified"),
    "safety_copy.used": Action("Restores", NOTICE, "Safety copy {object} was put back"),
    "safety_copy.removed": Action("Restores", NOTICE, "Safety copy {object} was removed"),
    "lock.cleared": Action("Restores", GRAVE, "{actor} cleared the lock on {object}"),
    # requests
    "request.filed": Action("Requests", NOTICE, "{actor} asked for {object}"),
    "request.commented": Action("Requests", INFO, "{actor} commented on {object}"),
    "request.change_asked": Action("Requests", NOTICE, "{actor} asked for a change of {object}"),
    "request.voted": Action("Requests", GRAVE, "{actor} approved {object}"),
    "request.approved": Action("Requests", GRAVE, "{object} has the approvals that it needs"),
    "request.rejected": Action("Requests", GRAVE, "{actor} rejected {object}"),
    "request.withdrawn": Action("Requests", NOTICE, "{actor} withdrew {object}"),
    "request.expired": Action("Requests", NOTICE, "{object} expired"),
    "request.invalidated": Action("Requests", GRAVE, "{object} is out of date, and was not carried out"),
    "request.started": Action("Requests", GRAVE, "Work began on {object}"),
    "request.glass_broken": Action("Requests", GRAVE, "{actor} broke the glass: {object} starts without approval"),
    "request.reviewed": Action("Requests", GRAVE, "{actor} reviewed {object}, which started without approval"),
    # retention
    "hold.placed": Action("Retention", NOTICE, "{actor} placed a hold on {object}"),
    "hold.released": Action("Retention", GRAVE, "{actor} released the hold on {object}"),
    "hold.ended": Action("Retention", INFO, "The hold on {object} ended"),
    "archives.found": Action("Backups", INFO, "Archives that this console did not make were found in {object}"),
    "archives.changed": Action("Backups", GRAVE, "Archives in {object} were changed after they were made"),
    "archives.missing": Action("Backups", GRAVE, "Archives vanished from {object}"),
    # the log and the console itself
    "log.viewed": Action("Log", INFO, "{actor} looked at {object}"),
    "log.exported": Action("Log", NOTICE, "{actor} exported {object}"),
    "log.verified": Action("Log", INFO, "The chain of the log was verified"),
    "log.broken": Action("Log", GRAVE, "The chain of the log does not verify"),
    "console.initialised": Action("Console", GRAVE, "The console was set up"),
    "console.started": Action("Console", INFO, "The service started on {object}"),
}
