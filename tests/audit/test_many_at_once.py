"""Sixteen threads act at once, each with a connection of its own: no gap, no lost act, nobody waits for ever."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection
from django.db.models import F

from backups.audit import act, checkpoints, triggers
from backups.audit.models import AuditEntry, AuditHead, Checkpoint
from backups.audit.verify import verify
from backups.clusters.models import Cluster

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.db]

THREADS, ACTS, SHARED = 16, 8, 3
LONG_ENOUGH = 120


class Trouble(Exception):
    pass


def at_once(*works: Callable[[], None]) -> None:
    """Do all of it in threads that begin together. The first error is raised; a hanging thread is one."""
    together = threading.Barrier(len(works))

    def work(do: Callable[[], None]) -> None:
        try:
            together.wait(LONG_ENOUGH)
            do()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(work, do) for do in works]:
            future.result(LONG_ENOUGH)


@pytest.fixture
def shared():
    return [Cluster.objects.create(name=f"shared-{number}").pk for number in range(SHARED)]


def touch(pk: int) -> None:
    """Lock a row that others want as well, until the end of the transaction."""
    Cluster.objects.filter(pk=pk).update(name=F("name"))


def add(a, name: str) -> None:
    a.record("cluster.added", Cluster.objects.create(name=name))


def record_first(pk: int, name: str) -> None:
    with act(None) as a:
        add(a, name)
        touch(pk)


def lock_first(pk: int, name: str) -> None:
    with act(None) as a:
        touch(pk)
        add(a, name)


def nested(pk: int, name: str) -> None:
    with act(None) as outer:
        add(outer, f"{name} outer")
        with act(None) as inner:
            touch(pk)
            add(inner, f"{name} inner")


def nested_and_fallen(pk: int, name: str) -> None:
    """The inner act falls, the outer one stands."""
    with act(None) as outer:
        try:
            with act(None) as inner:
                add(inner, f"{name} gone")
                raise Trouble
        except Trouble:
            touch(pk)
        add(outer, name)


def fallen(pk: int, name: str) -> None:
    try:
        with act(None) as a:
            touch(pk)
            add(a, f"{name} gone")
            raise Trouble
    except Trouble:
        pass


WAYS = (record_first, lock_first, nested, nested_and_fallen, fallen)


def assert_whole() -> None:
    """Every change has its entry and every entry its change, numbered without gaps."""
    names = AuditEntry.objects.order_by("seq").values_list("object_name", flat=True)
    changed = Cluster.objects.exclude(name__startswith="shared").values_list("name", flat=True)
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, len(names) + 1))
    assert sorted(names) == sorted(changed)
    assert verify().problem == ""


def test_acts_that_nest_and_lock_in_other_orders(shared):
    def work(thread: int) -> None:
        for number in range(ACTS):
            WAYS[(thread + number) % len(WAYS)](shared[number % SHARED], f"{thread}-{number}")

    at_once(*(lambda thread=thread: work(thread) for thread in range(THREADS)))

    assert_whole()
    assert not AuditEntry.objects.filter(object_name__endswith="gone").exists()
    ways = [WAYS[(thread + number) % len(WAYS)] for thread in range(THREADS) for number in range(ACTS)]
    assert AuditEntry.objects.count() == len(ways) + ways.count(nested) - ways.count(fallen)


def test_checkpoints_looks_and_triggers_meanwhile(shared):
    """The worker signs and checks, and somebody migrates, which puts back a trigger that is gone."""
    over = threading.Event()

    def work(thread: int) -> None:
        for number in range(ACTS):
            WAYS[(thread + number) % len(WAYS)](shared[number % SHARED], f"{thread}-{number}")

    def look() -> None:
        assert verify().problem in ("", GONE)

    def migrate() -> None:
        with connection.cursor() as cursor:
            cursor.execute(DROP)
        triggers.install()

    def again_and_again(do: Callable[[], object]) -> None:
        do()
        while not over.wait(0.01):
            do()

    def act_and_end() -> None:
        try:
            at_once(*(lambda thread=thread: work(thread) for thread in range(THREADS)))
        finally:
            over.set()

    meanwhile = (checkpoints.make_checkpoint, look, migrate)
    at_once(act_and_end, *(lambda do=do: again_and_again(do) for do in meanwhile))

    assert_whole()
    assert Checkpoint.objects.exists()
    assert triggers.missing() == []


DROP = "DROP TRIGGER backups_audithead_once"
GONE = "The triggers that protect the log are not in place: backups_audithead_once."
if connection.vendor == "postgresql":
    DROP += " ON backups_audithead"


@pytest.mark.db(only="postgresql")
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time, who waits for nobody")
def test_of_two_acts_that_wait_for_each_other_one_falls_as_a_whole(shared):
    """They lock the same two rows of their own the other way round. The database ends one of them."""
    both_have_one = threading.Barrier(2)
    fallen_ones = []

    def work(first: int, second: int, name: str) -> None:
        try:
            with act(None) as a:
                add(a, name)
                touch(first)
                both_have_one.wait(LONG_ENOUGH)
                touch(second)
        except OperationalError:
            fallen_ones.append(name)

    one, other = shared[:2]
    at_once(lambda: work(one, other, "one"), lambda: work(other, one, "other"))

    assert len(fallen_ones) == 1
    assert_whole()
    assert AuditHead.objects.get().seq == 1
