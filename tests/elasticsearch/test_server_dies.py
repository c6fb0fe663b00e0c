"""Elasticsearch is killed with -9 in the middle of four runs and comes back on the same data: what the console says
then is true, and known within a minute of its return."""

from backups.audit import verify
from backups.repositories.services import request_registration
from backups.runs import advance, request_cancel
from backups.runs.models import Run
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from backups.worker.kinds import KINDS
from tests.elasticsearch.scene import Scene
from tests.elasticsearch.test_collector import refresh, states
from tests.elasticsearch.test_snapshots import big_text

MINUTE = 60


def test_killed_in_the_middle_of_four_runs(mortal_elasticsearch, cast):
    server, scene = mortal_elasticsearch, Scene(mortal_elasticsearch)
    cluster = scene.cluster()
    big, small = scene.index("big", 200, text=big_text()), scene.index("small", 3)
    slow = scene.repository(cluster, max_snapshot_bytes_per_sec="100kb")

    def start(name: str, index: str) -> Run:
        return queue_snapshot(actor=cast["operator"], repository=slow, name=name, patterns=[index])

    work(earlier := start("earlier", small), is_over)
    work(finished := start("finished", small), lambda run: run.step == 3)
    work(copying := start("copying", big), is_copying)
    work(cancelled := start("cancelled", big), is_copying)
    request_cancel(cancelled, actor=cast["operator"])
    work(cancelled, lambda run: "cancel_at" in run.result)
    work(registering := _registration(scene, cluster, cast), lambda run: "announced" in run.result)
    runs = (copying, cancelled, finished, registering)

    server.kill()
    for run in runs:
        work(run, is_silent)
        assert not run.is_over
    server.start_again()
    waited = [work(run, is_over) for run in runs]

    assert max(waited) < MINUTE
    assert (copying.state, copying.effect) == ("failed", "none")
    assert "vanished from the cluster while it was made" in copying.error
    assert cancelled.effect == "none"
    assert (finished.state, finished.effect) == ("succeeded", "applied")
    assert (registering.state, registering.effect) == ("succeeded", "applied")
    states = dict(Snapshot.objects.values_list("name", "state"))
    assert states.pop("cancelled") in ("cancelled", "failed")
    assert states == {"earlier": "verified", "finished": "verified", "copying": "failed"}
    assert {found["snapshot"] for found in scene.snapshots(slow)} == {"earlier", "finished"}
    work(again := start("copying", small), is_over)
    assert (earlier.state, again.state) == ("succeeded", "succeeded")
    assert verify.verify().problem == ""


def test_a_list_that_it_remembered_is_missed_when_it_is_back(mortal_elasticsearch, cast):
    """Nobody writes there, and no run asks: the collector says it."""
    server, scene = mortal_elasticsearch, Scene(mortal_elasticsearch)
    repository = scene.repository(scene.cluster())
    small = scene.index("small", 3)
    work(queue_snapshot(actor=cast["operator"], repository=repository, name="one", patterns=[small]), is_over)
    for file in (server.path_repo / scene.prefix).glob("index-*"):
        file.unlink()
    assert refresh(repository).collect_message == ""

    server.kill()
    server.start_again()

    assert "has stopped using this repository" in refresh(repository).collect_message
    assert states(repository) == {"one": "verified"}


def _registration(scene: Scene, cluster, cast) -> Run:
    name = f"{scene.prefix}-new"
    location = str(scene.server.path_repo / name)
    return request_registration(
        cluster=cluster, name=name, location=location, compress=True, actor=cast["administrator"]
    )


def work(run: Run, until) -> float:
    """Do a run's turns until it is where it shall be; returns the seconds that it wanted to wait in between."""
    waited = 0.0
    for _ in range(2000):
        Run.objects.filter(pk=run.pk).update(next_at=None)
        waited += advance(run.pk, KINDS) or 0
        run.refresh_from_db()
        if until(run):
            return waited
    raise AssertionError(f"{run} is still {run.state} at step {run.step}: {run.result}")


def is_copying(run: Run) -> bool:
    return run.step == 2 and run.progress.get("looks", 0) >= 1


def is_silent(run: Run) -> bool:
    return "silent_since" in run.result


def is_over(run: Run) -> bool:
    return run.is_over
