"""What holds for the restore as a whole, as lines: good, to think about, or in the way. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from backups.gateways.elasticsearch.room import watermark_bytes
from backups.repositories.preflight import FAIL, OK, WARN, Line
from backups.templatetags.formats import count_of, number, size

from . import allocation, streams
from .asked import REPLICAS, Asked, Mode
from .found import Found
from .row import Action, Row

RESTORABLE = ("SUCCESS", "PARTIAL")


@dataclass(frozen=True)
class Space:
    """Bytes and shards on the data nodes: now, at the fullest moment, and what there is. ``None``: not known."""

    bytes_total: int
    bytes_now: int
    bytes_peak: int
    bytes_most: int
    shards_now: int
    shards_peak: int
    shards_most: int | None
    exact: bool

    def as_dict(self) -> dict:
        return asdict(self)


def lines(asked: Asked, found: Found, rows: Sequence[Row], space: Space) -> list[Line]:
    """Worst first."""
    said = [line for test in TESTS for line in test(asked, found, rows, space)]
    return sorted(said, key=lambda line: (FAIL, WARN, OK).index(line.state))


def space_of(asked: Asked, found: Found, rows: Sequence[Row]) -> Space:
    """What the restore needs. A clone shares the files of what it is a clone of, so only what is restored counts;
    what is overwritten in place is not counted as freed, because it is freed last. What is restored has the replicas
    that were recorded, where nothing else was asked."""
    going = [row for row in rows if row.goes]
    replicas = {row.source: _replicas(asked, found, row) for row in going}
    copies = {name: 1 + (1 if said is None else said) for name, said in replicas.items()}
    needed = sum((row.bytes or 0) * copies[row.source] for row in going)
    shards = sum(_shards_more(row, copies[row.source]) for row in going)
    room = found.room
    total, free = (sum(getattr(node, name) for node in room.nodes) for name in ("bytes_total", "bytes_free"))
    return Space(
        bytes_total=total,
        bytes_now=total - free,
        bytes_peak=total - free + needed,
        bytes_most=total
        - sum(watermark_bytes(room.watermark_low, node.bytes_total, room.headroom_low) for node in room.nodes),
        shards_now=room.shards_now - found.closed_shards,
        shards_peak=room.shards_now - found.closed_shards + shards,
        shards_most=room.shards_most,
        exact=all(
            row.bytes is not None and row.primaries is not None and replicas[row.source] is not None for row in going
        ),
    )


def _shards_more(row: Row, copies: int) -> int:
    """Shards at the fullest moment: a swap has the live index, the copy and the clone at once, and of what is
    overwritten in place as many are there already as the live index has."""
    restored, live = (row.primaries or 1) * copies, (row.primaries_now or row.primaries or 1) * _copies_now(row)
    if not row.work:
        return max(0, restored - live) if row.action == Action.REPLACE else restored
    return restored + (live if row.before else 0)


def _copies_now(row: Row) -> int:
    return 1 + (int(row.replicas) if row.replicas.isdigit() else 1)


def _replicas(asked: Asked, found: Found, row: Row) -> int | None:
    """Of what is restored; None where nobody recorded them."""
    recorded = found.recorded[row.source].settings if row.source in found.recorded else {}
    said = str(asked.settings.get(REPLICAS, recorded.get("index", {}).get("number_of_replicas", "")))
    return int(said) if said.isdigit() else None


def _snapshot(asked: Asked, found: Found, rows, space) -> Iterator[Line]:
    if found.snapshot is None:
        yield Line(FAIL, "The snapshot cannot be read", found.problem or "The repository does not have it any more.")
    elif found.snapshot.state not in RESTORABLE:
        yield Line(FAIL, "The snapshot is not over", f"The repository calls it {found.snapshot.state}.")
    elif found.newest_id and (found.snapshot.version_id or 0) > found.newest_id:
        why = "This cluster cannot read it. Restore it into one of that version or a later one."
        yield Line(FAIL, "A newer server made the snapshot, or another product", why)
    elif found.snapshot.failures:
        yield Line(WARN, "The snapshot is incomplete", f"{count_of(found.snapshot.shards_failed, 'shard')} missing")
    else:
        yield Line(OK, "The snapshot is whole, as the repository lists it")


def _something(asked: Asked, found: Found, rows: Sequence[Row], space) -> Iterator[Line]:
    if not any(row.goes for row in rows):
        yield Line(FAIL, "Nothing is left to restore", "Every index is taken out, blocked, or exists already.")


def _global_state(asked: Asked, found: Found, rows, space) -> Iterator[Line]:
    if not asked.global_state or found.snapshot is None:
        return
    if found.snapshot.global_state is False:
        yield Line(FAIL, "The snapshot has no global state", "Leave the global state out.")
    else:
        yield Line(
            WARN, "The global state replaces settings and templates", "What was added since stays beside them."
        )


def _features(asked: Asked, found: Found, rows, space) -> Iterator[Line]:
    """Restoring one deletes the system indices of the feature first, and nothing of ours could bring them back."""
    if found.snapshot and found.snapshot.features:
        yield Line(WARN, "The states of features are left out", ", ".join(found.snapshot.features))


def _rights(asked: Asked, found: Found, rows, space) -> Iterator[Line]:
    if found.lacking:
        yield Line(FAIL, "The restricted credential may not do this", "; ".join(found.lacking))
    else:
        yield Line(OK, "The restricted credential has the rights")


def _cluster(asked: Asked, found: Found, rows, space) -> Iterator[Line]:
    if found.room.read_only:
        yield Line(FAIL, "The cluster is set to read only", "Remove cluster.blocks.read_only, then check again.")
    else:
        yield Line(OK, "The cluster takes changes")
    if found.room.create_blocked:
        yield Line(WARN, "The cluster blocks new indices", "A restore passes all the same; writers cannot make any.")


def _disk(asked: Asked, found: Found, rows, space: Space) -> Iterator[Line]:
    if not space.bytes_total:
        yield Line(WARN, "Space on the data nodes is not known")
        return
    free = max(0, space.bytes_most - space.bytes_now)
    needs = f"{'' if space.exact else 'at least '}{size(space.bytes_peak - space.bytes_now)} of {size(free)}"
    watched = space.bytes_most < space.bytes_total
    if space.bytes_peak <= space.bytes_most:
        said = f"Enough space{' below the low watermark' if watched else ''}"
        yield Line(OK if space.exact else WARN, said, f"{needs} is needed")
    elif not watched:
        yield Line(FAIL if found.capabilities.obeys_watermark else WARN, "Not enough space", f"{needs} is needed.")
    elif found.capabilities.obeys_watermark:
        yield Line(FAIL, "Not enough space", f"{needs} below the low watermark: this server would give up at once.")
    else:
        yield Line(WARN, "More than the low watermark allows", needs)


def _shards(asked: Asked, found: Found, rows, space: Space) -> Iterator[Line]:
    if space.shards_most is None:
        yield Line(WARN, "The limit of shards is not known")
        return
    what = f"{number(space.shards_peak)} of {number(space.shards_most)} at the fullest moment"
    good = space.shards_peak <= space.shards_most
    yield Line(OK if good else FAIL, "Shards fit" if good else "Too many shards", what)


def _losses(asked: Asked, found: Found, rows: Sequence[Row], space) -> Iterator[Line]:
    replaced = [row for row in rows if row.action == Action.REPLACE]
    newer = [row for row in replaced if row.newer]
    unknown = [row for row in replaced if row.newer is None]
    if newer:
        names = ", ".join(row.source for row in newer[:3])
        yield Line(WARN, f"{count_of(sum(row.newer for row in newer), 'newer document')} would drop out", names)
    if unknown:
        yield Line(WARN, "What is newer cannot be told everywhere", ", ".join(row.source for row in unknown[:3]))
    if replaced and not newer and not unknown:
        yield Line(OK, "Nothing newer drops out")
    if lost := sorted({alias for row in replaced for alias in row.lost}):
        yield Line(WARN, f"{count_of(len(lost), 'alias', 'aliases')} would be gone", ", ".join(lost[:5]))


def _not_counted(asked: Asked, found: Found, rows: Sequence[Row], space) -> Iterator[Line]:
    bare = [row for row in rows if row.goes and row.counted == "not_counted"]
    if bare:
        many = f"{number(len(bare))} of {number(sum(row.goes for row in rows))}"
        yield Line(
            WARN, f"Documents of {many} were not counted", "The verdict can say that they are there, not how many."
        )


def _in_place(asked: Asked, found: Found, rows: Sequence[Row], space) -> Iterator[Line]:
    if asked.mode == Mode.IN_PLACE and found.safety is None:
        yield Line(FAIL, "There is nowhere to put the safety snapshot", "Register a repository that takes snapshots.")
    if asked.mode == Mode.IN_PLACE and any(row.action == Action.REPLACE for row in rows):
        yield Line(
            WARN,
            "The original is gone before the copy is proven",
            "Only the safety snapshot leads back. A swap does not do this.",
        )


def _lifecycle(asked: Asked, found: Found, rows: Sequence[Row], space) -> Iterator[Line]:
    """A policy goes by the age of an index, and a restored one is as old as it was."""
    if "index.lifecycle.name" in asked.resets or "index.plugins.index_state_management.policy_id" in asked.resets:
        return
    managed = [row.source for row in rows if row.goes and row.source in found.recorded]
    if managed := [name for name in managed if _policy(found.recorded[name].settings)]:
        yield Line(WARN, "A lifecycle policy may delete what is restored at once", ", ".join(managed[:3]))


def _kept_lifecycle(asked: Asked, found: Found, rows: Sequence[Row], space) -> Iterator[Line]:
    """A clone has the settings of its original, this one too."""
    kept = [row.source for row in rows if row.before and row.source in found.live]
    if managed := [name for name in kept if _policy(found.live[name].settings)]:
        yield Line(WARN, "A lifecycle policy may delete the safety copy before its time", ", ".join(managed[:3]))


def _nodes(asked: Asked, found: Found, rows: Sequence[Row], space) -> Iterator[Line]:
    """Rules that only the server can follow: where no node fits, it gives the restore up at once."""
    if allocation.RESET in asked.resets:
        return
    going = [row.source for row in rows if row.goes and row.source in found.recorded]
    rules = {name: said for name in going if (said := allocation.untold(found.recorded[name].settings))}
    if rules:
        what = "; ".join(f"{name}: {said}" for name, said in [*rules.items()][:3])
        yield Line(WARN, "Some indices may lie on certain nodes only", what)


def _policy(settings: Mapping) -> str:
    index = settings.get("index", {})
    plugin = index.get("plugins", {}).get("index_state_management", {}).get("policy_id")
    return index.get("lifecycle", {}).get("name") or plugin or ""


def _guard(asked: Asked, found: Found, rows: Sequence[Row], space) -> Iterator[Line]:
    """The name is missing for a moment; a transient setting would count more than what keeps writers from it."""
    if found.auto_create and found.auto_create.transient is not None:
        yield Line(
            FAIL,
            "A transient action.auto_create_index is set",
            "Writers could make an index anew in the moment of the swap. Set it to null, or make it persistent.",
        )


TESTS = (
    *(_snapshot, _something, _rights, _cluster, _global_state, _features, _disk, _shards),
    *(_losses, _not_counted, _in_place, _guard, _lifecycle, _kept_lifecycle, _nodes, streams.lines),
)
