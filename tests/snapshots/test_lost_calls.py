"""Calls whose answer is lost, which arrive after the console gave them up, or never: one effect, the right verdict.

The same table runs on real servers in ``tests/elasticsearch/test_servers.py``.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.repositories import steps as repository_steps
from backups.repositories.services import request_registration
from backups.runs import request_cancel
from backups.runs.models import Run
from backups.snapshots import cancelling, troubles
from backups.snapshots.services import queue_snapshot
from tests.fakes.proxy import LATE, LOST, NEVER, Proxy
from tests.turns import work

NAME = "nightly-1"


@pytest.fixture
def impatient(monkeypatch):
    """What never arrived is not looked for any longer."""
    for module in (repository_steps, troubles):
        monkeypatch.setattr(module, "LOST_FOR", timedelta(0))


def lose(proxy: Proxy, how: str, request) -> None:
    if how == NEVER:
        request.getfixturevalue("impatient")
    proxy.swallow_next_write(how)


@pytest.mark.parametrize("how", [LOST, LATE, NEVER])
def test_a_registration(proxy, fake, cluster, cast, how, request):
    cluster.refresh_from_db()
    lose(proxy, how, request)
    run = work(
        request_registration(
            cluster=cluster, name="weekly", location="weekly", compress=True, actor=cast["administrator"]
        )
    )

    done = how != NEVER
    assert (run.state, run.effect) == (("succeeded", "applied") if done else ("failed", "unknown"))
    assert ("weekly" in fake.repositories) == done
    assert proxy.writes.count("PUT /_snapshot/weekly") == done


@pytest.mark.parametrize("how", [LOST, LATE, NEVER])
def test_a_create(proxy, fake, repository, cast, how, request):
    lose(proxy, how, request)
    run = work(queue_snapshot(actor=cast["operator"], repository=repository, name=NAME, patterns=["events-*"]))

    done = how != NEVER
    assert (run.state, run.effect) == (("succeeded", "applied") if done else ("failed", "unknown"))
    assert run.snapshot.state == ("verified" if done else "unknown")
    assert fake.accepted[NAME] == len(proxy.writes) == done


@pytest.mark.parametrize("how", [LOST, LATE, NEVER])
def test_a_delete(proxy, fake, repository, cast, how):
    fake.hold_snapshots()
    run = queue_snapshot(actor=cast["operator"], repository=repository, name=NAME, patterns=["events-*"])
    work(run, lambda run: run.progress.get("looks", 0) >= 1)
    request_cancel(run, actor=cast["operator"])
    proxy.swallow_next_write(how)
    if how == NEVER:
        work(run, lambda run: "cancel_sent" in run.result)
        long_ago = {"cancel_at": (timezone.now() - cancelling.DELETED_WITHIN).isoformat()}
        Run.objects.filter(pk=run.pk).update(result=run.result | long_ago)
    work(run)

    assert (run.state, run.effect, run.snapshot.state) == ("cancelled", "rolled_back", "cancelled")
    assert NAME not in fake.repositories["nightly"].snapshots
    assert sum(write.startswith("DELETE") for write in proxy.writes) == 1


def test_a_delete_that_is_lost_twice_is_sent_again_after_ten_minutes_only(proxy, fake, repository, cast):
    fake.hold_snapshots()
    run = queue_snapshot(actor=cast["operator"], repository=repository, name=NAME, patterns=["events-*"])
    work(run, lambda run: run.progress.get("looks", 0) >= 1)
    request_cancel(run, actor=cast["operator"])
    for _ in range(5):
        proxy.swallow_next_write(NEVER)
    work(run, lambda run: "cancel_sent" in run.result)
    long_ago = {"cancel_at": (timezone.now() - cancelling.DELETED_WITHIN).isoformat()}
    Run.objects.filter(pk=run.pk).update(result=run.result | long_ago)
    looks = iter(range(20))
    work(run, lambda run: next(looks, None) is None)

    assert not run.is_over
    assert proxy.left_to_swallow == 3
