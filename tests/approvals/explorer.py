"""Everything that can happen to requests, breadth first: over the product's own guards and table of transitions.

The model has three people (one asks, is an approver too, and may break the glass; two others approve), up to two
requests on one target, and what goes wrong: people leave or lose a role, the target moves, time runs out, a worker
dies, somebody writes into the tables. What must never happen is said here a second time, in plain words of the model
(``wrong``), and never by a function of the product: a guard that is missing shows as a counterexample.
"""

from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from backups.approvals import rules
from backups.approvals.models import OPEN, TRANSITIONS, RequestState, Review
from backups.approvals.rules import Attempt, Ballot, Facts, Person, Start

R, A, B = PEOPLE = (0, 1, 2)
PENDING, APPROVED, STARTED = RequestState.PENDING, RequestState.APPROVED, RequestState.STARTED
BEFORE, NOW, AFTER = 0, 1, 2

# What goes on without any person: time, the worker, its checkpoints.
ALONE = ("time passes", "expire", "seal", "start", "close", "work on", "finish")


class Asked(NamedTuple):
    """How a request was filed; this never changes."""

    needed: int = 2
    break_glass: bool = False


class One(NamedTuple):
    """A request. ``ballots`` are (person, digest, recorded); ``over`` is whether the time of its state has run out;
    ``edited`` what somebody changed: text and digest together (1), the text alone (2), or what it needs, which is
    nothing then, as if the glass had been broken (3)."""

    state: str = PENDING
    ballots: frozenset = frozenset()
    over: bool = False
    sealed: bool = False
    work: str = ""
    review: str = Review.NONE
    edited: int = 0
    has_run: bool = False


class World(NamedTuple):
    """``lock`` is the request that has the target, or -1; ``faults`` how much may still go wrong."""

    ones: tuple[One, ...]
    active: tuple[bool, ...] = (True, True, True)
    approver: tuple[bool, ...] = (True, True, True)
    asker: bool = True
    breaker: bool = True
    moved: bool = False
    lock: int = -1
    faults: int = 2


class Model(NamedTuple):
    """``frozen``: nobody can change a text after it was filed. ``locks``: a target is had by one run.
    ``votes_watched``: a wrong vote ends the walk; without that it goes on, to see whether anything comes of it."""

    asked: tuple[Asked, ...]
    faults: int = 2
    frozen: bool = True
    locks: bool = True
    votes_watched: bool = True


class Wrong(Exception):
    """Something happened that must never happen; ``kind`` is what about."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


def first(model: Model) -> World:
    """Everything was just filed. What needs nobody is approved."""
    return World(
        tuple(
            One(APPROVED, review=Review.DUE, has_run=True) if asked.break_glass else One() for asked in model.asked
        ),
        faults=model.faults,
    )


def digest_of(number: int, one: One) -> str:
    return f"{number}{'edited' if one.edited == 1 else ''}"


def text_of(number: int, one: One) -> str:
    return f"{number}{'edited' if one.edited in (1, 2) else ''}"


@lru_cache(maxsize=200_000)
def person(key: int, active: bool, approver: bool, asker: bool, breaker: bool) -> Person:
    return Person(key, f"P{key}", active, approver, key == R and asker, key == R and breaker)


def person_in(world: World, key: int) -> Person:
    return person(key, world.active[key], world.approver[key], world.asker, world.breaker)


def facts_in(model: Model, world: World, number: int) -> Facts:
    rights = (world.active, world.approver, world.asker, world.breaker)
    return _facts(model.asked[number], world.ones[number], number, *rights)


@lru_cache(maxsize=200_000)
def _facts(asked: Asked, one: One, number: int, active, approver, asker, breaker) -> Facts:
    end = BEFORE if one.over else AFTER
    return Facts(
        state=one.state,
        requester=person(R, active[R], approver[R], asker, breaker),
        needed=0 if one.edited == 3 else asked.needed,
        digest=digest_of(number, one),
        text_digest=text_of(number, one),
        filed_digest=f"{number}",
        expires_at=end,
        start_before=end,
        break_glass=asked.break_glass or one.edited == 3,
        review=one.review,
        as_filed=one.edited != 3,
        ballots=tuple(
            Ballot(person(p, active[p], approver[p], asker, breaker), d, known) for p, d, known in one.ballots
        ),
    )


# --- what can happen: (what, the world after it) --------------------------------------------------------


def steps(model: Model, world: World) -> Iterator[tuple[str, World]]:
    """Everything that could happen next, with what the guards let pass. Raises Wrong."""
    for number in range(len(world.ones)):
        yield from people_do(model, world, number)
        yield from time_and_worker(model, world, number)
    if world.faults:
        yield from goes_wrong(model, world._replace(faults=world.faults - 1))


def people_do(model: Model, world: World, number: int) -> Iterator[tuple[str, World]]:
    facts, one = facts_in(model, world, number), world.ones[number]
    for who in PEOPLE:
        for shown in {digest_of(number, one), "another"}:
            attempt = Attempt(facts, person_in(world, who), NOW, shown)
            if not rules.refusal(rules.WHO, attempt):
                if not rules.refusal(rules.APPROVE, attempt):
                    check_vote(model, world, number, who, shown, again=True)
                    yield f"P{who} approves {number}", approved(model, world, number, who, shown)
                if not rules.refusal(rules.REJECT, attempt):
                    check_vote(model, world, number, who, shown, again=False)
                    yield f"P{who} rejects {number}", move(world, number, RequestState.REJECTED)
        attempt = Attempt(facts, person_in(world, who), NOW)
        if not rules.refusal(rules.WITHDRAW, attempt):
            if who != R or not world.active[R]:
                raise Wrong("withdrawal", f"P{who} withdraws what P{R} asked for")
            yield f"P{who} withdraws {number}", move(world, number, RequestState.CANCELLED)
        if world.active[who] and world.approver[who] and not rules.refusal(rules.REVIEW, attempt):
            if who == R or one.review != Review.DUE or one.state in OPEN:
                raise Wrong("review", f"P{who} reviews {number}, which is {one.state} and {one.review}")
            yield f"P{who} reviews {number}", put(world, number, review=Review.ACCEPTED)


def approved(model: Model, world: World, number: int, who: int, shown: str) -> World:
    one = world.ones[number]
    after = put(world, number, ballots=one.ballots | {(who, shown, True)}, sealed=False)
    facts = facts_in(model, after, number)
    if not rules.reached(facts):
        return after
    if model.votes_watched and len(good(model, after, number)) < model.asked[number].needed:
        raise Wrong("quorum", f"{number} is approved without enough people")
    return move(after, number, APPROVED, over=False, has_run=True)


def time_and_worker(model: Model, world: World, number: int) -> Iterator[tuple[str, World]]:
    one, facts = world.ones[number], facts_in(model, world, number)
    if one.state in OPEN and not one.over:
        yield f"time passes {number}", put(world, number, over=True)
    if rules.is_expired(facts, NOW):
        yield f"expire {number}", move(world, number, RequestState.EXPIRED)
    if not one.sealed:
        yield f"seal {number}", put(world, number, sealed=True)
    yield from the_run(model, world, number, facts)
    if one.work == "running":
        yield f"finish {number}", free(put(world, number, work="done"), number)
    if one.work == "died":
        yield f"work on {number}", put(world, number, work="running")


def the_run(model: Model, world: World, number: int, facts: Facts) -> Iterator[tuple[str, World]]:
    """Its turn, before it has begun: it begins, closes its request, or waits."""
    plan = "moved" if world.moved else digest_of(number, world.ones[number])
    if not world.ones[number].has_run:
        return
    refused = rules.refusal(rules.START, Start(facts, plan, NOW, facts.needed, world.ones[number].sealed))
    if refused is None and (world.lock == -1 or not model.locks):
        check_start(model, world, number)
        yield f"start {number}", move(world._replace(lock=number), number, STARTED, work="running")
    elif refused and refused.guard not in ("approved", "sealed") and facts.state == APPROVED:
        late = refused.guard == "in time"
        state = RequestState.EXPIRED if late else RequestState.INVALIDATED
        yield f"close {number}", move(world, number, state)


def goes_wrong(model: Model, world: World) -> Iterator[tuple[str, World]]:
    for who in PEOPLE:
        if world.active[who]:
            yield f"P{who} is deactivated", world._replace(active=without(world.active, who))
        if world.approver[who]:
            yield f"P{who} is no approver", world._replace(approver=without(world.approver, who))
    yield from the_requester_loses_a_right(model, world)
    if not world.moved:
        yield "the target moves", world._replace(moved=True)
    for number, one in enumerate(world.ones):
        if one.work == "running":
            yield f"the worker of {number} dies", put(world, number, work="died")
        forged = (B, digest_of(number, one), False)
        if one.state in OPEN and B not in {who for who, *_ in one.ballots}:
            yield f"a vote for {number} is forged", put(world, number, ballots=one.ballots | {forged})
        if not model.frozen and one.state in OPEN and not one.edited:
            yield f"{number} is edited", put(world, number, edited=1)
            yield f"the text of {number} is edited", put(world, number, edited=2)
            yield f"what {number} needs is edited", put(world, number, edited=3)


def the_requester_loses_a_right(model: Model, world: World) -> Iterator[tuple[str, World]]:
    if world.asker:
        yield f"P{R} may not ask", world._replace(asker=False)
    if world.breaker and any(asked.break_glass for asked in model.asked):
        yield f"P{R} may not break the glass", world._replace(breaker=False)


def without(flags: tuple[bool, ...], who: int) -> tuple[bool, ...]:
    return tuple(flag and key != who for key, flag in enumerate(flags))


def put(world: World, number: int, **columns) -> World:
    ones = list(world.ones)
    ones[number] = ones[number]._replace(**columns)
    return world._replace(ones=tuple(ones))


def free(world: World, number: int) -> World:
    return world._replace(lock=-1) if world.lock == number else world


def move(world: World, number: int, state: str, **columns) -> World:
    """The only way from state to state."""
    before = world.ones[number].state
    if state not in TRANSITIONS.get(before, ()):
        raise Wrong("final", f"{number} goes from {before} to {state}")
    return put(world, number, state=state, **columns)


# --- what must never happen -----------------------------------------------------------------------------


def good(model: Model, world: World, number: int) -> set[int]:
    """The people who really approve, at this moment, of what would be executed."""
    one = world.ones[number]
    text = text_of(number, one)
    return {
        who
        for who, digest, known in one.ballots
        if known and digest == text and who != R and world.active[who] and world.approver[who]
    }


def check_vote(model: Model, world: World, number: int, who: int, shown: str, *, again: bool) -> None:
    if not model.votes_watched:
        return
    one, asked = world.ones[number], model.asked[number]
    wrongs = {
        "on a request of their own": who == R,
        "without being an active approver": not (world.active[who] and world.approver[who]),
        "after the time was over": one.over,
        "on what needs nobody": asked.needed == 0,
        "on another plan": shown != digest_of(number, one),
        "when it was closed": one.state not in OPEN,
        "a second time": again and who in {voter for voter, *_ in one.ballots},
        "when it was decided": again and one.state != PENDING,
    }
    for words, is_so in wrongs.items():
        if is_so:
            raise Wrong("vote", f"P{who} votes on {number} {words}")


def check_start(model: Model, world: World, number: int) -> None:
    one, asked = world.ones[number], model.asked[number]
    wrongs = {
        "without a quorum for what is executed": not asked.break_glass
        and len(good(model, world, number)) < asked.needed,
        "with another text than was filed": text_of(number, one) != f"{number}",
        "a second time": one.work != "",
        "although it is not approved": one.state != APPROVED,
        "on a target that somebody has": world.lock not in (-1, number),
        "after the target moved": world.moved,
        "too late": one.over,
        "for somebody who may not ask": not (world.asker and world.active[R]),
        "behind glass that they may not break": asked.break_glass and not world.breaker,
        "before a checkpoint covers the votes": not one.sealed,
    }
    for words, is_so in wrongs.items():
        if is_so:
            raise Wrong("start", f"{number} starts {words}")


def is_over(world: World) -> bool:
    return all(one.state not in OPEN and one.work in ("", "done") for one in world.ones)


# --- the walk -------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """``wrong`` is what must never happen, with the shortest way to it; ``stuck`` worlds that do not end alone."""

    states: int
    steps: int
    wrong: str = ""
    stuck: int = 0


def explore(model: Model) -> Found:
    """Walk through everything, or to the first thing that is wrong."""
    start = first(model)
    came: dict[World, tuple[World, str] | None] = {start: None}
    backward: dict[World, list[World]] = {}
    queue, count = deque([start]), 0
    while queue:
        world = queue.popleft()
        try:
            for what, after in steps(model, world):
                count += 1
                if what.startswith(ALONE):
                    backward.setdefault(after, []).append(world)
                if after not in came:
                    came[after] = (world, what)
                    queue.append(after)
        except Wrong as wrong:
            return Found(len(came), count, f"{way_to(came, world)} → {wrong}")
    return Found(len(came), count, stuck=len(came) - _ends(came, backward))


def _ends(came, backward) -> int:
    """How many worlds come to an end by time and worker alone."""
    ended = {world for world in came if is_over(world)}
    queue = deque(ended)
    while queue:
        for before in backward.get(queue.popleft(), ()):
            if before not in ended:
                ended.add(before)
                queue.append(before)
    return len(ended)


def way_to(came, world: World) -> str:
    way = []
    while came[world] is not None:
        world, what = came[world]
        way.append(what)
    return "; ".join(reversed(way))
