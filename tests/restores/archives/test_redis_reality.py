"""What a plan says of a Redis database is what the restore then does with its keys."""

import pytest
from django.conf import settings

from backups.access.secrets import seal
from backups.archives.models import CheckState, RedisServer
from backups.restores import document
from backups.restores.archives.asked import Database
from backups.restores.models import RestorePlan
from backups.runs.models import RunState
from tests.gateways.redis.conftest import redis_server
from tests.gateways.redis.servers import DEBUG, Server
from tests.restores.generated import cases
from tests.turns import work

from .redis_reality import PASSWORD, USER, happened, harm, keys_of, refill, situations

__all__ = ["redis_server"]  # the fixture
pytestmark = pytest.mark.django_db
STRICTER = ("Nothing is left to restore", "The archive has no keys", "not with replacing all", "lacks +flushdb")
"""Our own rules, which the server does not have."""


@pytest.fixture(scope="module")
def one_server(redis_server) -> Server:
    return redis_server(*DEBUG)


@pytest.fixture
def server(one_server, profile, situation) -> Server:
    """Filled, and all that the profile keeps."""
    refill(one_server, situation)
    profile.sources = []
    profile.save()
    address = f"127.0.0.1:{one_server.process.port}"
    row = RedisServer(name="state", host=settings.WORKER_HOST, address=address, state=CheckState.GOOD)
    row.save()
    profile.redis.add(row)
    return one_server


@pytest.mark.parametrize("situation", cases(situations))
def test_the_restore_does_what_the_plan_says(situation, server, archive, planned, sent, monkeypatch):
    assert archive.state == "verified"
    harm(server, situation)
    if situation.setting.startswith("may"):
        as_user()
    row = RedisServer.objects.get()
    database = Database("state", situation.number, row.pk, situation.mode, situation.pattern)
    plan = planned(folders=(), redis=(database,))
    before = keys_of(server)

    blocked = plan.blocked
    if "no empty database" in plan.text:
        return  # into which it could be tried
    run = attempted(plan, sent, monkeypatch) if blocked else work(sent(plan))

    (said,) = plan.document["rows"]
    after = keys_of(server)
    number = said["spare"] if situation.mode == "spare" else situation.number
    others = [{n: keys for n, keys in each.items() if n != number} for each in (before, after)]
    did = happened(before.get(number, {}), after.get(number, {}))
    if blocked and any(rule in plan.text for rule in STRICTER):
        return
    assert others[0] == others[1]
    if blocked:
        assert (run.state, any(did.values())) == (RunState.FAILED, False), plan.text
        return
    assert run.state == RunState.SUCCEEDED, run.error
    assert did == {name: said[name] for name in did}
    assert said["after"] == len(after.get(number, {}))


def as_user() -> None:
    """The console is this user from now on."""
    row = RedisServer.objects.get()
    RedisServer.objects.filter(pk=row.pk).update(username=USER, sealed=seal(row.context(USER), PASSWORD))


def attempted(plan: RestorePlan, sent, monkeypatch):
    """The same as if nothing stood in the way."""
    RestorePlan.objects.filter(pk=plan.pk).update(blocked=0)
    plan.refresh_from_db()
    monkeypatch.setattr(document, "drift", lambda frozen, fresh: [])
    return work(sent(plan))
