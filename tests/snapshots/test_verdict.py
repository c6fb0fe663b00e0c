"""The verdict on a snapshot that was read back, case by case."""

import pytest

from backups.gateways.elasticsearch.indices import IndexFacts
from backups.gateways.elasticsearch.snapshots import ShardFailure, SnapshotFacts
from backups.snapshots.models import SnapshotIndex
from backups.snapshots.verdict import counted, judge


def found(state="SUCCESS", indices=("a", "b"), total=3, failed=0, failures=()) -> SnapshotFacts:
    return SnapshotFacts("s", "u", state, tuple(indices), total, failed, total - failed, None, None, failures, {})


FAILURE = ShardFailure("b", 1, "node", "no space left")


@pytest.mark.parametrize(
    ("facts", "state", "says"),
    [
        (found(), "verified", "all 3 shards of 2 indices as complete"),
        (found(indices=("a", "b"), total=1), "verified", "lists the 1 shard of 2 indices as complete"),
        (
            found("PARTIAL", failed=1, failures=(FAILURE,)),
            "partial",
            "2 of 3 shards are complete. b shard 1: no space left",
        ),
        (found("FAILED", failed=3, failures=(FAILURE,)), "failed", "no space left"),
        (found("FAILED", failed=3), "failed", "gave no reason"),
        (found(indices=("a",)), "partial", "b is not in the snapshot"),
        (found(indices=("a", "b", "c")), "partial", "c is in the snapshot although"),
        (found(total=0, indices=()), "failed", "a is not in the snapshot"),
        (found(failed=1), "partial", "2 of 3"),
        (found("INCOMPATIBLE"), "failed", "failed"),
        # OpenSearch and old versions map PARTIAL to SUCCESS in some answers: the failures count.
        (found(failures=(FAILURE,)), "partial", "no space left"),
    ],
)
def test_states(facts, state, says):
    verdict = judge(facts, ["a", "b"])

    assert verdict.state == state
    assert says in verdict.sentence


def row(documents=10, numbers=(9,), uuid="u") -> SnapshotIndex:
    return SnapshotIndex(uuid=uuid, documents_before=documents, max_seq_no_before=list(numbers) if numbers else None)


def after(documents=10, numbers=(9,), uuid="u") -> IndexFacts:
    return IndexFacts("a", uuid, "open", documents, numbers, 1, 1, {}, {}, {})


@pytest.mark.parametrize(
    ("before", "later", "expected"),
    [
        (row(), after(), "exact"),
        (row(), after(11, (10,)), "within"),
        (row(), after(10, (12,)), "within"),  # deleted and indexed again
        (row(), None, "not_counted"),  # gone meanwhile
        (row(), after(uuid="another index of the same name"), "not_counted"),
        (row(None, None), after(None, None), "not_counted"),  # closed
        (row(10, None), after(10, None), "within"),
    ],
)
def test_how_exactly_documents_are_counted(before, later, expected):
    assert counted(before, later) == expected
