"""A cluster with two indices that were snapshotted and have more documents since, and what must hold on it when a
restore is over, however that was."""

import itertools

from backups.clusters.models import Cluster
from backups.restores.indices.asked import Mode
from backups.restores.models import RestorePlan
from backups.retention.models import CopyForm, SafetyCopy, SafetyCopyState
from backups.runs.models import Effect, Run, RunState
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from tests import turns
from tests.factories import connected_cluster, registered_repository
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.restores.asking import Asking

NUMBERS = itertools.count()
ONE, TWO, OTHER = "events-1", "events-2", "others"
SNAPPED, LIVE = {ONE: 120, TWO: 80}, {ONE: 127, TWO: 83}
AUTO_CREATE = "action.auto_create_index"
ALLOWED = "-forbidden,+*"

STREAM, FLOW, OF_FLOW = "a data stream beside", "flow", (30, 12)
UNDO_SWAP, UNDO_ALIAS, UNDO_IN_PLACE = "undo of a swap", "undo of an alias", "undo in place"
UNDONE = {UNDO_SWAP: Mode.SWAP, UNDO_ALIAS: Mode.ALIAS, UNDO_IN_PLACE: Mode.IN_PLACE}
WAYS = (Mode.BESIDE, STREAM, Mode.MISSING, *UNDONE.values(), *UNDONE)


class Place:
    """``way`` is a mode, the way back of one, or STREAM. ``run`` is approved and has not begun."""

    def __init__(self, asking: Asking, way: str, *, damaged: bool = False) -> None:
        self.way, self.fake = way, FakeElasticsearch().start()
        self._fill()
        if damaged:
            self.fake.restores_lose(ONE, snapshot="snap-1")
        snapshot = self._snapshot()
        mode = (UNDONE | {STREAM: Mode.BESIDE}).get(way, way)
        streams = (FLOW,) if way == STREAM else ()
        self.run = asking.agree(asking.plan(snapshot, [ONE, TWO], mode, streams=streams))
        if way in UNDONE:
            self.first = turns.work(self.run)
            self.run = asking.agree(asking.plan_back(self.first))
        self.before = seen(self.fake)

    def _fill(self) -> None:
        self.fake.add_index(ONE, SNAPPED[ONE], aliases={"events": {}})
        self.fake.add_index(TWO, SNAPPED[TWO], primaries=2)
        self.fake.add_index(OTHER, 5, aliases={"events": {}})
        if self.way == STREAM:
            self.fake.add_stream(FLOW, *OF_FLOW)
        self.fake.add_repository("nightly")
        self.fake.disk = {"total_in_bytes": 10**12, "available_in_bytes": 9 * 10**11}
        self.fake.settings["persistent"][AUTO_CREATE] = ALLOWED

    def _snapshot(self) -> Snapshot:
        self.cluster = connected_cluster(self.fake, f"cluster-{next(NUMBERS)}")
        Cluster.objects.filter(pk=self.cluster.pk).update(uuid=self.fake.uuid)
        self.cluster.refresh_from_db()
        repository = registered_repository(self.cluster)
        patterns = ["events-*", f".ds-{FLOW}-*"]
        run = turns.work(queue_snapshot(actor=None, repository=repository, name="snap-1", patterns=patterns))
        for name in LIVE:
            self.fake.write(name, LIVE[name] - SNAPPED[name])
        if self.way == Mode.MISSING:
            del self.fake.indices[ONE]
        return Snapshot.objects.get(run=run)

    def leave(self) -> None:
        self.fake.stop()


def seen(fake: FakeElasticsearch) -> dict:
    """What searches and writers find of each index, and the indices of each data stream."""
    return {f"stream {name}": tuple(indices) for name, indices in fake.streams.items()} | {
        name: (index.documents, tuple(sorted(index.aliases)), index.state, index.health, index.blocked)
        for name, index in fake.indices.items()
    }


def wrong(place: Place, run: Run) -> list[str]:
    """What is not as it has to be, now that the run is over."""
    run.refresh_from_db()
    said = [f"ended {run.state}, {run.effect}: {run.error}"] if run.effect == Effect.UNKNOWN else []
    after, left = seen(place.fake), _left(place, run)
    expected = place.before if run.effect in (Effect.NONE, Effect.ROLLED_BACK) else _restored(place, run)
    said += [
        f"{name} is {after.get(name)}, not {expected.get(name)}"
        for name in sorted(expected.keys() | after.keys())
        if expected.get(name) != after.get(name)
    ]
    said += [f"the copy {name} is not there" for name in left if name not in after]
    if place.fake.settings["persistent"] != {AUTO_CREATE: ALLOWED}:
        said.append(f"settings are {place.fake.settings}")
    if run.locks.exists() and run.effect != Effect.UNKNOWN:
        said.append("locks are left")
    if SafetyCopy.objects.filter(run=run, state=SafetyCopyState.WANTED).exists():
        said.append("a safety copy is still wanted")
    if run.state == RunState.SUCCEEDED and run.effect != Effect.APPLIED:
        said.append(f"succeeded with the effect {run.effect}")
    if any(count > 1 for count in place.fake.accepted.values()):
        said.append(f"restored twice: {place.fake.accepted}")
    return said


def _left(place: Place, run: Run) -> list[str]:
    kept = SafetyCopy.objects.filter(cluster=place.cluster, state=SafetyCopyState.KEPT, form=CopyForm.INDEX)
    return sorted(kept.values_list("name", flat=True))


def _restored(place: Place, run: Run) -> dict:
    """What is there after a good end."""
    token = RestorePlan.objects.get(request__run=run).document["token"]
    events = {ONE: ("events",), TWO: ()}
    others = {OTHER: place.before[OTHER]}
    live = {name: good(LIVE[name], events[name]) for name in LIVE}
    snapped = {name: good(SNAPPED[name], events[name]) for name in SNAPPED}

    def named(form: str, counts: dict) -> dict:
        return {form.format(token, name): good(count) for name, count in counts.items()}

    if place.way == Mode.BESIDE:
        return others | live | named("restored-{1}", SNAPPED)
    if place.way == STREAM:
        return place.before | named("restored-{1}", SNAPPED) | stream(f"restored-{FLOW}")
    if place.way == Mode.MISSING:
        return others | live | {ONE: good(SNAPPED[ONE])}
    if place.way == Mode.SWAP:
        return others | snapped | named("before-{}-{}", LIVE)
    if place.way == Mode.ALIAS:
        copies = {f"restored-{token}-{name}": good(SNAPPED[name], (*events[name], name)) for name in SNAPPED}
        return others | copies | named("before-{}-{}", LIVE)
    if place.way == Mode.IN_PLACE:
        return others | {name: good(SNAPPED[name], events[name]) for name in SNAPPED}
    if place.way == UNDO_IN_PLACE:
        return others | live
    if place.way == UNDO_SWAP:
        return others | live | named("before-{}-{}", SNAPPED)
    token = RestorePlan.objects.get(request__run=place.first).document["token"]
    return others | live | named("restored-{}-{}", SNAPPED)


def stream(name: str) -> dict:
    """A data stream as it was made."""
    made = {f".ds-{name}-{number:06}": good(documents) for number, documents in enumerate(OF_FLOW, start=1)}
    return made | {f"stream {name}": tuple(made)}


def good(documents: int, aliases=()) -> tuple:
    return documents, tuple(sorted(aliases)), "open", "green", False
