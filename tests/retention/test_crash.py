"""A worker that is killed at any turn: what the rows say afterwards is true, and nothing is sent twice."""

from datetime import timedelta

import pytest

from backups.archives.models import Archive
from backups.retention import index_steps, steps
from backups.retention.deleting import queue_delete
from backups.retention.models import CopyForm, SafetyCopy
from backups.retention.safety_copies import queue_expired
from backups.runs import engine
from backups.runs.models import Run
from backups.snapshots.models import Snapshot
from backups.worker.kinds import KINDS

from .conftest import WHY
from .test_safety_copies import NAME, index, keep, restore  # noqa: F401 - fixtures

TURNS = range(6)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """What was not sent is not waited for any longer."""
    for module in (steps, index_steps):
        monkeypatch.setattr(module, "LOST_FOR", timedelta(0))


def work_and_die(run: Run, at: int, *, after_work: bool) -> Run:
    """Turn by turn; that with the number ``at`` is killed before or after its work, but before its commit."""
    for number in range(60):
        Run.objects.filter(pk=run.pk).update(next_at=None)
        turn = engine.Turn(engine.claim(run.pk), KINDS[run.kind])
        if number != at:
            engine.take(turn)
        else:
            if after_work:
                turn.kind.steps[turn.run.step].work(turn)
            Run.objects.filter(pk=run.pk).update(lease_owner="", lease_until=None)  # it has run out
        run.refresh_from_db()
        if run.is_over:
            return run
    raise AssertionError(f"{run} is still {run.state}")


def ends(run: Run) -> tuple[str, str]:
    assert (run.state, run.effect) in (("succeeded", "applied"), ("failed", "unknown"))
    return run.state, run.effect


@pytest.mark.parametrize("after_work", [False, True])
@pytest.mark.parametrize("at", TURNS)
def test_a_snapshot(fake, snapshot, cast, at, after_work):
    run = queue_delete(actor=cast["administrator"], copy=snapshot, reason=WHY)

    run = work_and_die(run, at, after_work=after_work)

    there = snapshot.name in fake.repositories["nightly"].snapshots
    deletes = sum(write.startswith("DELETE") for write in fake.writes())
    assert deletes == (not there)
    assert (ends(run)[0] == "succeeded") == (Snapshot.objects.get(pk=snapshot.pk).state == "deleted") == (not there)
    assert there == (at == 2 and not after_work)  # killed where nobody can tell whether the call was sent


@pytest.mark.parametrize("after_work", [False, True])
@pytest.mark.parametrize("at", TURNS)
def test_an_archive(archive, location, cast, at, after_work):
    (location.directory / "cybersift_restore.py").touch()
    run = queue_delete(actor=cast["administrator"], copy=archive, reason=WHY)

    run = work_and_die(run, at, after_work=after_work)

    assert ends(run) == ("succeeded", "applied")
    assert Archive.objects.get(pk=archive.pk).state == "deleted"
    assert not [path for path in location.directory.iterdir() if "older" in path.name]


@pytest.mark.parametrize("after_work", [False, True])
@pytest.mark.parametrize("at", TURNS)
def test_a_safety_copy(fake, index, at, after_work):  # noqa: F811
    queue_expired()
    run = work_and_die(SafetyCopy.objects.get().removed_by, at, after_work=after_work)

    there = NAME in fake.indices
    copy = SafetyCopy.objects.get(form=CopyForm.INDEX)
    assert sum(write.startswith("DELETE") for write in fake.writes()) == (not there)
    assert copy.state == ("kept" if there else "removed")
    assert (ends(run)[0] == "succeeded") == (not there)
