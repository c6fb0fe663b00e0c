"""The way of a swap, one call at a time. Pure.

Where a swap stands is read from the cluster, never remembered: whoever comes after a crash looks, and ``next_call``
says what is to be done from there. Three indices matter: the live one, the working copy that was proven, and the
clone of the live one that is kept.
"""

from dataclasses import dataclass

from .calls import Purpose
from .rows import Row

UNBLOCK_LIVE, UNBLOCK_WORK, DELETE_BEFORE = "unblock_live", "unblock_work", "delete_before"
BLOCK_BEFORE, BACK, ALIAS_BACK = "block_before", "back", "alias_back"
"""What only the way back sends: the last two put the clone of the old index under the name again, or where that was
an alias, the name on what it was an alias of."""


SOMEBODY = "Somebody made an index of this name meanwhile."


@dataclass(frozen=True)
class Now:
    """An index as the cluster has it at this moment. ``documents`` is None where they could not be counted;
    ``cloned``: a swap put it there."""

    uuid: str
    active: bool
    blocked: bool
    documents: int | None
    cloned: bool = False


@dataclass(frozen=True)
class Stand:
    """Where the swap of one index stands. ``old_uuid`` is that of the index to be replaced. ``guarded``: no
    writer can make the name anew; ``guard_is_ours``: because of a setting to be taken back. ``by_alias``: the
    name is to become an alias of the copy; ``is_alias``: it is one. ``work_is_kept``: the copy was there before the
    swap, and stays where that is given up. ``was_alias``: the name was an alias of ``before``, which stays too.
    ``was_blocked``: it took no writes before the swap either."""

    old_uuid: str
    live: Now | None
    work: Now | None
    before: Now | None
    guarded: bool
    guard_is_ours: bool
    by_alias: bool = False
    work_is_kept: bool = False
    is_alias: bool = False
    was_alias: bool = False
    was_blocked: bool = False

    @property
    def live_is_old(self) -> bool:
        return self.live is not None and self.live.uuid == self.old_uuid

    @property
    def is_untouched(self) -> bool:
        """Whether the name still leads to what it led to before."""
        return self.live_is_old or (self.was_alias and self.is_alias)

    @property
    def kept(self) -> bool:
        """Whether the clone of the live index is whole. Compared while the live one takes no writes."""
        return self.before is not None and self.before.active and self.before.documents is not None

    @property
    def there(self) -> bool:
        """Whether an index stands under the name that can be counted."""
        return self.live is not None and self.live.active and self.live.documents is not None


@dataclass(frozen=True)
class Wait:
    """Nothing to send: the cluster is still at it."""

    what: str


@dataclass(frozen=True)
class Finished:
    """The live index is the new one, and nothing is left over."""


@dataclass(frozen=True)
class Stuck:
    """The cluster is in a state that no call of ours leads out of."""

    why: str


Following = str | Wait | Finished | Stuck


def next_call(stand: Stand) -> Following:
    """What to send next (a ``Purpose``), or that there is nothing to send."""
    if stand.live_is_old:
        return _keep(stand)
    if stand.live is None:
        return _place(stand)
    return _finish(stand)


def way_back(stand: Stand) -> Following:
    """The same when the swap is given up: the old index, or the clone that was kept of it, has the name in the end,
    takes writes, and nothing of ours stays. Not for a swap that has put the new index in place, or may still do so:
    whoever begins this makes sure of it, because a clone under the name is taken for that of the old one."""
    if stand.was_alias:
        return _way_back_of_alias(stand)
    if stand.live is None:
        return _back(stand)
    if not stand.there:
        return Wait("the old index is being put back")
    if not stand.live_is_old and not stand.live.cloned:
        return Stuck(f"{SOMEBODY} The old one is kept as a clone.")
    if stand.guard_is_ours:
        return Purpose.UNGUARD
    if stand.live.blocked and not stand.was_blocked:
        return UNBLOCK_LIVE
    if stand.before is not None:
        return DELETE_BEFORE
    return _way_back_of_work(stand)


def _back(stand: Stand) -> Following:
    """The name is missing. The server clones only what takes no writes."""
    if not stand.kept:
        return Stuck("The name is missing, and so is the clone of the old index.")
    return BACK if stand.before.blocked else BLOCK_BEFORE


def _way_back_of_alias(stand: Stand) -> Following:
    if not stand.is_alias:
        return ALIAS_BACK if stand.before else Stuck("The name is missing, and so is the index that it was of.")
    return Purpose.UNGUARD if stand.guard_is_ours else _way_back_of_work(stand)


def _way_back_of_work(stand: Stand) -> Following:
    if stand.work is None:
        return Finished()
    if stand.work_is_kept:
        return UNBLOCK_WORK if stand.work.blocked else Finished()
    return Purpose.DELETE_WORK


def _keep(stand: Stand) -> Following:
    """The live index is still the old one: keep it, then take it away."""
    if stand.work is None:
        return Stuck("The restored copy is gone. The live index is as it was.")
    if not stand.live.blocked:
        return Purpose.BLOCK_LIVE
    if stand.before is None:
        return Purpose.KEEP
    if not stand.kept:
        return Wait("the live index is being kept as a clone")
    if stand.before.documents != stand.live.documents:
        return Wait("the clone of the live index is counted again")
    if stand.by_alias:
        return Purpose.ALIAS
    if not stand.work.blocked:
        return Purpose.BLOCK_WORK
    return Purpose.DELETE_LIVE if stand.guarded else Purpose.GUARD


def _place(stand: Stand) -> Following:
    """The name is free at this moment, or an alias: nothing else comes first."""
    if stand.is_alias and stand.by_alias:
        return Finished()
    if stand.work is None:
        return Stuck("The name is missing, and so is the restored copy. The clone of the old index is kept.")
    if not stand.work.blocked:
        return Purpose.BLOCK_WORK
    if not stand.is_alias:
        return Purpose.PLACE
    return Purpose.UNALIAS if stand.guarded else Purpose.GUARD


def _finish(stand: Stand) -> Following:
    """Another index has the name: ours is a clone, one that a writer made in that moment is none. Documents tell
    nothing here, because writers add and delete them already."""
    if not stand.there:
        return Wait("the restored index is being put in place")
    if not stand.live.cloned:
        return Stuck(f"{SOMEBODY} The old and the restored one are both kept.")
    if stand.guard_is_ours:
        return Purpose.UNGUARD
    return Purpose.DELETE_WORK if stand.work is not None else Finished()


def left_over(stand: Stand, row: Row) -> str:
    """What of a swap that cannot go on is there, for whoever has to look. Empty when nothing is."""
    left = []
    if stand.live is None and not stand.is_alias:
        left.append(f"there is no {row.source}")
    if stand.guard_is_ours:
        left.append(f"action.auto_create_index keeps {row.source} from being made")
    if stand.live is not None and stand.live.blocked and not stand.was_blocked:
        left.append(f"{row.source} takes no writes")
    if stand.work is not None and not stand.work_is_kept:
        left.append(f"the restored copy is {row.work}")
    if stand.before is not None:
        left.append(f"the old index is kept as {row.before}")
    return f"At the last look: {', '.join(left)}." if left else ""
