"""Several workers at one run at the same time: threads with database connections of their own."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from backups.audit.models import AuditEntry
from backups.audit.verify import verify
from backups.runs import Done, RunError, Turn, advance, queue_run, request_cancel
from backups.runs.engine import Fenced, claim, commit
from backups.runs.models import Run, RunState

from .fakes import World, assert_true_history, one_step, succeed

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

THREADS = 6


def at_once(work, times: int = THREADS) -> list:
    """What ``work(number)`` returned (or raised) in so many threads that start together."""
    gate = threading.Barrier(times)

    def one(number: int):
        try:
            gate.wait(timeout=30)
            return work(number)
        except Exception as error:  # noqa: BLE001 - handed to the test
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def a_run(kind: str, **options) -> Run:
    return queue_run(kind, **({"actor": None, "subject": "a thing"} | options))


def test_one_of_many_claims_wins():
    for _ in range(5):
        run = a_run("make")
        claimed = [won for won in at_once(lambda number, run=run: claim(run.pk)) if won is not None]
        run.refresh_from_db()
        assert len(claimed) == 1
        assert (claimed[0].fence, run.fence, run.lease_owner) == (1, 1, claimed[0].lease_owner)


def test_many_workers_make_one_thing_and_one_end():
    world = World()
    kinds = {"make": world.kind()}
    run = a_run("make")

    def work(number: int) -> None:
        while not Run.objects.get(pk=run.pk).is_over:
            advance(run.pk, kinds)

    assert at_once(work) == [None] * THREADS
    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert world.made == {"a thing": 1}
    assert list(run.log.values_list("number", flat=True)) == [1, 2]
    assert_true_history(run)
    assert verify().problem == ""


def test_one_of_two_owners_commits(lease_ends):
    run = a_run("ends")
    kind = one_step("ends", succeed)["ends"]
    turns = []
    for _ in range(2):
        turns.append(Turn(claim(run.pk), kind))
        lease_ends(run)

    outcomes = at_once(lambda number: commit(turns[number], Done(RunState.SUCCEEDED)), 2)
    assert isinstance(outcomes[0], Fenced)
    assert outcomes[1] is None
    assert_true_history(run)


def test_a_form_sent_many_times_at_once_is_one_run():
    answers = at_once(lambda number: a_run("make", key="form:1"))
    runs = [answer for answer in answers if isinstance(answer, Run)]
    refusals = [answer for answer in answers if isinstance(answer, RunError)]
    assert (len(runs), len(refusals)) == (1, THREADS - 1), answers
    assert Run.objects.count() == AuditEntry.objects.filter(action="run.queued").count() == 1


def test_one_of_many_cancels_counts(cast):
    run = a_run("make")
    answers = at_once(lambda number: request_cancel(run, actor=cast["operator"]))
    assert answers.count(None) == 1
    assert AuditEntry.objects.filter(action="run.cancel_requested").count() == 1
