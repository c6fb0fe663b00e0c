"""What a restore that ended is worth. Pure: facts in, verdict out.

The server's own signs have each been seen to lie: green with the documents from before (a node restarted during a
restore in place), green and empty (the shard was missing from the snapshot), every recovery done (the failed shard is
left out of the list), a short count without an error (one shard did not answer). So an index is restored only when
all of it agrees: every primary shard is active, each comes from this snapshot by this one restore, and the documents
are as many as were recorded. What cannot be proven is called unknown, not good.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.gateways.elasticsearch.restores import Count, ShardRecovery
from backups.gateways.elasticsearch.snapshots import ShardFailure
from backups.templatetags.formats import count_of

SUCCEEDED, PARTIAL, FAILED, UNKNOWN, MISSING = "succeeded", "partial", "failed", "unknown", "missing"

CLOCKS_DIFFER = timedelta(minutes=1)
"""How far the clocks of the console and of a node may be apart."""

# How a shard may have come to where it is without losing what was restored: a node gave it to another one.
KEEPS = {"SNAPSHOT", "PEER"}

AGAIN = "Delete the index and restore it again; do not close and open it, which can bring back old data."
LOOK = "Look at the index before anything uses it, then restore it again."


@dataclass(frozen=True)
class Target:
    """One index to be restored. ``name`` is what it is called now, ``source`` in the snapshot.

    ``counted`` says what is known of its documents: exactly ``recorded``, between ``low`` and ``high`` ("within"), or
    nothing ("not_counted"). ``aliases`` are those that it must have. ``takes_writes``: others can write to it as soon
    as it is there, because the name is one that they use.
    """

    name: str
    source: str
    primaries: int
    recorded: int | None = None
    counted: str = "not_counted"
    low: int | None = None
    high: int | None = None
    aliases: tuple[str, ...] = ()
    takes_writes: bool = False


@dataclass(frozen=True)
class IndexVerdict:
    """``documents`` is None where they could not be counted. ``grown``: everything came from the snapshot, and more
    is there: what somebody was told is written."""

    name: str
    state: str
    sentence: str
    documents: int | None = None
    grown: bool = False


@dataclass(frozen=True)
class Verdict:
    """``state`` is succeeded only when it is for every index."""

    state: str
    sentence: str
    indices: tuple[IndexVerdict, ...]


@dataclass(frozen=True)
class _Restore:
    """What makes a recovery one of this restore."""

    repository: str
    snapshot: str
    since: datetime
    uuid: str | None
    known: Collection[str]

    def began(self, one: ShardRecovery) -> bool:
        """Whether it can be ours: the uuid decides between two that can."""
        ours = (one.type, one.repository, one.snapshot) == ("SNAPSHOT", self.repository, self.snapshot)
        late_enough = one.started_at is not None and one.started_at >= self.since
        return ours and late_enough and bool(one.restore_uuid) and one.restore_uuid not in self.known


@dataclass(frozen=True)
class _Facts:
    active: Mapping[str, Mapping[int, bool]]
    recoveries: Mapping[tuple[str, int], Sequence[ShardRecovery]]
    counts: Mapping[str, Count]
    lost: Collection[tuple[str, int]]
    aliases: Mapping[str, Collection[str]] | None
    reasons: Mapping[str, str]
    restore: _Restore


def judge(
    targets: Sequence[Target],
    *,
    active: Mapping[str, Mapping[int, bool]],
    recoveries: Collection[ShardRecovery],
    counts: Mapping[str, Count],
    repository: str,
    snapshot: str,
    sent_at: datetime,
    restore_uuid: str | None,
    failures: Collection[ShardFailure],
    known_uuids: Collection[str] = (),
    aliases: Mapping[str, Collection[str]] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> Verdict:
    """What became of each index. To be asked when the cluster's entry of the restore is gone in two looks, and no
    shard is just being started.

    ``recoveries`` may be of several looks. ``restore_uuid`` is the one seen while it ran, if any was;
    ``known_uuids`` were on the targets before the call. ``failures`` are the snapshot's own; ``reasons`` say by index
    why a shard is nowhere; ``aliases`` are those that the indices have now.
    """
    restore = _Restore(repository, snapshot, sent_at - CLOCKS_DIFFER, restore_uuid, known_uuids)
    facts = _Facts(
        active=active,
        recoveries=_by_shard(recoveries),
        counts=counts,
        lost={(failure.index, failure.shard) for failure in failures},
        aliases=aliases,
        reasons=reasons or {},
        restore=_identified(restore, recoveries, {target.name for target in targets}),
    )
    judged = tuple(_judge(target, facts) for target in targets)
    state = _together({one.state for one in judged})
    uncounted = sum(_bounds(target) is None for target in targets)
    return Verdict(state, _sentence(state, judged, snapshot, uncounted), judged)


def _judge(target: Target, facts: _Facts) -> IndexVerdict:
    if target.name not in facts.active:
        words = f"{target.name} does not exist. Somebody deleted it, or the restore never began. Restore it again."
        return IndexVerdict(target.name, MISSING, words)
    return _without_primaries(target, facts) or _unproven(target, facts) or _held(target, facts)


def _without_primaries(target: Target, facts: _Facts) -> IndexVerdict | None:
    shards = facts.active[target.name]
    there = {number for number, active in shards.items() if active}
    # What the snapshot does not have is started empty, later than the rest.
    empty = {number for source, number in facts.lost if source == target.source}
    gone = sorted(set(range(target.primaries)) - there - empty)
    if not gone:
        return None
    reason = facts.reasons.get(target.name, "")
    said = f" The cluster says: {reason}." if reason else ""
    words = f"{target.name} is broken: {_shards(gone, target)} could not be restored.{said} {AGAIN}"
    return IndexVerdict(target.name, FAILED, words)


def _unproven(target: Target, facts: _Facts) -> IndexVerdict | None:
    """Active, but from where? Shards beyond those of the snapshot belong to another index of this name."""
    numbers = range(max(target.primaries, 1 + max(facts.active[target.name], default=0)))
    doubtful = [number for number in numbers if _origin(target, number, facts) == UNKNOWN]
    if not doubtful:
        return None
    words = (
        f"Every shard of {target.name} is active, but nothing proves that {_shards(doubtful, target)} came from this "
        f"restore: it may hold the data from before, as after a restart of a node. {LOOK}"
    )
    return IndexVerdict(target.name, UNKNOWN, words)


def _held(target: Target, facts: _Facts) -> IndexVerdict:
    """What a proven index holds."""
    empty = [number for number in range(target.primaries) if _origin(target, number, facts) == PARTIAL]
    count = facts.counts.get(target.name)
    documents = count.documents if count and count.whole else None
    if empty:
        words = f"{target.name} is not whole: the snapshot does not have {_shards(empty, target)}, restored empty. "
        words += "Keep it only if the rest is of use; another snapshot may have it whole."
        return IndexVerdict(target.name, PARTIAL, words, documents)
    if documents is None:
        answered = f"{count.shards_successful} of {count.shards_total} shards answered" if count else "none answered"
        words = f"The documents of {target.name} could not be counted: {answered}. {LOOK}"
        return IndexVerdict(target.name, UNKNOWN, words)
    if target.takes_writes and (bounds := _bounds(target)) and documents > bounds[1]:
        return IndexVerdict(target.name, PARTIAL, _grown(target, documents, bounds[1]), documents, grown=True)
    if wrong := _miscounted(target, documents):
        return IndexVerdict(target.name, FAILED, wrong, documents)
    if lacking := _lacking(target, facts.aliases):
        words = f"{target.name} holds its data, but lacks {', '.join(lacking)}. Add the aliases by hand."
        return IndexVerdict(target.name, PARTIAL, words, documents)
    return IndexVerdict(target.name, SUCCEEDED, _counted_words(target, documents), documents)


def _lacking(target: Target, aliases: Mapping[str, Collection[str]] | None) -> list[str]:
    return [] if aliases is None else sorted(set(target.aliases) - set(aliases.get(target.name, ())))


def _origin(target: Target, number: int, facts: _Facts) -> str:
    """Of one shard: succeeded (from this restore), partial (made empty) or unknown."""
    found = facts.recoveries.get((target.name, number), ())
    if any(one.type not in KEEPS | {"EMPTY_STORE"} for one in found) or number >= target.primaries:
        return UNKNOWN
    lost = (target.source, number) in facts.lost
    if any(one.type == "EMPTY_STORE" for one in found) or (lost and not found):
        return PARTIAL
    restored = [one for one in found if one.type == "SNAPSHOT"]
    ours = [one for one in restored if _is_ours(one, target, facts.restore)]
    if len(ours) < len(restored) or not any(one.stage == "DONE" for one in ours):
        return UNKNOWN
    return PARTIAL if lost else SUCCEEDED


def _is_ours(one: ShardRecovery, target: Target, restore: _Restore) -> bool:
    return restore.began(one) and one.restore_uuid == restore.uuid and one.source_index == target.source


def _identified(restore: _Restore, recoveries: Collection[ShardRecovery], names: Collection[str]) -> _Restore:
    """With the uuid of ours: the one that was seen, or the only one that there is."""
    found = {one.restore_uuid for one in recoveries if one.primary and one.index in names and restore.began(one)}
    uuid = restore.uuid or (found.pop() if len(found) == 1 else None)
    return _Restore(restore.repository, restore.snapshot, restore.since, uuid, restore.known)


def _by_shard(recoveries: Collection[ShardRecovery]) -> dict[tuple[str, int], list[ShardRecovery]]:
    found: dict[tuple[str, int], list[ShardRecovery]] = {}
    for one in recoveries:
        if one.primary:
            found.setdefault((one.index, one.shard), []).append(one)
    return found


def _miscounted(target: Target, documents: int) -> str:
    bounds = _bounds(target)
    if bounds is None or bounds[0] <= documents <= bounds[1]:
        return ""
    low, high = bounds
    recorded = f"{low:,}" if low == high else f"between {low:,} and {high:,}"
    return (
        f"{target.name} holds {count_of(documents, 'document')}, but {recorded} were recorded with the snapshot. "
        f"Something wrote to it meanwhile, or the data is not the snapshot's. {LOOK}"
    )


def _grown(target: Target, documents: int, most: int) -> str:
    return (
        f"{target.name} holds {count_of(documents, 'document')}, {documents - most:,} more than were recorded: "
        "somebody writes to it already, so its count proves nothing. Every shard came from this restore. It stays."
    )


def _bounds(target: Target) -> tuple[int, int] | None:
    """The least and the most documents that it may hold, where something was recorded."""
    if target.counted == "exact" and target.recorded is not None:
        return target.recorded, target.recorded
    if target.counted == "within" and target.low is not None and target.high is not None:
        return min(target.low, target.high), max(target.low, target.high)
    return None


def _counted_words(target: Target, documents: int) -> str:
    bounds, held = _bounds(target), count_of(documents, "document")
    if bounds is None:
        return f"{target.name} is restored with {held}; not counted when the snapshot was made, so not compared."
    if bounds[0] == bounds[1]:
        return f"{target.name} is restored with {held}, as recorded."
    return f"{target.name} is restored with {held}, within the recorded {bounds[0]:,} to {bounds[1]:,}."


def _together(states: set[str]) -> str:
    """What cannot be told of one index cannot be told of the whole."""
    if len(states) == 1:
        return states.pop()
    if not states or UNKNOWN in states:
        return UNKNOWN
    return FAILED if states <= {FAILED, MISSING} else PARTIAL


def _sentence(state: str, judged: Sequence[IndexVerdict], snapshot: str, uncounted: int) -> str:
    indices = count_of(len(judged), "index", "indices")
    if state == SUCCEEDED:
        words = f"Every shard of {indices} was restored from {snapshot}, and every count that was recorded agrees."
        return f"{words} Not counted: {count_of(uncounted, 'index', 'indices')}." if uncounted else words
    wrong = [one for one in judged if one.state != SUCCEEDED]
    if not wrong:
        return "There was nothing to restore."
    good = f"{len(judged) - len(wrong)} of {indices} restored. " if len(judged) > 1 else ""
    more = f" {len(wrong) - 1} more are not as they should be." if len(wrong) > 1 else ""
    return f"{good}{wrong[0].sentence}{more}"


def _shards(numbers: Sequence[int], target: Target) -> str:
    if len(numbers) >= target.primaries:
        return "its only shard" if target.primaries == 1 else f"all {target.primaries} shards"
    listed = ", ".join(map(str, numbers))
    return f"shard {listed} (of {target.primaries})"
