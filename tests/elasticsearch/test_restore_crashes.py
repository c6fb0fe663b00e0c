"""On a real 8.19: a process dies after calls that matter, and a restore ends with the truth, nothing left behind.
Every point there is: ``tests/restores/test_crashes.py``, on the fake."""

from datetime import timedelta

import pytest

from backups.restores.indices import copying, overwriting, swapping
from backups.restores.indices.asked import Mode
from tests.elasticsearch.restoring import Restoring
from tests.elasticsearch.scene import Scene
from tests.restores.crashing import Points, before_calls, lose_answer, work
from tests.restores.place import UNDO_ALIAS, UNDO_SWAP, UNDONE
from tests.turns import work as work_quietly

LONG = pytest.mark.long("servers")
CASES = [
    pytest.param(Mode.BESIDE, "POST /_snapshot", marks=LONG),
    pytest.param(Mode.SWAP, "POST /_snapshot", marks=LONG),
    pytest.param(Mode.SWAP, "POST /{index}/_clone", marks=LONG),
    (Mode.SWAP, "DELETE /{index}"),
    pytest.param(Mode.SWAP, "POST /restoring-", marks=LONG),
    (Mode.ALIAS, "POST /_aliases"),
    pytest.param(Mode.IN_PLACE, "POST /{index}/_close", marks=LONG),
    (Mode.IN_PLACE, "POST /_snapshot"),
    pytest.param(UNDO_SWAP, "DELETE /{index}", marks=LONG),
    (UNDO_ALIAS, "POST /_aliases"),
]


@pytest.fixture
def points(monkeypatch):
    for module in (copying, overwriting, swapping):
        monkeypatch.setattr(module, "LOST_FOR", timedelta(seconds=2))
    return Points(monkeypatch)


@pytest.mark.parametrize(("way", "call"), CASES, ids=lambda case: case.replace("/", "").replace(" ", "-"))
def test_a_process_that_dies_after_a_call(real_elasticsearch, cast, points, way, call):
    restoring = Restoring(Scene(real_elasticsearch), cast)
    run = restoring.agreed(UNDONE.get(way, way))
    if way in UNDONE:
        first = work_quietly(run)
        run = restoring.agree(restoring.plan_back(first))

    points.count(dies_after=call.format(index=restoring.index))
    work(run)
    points.stop()

    assert points.died
    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert restoring.expected(run, way) == restoring.seen()
    assert restoring.auto_create() is None
    assert not run.locks.exists()
    assert set(restoring.kept(run).values()) <= {"kept"}


LOST = [
    pytest.param(Mode.BESIDE, "POST /_snapshot", marks=LONG),
    (Mode.SWAP, "DELETE /{index}"),
    pytest.param(Mode.SWAP, "POST /{index}/_clone", marks=LONG),
    pytest.param(Mode.SWAP, "PUT /{index}/_settings", marks=LONG),
    pytest.param(Mode.SWAP, "PUT /_cluster/settings", marks=LONG),
    pytest.param(Mode.SWAP, "POST /restoring-", marks=LONG),
    pytest.param(Mode.SWAP, "DELETE /restoring-", marks=LONG),
    pytest.param(Mode.ALIAS, "POST /_aliases", marks=LONG),
    pytest.param(Mode.IN_PLACE, "POST /{index}/_close", marks=LONG),
    pytest.param(Mode.IN_PLACE, "POST /_snapshot", marks=LONG),
    pytest.param(UNDO_ALIAS, "POST /_aliases", marks=LONG),
]


@pytest.mark.parametrize(("way", "call"), LOST, ids=lambda case: case.replace("/", "").replace(" ", "-"))
def test_an_answer_that_is_lost(real_elasticsearch, cast, points, monkeypatch, way, call):
    """``points`` is here for its short wait only."""
    restoring = Restoring(Scene(real_elasticsearch), cast)
    run = restoring.agreed({UNDO_ALIAS: Mode.ALIAS}.get(way, way))
    if way == UNDO_ALIAS:
        run = restoring.agree(restoring.plan_back(work_quietly(run)))

    lost = lose_answer(monkeypatch, call.format(index=restoring.index))
    work_quietly(run)

    assert lost
    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert restoring.expected(run, way) == restoring.seen()
    assert restoring.auto_create() is None
    assert not run.locks.exists()


def test_a_lost_answer_to_opening_again(real_elasticsearch, cast, points, monkeypatch):
    """The snapshot is gone when its restore in place is sent: what was closed for it is opened."""
    restoring = Restoring(Scene(real_elasticsearch), cast)
    run, before = restoring.agreed(Mode.IN_PLACE), restoring.seen()
    path = f"/_snapshot/{restoring.repository.name}/{restoring.snapshot.name}"
    before_calls(monkeypatch)(f"POST {path}/_restore", lambda: restoring.server.request("DELETE", path))

    lost = lose_answer(monkeypatch, f"POST /{restoring.index}/_open")
    work_quietly(run)

    assert lost
    assert (run.state, run.effect) == ("failed", "none"), run.error
    assert restoring.seen() == before
    assert not run.locks.exists()
