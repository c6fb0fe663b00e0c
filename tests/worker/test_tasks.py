"""What the queue runs: the turns of one run, one after the other, for a few seconds."""

import pytest

from backups.audit.models import AuditEntry
from backups.runs import Done, Stay, queue_run
from backups.runs.models import RunState
from backups.worker import pulse, tasks

from ..runs.fakes import World, one_step, succeed


@pytest.fixture(autouse=True)
def home(settings, tmp_path):
    settings.CONSOLE_HOME = tmp_path


@pytest.fixture
def queue(db):
    return lambda kind="make": queue_run(kind, actor=None, subject="a thing")


def test_a_run_is_followed_to_its_end(queue, monkeypatch):
    world = World()
    monkeypatch.setattr(tasks, "KINDS", {"make": world.kind()})
    run = queue()
    tasks.look_at_run(run.pk)
    run.refresh_from_db()

    assert run.state == RunState.SUCCEEDED
    assert world.made == {"a thing": 1}
    assert pulse.age(pulse.TASK) < 60
    entry = AuditEntry.objects.get(run=run.pk, action="run.succeeded")
    assert '"command":"worker"' in entry.text


def test_a_run_that_wants_to_wait_long_is_left_to_the_ticker(queue, monkeypatch):
    turns = []
    kinds = one_step("waits", lambda turn: turns.append(1) or Stay(3600))
    monkeypatch.setattr(tasks, "KINDS", kinds)
    tasks.look_at_run(queue("waits").pk)
    assert turns == [1]


def test_no_run_keeps_a_worker_for_itself(queue, monkeypatch):
    monkeypatch.setattr(tasks, "BUDGET_SECONDS", 0.05)
    monkeypatch.setattr(tasks, "KINDS", one_step("endless", lambda turn: Stay()))
    run = queue("endless")
    tasks.look_at_run(run.pk)
    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    assert run.lease_owner == ""


def test_a_doorbell_for_a_run_that_is_over_or_unknown_does_nothing(queue, monkeypatch):
    monkeypatch.setattr(tasks, "KINDS", one_step("ends", succeed))
    run = queue("ends")
    tasks.look_at_run(run.pk)
    entries = AuditEntry.objects.count()
    tasks.look_at_run(run.pk)
    tasks.look_at_run(10**9)
    assert AuditEntry.objects.count() == entries


def test_short_waits_are_kept_within_one_task(queue, monkeypatch):
    outcomes = [Stay(0.01), Stay(0.01), Done(RunState.SUCCEEDED)]
    monkeypatch.setattr(tasks, "KINDS", one_step("patient", lambda turn: outcomes.pop(0)))
    run = queue("patient")
    tasks.look_at_run(run.pk)
    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
