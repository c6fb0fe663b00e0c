"""A cluster that is unwell in the middle of a swap: nothing is given up that only needs time, no call that may still
come is overtaken, and what cannot be put in place stays as it was while the rest goes on."""

from datetime import timedelta

import pytest

from backups.gateways.elasticsearch.errors import OutcomeUnknown
from backups.restores.indices.asked import Mode
from backups.runs import request_cancel
from tests.restores.asking import Asking
from tests.restores.crashing import before_calls
from tests.restores.place import ALLOWED, AUTO_CREATE, ONE, TWO, Place, good, seen, wrong
from tests.turns import work

BUSY = {"error": {"type": "cluster_block_exception", "reason": "no master"}}
REFUSED = {"error": {"type": "illegal_argument_exception", "reason": "not now"}}
IN_A_SNAPSHOT = {"error": {"type": "snapshot_in_progress_exception", "reason": "Cannot delete indices in a snapshot"}}
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


def copy_of(place: Place, name: str) -> str:
    return f"restoring-{place.run.request.plan.document['token']}-{name}"


@pytest.mark.parametrize("refusals", [3, MANY])
def test_a_copy_that_is_being_snapshotted_is_deleted_later(place, before, refusals):
    """The new index is in place by then: nothing leads back from there, whatever is refused. It has more documents
    than the old one, which somebody emptied by mistake."""
    place.fake.indices[ONE].documents = 3
    copy = copy_of(place, ONE)
    before(f"DELETE /{copy}", lambda: [refuse() for _ in range(refusals)])

    def refuse() -> None:
        place.fake.answer_next(400, IN_A_SNAPSHOT, path=f"/{copy}", write=True)

    run = work(place.run)

    after, kept = seen(place.fake), run.safety_copies.get(of=ONE)
    assert (run.state, run.effect) == ("succeeded", "applied"), run.error
    assert (after[ONE], after[kept.name]) == (good(120, ["events"]), good(3))
    assert (kept.state, copy in after, run.locks.exists()) == ("kept", False, False)


def test_what_cannot_be_tidied_up_is_named(place, before, monkeypatch):
    monkeypatch.setattr("backups.restores.indices.swapping.WAITED_FOR", timedelta(0))
    copy = copy_of(place, ONE)
    before(f"DELETE /{copy}", lambda: [refuse() for _ in range(MANY)])

    def refuse() -> None:
        place.fake.answer_next(400, REFUSED, path=f"/{copy}", write=True)

    run = work(place.run)

    assert (run.state, run.effect) == ("failed", "unknown")
    kept = run.safety_copies.get(of=ONE).name
    assert f"the restored copy is {copy}, the old index is kept as {kept}." in run.error
    assert seen(place.fake)[kept] == good(127)


def test_nobody_goes_back_while_a_lost_call_may_put_the_copy_in_place(place, before, monkeypatch):
    call = f"POST /{copy_of(place, ONE)}/_clone"
    before(call, lose)
    run = work(place.run, is_lost)

    def refuse() -> None:
        place.fake.answer_next(400, REFUSED, path=f"/{copy_of(place, ONE)}/_clone/{ONE}", write=True)

    for _ in range(MANY):
        refuse()
    turns(run, 6)
    assert (run.is_over, run.result.get("back"), ONE in place.fake.indices) == (False, None, False)
    monkeypatch.setattr("backups.restores.indices.swapping.LOST_FOR", timedelta(0))
    run = work(run)

    assert (run.state, run.effect, wrong(place, run)) == ("failed", "rolled_back", [])


def test_a_writer_that_deletes_while_the_index_is_put_in_place(place, before):
    """It is our clone all the same. What it lacks is said."""
    before(f"POST /{copy_of(place, ONE)}/_clone", lambda: before(f"GET /{ONE}/_count", delete_one))

    def delete_one() -> None:
        place.fake.indices[ONE].documents -= 1

    run = work(place.run)

    assert (run.state, run.effect) == ("partial", "applied")
    assert "events-1 has too few: 119 documents, 120 were put there." in run.error
    assert place.fake.settings["persistent"] == {AUTO_CREATE: ALLOWED}
    assert set(run.safety_copies.values_list("state", flat=True)) == {"kept"}
    assert not run.locks.exists()
