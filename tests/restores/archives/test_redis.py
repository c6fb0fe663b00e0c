"""Redis databases of an archive over live ones, on real servers."""

from pathlib import Path

import pytest
from django.conf import settings

from backups.archives.models import CheckState, RedisServer
from backups.gateways.redis.connection import connect
from backups.restores.archives.asked import Database
from backups.retention.models import SafetyCopy
from backups.runs import request_cancel
from backups.runs.models import Effect, RunState
from tests.gateways.redis.conftest import redis_server
from tests.gateways.redis.servers import DEBUG, Server, fill
from tests.turns import work

from .conftest import turn_by_turn

__all__ = ["redis_server"]  # the fixture
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def one_server(redis_server) -> Server:
    return redis_server(*DEBUG)


@pytest.fixture
def server(one_server, profile) -> Server:
    """Filled, and part of what the profile keeps."""
    fill(one_server)
    row = RedisServer.objects.create(
        name="state",
        host=settings.WORKER_HOST,
        address=f"127.0.0.1:{one_server.process.port}",
        state=CheckState.GOOD,
    )
    profile.redis.add(row)
    return one_server


@pytest.fixture
def plan_of(server, archive, planned):
    def make(mode: str, *, number: int = 0, pattern: str = ""):
        row = RedisServer.objects.get()
        return planned(folders=(), redis=(Database("state", number, row.pk, mode, pattern),))

    return make


def harm(server: Server) -> None:
    with connect(server.access) as connection:
        connection.call("SET", "text", "overwritten")
        connection.call("DEL", "hash:3", "hash:600")
        connection.call("SET", "newer", "than the archive")
        connection.call("PERSIST", "expires")


def keys(server: Server, database: int = 0) -> int:
    return server.call("DBSIZE", database=database)


def test_a_database_is_replaced_at_one_stroke(server, plan_of, sent):
    as_packed = server.digest()
    harm(server)
    plan = plan_of("replace")
    (row,) = plan.document["rows"]
    assert (row["action"], row["removed"], row["added"], row["overwritten"]) == ("replace", 1, 2, 2)
    assert (row["keys_now"], row["in_archive"], row["after"]) == (25, 26, 26)

    run = work(sent(plan))

    assert (run.state, run.effect, run.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    assert server.digest() == as_packed
    copy = SafetyCopy.objects.get()
    assert (copy.state, copy.form, copy.facts["keys"]) == ("kept", "dump", 25)
    assert not run.locks.exists()


def test_key_by_key_leaves_the_others(server, plan_of, sent):
    harm(server)
    plan = plan_of("merge")
    assert plan.risk == "R2"

    run = work(sent(plan))

    assert (run.state, run.effect, run.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    assert server.call("GET", "newer") == b"than the archive"
    assert server.call("GET", "text") == b"words " * 50
    assert server.call("PTTL", "expires") > 0
    assert keys(server) == 27
    assert SafetyCopy.objects.get().facts["keys"] == 25


def test_only_keys_of_the_pattern_are_written(server, plan_of, sent):
    harm(server)

    run = work(sent(plan_of("merge", pattern="hash:*")))

    assert run.state == RunState.SUCCEEDED, run.error
    assert server.call("HLEN", "hash:600") == 600
    assert server.call("GET", "text") == b"overwritten"


def test_an_empty_database_needs_nobody(server, plan_of, sent):
    as_found = server.digest()
    plan = plan_of("spare", number=1)
    (row,) = plan.document["rows"]
    assert (plan.risk, row["action"]) == ("R0", "create")

    run = work(sent(plan))

    assert (run.state, run.error) == (RunState.SUCCEEDED, "")
    assert keys(server, row["spare"]) == keys(server, 1)
    server.call("FLUSHDB", database=row["spare"])
    assert server.digest() == as_found


@pytest.mark.parametrize("mode", ["replace", "merge", "spare"])
@pytest.mark.parametrize("step", [2, 3])
def test_a_cancel_leaves_the_server_as_it_was(server, plan_of, sent, cast, mode, step):
    harm(server)
    as_found = server.digest()
    run = sent(plan_of(mode))
    turn_by_turn(run, lambda run: run.step >= step)

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert_as_found(server, as_found, run)


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_a_cancel_before_the_exchange_is_written_down_takes_it_back(
    server, plan_of, sent, cast, mode, dies_exchanged
):
    harm(server)
    as_found = server.digest()
    run = sent(plan_of(mode))
    dies_exchanged(run)
    assert server.digest() != as_found

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert_as_found(server, as_found, run)


def assert_as_found(server, as_found, run):
    assert run.state == RunState.CANCELLED, run.error
    assert server.digest() == as_found
    assert not run.locks.exists()
    assert not list(settings.SAFETY_DIR.glob("*.rdb"))


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_a_cancel_while_it_is_verified_is_too_late(server, plan_of, sent, cast, mode):
    harm(server)
    run = sent(plan_of(mode))
    turn_by_turn(run, lambda run: run.step == 4)
    server.call("SET", "since", "written by a service")

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert (run.state, run.effect, run.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    assert server.call("GET", "since") == b"written by a service"
    assert SafetyCopy.objects.get().state == "kept"


def test_a_database_that_is_not_empty_any_more_is_left_alone(server, plan_of, sent):
    run = sent(plan_of("replace"))
    turn_by_turn(run, lambda run: run.step == 2)
    spare = run.request.document["rows"][0]["spare"]
    server.call("SET", "mine", "precious", database=spare)
    as_found = server.digest()

    work(run)

    assert (run.state, run.effect) == (RunState.FAILED, Effect.NONE)
    assert "not empty any more" in run.error
    assert server.digest() == as_found
    server.call("FLUSHDB", database=spare)


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_what_was_there_comes_back(server, plan_of, sent, undo_of, mode):
    harm(server)
    as_found = server.digest()
    run = work(sent(plan_of(mode)))
    restored = server.digest()
    server.call("SET", "since", "written after the restore")

    plan = undo_of(run)
    assert "there now drop out" in plan.document["consequence"]
    undone = work(sent(plan))

    assert (undone.state, undone.effect, undone.error) == (RunState.SUCCEEDED, Effect.APPLIED, "")
    assert server.digest() == as_found != restored
    assert SafetyCopy.objects.get(run=run).state == "used"
    assert SafetyCopy.objects.get(run=undone).state == "kept"


def test_what_a_failed_undo_should_have_brought_back_is_kept(server, plan_of, sent, undo_of):
    """The server is killed right after the exchange, and comes back with a file from before it."""
    harm(server)
    original = server.digest()
    run = work(sent(plan_of("replace")))
    server.call("SAVE")
    copy = SafetyCopy.objects.get(run=run)
    undone = sent(undo_of(run))
    turn_by_turn(undone, lambda run: run.step == 4)
    assert server.call("GET", "text") == b"overwritten"
    server.restart()

    work(undone)

    assert (undone.state, undone.effect) == (RunState.PARTIAL, Effect.APPLIED)
    assert server.call("GET", "text") != b"overwritten"
    copy.refresh_from_db()
    assert copy.state == "kept"

    again = work(sent(undo_of(run)))

    assert (again.state, again.error) == (RunState.SUCCEEDED, "")
    assert server.digest() == original
    copy.refresh_from_db()
    assert (copy.state, Path(copy.name).exists()) == ("used", False)


def test_keys_that_may_expire_hide_none_that_is_missing(server, plan_of, sent):
    server.call("SET", "text", "overwritten")
    run = sent(plan_of("merge"))
    turn_by_turn(run, lambda run: run.step == 4)
    server.call("DEL", "hash:3", "hash:600")

    work(run)

    assert run.state == RunState.PARTIAL
    assert "2 are missing" in run.error
