"""The ticker: every job on its own, doorbells for what is due and for nothing else."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import OrmQ

from backups.audit.models import AuditEntry
from backups.runs import advance, queue_run
from backups.runs.models import Run, WorkerHost
from backups.worker import pulse, ticker
from backups.worker.kinds import Periodic
from backups.worker.ticker import QUEUE_IS_LONG, Ticker, ring_beat, ring_due_runs

from ..runs.fakes import one_step, succeed


@pytest.fixture(autouse=True)
def home(settings, tmp_path):
    settings.CONSOLE_HOME = tmp_path


@pytest.fixture
def queue(db):
    return lambda kind="make", **options: queue_run(kind, actor=None, subject="a thing", **options)


def rung() -> list[int]:
    """The runs for which a doorbell waits in the queue."""
    return [message.task["args"][0] for message in OrmQ.objects.order_by("pk")]


def test_only_runs_that_are_due_and_free_are_rung_for(queue, settings):
    due, waiting, leased, over, elsewhere, here = (queue() for _ in range(6))
    Run.objects.filter(pk=waiting.pk).update(next_at=Now() + timedelta(hours=1))
    Run.objects.filter(pk=leased.pk).update(lease_owner="x", lease_until=Now() + timedelta(hours=1))
    advance(over.pk, one_step("make", succeed))
    Run.objects.filter(pk=elsewhere.pk).update(host="elsewhere")
    Run.objects.filter(pk=here.pk).update(host=settings.WORKER_HOST)

    ring_due_runs()
    assert sorted(rung()) == [due.pk, here.pk]


def test_a_lease_that_is_over_is_rung_for(queue):
    run = queue()
    Run.objects.filter(pk=run.pk).update(lease_owner="dead", lease_until=Now() - timedelta(seconds=1))
    ring_due_runs()
    assert rung() == [run.pk]


def test_runs_of_a_host_that_is_away_do_not_stand_in_the_way(queue):
    for _ in range(QUEUE_IS_LONG):
        queue(host="away")
    mine = queue()
    ring_due_runs()
    assert rung() == [mine.pk]


def test_a_long_queue_is_not_made_longer(queue):
    for _ in range(QUEUE_IS_LONG + 3):
        queue()
    ring_due_runs()
    assert len(rung()) == QUEUE_IS_LONG
    ring_due_runs()
    ring_beat()
    assert len(rung()) == QUEUE_IS_LONG


@pytest.mark.django_db(transaction=True)
def test_jobs_do_not_harm_each_other(monkeypatch):
    """Each of them may break in its own way; all others do their work in the same tick."""
    did = []

    def breaks(error):
        def work():
            did.append(type(error).__name__)
            raise error

        return work

    def broken_due():
        raise ValueError("due")

    monkeypatch.setattr(ticker, "ring_due_runs", breaks(OperationalError("database is locked")))
    monkeypatch.setattr(ticker.runs, "beat", lambda started_at: 1 / 0)
    jobs = (
        Periodic("breaks", 0, breaks(RuntimeError("no"))),
        Periodic("cannot say whether it is due", 0, lambda: did.append("never"), broken_due),
        Periodic("works", 0, lambda: did.append("works")),
    )
    monkeypatch.setattr(ticker, "PERIODIC", jobs)

    Ticker().tick()
    assert did == ["OperationalError", "RuntimeError", "works"]
    assert [message.task["func"] for message in OrmQ.objects.all()] == ["backups.worker.tasks.beat"]


@pytest.mark.django_db(transaction=True)
def test_a_job_is_done_as_often_as_it_says(monkeypatch):
    did = []
    jobs = (
        Periodic("always", 0, lambda: did.append("always")),
        Periodic("hourly", 3600, lambda: did.append("hourly")),
        Periodic("not due", 0, lambda: did.append("not due"), lambda: False),
    )
    monkeypatch.setattr(ticker, "PERIODIC", jobs)
    ticking = Ticker()
    ticking.tick()
    ticking.tick()
    ticking.last["hourly"] -= 3600
    ticking.tick()
    assert did == ["always", "hourly", "always", "always", "hourly"]


@pytest.mark.django_db(transaction=True)
def test_a_tick_leaves_signs_of_life(settings):
    ticking = Ticker()
    ticking.tick()
    host = WorkerHost.objects.get(name=settings.WORKER_HOST)
    assert host.started_at == ticking.started_at
    assert (timezone.now() - host.beat_at).total_seconds() < 60
    assert pulse.age(pulse.TICK) < 60


def test_every_start_is_in_the_log_with_the_policy_of_that_time(db, settings):
    ticker.record_start()
    settings.SIGN_IN_TRIES = 99
    ticker.record_start()
    first, second = (entry.text for entry in AuditEntry.objects.filter(action="console.started").order_by("seq"))
    digests = [text.split('"policy":')[1][:70] for text in (first, second)]
    assert digests[0] != digests[1]
    assert settings.VERSION in first
