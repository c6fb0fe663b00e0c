"""Others write to what is restored under a name that they use, and nothing that they were told is written is taken
away again; and a way back says what its copy lacks."""

from datetime import timedelta

import pytest

from backups.restores.indices.asked import Mode
from tests.restores.asking import Asking
from tests.restores.crashing import before_calls
from tests.restores.place import ONE, UNDO_SWAP, Place, good, seen
from tests.turns import work


@pytest.fixture
def placed(cast):
    made = []

    def make(way: str) -> Place:
        made.append(Place(Asking(cast), way))
        return made[-1]

    yield make
    for place in made:
        place.leave()


@pytest.mark.parametrize("mode", [Mode.MISSING, Mode.IN_PLACE])
def test_what_grows_while_it_is_judged_stays(placed, monkeypatch, mode):
    place = placed(mode)
    before_calls(monkeypatch)(f"GET /{ONE}/_count", lambda: place.fake.write(ONE, 4))

    run = work(place.run)

    assert (run.state, run.effect) == ("partial", "applied")
    assert "events-1 holds 124 documents, 4 more than were recorded" in run.error
    assert seen(place.fake)[ONE][0] == 124
    assert not run.locks.exists()


def test_a_way_back_from_a_copy_that_lost_documents_is_not_called_good(placed):
    place = placed(UNDO_SWAP)
    kept = place.first.safety_copies.get(of=ONE).name
    place.fake.indices[kept].documents = 3

    run = work(place.run)

    assert (run.state, run.effect) == ("partial", "applied")
    assert "events-1 has too few: 3 documents, 127 were put there" in run.error


def test_a_cluster_that_is_away_for_long_leaves_no_block_behind(placed, monkeypatch):
    """In place: the live index takes no writes while it is copied aside."""
    monkeypatch.setattr("backups.restores.job.PATIENCE", timedelta(0))
    place = placed(Mode.IN_PLACE)
    run = work(place.run, lambda run: place.fake.indices[ONE].blocked or run.is_over)
    place.fake.go_away()
    for _ in range(5):
        work(run, lambda run: True)
    assert not run.is_over

    place.fake.come_back()
    run = work(run)

    assert (run.state, run.effect) == ("succeeded", "applied"), run.error
    assert seen(place.fake)[ONE] == good(120, ["events"])
