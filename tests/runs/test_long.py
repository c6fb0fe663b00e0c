"""Long steps: handed over, kept alive, and void when somebody else has the run."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone

from backups.runs import Done, Kind, Next, Step, Turn, advance, long, request_cancel
from backups.runs.engine import claim
from backups.runs.models import Run, RunLogLine, RunState

from .fakes import assert_true_history, succeed

pytestmark = pytest.mark.db

SOON = 0.02


def kinds(work) -> dict[str, Kind]:
    """A kind of two steps, of which the first is long."""
    return {"make": Kind("make", "Make", (Step("Pack", work, long=True), Step("Look", succeed)))}


def started(run: Run) -> int:
    """The fence under which the queue has handed it over."""
    given = []
    assert advance(run.pk, kinds(succeed), lambda *claimed: bool(given.append(claimed) or True)) is None
    assert given[0][0] == run.pk
    return given[0][1]


def never() -> None:
    raise AssertionError("the lease was lost")


def test_the_queue_does_no_long_turn_but_hands_it_over_with_its_lease(queue):
    run = queue()

    fence = started(run)

    run.refresh_from_db()
    assert (run.state, run.fence) == (RunState.QUEUED, fence)
    assert run.lease_until > timezone.now()
    assert claim(run.pk) is None


def test_without_a_place_the_run_waits_and_that_is_no_attempt(queue):
    run = queue()
    for _ in range(30):
        assert advance(run.pk, kinds(never), lambda *_: False) is None
        Run.objects.filter(pk=run.pk).update(next_at=None)

    run.refresh_from_db()
    assert (run.state, run.claims, run.lease_until) == (RunState.QUEUED, 0, None)
    assert started(run)


def test_its_turn_is_done_and_the_next_one_is_the_queue_s(queue, monkeypatch):
    rung = []
    monkeypatch.setattr(long.doorbell, "ring_now", rung.append)
    run, kind = queue(), kinds(lambda turn: Next("packed"))

    long.run_step(run.pk, started(run), kind, lost=never)
    assert rung == [run.pk]
    assert advance(run.pk, kind) is None

    assert_true_history(run)
    assert run.state == RunState.SUCCEEDED


def test_a_fence_that_is_old_does_nothing(queue):
    run = queue()
    fence = started(run)
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert claim(run.pk).fence == fence + 1

    long.run_step(run.pk, fence, kinds(lambda turn: never()), lost=never)

    run.refresh_from_db()
    assert run.state == RunState.QUEUED


@pytest.mark.django_db(transaction=True)
def test_while_it_works_the_lease_is_renewed_progress_written_and_a_cancel_heard(queue, settings, cast):
    settings.HEARTBEAT_SECONDS = SOON
    run = queue()
    Run.objects.filter(pk=run.pk).update(version=7)
    fence = started(run)

    def work(turn):
        turn.progress = {"bytes_done": 5}
        wait_until(lambda: Run.objects.get(pk=run.pk).progress == {"bytes_done": 5})
        Run.objects.filter(pk=run.pk).update(lease_until=Now() + timedelta(seconds=1))
        wait_until(lambda: Run.objects.get(pk=run.pk).lease_until > timezone.now() + timedelta(seconds=5))
        request_cancel(run, actor=cast["operator"])
        wait_until(lambda: turn.cancel_requested)
        return Done(RunState.CANCELLED)

    long.run_step(run.pk, fence, kinds(work), lost=never)

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert run.version > 8


@pytest.mark.django_db(transaction=True)
def test_one_that_lost_its_lease_says_so_and_writes_nothing(queue, settings):
    settings.HEARTBEAT_SECONDS = SOON
    run, lost = queue(), threading.Event()
    fence = started(run)

    def work(turn):
        Run.objects.filter(pk=run.pk).update(fence=fence + 1)
        assert lost.wait(30)
        return Done(RunState.SUCCEEDED)

    long.run_step(run.pk, fence, kinds(work), lost=lost.set)

    run.refresh_from_db()
    assert run.state == RunState.QUEUED


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_ends_it_before_the_lease_ends(queue, settings, monkeypatch):
    settings.HEARTBEAT_SECONDS, settings.LEASE_SECONDS = SOON, 0.5
    run, lost = queue(), threading.Event()
    fence, beat, times = started(run), long.Heart.beat, []

    def away(heart):
        times.append(time.monotonic())
        if len(times) > 1:
            raise OperationalError("database is locked")
        return beat(heart)

    monkeypatch.setattr(long.Heart, "beat", away)
    long.run_step(run.pk, fence, kinds(lambda turn: Next() if lost.wait(30) else never()), lost=lost.set)

    assert len(times) > 2
    assert times[-1] - times[0] < 30


def test_one_that_raises_comes_again_in_a_moment(queue):
    def work(turn):
        raise RuntimeError("out of the blue")

    run = queue()
    long.run_step(run.pk, started(run), kinds(work), lost=never)

    run.refresh_from_db()
    assert (run.state, run.lease_owner) == (RunState.QUEUED, "")
    assert run.next_at > timezone.now()
    assert "RuntimeError" in RunLogLine.objects.get(run=run).text


def wait_until(true) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_heartbeat_just_after_the_commit_is_no_lost_lease_and_takes_none(queue):
    run = queue()
    fence = started(run)
    before = Run.objects.get(pk=run.pk)
    long.run_step(run.pk, fence, kinds(lambda turn: Next()), lost=never)

    assert long.Heart(Turn(before), never).beat()
    run.refresh_from_db()
    assert (run.step, run.lease_until) == (1, None)


def test_a_heartbeat_after_somebody_else_has_claimed_is_a_lost_lease(queue):
    run = queue()
    started(run)
    before = Run.objects.get(pk=run.pk)
    Run.objects.filter(pk=run.pk).update(lease_until=None)
    assert claim(run.pk)

    assert not long.Heart(Turn(before), never).beat()
