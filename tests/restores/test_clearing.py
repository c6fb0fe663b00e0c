"""Giving back what a restore holds whose effect nobody knew."""

import json

import pytest
from django.urls import reverse
from django.utils import timezone

from backups.audit.models import AuditEntry
from backups.restores.clearing import clear_locks
from backups.restores.models import TargetLock
from backups.retention.models import CopyForm, SafetyCopy
from backups.runs.models import Run

pytestmark = pytest.mark.django_db

WHY = "I looked: events-1 is the old one, and nothing else is there."


@pytest.fixture
def run(cast) -> Run:
    """It ended while its safety copy was being made, and another was kept."""
    now = timezone.now()
    over = {"state": "failed", "effect": "unknown", "ended_at": now}
    run = Run.objects.create(kind="restore_swap", key="swap", subject="x", actor=cast["operator"], **over)
    TargetLock.objects.create(target="index:uuid:events-1", run=run, taken_at=now)
    SafetyCopy.objects.create(run=run, form=CopyForm.INDEX, name="before-1-events-1", of="events-1")
    times = {"made_at": now, "keep_until": now}
    SafetyCopy.objects.create(
        run=run, form=CopyForm.INDEX, name="before-1-events-2", of="events-2", state="kept", **times
    )
    return run


def test_a_safety_copy_that_nobody_makes_any_more_is_missing(run, cast, as_person):
    clear_locks(run, actor=cast["administrator"], reason=WHY)

    one, other = SafetyCopy.objects.order_by("name")
    assert (one.state, one.ended_at is not None, other.state) == ("missing", True, "kept")
    entry = AuditEntry.objects.get(action="lock.cleared")
    assert json.loads(entry.text)["change"] == {
        "targets": ["events-1"],
        "missing": ["before-1-events-1"],
    }
    page = as_person("viewer").get(reverse("retention:overview")).content.decode()
    assert "before-1-events-2" in page
    assert "Being made" not in page
