"""Runs for the tests of this package."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from backups.runs import queue_run
from backups.runs.models import Run


@pytest.fixture
def queue(db):
    """``queue("kind")`` is a run that nobody has claimed yet, with its entry, asked for by the system."""

    def make(kind: str = "make", **options) -> Run:
        return queue_run(kind, **({"actor": None, "subject": "a thing"} | options))

    return make


@pytest.fixture
def lease_ends():
    """Let the lease of a run be over, as if its owner had been silent for long."""

    def end(run: Run) -> None:
        Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))

    return end


@pytest.fixture
def comes_due():
    """Let the time pass that a run wants to wait."""
    return lambda run: Run.objects.filter(pk=run.pk).update(next_at=None)
