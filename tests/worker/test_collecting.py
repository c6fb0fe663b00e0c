"""Which places are looked at, and by whom."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from backups.archives.models import ArchiveLocation
from backups.worker import collecting, tasks

pytestmark = pytest.mark.db


@pytest.fixture
def locations(settings, tmp_path, db):
    """One of this host, one of this host that was looked at lately, and one of another host."""
    folder = tmp_path / "archives"
    folder.mkdir()
    settings.CONSOLE_HOME = tmp_path
    later = timezone.now() + timedelta(seconds=40)
    rows = [(settings.WORKER_HOST, None), (settings.WORKER_HOST, later), ("elsewhere", None)]
    return [
        ArchiveLocation.objects.create(name=f"l{number}", host=host, path=f"{folder}{number or ''}", collect_at=at)
        for number, (host, at) in enumerate(rows)
    ]


def sent() -> list[dict]:
    return [message.task for message in OrmQ.objects.order_by("pk")]


def test_a_location_that_is_due_is_sent_to_the_queue_of_its_host_once(locations):
    collecting.ring_due_collectors()
    collecting.ring_due_collectors()

    (task,) = sent()
    assert (task["func"], task["args"]) == ("backups.worker.tasks.collect_location", (locations[0].pk, 1))


def test_the_task_looks(locations):
    collecting.ring_due_collectors()
    tasks.collect_location(*sent()[0]["args"])

    locations[0].refresh_from_db()
    assert locations[0].state == "good" and locations[0].space_total
