"""The ticker: every job on its own, doorbells for what is due and for nothing else."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import OrmQ, Task

from backups.audit.models import AuditEntry
from backups.runs import advance, queue_run
from backups.runs.models import Run, WorkerHost
from backups.worker import pulse, ticker
from backups.worker.failures import remove_old_failures
from backups.worker.kinds import PERIODIC, Periodic
from backups.worker.ticker import QUEUE_IS_LONG, Ticker, ring_beat, ring_due_runs

from ..runs.fakes import one_step, succeed

LOGGER = "backups.worker.ticker"


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
    Run.objects.filter(pk=waiting.pk).update(next_at=Now() + timedelta(seconds=30))
    Run.objects.filter(pk=leased.pk).update(lease_owner="x", lease_until=Now() + timedelta(seconds=30))
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


@pytest.mark.db
def test_new_runs_come_before_those_that_were_looked_at(queue):
    """A run without a time sorts last on PostgreSQL, unless told otherwise: many others would keep it out."""
    for _ in range(QUEUE_IS_LONG):
        queue()
    Run.objects.update(next_at=Now() - timedelta(seconds=10))
    new = queue()
    ring_due_runs()
    assert rung()[0] == new.pk


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
def test_a_job_that_fails_for_long_says_so_once_and_then_once_a_minute(monkeypatch, caplog):
    broken = [True]

    def work():
        if broken:
            raise OperationalError("database is away")

    def told() -> list[tuple[str, bool]]:
        found = [(record.getMessage(), bool(record.exc_info)) for record in caplog.records if record.name == LOGGER]
        caplog.clear()
        return found

    monkeypatch.setattr(ticker, "PERIODIC", (Periodic("job", 0, work),))
    ticking = Ticker()
    for _ in range(5):
        ticking.tick()
    assert told() == [("tick failed: job", True)]

    ticking.told_at["job"] -= ticker.TELL_AGAIN_SECONDS
    ticking.tick()
    ticking.tick()
    assert told() == [("tick still fails: job (OperationalError)", False)]

    broken.clear()
    ticking.tick()
    broken.append(True)
    ticking.tick()
    assert told() == [("tick failed: job", True)]


@pytest.mark.django_db(transaction=True)
def test_the_start_is_written_down_once_as_soon_as_the_database_can(monkeypatch):
    locked = [True, True]
    real = ticker.record_start

    def record_start():
        if locked:
            raise OperationalError(f"database is locked{locked.pop()}")
        real()

    monkeypatch.setattr(ticker, "record_start", record_start)
    monkeypatch.setattr(ticker, "PERIODIC", ())
    ticking = Ticker()
    counts = []
    for _ in range(4):
        ticking.tick()
        counts.append(AuditEntry.objects.filter(action="console.started").count())
    assert counts == [0, 0, 1, 1]


def failure(days: float) -> Task:
    then = timezone.now() - timedelta(days=days)
    return Task.objects.create(id=str(days), name="x", func="f", started=then, stopped=then, success=False)


@pytest.mark.django_db
def test_failures_of_the_queue_are_kept_for_a_day():
    failure(2)
    failure(1.1)
    kept = {failure(0.9).pk, failure(0).pk}

    assert remove_old_failures() == 2
    assert set(Task.objects.values_list("pk", flat=True)) == kept
    assert remove_old_failures in {job.work for job in PERIODIC}


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


@pytest.mark.django_db(transaction=True)
def test_doorbells_that_cannot_be_delivered_do_not_fill_the_disk(queue, monkeypatch, caplog):
    for _ in range(5):
        queue()

    def full(*args):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr("backups.runs.doorbell.async_task", full)
    caplog.clear()
    one = Ticker()
    for _ in range(3):
        one._every("doorbells", 0, ring_due_runs)
    assert [record.message for record in caplog.records] == ["tick failed: doorbells"]
