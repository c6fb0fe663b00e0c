"""Nothing that must never happen can happen, and each guard is needed: without it there is a way to harm.

The small models are walked through in `make test`; `make test-long` takes the full ones as well.
"""

import pytest

from backups.approvals import rules
from backups.approvals.models import OPEN, TRANSITIONS, RequestState

from .explorer import Asked, Found, Model, explore

TWO, ONE, GLASS = Asked(needed=2), Asked(needed=1), Asked(needed=0, break_glass=True)

SMALL = {
    "two approvals": Model((TWO,), faults=2),
    "broken glass": Model((GLASS,), faults=2),
    "two requests": Model((ONE, ONE), faults=0),
    "a request beside broken glass": Model((ONE, GLASS), faults=1),
    "broken glass twice": Model((GLASS, GLASS), faults=1),
}
ALONE = ("two approvals", "broken glass")
FULL = {
    "two approvals": Model((TWO,), faults=4),
    "two requests": Model((TWO, TWO), faults=2),
    "two small requests": Model((ONE, ONE), faults=2),
    "a request beside broken glass": Model((TWO, GLASS), faults=2),
    "broken glass twice": Model((GLASS, GLASS), faults=3),
}

TABLES = ("WHO", "APPROVE", "REJECT", "WITHDRAW", "REVIEW", "START", "COUNTS")
GUARDS = [(table, name) for table in TABLES for name in getattr(rules, table)]

# Two locks on one door. Alone each of these can be spared, and nothing comes of it; with the other gone too, there is
# a way. (table, guard) -> what else keeps that door shut.
SECOND_LOCKS = {
    ("COUNTS", "own"): ("WHO", "own"),
    ("COUNTS", "digest"): "freezing",
    ("START", "whole"): "freezing",
    ("START", "as filed"): "freezing",
}


@pytest.fixture
def without(monkeypatch):
    """``without("START", "quorum")`` takes a guard of the product away."""
    return lambda table, name: monkeypatch.delitem(getattr(rules, table), name)


def first_wrong(models=tuple(SMALL), **changes) -> str:
    """The shortest way to harm in any of these models; empty where there is none."""
    for model in (SMALL[name] for name in models):
        found = explore(model._replace(**changes))
        if found.wrong:
            return found.wrong
        if found.stuck:
            return f"{found.stuck} worlds do not end by themselves"
    return ""


def assert_fine(found: Found, at_least: int) -> None:
    assert found.wrong == ""
    assert found.stuck == 0
    assert found.states > at_least


@pytest.mark.parametrize("name", SMALL)
def test_nothing_bad_can_happen_and_everything_ends_by_itself(name):
    assert_fine(explore(SMALL[name]), at_least=800)


@pytest.mark.long("explorer")
@pytest.mark.parametrize("name", FULL)
def test_the_same_with_more_going_wrong(name):
    assert_fine(explore(FULL[name]), at_least=10_000)


@pytest.mark.parametrize(("table", "name"), [guard for guard in GUARDS if guard not in SECOND_LOCKS])
def test_no_guard_can_be_spared(without, table, name):
    without(table, name)
    assert first_wrong() != ""


@pytest.mark.parametrize("guard", SECOND_LOCKS, ids="-".join)
def test_a_second_lock_can_be_spared_but_not_both(without, guard):
    without(*guard)
    assert first_wrong(ALONE) == ""

    other = SECOND_LOCKS[guard]
    if other == "freezing":
        assert first_wrong(frozen=False) != ""
    else:
        without(*other)
        assert "without a quorum" in first_wrong(votes_watched=False)


def test_a_text_that_can_be_changed_does_no_harm_as_long_as_votes_are_bound_to_it():
    assert first_wrong(ALONE, frozen=False) == ""


def test_a_target_is_had_by_one_run():
    assert "on a target that somebody has" in first_wrong(locks=False)


def test_time_alone_ends_what_nobody_decides(monkeypatch):
    monkeypatch.setattr(rules, "is_expired", lambda facts, now: False)
    assert first_wrong() != ""


def test_counting_is_needed_before_the_run_is_queued(monkeypatch):
    monkeypatch.setattr(rules, "reached", lambda facts: True)
    assert "approved without enough people" in first_wrong()


def test_the_way_to_harm_is_the_shortest(without):
    """The same counterexamples as are known from other products: an approver who left between vote and start."""
    without("START", "quorum")
    assert first_wrong() == (
        "P1 approves 0; P2 approves 0; seal 0; P1 is deactivated → "
        "start: 0 starts without a quorum for what is executed"
    )


def test_the_table_of_transitions_is_the_one_of_the_documents():
    closed = {"expired", "cancelled", "invalidated", "rejected"}
    assert {str(state): {str(s) for s in after} for state, after in TRANSITIONS.items()} == {
        "pending": {"approved"} | closed,
        "approved": {"started"} | closed,
    }
    assert set(TRANSITIONS) == set(OPEN)
    assert {state for after in TRANSITIONS.values() for state in after} == set(RequestState) - {"pending"}
