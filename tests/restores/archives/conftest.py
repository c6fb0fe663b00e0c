"""An archive of two folders on this host, and the way from a plan to a finished restore."""

import subprocess
from pathlib import Path

import pytest

from backups.approvals import voting
from backups.archives.models import Archive
from backups.archives.services import queue_archive
from backups.audit import checkpoints
from backups.restores import services
from backups.restores.archives import services as archive_services
from backups.restores.archives.asked import Asked
from backups.restores.models import RestorePlan
from backups.runs import Next, engine
from backups.runs.models import Run
from backups.worker.kinds import KINDS
from tests.archives.conftest import location, profile, tree
from tests.turns import work

__all__ = ["location", "profile", "tree"]  # fixtures

REASON = "The models were overwritten by mistake"


@pytest.fixture(autouse=True)
def _places_of_their_own(settings, tmp_path):
    settings.SAFETY_DIR = tmp_path / "safety"
    settings.IDENTITIES_DIR = tmp_path / "identities"


@pytest.fixture
def archive(profile, cast):
    work(queue_archive(actor=cast["operator"], profile=profile))
    return Archive.objects.get()


@pytest.fixture
def planned(archive, cast):
    """``planned(folders=("models",), remove=True)`` is the operator's plan."""

    def make(**options) -> RestorePlan:
        asked = Asked(token=archive_services.new_token(), **{"folders": ("models", "params"), **options})
        run = work(archive_services.queue_plan(actor=cast["operator"], archive=archive, options=asked.as_options()))
        assert run.state == "succeeded", run.error
        return RestorePlan.objects.get(pk=run.result["plan"])

    return make


@pytest.fixture
def sent(cast):
    """``sent(plan)`` is its run, approved and not begun."""

    def send(plan: RestorePlan) -> Run:
        request = services.ask(actor=cast["operator"], plan=plan, reason=REASON, typed_name=plan.place)
        for who in ("approver", "approver2")[: request.needed]:
            voting.approve(request, actor=cast[who], digest=request.digest)
        checkpoints.make_checkpoint()
        request.refresh_from_db()
        return request.run

    return send


@pytest.fixture
def undo_of(cast):
    """``undo_of(run)`` is the operator's plan to take it back."""

    def make(run: Run) -> RestorePlan:
        planning = work(archive_services.queue_undo(run.request.plan, actor=cast["operator"]))
        return RestorePlan.objects.get(pk=planning.result["plan"])

    return make


def differences(one: Path, other: Path) -> list[str]:
    """What rsync would do to make the second as the first: nothing, where they are the same."""
    command = ["rsync", "-anAX", "--checksum", "--delete", "--itemize-changes", f"{one}/", f"{other}/"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def copied(folder: Path, to: Path) -> Path:
    """A copy with everything."""
    subprocess.run(["cp", "-a", str(folder), str(to)], check=True)
    return to


class Died(BaseException):
    """As by kill -9: nobody catches it."""


@pytest.fixture
def dies_exchanged(monkeypatch):
    """``dies_exchanged(run)``: everything is in place, and the worker died before that was written down."""
    commit = engine.commit

    def committing(turn, outcome) -> None:
        if turn.run.step == 3 and isinstance(outcome, Next):
            raise Died
        commit(turn, outcome)

    def die(run: Run) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(engine, "commit", committing)
            with pytest.raises(Died):
                turn_by_turn(run)
        Run.objects.filter(pk=run.pk).update(lease_owner="", lease_until=None)

    return die


def turn_by_turn(run: Run, until=lambda run: run.is_over) -> Run:
    """As ``work``, but with a look after every turn, also of those that follow each other in one process."""

    def one(run_id: int, fence: int) -> bool:
        claimed = Run.objects.get(pk=run_id, fence=fence)
        engine.take(engine.Turn(claimed, KINDS[claimed.kind]))
        return True

    for _ in range(100):
        Run.objects.filter(pk=run.pk).update(next_at=None)
        engine.advance(run.pk, KINDS, one)
        run.refresh_from_db()
        if until(run):
            return run
    raise AssertionError(f"{run} is still {run.state} at step {run.step}: {run.result}")
