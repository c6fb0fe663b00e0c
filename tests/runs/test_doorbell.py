"""The doorbell: rings after the commit, and nothing is lost when it does not ring."""

from contextlib import suppress

import pytest
from django_q.models import OrmQ

from backups.audit import act
from backups.runs import advance, doorbell, queue_run, request_cancel
from backups.runs.models import Run, RunState

from .fakes import one_step, succeed


def broken(*args, **kwargs):
    raise ConnectionError("the broker is away")


def test_it_rings_after_the_commit(db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks, act(None):
        run = queue_run("make", actor=None, subject="a thing")
        assert not OrmQ.objects.exists()
    assert len(callbacks) == 1

    callbacks[0]()
    rung = OrmQ.objects.get().task
    assert (rung["func"], rung["args"]) == (doorbell.TASK, (run.pk,))


def test_it_does_not_ring_for_what_was_rolled_back(db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks, suppress(RuntimeError), act(None):
        queue_run("make", actor=None, subject="a thing")
        raise RuntimeError
    assert callbacks == []


@pytest.mark.django_db(transaction=True)
def test_a_broken_doorbell_harms_nobody(monkeypatch, cast):
    monkeypatch.setattr(doorbell, "async_task", broken)
    run = queue_run("ends", actor=cast["operator"], subject="a thing")
    request_cancel(run, actor=cast["operator"])

    assert not OrmQ.objects.exists()
    advance(run.pk, one_step("ends", succeed))
    assert Run.objects.get().state == RunState.SUCCEEDED


@pytest.mark.django_db(transaction=True)
def test_a_doorbell_that_rings_twice_is_one_turn(cast):
    turns = []
    kinds = one_step("once", lambda turn: turns.append(turn) or succeed(turn))
    run = queue_run("once", actor=None, subject="a thing")
    request_cancel(run, actor=cast["operator"])

    for task in OrmQ.objects.all():
        advance(*task.task["args"], kinds)
    assert OrmQ.objects.count() == 2
    assert len(turns) == 1


def test_a_queue_that_nobody_empties_does_not_grow_for_ever(db, monkeypatch):
    monkeypatch.setattr(doorbell, "LONG_QUEUE", 2)
    for _ in range(4):
        doorbell.ring_now(1)
    assert OrmQ.objects.count() == 2


def test_each_host_has_a_queue_of_its_own(db, settings):
    doorbell.ring_now(1)
    assert OrmQ.objects.get().key == f"console-{settings.WORKER_HOST}"
