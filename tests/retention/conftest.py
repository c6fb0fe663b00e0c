"""Verified snapshots on a fake cluster, and an archive in a real directory."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.approvals import voting
from backups.archives.models import Archive
from backups.archives.services import queue_archive
from backups.audit.checkpoints import make_checkpoint
from backups.retention.holds import place_hold
from backups.runs import engine
from backups.runs.models import Run
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from backups.worker.kinds import KINDS
from tests.archives.conftest import location, profile, tree  # noqa: F401 - fixtures
from tests.snapshots.conftest import cluster, fake, repository  # noqa: F401 - fixtures
from tests.turns import work

WHY = "The disk is full and this one is older than the rule says."


def looked(run: Run) -> Run:
    """Turn by turn until the look is over and the next one would remove something."""
    while run.step == 0 and not run.is_over:
        Run.objects.filter(pk=run.pk).update(next_at=None)
        engine.take(engine.Turn(engine.claim(run.pk), KINDS[run.kind]))
        run.refresh_from_db()
    return run


@pytest.fixture
def make_snapshot(repository, cast):  # noqa: F811
    """``make_snapshot("nightly-2")`` has been made and verified."""

    def make(name: str = "nightly-1", **options) -> Snapshot:
        run = queue_snapshot(
            actor=cast["operator"], repository=repository, name=name, patterns=["events-*"], **options
        )
        return work(run).snapshot

    return make


@pytest.fixture
def snapshot(make_snapshot):
    """One of two, so that it is not the last good one."""
    make_snapshot("nightly-0")
    return make_snapshot()


@pytest.fixture
def archive(profile, cast):  # noqa: F811
    """The older one of two."""
    runs = [queue_archive(actor=cast["operator"], profile=profile, name=name) for name in ("older", "newer")]
    for run in runs:
        work(run)
    return Archive.objects.get(name="older.tar.gz")


@pytest.fixture
def hold(cast):
    """``hold(copy)`` keeps it for a week."""

    def hold(copy, who: str = "operator"):
        until = timezone.now() + timedelta(days=7)
        return place_hold(actor=cast[who], copy=copy, reason="Legal hold, case INC-4402.", until=until)

    return hold


@pytest.fixture
def agree(cast):
    """``agree(request)``: two people approve, and a checkpoint covers that. Returns the run."""

    def agree(request):
        for who in ("approver", "approver2"):
            voting.approve(request, actor=cast[who], digest=request.digest)
        make_checkpoint()
        request.refresh_from_db()
        return request.run

    return agree
