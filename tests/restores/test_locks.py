"""Two restores that begin at the same moment on the same index: one has it, the other waits, never both."""

import threading

import pytest
from django.db import connection

from backups.restores.locks import Locked, release, take
from backups.restores.models import TargetLock
from backups.runs.models import Run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.db]
TARGETS = ["index:uuid:events-1", "index:uuid:events-2"]
ROUNDS, WRITERS = 5, 6


def begin(run: Run, targets: list[str], gate: threading.Barrier, took: list[Run]) -> None:
    from backups.audit import act

    try:
        gate.wait(20)
        with act(None):
            take(run, targets)
        took.append(run)
    except Locked:
        pass
    finally:
        connection.close()


def made(number: int) -> Run:
    return Run.objects.create(kind="restore_swap", key=f"race-{number}", subject="events")


def test_all_of_the_targets_or_none(db):
    for number in range(ROUNDS):
        runs = [made(number * WRITERS + one) for one in range(WRITERS)]
        gate, took = threading.Barrier(WRITERS), []
        threads = [
            # In both orders, so that whoever takes one by one would wait for the other for ever.
            threading.Thread(target=begin, args=(run, TARGETS[:: 1 if place % 2 else -1], gate, took))
            for place, run in enumerate(runs)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert len(took) == 1
        assert set(TargetLock.objects.values_list("target", "run")) == {(target, took[0].pk) for target in TARGETS}
        release(took[0])
        assert not TargetLock.objects.exists()
