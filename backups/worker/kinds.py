"""KINDS: every kind of run with its steps. PERIODIC: what the ticker does now and then."""

from collections.abc import Callable
from typing import NamedTuple

from backups.accounts import sessions, sign_in
from backups.approvals import expiring, mail
from backups.archives import restoring
from backups.archives import steps as archives
from backups.archives.comparing import steps as compare_steps
from backups.archives.contents import taking
from backups.audit import checkpoints, watch
from backups.repositories import steps as repositories
from backups.restores import services as restores
from backups.restores.archives import planning as archive_plans
from backups.restores.archives import steps as archive_restores
from backups.restores.archives.undo import steps as archive_undo
from backups.restores.indices import steps as restore_steps
from backups.retention import archive_steps, file_steps, holds, index_steps, safety_copies
from backups.retention import steps as retention
from backups.runs import Kind, Step
from backups.runs import services as runs
from backups.runs.models import CHECK, LONG_CHECK
from backups.snapshots import steps as snapshots

from . import collecting, failures, posting
from .checks import look

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        repositories.REGISTER,
        repositories.VERIFY,
        snapshots.SNAPSHOT,
        archives.ARCHIVE,
        archives.VERIFY,
        taking.TAKE_OUT,
        compare_steps.COMPARE,
        restoring.RESTORE,
        restore_steps.BESIDE,
        restore_steps.SWAP,
        restore_steps.UNDO,
        restore_steps.IN_PLACE,
        retention.DELETE_SNAPSHOT,
        archive_steps.DELETE_ARCHIVE,
        index_steps.DELETE_INDEX,
        file_steps.DELETE_FILES,
        archive_plans.PLAN,
        archive_restores.RESTORE,
        archive_undo.UNDO,
        Kind(CHECK, "Check", (Step("Look", look),)),
        Kind(LONG_CHECK, "Check", (Step("Look", look, long=True),)),
    )
}


class Periodic(NamedTuple):
    """``work`` runs when ``due`` says so, asked every ``seconds``; it must be safe on several hosts at once."""

    name: str
    seconds: float
    work: Callable[[], object]
    due: Callable[[], bool] = lambda: True


_watch = watch.Watch()

PERIODIC = (
    Periodic("checkpoint", 1, checkpoints.make_checkpoint, checkpoints.checkpoint_due),
    Periodic("verification", 5, _watch.look, _watch.due),
    Periodic("collectors", 1, collecting.ring_due_collectors),
    Periodic("requests", 5, expiring.expire_due),
    Periodic("mail", 5, posting.ring_mail, mail.is_due),
    Periodic("expired safety copies", 30, safety_copies.queue_expired),
    Periodic("ended holds", 30, holds.record_ended),
    Periodic("old checks", 600, runs.remove_old_checks),
    Periodic("old plans", 3600, restores.remove_old_plans),
    Periodic("old downloads", 600, taking.remove_old),
    Periodic("old sign-in tries", 600, sign_in.remove_old_tries),
    Periodic("old sessions", 3600, sessions.remove_old_sessions),
    Periodic("old verifications", 3600, watch.remove_old_verifications),
    Periodic("old failures", 3600, failures.remove_old_failures),
)
