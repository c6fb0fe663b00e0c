"""Deleting a snapshot that nothing holds, on the fake."""

from datetime import timedelta

import pytest

from backups.access import Denied
from backups.audit.models import AuditEntry
from backups.clusters.models import ClusterCredential
from backups.repositories.models import Repository
from backups.retention import steps
from backups.retention.copies import RetentionError
from backups.retention.deleting import AlreadySent, queue_delete
from backups.runs import request_cancel
from backups.runs.engine import Turn
from backups.runs.models import Run
from backups.snapshots import collector
from backups.snapshots.models import Snapshot, SnapshotProfile
from backups.snapshots.services import queue_snapshot
from backups.worker.kinds import KINDS
from tests.fakes.proxy import LATE, LOST, NEVER
from tests.turns import lease, work

from .conftest import WHY


@pytest.fixture
def delete(cast):
    def delete(snapshot, who="administrator", **options) -> Run:
        return queue_delete(actor=cast[who], copy=snapshot, reason=options.pop("reason", WHY), **options)

    return delete


def actions(run: Run) -> list[str]:
    return list(AuditEntry.objects.filter(run=run.pk).order_by("seq").values_list("action", flat=True))


def on_server(fake) -> set[str]:
    return set(fake.repositories["nightly"].snapshots)


def collect(repository: Repository) -> None:
    repository.refresh_from_db()
    Repository.objects.filter(pk=repository.pk).update(collect_at=None)
    collector.collect(repository.pk, lease(repository))


def test_it_is_deleted_with_its_entries(fake, snapshot, delete):
    run = work(delete(snapshot))

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert on_server(fake) == {"nightly-0"}
    snapshot.refresh_from_db()
    assert (snapshot.state, snapshot.message) == (
        "deleted",
        f"Deleted by run {run.pk}. Other snapshots are not touched.",
    )
    assert actions(run) == ["run.queued", "run.running", "credential.used", "snapshot.deleted", "run.succeeded"]
    assert AuditEntry.objects.get(run=run.pk, action="run.queued").reason == WHY


def test_a_slow_server_is_waited_for(fake, snapshot, delete):
    fake.deletes_linger = 5

    run = work(delete(snapshot))

    assert (run.state, run.effect) == ("succeeded", "applied")
    assert on_server(fake) == {"nightly-0"}


def test_a_look_at_the_repository_raises_no_alarm(fake, repository, snapshot, delete):
    run = delete(snapshot)
    work(run, lambda run: "sent_at" in run.result)
    collect(repository)
    work(run)
    collect(repository)

    snapshot.refresh_from_db()
    repository.refresh_from_db()
    assert snapshot.state == "deleted"
    assert repository.vanished == 0
    assert not AuditEntry.objects.filter(action="snapshots.missing").exists()


@pytest.mark.parametrize("who", ["viewer", "operator", "approver", "auditor"])
def test_only_an_administrator_deletes(snapshot, delete, who):
    with pytest.raises(Denied):
        delete(snapshot, who)


def test_a_reason_is_needed(snapshot, delete):
    with pytest.raises(RetentionError, match="20 characters") as refused:
        delete(snapshot, reason="because")

    assert refused.value.field == "reason"


def test_the_same_form_deletes_once(snapshot, delete):
    run = delete(snapshot, form_key="f-1")
    with pytest.raises(AlreadySent) as again:
        delete(snapshot, form_key="f-1")

    assert again.value.run == run


def test_a_second_deletion_of_the_same_is_refused(snapshot, delete):
    run = delete(snapshot)
    with pytest.raises(RetentionError, match=f"Run {run.pk} deletes"):
        delete(snapshot)


def test_a_deleted_one_is_not_deleted_again(snapshot, delete):
    work(delete(snapshot))
    with pytest.raises(RetentionError, match="nothing to delete"):
        delete(snapshot)


def test_one_that_is_being_made_is_not_deleted(fake, repository, cast, delete, make_snapshot):
    fake.hold_snapshots()
    run = queue_snapshot(actor=cast["operator"], repository=repository, name="now", patterns=["events-*"])
    work(run, lambda run: run.progress.get("looks", 0) >= 1)
    with pytest.raises(RetentionError, match="is being made"):
        delete(run.snapshot)


def test_without_the_restricted_credential_it_is_said_before(snapshot, delete):
    ClusterCredential.objects.filter(purpose="restricted").delete()
    with pytest.raises(RetentionError, match="restricted credential"):
        delete(snapshot)


def test_in_a_read_only_repository_nothing_is_deleted(repository, snapshot, delete):
    Repository.objects.filter(pk=repository.pk).update(settings=repository.settings | {"readonly": "true"})
    with pytest.raises(RetentionError, match="read-only"):
        delete(snapshot)


def test_the_last_good_one_needs_its_name(cluster, repository, make_snapshot, delete):
    profile = SnapshotProfile.objects.create(cluster=cluster, repository=repository, name="all")
    older, newest = make_snapshot("a", profile=profile), make_snapshot("b", profile=profile)

    with pytest.raises(RetentionError, match="last good copy of all. Type its name, b"):
        delete(newest)
    with pytest.raises(RetentionError) as refused:
        delete(newest, typed_name="a")
    assert refused.value.field == "typed_name"
    assert work(delete(newest, typed_name="b")).state == "succeeded"
    with pytest.raises(RetentionError, match="last good copy"):
        delete(older)


def test_of_two_that_are_deleted_at_once_the_second_needs_its_name(cluster, repository, make_snapshot, delete):
    profile = SnapshotProfile.objects.create(cluster=cluster, repository=repository, name="all")
    older, newest = make_snapshot("a", profile=profile), make_snapshot("b", profile=profile)
    delete(newest, typed_name="b")

    with pytest.raises(RetentionError, match="last good copy"):
        delete(older)


def test_the_only_good_one_of_a_repository_needs_its_name(make_snapshot, delete):
    with pytest.raises(RetentionError, match="last good copy of nightly on"):
        delete(make_snapshot())


def test_one_that_becomes_the_last_good_one_meanwhile_stays(fake, snapshot, delete):
    run = delete(snapshot)
    Snapshot.objects.filter(name="nightly-0").update(state="damaged")

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "became the last good copy" in run.error
    assert on_server(fake) == {"nightly-0", "nightly-1"}


def test_another_one_of_its_name_is_not_touched(fake, snapshot, delete):
    run = delete(snapshot)
    del fake.repositories["nightly"].snapshots[snapshot.name]
    fake.add_snapshot("nightly", snapshot.name, ("events-1",))

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "another snapshot" in run.error
    assert snapshot.name in on_server(fake)


def test_one_that_is_gone_is_not_called_deleted(fake, snapshot, delete):
    run = delete(snapshot)
    del fake.repositories["nightly"].snapshots[snapshot.name]

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    snapshot.refresh_from_db()
    assert snapshot.state == "verified"  # the look at the repository is what says that it vanished


def test_a_cancel_before_the_call(fake, snapshot, delete, cast):
    run = delete(snapshot)
    request_cancel(run, actor=cast["administrator"])

    run = work(run)

    assert (run.state, run.effect) == ("cancelled", "none")
    assert snapshot.name in on_server(fake)


def test_a_refusal_deletes_nothing(fake, snapshot, delete):
    run = delete(snapshot)
    work(run, lambda run: run.step == 1)
    fake.users["restricted"].cluster = frozenset({"monitor"})

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert snapshot.name in on_server(fake)


@pytest.mark.parametrize("how", [LOST, LATE, NEVER])
def test_an_answer_that_is_lost(fake, snapshot, delete, proxy, monkeypatch, how):
    run = delete(snapshot)
    proxy.swallow_next_write(how)
    if how == NEVER:
        monkeypatch.setattr(steps, "LOST_FOR", timedelta(0))

    run = work(run)

    done = how != NEVER
    assert (run.state, run.effect) == (("succeeded", "applied") if done else ("failed", "unknown"))
    assert (snapshot.name in on_server(fake)) != done
    assert sum(write.startswith("DELETE") for write in proxy.writes) == done


def test_after_a_call_that_never_arrived_it_can_be_deleted_again(fake, snapshot, delete, proxy, monkeypatch):
    proxy.swallow_next_write(NEVER)
    monkeypatch.setattr(steps, "LOST_FOR", timedelta(0))
    work(delete(snapshot))

    assert work(delete(snapshot)).state == "succeeded"
    assert on_server(fake) == {"nightly-0"}


def test_a_process_that_dies_after_the_call_sends_no_second_one(fake, snapshot, delete, proxy):
    """The turn that sent the call is lost before its commit."""
    run = delete(snapshot)
    work(run, lambda run: run.step == 1)
    steps.delete(Turn(Run.objects.get(pk=run.pk), KINDS[run.kind]))
    Run.objects.filter(pk=run.pk).update(claims=1)

    run = work(run)

    assert (run.state, run.effect) == ("succeeded", "applied")
    assert sum(write.startswith("DELETE") for write in proxy.writes) == 1


def test_a_cluster_that_is_away_before_the_call(fake, snapshot, delete, monkeypatch):
    monkeypatch.setattr(steps, "PATIENCE_BEFORE", timedelta(0))
    run = delete(snapshot)
    fake.go_away()

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "Nothing was deleted" in run.error


def test_a_busy_cluster_is_waited_for(fake, snapshot, delete):
    run = delete(snapshot)
    work(run, lambda run: run.step == 1)
    fake.answer_next(503, {"error": {"type": steps.BUSY, "reason": "busy"}, "status": 503}, write=True)
    work(run, lambda run: "busy_since" in run.result)

    assert work(run).state == "succeeded"
