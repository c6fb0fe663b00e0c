"""A hold and the beginning of a deletion at the same moment, on a database that locks each row by itself."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from backups.access.models import User
from backups.clusters.models import Cluster
from backups.repositories.models import Repository
from backups.retention import approved, steps
from backups.retention.copies import RetentionError, locked
from backups.retention.holds import place_hold
from backups.retention.models import Hold
from backups.runs import engine, queue_run
from backups.runs.models import Run
from backups.snapshots.models import Snapshot

pytestmark = [pytest.mark.db(only="postgresql"), pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("hold_first", [True, False])
def test_one_of_them_sees_the_other(cast, monkeypatch, hold_first):
    cluster = Cluster.objects.create(name="soc-prod")
    repository = Repository.objects.create(cluster=cluster, name="nightly", state="registered")
    snapshot = Snapshot.objects.create(repository=repository, name="one", uuid="u", state="found")
    run = queue_run("delete_snapshot", actor=None, subject="delete", params={"snapshot": snapshot.pk, "uuid": "u"})
    first_has_it, other_waits = threading.Event(), threading.Event()

    def meet(mine: bool, copy):
        """Whoever is first keeps the lock until the other one has asked for it."""
        if not mine:
            first_has_it.wait(20)
            other_waits.set()
        found = locked(copy)
        if mine:
            first_has_it.set()
            other_waits.wait(20)
        return found

    monkeypatch.setattr("backups.retention.holds.locked", lambda copy: meet(hold_first, copy))
    monkeypatch.setattr(steps, "locked", lambda copy: meet(not hold_first, copy))

    def hold() -> str:
        person = User.objects.get(pk=cast["operator"].pk)
        until = timezone.now() + timedelta(days=1)
        return alone(lambda: place_hold(actor=person, copy=snapshot, reason="Legal hold, INC-4402.", until=until))

    def begin() -> str:
        turn = engine.Turn(engine.claim(run.pk))
        turn.remember(announced=True)
        turn.write(lambda a: steps.refuse_changed(turn, snapshot))
        return alone(lambda: engine.commit(turn, engine.Stay()))

    def alone(work) -> str:
        try:
            work()
            return ""
        except (RetentionError, steps.ChangedMeanwhile) as error:
            return type(error).__name__
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        told = [each.result() for each in (pool.submit(hold), pool.submit(begin))]

    assert told == (["", "ChangedMeanwhile"] if hold_first else ["RetentionError", ""])
    assert Hold.objects.exists() == hold_first
    assert bool(Run.objects.get(pk=run.pk).result.get("announced")) != hold_first
    assert bool(approved.why_not_now(run, snapshot)) == hold_first
