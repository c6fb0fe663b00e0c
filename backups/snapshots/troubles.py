"""What a snapshot run makes of answers that are missing, bad or not what was hoped for.

The rule behind all of it: once the create may have been sent, no failed look proves anything, because the snapshot
goes on without us. Then every error is waited out for hours, and an end without certainty is called unknown. Only
where the cluster has stopped using the repository nothing goes on, and only a person can mend it.
"""

from datetime import timedelta

from django.urls import reverse

from backups import clock
from backups.gateways.elasticsearch.errors import Answered, Damaged, GatewayError, OutcomeUnknown, Taken, Unusable
from backups.runs import Done, Stay, Turn
from backups.runs.models import Effect, Level, RunState

from . import cancelling, services
from .models import Snapshot, SnapshotState

# How long a cluster may be silent before the run is given up: before the snapshot exists, and while it goes on
# without us.
PATIENCE_BEFORE = timedelta(seconds=30)
PATIENCE_AFTER = timedelta(hours=6)

# Longer than a server keeps a request for its master (30 s), and then some: a slow repository delays a create.
LOST_FOR = timedelta(seconds=120)

# So long a run waits for the other snapshots of a cluster that takes one at a time.
BUSY_FOR = timedelta(hours=2)
BUSY = "concurrent_snapshot_execution_exception"

AGAIN_AFTER = 2


def matches_nothing(turn: Turn, snapshot: Snapshot, hints: list[str]) -> Done:
    """There is nothing to take; ``hints`` say what was meant, where that can be told."""
    wanted = ", ".join(turn.run.params["patterns"])
    said = f"No index matches {wanted}. Nothing was made. {' '.join(hints)}".strip()
    if snapshot.profile_id:
        url = reverse("snapshots:profile_change", args=[snapshot.profile_id])
        turn.remember(mend={"act": "profile.manage", "label": "Change the profile", "url": url})
    return failed(turn, snapshot, f"{said} Check the patterns.")


def no_answer(turn: Turn, snapshot: Snapshot, error: GatewayError) -> Stay | Done:
    """A look failed. Before the call was sent, silence is waited out for a moment and a refusal ends the run."""
    sent, now = _maybe_sent(turn, snapshot), clock.now()
    unusable = isinstance(error, Unusable)
    broken = unusable or isinstance(error, Damaged)
    # The short patience with what looks broken begins with it, however long the cluster was silent before.
    began = "broken_since" if broken else "silent_since"
    since = turn.moment(began)
    if since is None:
        turn.log(error.message, Level.WARNING)
        since = now
    patience = PATIENCE_AFTER if sent and not broken else PATIENCE_BEFORE
    if not (error.passes or (sent and not unusable)) or now - since >= patience:
        return failed(turn, snapshot, error.message, error.detail, unknown=sent)
    turn.remember(**{began: since}, maybe_sent=sent)
    return Stay(AGAIN_AFTER)


def refused(turn: Turn, snapshot: Snapshot, error: Answered) -> Stay | Done:
    """The create was refused: it did nothing, but one of a process that died before may have. While the cluster is
    at another snapshot, it is asked again: Elasticsearch before 7.9 does one operation at a time."""
    now = clock.now()
    since = turn.moment("busy_since") or now
    if error.type == BUSY and now - since < BUSY_FOR:
        if "busy_since" not in turn.memory:
            turn.log(f"{error.message} This run waits for it.", Level.WARNING)
        turn.remember(busy_since=since, maybe_sent=_maybe_sent(turn, snapshot))
        return Stay(AGAIN_AFTER)
    return failed(turn, snapshot, error.message, error.detail, unknown=_maybe_sent(turn, snapshot))


def lost(turn: Turn, error: OutcomeUnknown) -> Stay:
    """The create left, and no answer came. It is never sent again; the next turns look for the snapshot."""
    turn.log(f"{error.message} Looking whether the snapshot was started.", Level.WARNING)
    turn.remember(lost_at=clock.now(), maybe_sent=True)
    return Stay(0.5)


def not_found_yet(turn: Turn, snapshot: Snapshot) -> Stay | Done:
    """After a lost answer there is no snapshot of this name, so far."""
    if clock.now() - turn.moment("lost_at") < LOST_FOR:
        return Stay(1)
    return failed(
        turn,
        snapshot,
        f"The cluster did not answer when the snapshot was started, and {LOST_FOR.seconds} s later it has none of "
        "this name. Most likely the call never arrived. Look once more, then start it again with another name.",
        unknown=True,
    )


def taken_but_not_found(turn: Turn, snapshot: Snapshot, error: Taken) -> Stay | Done:
    """Refused as taken, right after a look found nothing: a call of a process that died, somebody else's, or one
    that is being deleted. The next turn reads whose it is."""
    now, sent = clock.now(), _maybe_sent(turn, snapshot)
    since = turn.moment("taken_since") or now
    if now - since >= PATIENCE_BEFORE:
        return failed(turn, snapshot, error.message, error.detail, unknown=sent)
    turn.remember(taken_since=since, maybe_sent=sent)
    return Stay(0.5)


def only_waited(turn: Turn, snapshot: Snapshot) -> bool:
    """Whether all that came of the create so far is that the cluster was busy."""
    return "busy_since" in turn.memory and not _maybe_sent(turn, snapshot)


def taken(turn: Turn, snapshot: Snapshot) -> Done:
    """The repository holds somebody else's snapshot of this name, and held it before ours was sent."""
    return failed(
        turn,
        snapshot,
        f"{snapshot.repository.name} holds a snapshot {snapshot.name} that this run did not make. It was not "
        "touched. Start again with another name.",
    )


def replaced(turn: Turn, snapshot: Snapshot) -> Done:
    """Ours was there, and now somebody else's has its name."""
    return failed(
        turn,
        snapshot,
        f"{snapshot.repository.name} holds a snapshot {snapshot.name} now that this run did not make; ours is gone. "
        "It was not touched. Find out who made it, then start again with another name.",
        unknown=True,
    )


def vanished(turn: Turn, snapshot: Snapshot) -> Stay | Done:
    """There is no snapshot of this name any more: because of our cancel, or because the cluster lost it."""
    if cancelling.sent(turn):
        turn.write(lambda a: a.record("snapshot.deleted", snapshot, run=turn.run.pk))
        return cancelling.cancelled(turn, snapshot, cancelling.DELETED, Effect.ROLLED_BACK)
    if "vanished_at" not in turn.memory:
        turn.remember(vanished_at=clock.now())
        return Stay(1)
    return failed(
        turn,
        snapshot,
        f"{snapshot.name} vanished from the cluster while it was made. This happens when the master node restarts. "
        "Earlier snapshots are not touched. Start it again.",
    )


def failed(turn: Turn, snapshot: Snapshot, error: str, detail: str = "", *, unknown: bool = False) -> Done:
    """Over without a snapshot; ``unknown`` when there may be one all the same. Its name stays taken then."""
    turn.log(error, Level.ERROR)
    state = SnapshotState.UNKNOWN if unknown else SnapshotState.FAILED
    turn.write(lambda a: services.set_state(snapshot, state, error))
    effect = Effect.UNKNOWN if unknown else Effect.NONE
    return Done(RunState.FAILED, effect, error=error, detail=detail)


def _maybe_sent(turn: Turn, snapshot: Snapshot) -> bool:
    """Whether a create of ours may have reached the cluster. A second claim of the same turn means that a process
    died in it, perhaps right after it had sent the call."""
    if snapshot.sent_at is None:
        return False
    return snapshot.state == SnapshotState.RUNNING or turn.run.claims > 1 or bool(turn.memory.get("maybe_sent"))
