"""A cluster that is unwell in the middle of a swap: nothing is given up that only needs time, no call that may still
come is overtaken, and what cannot be put in place stays as it was while the rest goes on."""

import pytest

from backups.gateways.elasticsearch.errors import OutcomeUnknown
from backups.restores.indices.asked import Mode
from backups.runs import request_cancel
from tests.restores.asking import Asking
from tests.restores.crashing import before_calls
from tests.restores.place import ONE, TWO, Place, good, seen, wrong
from tests.turns import work

BUSY = {"error": {"type": "cluster_block_exception", "reason": "no master"}}
REFUSED = {"error": {"type": "illegal_argument_exception", "reason": "not now"}}
MANY = 12


@pytest.fixture
def place(cast):
    place = Place(Asking(cast), Mode.SWAP)
    yield place
    place.leave()


@pytest.fixture
def before(monkeypatch):
    return before_calls(monkeypatch)


def turns(run, number: int):
    for _ in range(number):
        work(run, lambda run: True)
    return run


def is_silent(run) -> bool:
    return run.is_over or "silent_since" in run.result


def is_lost(run) -> bool:
    return run.is_over or "lost_call" in run.result


def test_a_busy_cluster_is_waited_for(place, before):
    before(f"POST /{ONE}/_clone", lambda: [place.fake.answer_next(503, BUSY, write=True) for _ in range(MANY)])

    run = work(place.run)

    assert (run.state, wrong(place, run)) == ("succeeded", [])


def test_a_password_that_is_refused_is_waited_for(place, before):
    """So is everybody's while a cluster begins. The name is missing meanwhile, so nothing is given up."""
    name, password = place.fake.restricted
    before(f"POST /restoring-{place.run.request.plan.document['token']}-{ONE}/_clone", lambda: change("another"))

    def change(to: str) -> None:
        place.fake.set_password(name, to)

    run = turns(work(place.run, is_silent), MANY)
    assert (run.is_over, ONE in place.fake.indices) == (False, False)
    change(password)
    run = work(run)

    assert (run.state, wrong(place, run)) == ("succeeded", [])


def changes(place: Place) -> list[str]:
    """What was sent that changes something; a refresh is a write by its method only."""
    return [write for write in place.fake.writes() if "_refresh" not in write]


def lose() -> None:
    raise OutcomeUnknown("No answer came.")


def test_a_lost_call_that_may_still_come_is_not_overtaken(place, before, cast):
    """Not by the way back either: it would take away what that has put there."""
    before(f"DELETE /{ONE}", lose)
    run = work(place.run, is_lost)
    request_cancel(run, actor=cast["operator"])
    sent = changes(place)

    turns(run, MANY)
    assert (run.is_over, changes(place)) == (False, sent)
    del place.fake.indices[ONE]  # it came late
    run = work(run)

    assert (run.state, wrong(place, run)) == ("succeeded", [])


def test_a_lost_call_whose_effect_is_there_keeps_nobody_waiting(place, before):
    """The name is missing: the next turn gives it back."""
    before(f"DELETE /{ONE}", place.fake.drop_next_write)
    run = work(place.run, is_lost)
    assert ONE not in place.fake.indices

    turns(run, 1)

    assert ONE in place.fake.indices
    run = work(run)
    assert (run.state, wrong(place, run)) == ("succeeded", [])


def test_an_index_that_cannot_be_replaced_stays_and_the_others_do_not(place, before):
    before(f"DELETE /{TWO}", lambda: [refuse() for _ in range(3)])

    def refuse() -> None:
        place.fake.answer_next(400, REFUSED, path=f"/{TWO}", write=True)

    run = work(place.run)

    after = seen(place.fake)
    assert (run.state, run.effect) == ("partial", "applied")
    assert "events-2 stays as it was" in run.error
    assert (after[ONE], after[TWO]) == (good(120, ["events"]), place.before[TWO])
    kept = dict(run.safety_copies.values_list("of", "state"))
    assert kept == {ONE: "kept", TWO: "removed"}
    assert sorted(after) == sorted([*place.before, *run.safety_copies.filter(of=ONE).values_list("name", flat=True)])
    assert not run.locks.exists()
