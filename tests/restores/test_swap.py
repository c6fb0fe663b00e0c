"""The way of a swap on a cluster that is played here: from every state, also after a crash between any two calls, it
leads to the end, and nothing is missing, doubled or left behind."""

from dataclasses import dataclass, replace

import pytest

from backups.restores.indices.calls import Purpose
from backups.restores.indices.swap import (
    BACK,
    BLOCK_BEFORE,
    DELETE_BEFORE,
    UNBLOCK_LIVE,
    Finished,
    Now,
    Stand,
    Stuck,
    Wait,
    next_call,
    way_back,
)

OLD, COPY = 57, 50


@dataclass(frozen=True)
class Cluster:
    """An index is (whose data, documents, blocked, active); None where there is none."""

    live: tuple | None = ("old", OLD, False, True)
    work: tuple | None = ("copy", COPY, False, True)
    before: tuple | None = None
    guard: bool = False
    alias: bool = False
    by_alias: bool = False
    kept: bool = False

    def stand(self) -> Stand:
        return Stand(
            old_uuid="old",
            live=_now(self.live),
            work=_now(self.work),
            before=_now(self.before),
            guarded=self.guard,
            guard_is_ours=self.guard,
            by_alias=self.by_alias,
            work_is_kept=self.kept,
            is_alias=self.alias,
        )

    def after(self, call: str) -> "Cluster":
        """What the server makes of a call; it raises for what a server would refuse."""
        return getattr(self, f"_{call}")()

    def settled(self) -> "Cluster":
        """Every shard has come up."""
        up = {name: (*index[:3], True) for name in ("live", "work", "before") if (index := getattr(self, name))}
        return replace(self, **up)

    def written(self) -> "Cluster":
        """A writer adds a document to the name, or makes it anew where it is missing."""
        if self.live is None:
            assert self.alias or self.guard, "a writer could make the name anew"
            return self
        whose, documents, blocked, active = self.live
        return self if blocked else replace(self, live=(whose, documents + 1, blocked, active))

    def _block_live(self):
        return replace(self, live=(*self.live[:2], True, self.live[3]))

    def _unblock_live(self):
        return replace(self, live=(*self.live[:2], False, self.live[3]))

    def _block_work(self):
        return replace(self, work=(*self.work[:2], True, self.work[3]))

    def _unblock_work(self):
        assert self.kept
        return replace(self, work=(*self.work[:2], False, self.work[3]))

    def _keep(self):
        assert self.live[2] and self.before is None
        return replace(self, before=("kept", self.live[1], False, False))

    def _guard(self):
        return replace(self, guard=True)

    def _unguard(self):
        return replace(self, guard=False)

    def _delete_live(self):
        assert self.before and self.before[3] and self.before[1] == self.live[1], "the old data would be gone"
        return replace(self, live=None)

    def _place(self):
        assert self.live is None and not self.alias and self.work[2]
        return replace(self, live=("new", self.work[1], False, False))

    def _alias(self):
        assert self.before and self.before[1] == self.live[1], "the old data would be gone"
        return replace(self, live=None, alias=True)

    def _unalias(self):
        return replace(self, alias=False)

    def _back(self):
        assert self.live is None and self.before[3]
        assert self.before[2], "the server clones only what takes no writes"
        return replace(self, live=("back", self.before[1], False, False))

    def _block_before(self):
        return replace(self, before=(*self.before[:2], True, self.before[3]))

    def _delete_before(self):
        assert self.live and self.live[0] in ("old", "back")
        return replace(self, before=None)

    def _delete_work(self):
        assert not self.kept or (self.live and self.live[0] == "new"), "the safety copy would be gone"
        return replace(self, work=None)


def _now(index: tuple | None) -> Now | None:
    if index is None:
        return None
    return Now(index[0], index[3], index[2], index[1] if index[3] else None, index[0] in ("new", "back", "kept"))


def walk(cluster: Cluster, decide, *, writer: bool = False) -> Cluster:
    """Until it is finished, looking anew before every call, as after a crash."""
    for _ in range(40):
        found = decide(cluster.stand())
        if isinstance(found, Finished):
            return cluster
        assert not isinstance(found, Stuck), found.why
        cluster = cluster.settled() if isinstance(found, Wait) else cluster.after(found)
        cluster = cluster.written() if writer else cluster
    raise AssertionError(f"it does not end: {cluster}")


def along(cluster: Cluster) -> list[Cluster]:
    """Every state on the way forward, the first and the last among them."""
    states = [cluster]
    while not isinstance(found := next_call(states[-1].stand()), Finished):
        last = states[-1]
        states.append(last.settled() if isinstance(found, Wait) else last.after(found))
    return states


STARTS = {
    "swap": Cluster(),
    "alias": Cluster(by_alias=True),
    "undo": Cluster(work=("kept", COPY, False, True), kept=True),
    "undo of an alias": Cluster(live=None, alias=True, work=("kept", COPY, False, True), kept=True),
    "undo of a deleted index": Cluster(live=None, work=("kept", COPY, False, True), kept=True, guard=True),
}


@pytest.mark.parametrize("start", STARTS)
def test_it_ends_with_the_copy_in_place_and_nothing_left_over(start):
    end = walk(STARTS[start], next_call)

    assert (end.guard, end.work is None) == (False, start != "alias")
    if start == "alias":
        assert (end.alias, end.live, end.before[1]) == (True, None, OLD)
    else:
        assert end.live == ("new", COPY, False, True)
        assert end.before is None or end.before[1] == OLD


@pytest.mark.parametrize("start", ["swap", "alias", "undo"])
def test_a_writer_that_never_pauses_loses_nothing_that_it_was_told_is_written(start):
    end = walk(STARTS[start], next_call, writer=True)

    assert end.before[1] >= OLD
    assert end.alias or end.live[1] >= COPY


@pytest.mark.parametrize("start", ["swap", "alias", "undo"])
def test_given_up_before_the_live_index_was_taken_away_everything_is_as_before(start):
    for state in along(STARTS[start]):
        if not state.stand().live_is_old:
            break
        end = walk(state, way_back)

        assert end.live == ("old", OLD, False, True)
        assert (end.before, end.guard) == (None, False)
        assert (end.work is not None) is (start == "undo")


def test_when_the_copy_cannot_be_placed_the_old_index_comes_back():
    (missing,) = [state for state in along(STARTS["swap"]) if state.live is None]

    assert way_back(missing.stand()) == BLOCK_BEFORE
    assert way_back(missing.after(BLOCK_BEFORE).stand()) == BACK
    end = walk(missing, way_back)

    assert (end.live, end.before, end.work, end.guard) == (("back", OLD, False, True), None, None, False)


def test_an_index_of_somebody_else_under_the_name_is_left_alone():
    (missing,) = [state for state in along(STARTS["swap"]) if state.live is None]

    found = next_call(replace(missing, live=("stranger", 1, False, True)).stand())

    assert isinstance(found, Stuck)
    assert isinstance(way_back(replace(missing, live=("stranger", 90, False, True)).stand()), Stuck)
    assert "both kept" in found.why


def test_without_the_copy_there_is_nothing_to_swap():
    assert isinstance(next_call(replace(Cluster(), work=None).stand()), Stuck)
    assert isinstance(next_call(replace(Cluster(), work=None, live=None).stand()), Stuck)
    assert isinstance(way_back(replace(Cluster(), live=None).stand()), Stuck)


def test_the_purposes_of_the_way_back_are_no_part_of_a_plan():
    planned = {value for name, value in vars(Purpose).items() if name.isupper()}

    assert planned.isdisjoint({BACK, BLOCK_BEFORE, UNBLOCK_LIVE, DELETE_BEFORE})
