"""The kinds of faults: name -> what happens, and where it can. Each function gets the ``Fire`` and one console."""

import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import NamedTuple

from django.db import OperationalError, connection
from django_q.brokers import get_broker
from django_q.conf import Conf

from backups.runs.log import MAX_ROWS
from backups.runs.models import Run
from tests.faults.processes import children, send

HELD_SECONDS = 10
UNWELL_SECONDS = 4
FROZEN_SECONDS = 6
CLOCK_OFF = 600
FOLLOW = 2
"""The step of a snapshot run in which its call was accepted."""


class Kind(NamedTuple):
    """``where``: sqlite, postgres, redis; empty where it can happen everywhere."""

    strike: Callable
    where: str = ""


def kill(part: str) -> Callable:
    return lambda fire, console: send([getattr(console, part)])


def worker(fire, console) -> None:
    send([fire.lease_holder(console)])


def long_step(fire, console) -> None:
    """Kill a long step in the middle of its work."""
    send([fire.long_step_of(console)])


def freeze_long_step(fire, console) -> None:
    """Its lease runs out, somebody else does the work, and it ends itself when it wakes up."""
    pid = fire.long_step_of(console)
    send([pid], signal.SIGSTOP)
    fire.frozen.append((pid, time.monotonic() + FROZEN_SECONDS))


def freeze(fire, console) -> None:
    pid = fire.lease_holder(console)
    send([pid], signal.SIGSTOP)
    fire.frozen.append((pid, time.monotonic() + FROZEN_SECONDS))


def replaced(part: str) -> Callable:
    def strike(fire, console) -> None:
        """Kill one that the sentinel replaces, and see who the new one is. Where the whole queue is replaced instead,
        all of them are new."""
        sentinel, pid = console.sentinel, getattr(console, part)
        before = set(children(sentinel))
        # It may have been replaced since, for a reason of its own: then the newest one is hit.
        pid = pid if pid in before else max(before)
        send([pid])
        fire.wait(lambda: console.sentinel != sentinel or set(children(sentinel)) - before, 60, "not replaced")
        for new in sorted(set(children(sentinel)) - before)[:1]:
            console.replaced(pid, new)

    return strike


def sentinel_hung(fire, console) -> None:
    """A sentinel that hangs replaces nobody, while the others go on: the supervisor replaces the queue."""
    sentinel = console.sentinel
    send([sentinel], signal.SIGSTOP)
    worker(fire, console)
    fire.wait(lambda: console.sentinel != sentinel, 60, "the sentinel hangs for ever")


def up(fire, console) -> None:
    """The others die with it, each with its parent."""
    console.process.kill()
    console.process.wait()
    console.start()


def tree(fire, console) -> None:
    console.kill_all()
    console.start()


def doorbells_lost(fire, console) -> None:
    """The queue is emptied."""
    get_broker().purge_queue() if fire.place.redis else get_broker().delete_queue()


def doorbells_unheard(fire, console) -> None:
    """Runs whose doorbell goes to a queue that nobody reads."""
    name, Conf.CLUSTER_NAME = Conf.CLUSTER_NAME, "nowhere"
    try:
        fire.queue("unheard")
    finally:
        Conf.CLUSTER_NAME = name


def elasticsearch(fire, console) -> None:
    """The cluster is unwell for some seconds while snapshots go on: 503, a sign-in page, 401, or silence. All runs
    have sent their call by then: before that, a bad answer ends a run, as it should."""
    fire.fake.hold_snapshots()
    fire.queue("unwell")
    fire.wait(lambda: not Run.objects.active().filter(step__lt=FOLLOW).exists(), 90, "a run does not begin")
    with fire.random.choice((_busy, _html, _password, _away))(fire.fake):
        fire.pause(UNWELL_SECONDS)
    fire.fake.release()


@contextmanager
def _busy(fake):
    for _ in range(12):
        fake.answer_next(503, {"error": {"type": "cluster_block_exception", "reason": "no master"}})
    yield


@contextmanager
def _html(fake):
    fake.answer_html()
    yield
    fake.answer_html(False)


@contextmanager
def _password(fake):
    name, password = fake.everyday
    fake.set_password(name, "another")
    yield
    fake.set_password(name, password)


@contextmanager
def _away(fake):
    fake.go_away()
    yield
    fake.come_back()


# --- SQLite ------------------------------------------------------------------------------------------------------


def locked(fire, console) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        fire.pause(HELD_SECONDS)
        cursor.execute("ROLLBACK")


def disk_full(fire, console) -> None:
    """Database and run-logs have no room any more, while runs are at work whose lines go to a file. Pages say so
    plainly or work; afterwards everything goes on."""
    assert fire.place.small_disk, "not tested: no disk can be mounted here"
    Run.objects.active().update(lines=MAX_ROWS)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else there is room in the journal
    said = len(console.log.read_bytes())
    full = fire.place.home_of("a") / "full"
    with full.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 65536):
            pass
    with full.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(b"\0"):
            pass
    with suppress(OperationalError):
        fire.queue("full")
    fire.pause(HELD_SECONDS)
    look(console)
    full.unlink()
    told = console.log.read_bytes()[said:]
    assert b"disk is full" in told or b"No space left" in told, "the log does not say that the disk is full"


def look(console) -> None:
    """A page is there, or says plainly that it is not."""
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        text = browser.open(f"http://127.0.0.1:{console.port}/", timeout=30).read().decode()
    except urllib.error.HTTPError as error:
        text = error.read().decode() if error.code in (500, 503) else f"Traceback? {error}"
    assert "Traceback" not in text, text


# --- PostgreSQL --------------------------------------------------------------------------------------------------


def restarted(how: int) -> Callable:
    def strike(fire, console) -> None:
        fire.place.server.restart(how)
        connection.close()

    return strike


def terminated(fire, console) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")


def table_locked(fire, console) -> None:
    table = fire.random.choice(("backups_run", "backups_audithead", "django_q_ormq"))
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        fire.pause(HELD_SECONDS)
        cursor.execute("ROLLBACK")


def host_away(fire, console) -> None:
    """One host is dead until the other has finished every run but the one that is bound to the dead one."""
    bound = fire.queue("bound")
    console.kill_all()
    Run.objects.filter(pk=bound.pk, ended_at=None).update(host=console.host)
    fire.wait(lambda: not Run.objects.active().filter(host="").exists(), 90, "the other host does not finish")
    console.start()


def clock(seconds: int) -> Callable:
    def strike(fire, console) -> None:
        """From now on this host's clock is off, and every other one is right."""
        for other in fire.consoles:
            fire.place.clock_of(other.host).write_text(str(seconds if other is console else 0))

    return strike


# --- Redis -------------------------------------------------------------------------------------------------------


def redis_killed(fire, console) -> None:
    fire.place.redis.kill()
    fire.queue("no-redis")
    fire.pause(UNWELL_SECONDS)
    fire.place.redis.start()


def redis_flushed(fire, console) -> None:
    get_broker().connection.flushall()


KINDS: dict[str, Kind] = {
    "worker": Kind(worker),
    "long step": Kind(long_step),
    "long step frozen": Kind(freeze_long_step),
    "monitor": Kind(replaced("monitor")),
    "pusher": Kind(replaced("pusher")),
    "sentinel": Kind(kill("sentinel")),
    "sentinel hung": Kind(sentinel_hung),
    "queue": Kind(kill("main")),
    "ticker": Kind(kill("ticker")),
    "supervisor": Kind(kill("supervisor")),
    "up": Kind(up),
    "everything": Kind(tree),
    "web": Kind(kill("web")),
    "worker frozen": Kind(freeze),
    "doorbells lost": Kind(doorbells_lost),
    "doorbells unheard": Kind(doorbells_unheard),
    "Elasticsearch unwell": Kind(elasticsearch),
    "database locked": Kind(locked, "sqlite"),
    "disk full": Kind(disk_full, "sqlite"),
    "database restarted, fast": Kind(restarted(signal.SIGINT), "postgres"),
    "database restarted, immediate": Kind(restarted(signal.SIGQUIT), "postgres"),
    "connections terminated": Kind(terminated, "postgres"),
    "table locked": Kind(table_locked, "postgres"),
    "host away": Kind(host_away, "postgres"),
    "clock ahead": Kind(clock(CLOCK_OFF), "postgres"),
    "clock behind": Kind(clock(-CLOCK_OFF), "postgres"),
    "Redis killed": Kind(redis_killed, "redis"),
    "Redis flushed": Kind(redis_flushed, "redis"),
}


def plan(faults: int, random, place) -> list[str]:
    """So many kinds, in rounds: every kind that can happen here once a round. A run that is shorter than a round has
    the kinds that can happen nowhere else, and then some of the common ones."""
    possible = {name: kind for name, kind in KINDS.items() if name != "disk full" or place.small_disk}
    own = [name for where in (place.broker, place.database) for name, kind in possible.items() if kind.where == where]
    common = [name for name, kind in KINDS.items() if not kind.where]
    if faults < len(own) + len(common):
        chosen = [*own, *random.sample(common, len(common))][:faults]
        return random.sample(chosen, len(chosen))
    rounds = [random.sample([*own, *common], len(own) + len(common)) for _ in range(faults)]
    return [name for one in rounds for name in one][:faults]
