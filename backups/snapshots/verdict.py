"""What a snapshot that ended is worth. Pure: facts in, verdict out.

Elasticsearch answers a create with 200 whatever came of it, so nothing here trusts an answer: the arguments are
what was read back from the repository afterwards.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain

from backups.gateways.elasticsearch.indices import IndexFacts
from backups.gateways.elasticsearch.snapshots import SnapshotFacts
from backups.gateways.elasticsearch.streams import backing_of
from backups.templatetags.formats import count_of

from .models import Counted, SnapshotIndex, SnapshotState

PARTIAL_TODO = "Indices without a missing shard can be restored from it. Mend the cause, then start another snapshot."
FAILED_TODO = "Earlier snapshots stay as they are. Mend the cause, then start another snapshot."


@dataclass(frozen=True)
class Verdict:
    """``state`` is ours; ``sentence`` says it to a person; ``problems`` name shards and indices; ``detail`` is the
    server's own text, for those who may read it."""

    state: str
    sentence: str
    problems: tuple[str, ...] = ()
    detail: str = ""


def judge(found: SnapshotFacts, wanted: Collection[str], streams: Collection[str] = ()) -> Verdict:
    """Verified, partial or failed, with the names of what is missing. A data stream may have got another index just
    before the snapshot began: that is in it too."""
    behind = chain(*backing_of(streams, found.indices).values())
    missing, extra = sorted(set(wanted) - set(found.indices)), sorted({*found.indices} - {*wanted, *behind})
    problems = [f"{f.index} shard {f.shard}: {f.reason}" for f in found.failures]
    problems += [f"{name} is not in the snapshot" for name in missing]
    problems += [
        f"The data stream {name} is not in the snapshot" for name in sorted({*streams} - {*found.data_streams})
    ]
    problems += [f"{name} is in the snapshot although it was not asked for" for name in extra]
    whole = found.shards_total > 0 and found.shards_failed == 0 and found.shards_successful == found.shards_total
    if found.state == "SUCCESS" and whole and not problems:
        shards, indices = count_of(found.shards_total, "shard"), count_of(len(found.indices), "index", "indices")
        every = "the" if found.shards_total == 1 else "all"
        return Verdict(SnapshotState.VERIFIED, f"The repository lists {every} {shards} of {indices} as complete.")
    if found.state in ("SUCCESS", "PARTIAL") and found.shards_successful:
        safe = f"{found.shards_successful} of {found.shards_total} shards are complete"
        reason = _first(problems) or "The cluster does not say why."
        return Verdict(SnapshotState.PARTIAL, f"Partial: {safe}. {reason} {PARTIAL_TODO}", tuple(problems))
    reason = _first(problems) or "The cluster gave no reason."
    return Verdict(SnapshotState.FAILED, f"The snapshot failed. {reason} {FAILED_TODO}", tuple(problems))


def counted(before: SnapshotIndex, after: IndexFacts | None) -> str:
    """How exactly the documents in the snapshot are known.

    The same sequence numbers before and after mean that nothing was written in between, so the count is exact;
    otherwise it lies between the two, when both are known and it is the same index.
    """
    if after is None or after.uuid != before.uuid or before.documents_before is None or after.documents is None:
        return Counted.NOT_COUNTED
    same = after.max_seq_no is not None and list(after.max_seq_no) == before.max_seq_no_before
    return Counted.EXACT if same and after.documents == before.documents_before else Counted.WITHIN


def _first(problems: list[str]) -> str:
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}." if problems else ""
