"""A host whose clock is off by ten minutes does no harm: what hosts decide together goes by the database's clock."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from backups import clock
from backups.audit import act, checkpoints
from backups.audit.models import AuditEntry
from backups.runs.services import beat, worker_is_alive

pytestmark = [pytest.mark.django_db, pytest.mark.db]


@pytest.fixture(params=[-600, 600], ids=["behind", "ahead"])
def off(request, monkeypatch):
    """The clock of this host is wrong from now on. With SQLite there is no other host, and no other clock."""
    true = timezone.now
    if connection.vendor != "sqlite":
        monkeypatch.setattr(timezone, "now", lambda: true() + timedelta(seconds=request.param))
    return true


def test_the_shared_clock_is_right(off):
    assert abs(clock.now() - off()) < timedelta(seconds=60)


def test_its_heartbeat_is_believed_by_others(off, monkeypatch):
    beat(off())
    monkeypatch.setattr(timezone, "now", off)
    assert worker_is_alive()


def test_it_takes_the_checkpoint_of_another_host_for_fresh(off):
    checkpoints.make_checkpoint()
    assert not checkpoints.checkpoint_due()
    assert abs(checkpoints.newest().at - off()) < timedelta(seconds=60)


def test_its_entries_are_dated_right(off):
    with act(None) as a:
        a.record("log.viewed")
    assert abs(AuditEntry.objects.get().at - off()) < timedelta(seconds=60)
