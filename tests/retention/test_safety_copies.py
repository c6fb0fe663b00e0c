"""Safety copies whose time is over: each form goes, and nothing else does."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from backups.approvals.models import ApprovalRequest
from backups.approvals.services import file_request
from backups.audit.models import AuditEntry
from backups.restores import reading
from backups.restores.models import TargetLock
from backups.retention import index_steps, safety_copies
from backups.retention.asking import ask_delete
from backups.retention.models import CopyForm, SafetyCopy, SafetyCopyState
from backups.retention.safety_copies import due, holds_on_copy, queue_expired
from backups.runs.models import Run, RunState
from tests.fakes.es_state import Index
from tests.turns import work

from .conftest import looked

NAME = "events-1-before-7"


@pytest.fixture
def restore(cast):
    """A restore that is over."""
    now = timezone.now()
    return Run.objects.create(
        kind="restore_indices",
        key="restore",
        subject="restore 2 indices",
        actor=cast["operator"],
        state=RunState.SUCCEEDED,
        effect="applied",
        ended_at=now,
    )


@pytest.fixture
def keep(restore):
    """``keep("index", name=...)``: a copy whose time ended an hour ago."""

    def keep(form: str, **columns) -> SafetyCopy:
        now = timezone.now()
        given = {"made_at": now - timedelta(days=14), "keep_until": now - timedelta(hours=1), "of": "events-1"}
        return SafetyCopy.objects.create(run=restore, form=form, state="kept", **(given | columns))

    return keep


@pytest.fixture
def index(fake, cluster, keep):
    fake.add_index(NAME, 120)
    return keep(CopyForm.INDEX, cluster=cluster, name=NAME, facts={"uuid": fake.indices[NAME].uuid})


@pytest.fixture
def folder(tmp_path, keep):
    path = tmp_path / "models.before-7"
    (path / "closed").mkdir(parents=True)
    (path / "closed/weights.bin").write_bytes(b"1")
    (path / "link").symlink_to(tmp_path)
    (path / "closed").chmod(0o500)
    return keep(CopyForm.FOLDER, name=str(path), host=settings.WORKER_HOST, facts=facts_of(path, ".before-7"))


@pytest.fixture
def dump(tmp_path, keep):
    path = tmp_path / "before-7.rdb"
    path.write_bytes(b"REDIS")
    return keep(CopyForm.DUMP, name=str(path), host=settings.WORKER_HOST, facts=facts_of(path))


@pytest.fixture
def as_snapshot(snapshot, cluster, keep):
    return keep(CopyForm.SNAPSHOT, cluster=cluster, snapshot=snapshot, name=snapshot.name)


@pytest.fixture(params=["index", "folder", "dump", "as_snapshot"])
def copy(request):
    return request.getfixturevalue(request.param)


def facts_of(path, suffix: str = "") -> dict:
    facts = path.lstat()
    return {"dev": facts.st_dev, "inode": facts.st_ino, "suffix": suffix}


def removal(copy: SafetyCopy) -> Run:
    queue_expired()
    copy.refresh_from_db()
    return copy.removed_by


def test_it_goes_when_its_time_is_over(copy, fake, tmp_path):
    run = work(removal(copy))

    copy.refresh_from_db()
    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert (copy.state, copy.ended_at is not None) == ("removed", True)
    assert NAME not in fake.indices
    assert not list(tmp_path.glob("*before-7*"))
    assert AuditEntry.objects.get(action="safety_copy.removed").run == run.pk
    credential = AuditEntry.objects.filter(run=run.pk, action="credential.used").count()
    assert credential == (copy.form in ("index", "snapshot"))
    if copy.snapshot:
        copy.snapshot.refresh_from_db()
        assert copy.snapshot.state == "deleted"


def test_a_deletion_that_people_approved_ends_what_was_kept_in_its_snapshot(as_snapshot, cast, agree):
    given = {"reason": "We need the space of it, really", "typed_name": as_snapshot.name}
    asked = ask_delete(actor=cast["operator"], copy=as_snapshot.snapshot, **given)

    run = work(agree(asked))

    as_snapshot.refresh_from_db()
    assert (run.state, run.error) == ("succeeded", "")
    assert (as_snapshot.state, as_snapshot.ended_at is not None) == ("removed", True)
    assert reading.way_back(as_snapshot.run) == []
    assert AuditEntry.objects.get(action="safety_copy.removed").run == run.pk


def test_a_snapshot_that_is_gone_keeps_nothing(as_snapshot, fake):
    run = removal(as_snapshot)
    fake.repositories[as_snapshot.snapshot.repository.name].snapshots.clear()

    work(run)

    as_snapshot.refresh_from_db()
    assert (run.state, as_snapshot.state) == ("failed", "missing")


def test_it_is_queued_once(copy):
    queue_expired()
    queue_expired()

    assert Run.objects.filter(params__copy=copy.pk).count() == 1


def test_before_its_time_it_stays(copy):
    SafetyCopy.objects.update(keep_until=timezone.now() + timedelta(hours=1))

    assert removal(copy) is None
    assert copy.state == "kept"


def test_a_request_to_put_it_back_holds_it(copy, restore, cast):
    file_request(
        actor=cast["operator"],
        kind="roll_back",
        title="Put events-1 back",
        risk="R2",
        risk_reason="Replaces an index",
        text="{}",
        template="t.html",
        summary={},
        source=f"run:{restore.pk}",
        subject="roll back",
        reason="The restored events are the wrong ones.",
        key="undo",
    )

    assert removal(copy) is None


def over_and_unknown(cast, source: str) -> Run:
    """A restore from this, of which nobody knows what it did."""
    now = timezone.now()
    run = Run.objects.create(
        **{"kind": "restore_undo", "key": "back", "subject": "roll back", "actor": cast["operator"]},
        **{"state": RunState.FAILED, "effect": "unknown", "ended_at": now},
    )
    for number in (1, 2):
        TargetLock.objects.create(target=f"index:u:events-{number}", run=run, taken_at=now)
    asked = file_request(
        **{"actor": cast["operator"], "kind": "restore_undo", "title": "Put it back", "risk": "R2", "text": "{}"},
        **{"risk_reason": "Replaces an index", "template": "t.html", "summary": {}, "source": source},
        **{"subject": "roll back", "reason": "The restored events are the wrong ones.", "key": "back"},
    )
    times = {"approved_at": now, "start_before": now, "ended_at": now}
    for state in ("approved", "started"):
        columns = times | {"ended_at": now if state == "started" else None}
        ApprovalRequest.objects.filter(pk=asked.pk).update(state=state, run=run, **columns)
    return run


@pytest.mark.parametrize("source", ["run", "snapshot"])
def test_a_way_back_of_which_nobody_knows_what_it_did_holds_it(as_snapshot, restore, cast, source):
    keys = {"run": restore.pk, "snapshot": as_snapshot.snapshot_id}
    run = over_and_unknown(cast, f"{source}:{keys[source]}")

    assert [held.key for held in holds_on_copy(as_snapshot)] == [f"run:{run.pk}"]
    assert removal(as_snapshot) is None
    run.locks.all().delete()
    assert removal(as_snapshot)


def test_those_that_are_held_are_in_nobodys_way(index, keep, restore, monkeypatch):
    monkeypatch.setattr(safety_copies, "AT_A_TIME", 1)
    other = Run.objects.create(kind="restore_swap", key="other", subject="x", state="running")
    long_ago = timezone.now() - timedelta(days=1)
    held = keep(CopyForm.INDEX, cluster=index.cluster, name="events-2-before-7", keep_until=long_ago)
    SafetyCopy.objects.filter(pk=held.pk).update(run=other)

    assert removal(index)
    assert SafetyCopy.objects.get(pk=held.pk).state == "kept"


def test_a_restore_that_goes_on_holds_it(copy, restore):
    Run.objects.filter(pk=restore.pk).update(state="running", ended_at=None)

    assert removal(copy) is None


def test_one_that_came_to_be_needed_after_it_was_queued_stays(index, folder, restore):
    runs = [removal(index), removal(folder)]
    Run.objects.filter(pk=restore.pk).update(state="running", ended_at=None)

    assert {(work(run).state, run.effect) for run in runs} == {("failed", "none")}
    assert set(SafetyCopy.objects.values_list("state", flat=True)) == {SafetyCopyState.KEPT}


def test_a_hold_on_its_snapshot_holds_it(as_snapshot, hold):
    hold(as_snapshot.snapshot)

    assert removal(as_snapshot) is None


def test_one_that_could_not_be_removed_is_tried_later_again(index, fake):
    run = removal(index)
    looked(run)
    fake.users["restricted"].index = frozenset()

    run = work(run)
    index.refresh_from_db()

    assert (run.state, run.effect, index.state) == ("failed", "none", "kept")
    assert list(due()) == []
    Run.objects.filter(pk=run.pk).update(ended_at=timezone.now() - timedelta(hours=7))
    assert list(due()) == [index]


def test_another_index_of_its_name_is_not_touched(index, fake):
    fake.indices[NAME] = Index(NAME, 5)

    run = work(removal(index))

    index.refresh_from_db()
    assert (run.state, run.effect, index.state) == ("failed", "none", "missing")
    assert NAME in fake.indices


def test_an_index_without_a_known_uuid_is_not_touched(index, fake):
    SafetyCopy.objects.update(facts={})

    assert work(removal(index)).state == "failed"
    assert NAME in fake.indices


@pytest.mark.parametrize("name", ["*", "events-*", "_all", "events-1,events-2", "-events-1"])
def test_a_name_that_means_more_than_one_is_never_sent(index, fake, name):
    SafetyCopy.objects.update(name=name)
    run = removal(index)

    run = work(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert not [write for write in fake.writes() if write.startswith("DELETE")]


def test_a_delete_whose_answer_is_lost(index, fake):
    run = removal(index)
    looked(run)
    fake.drop_next_write()

    assert work(run).state == "succeeded"
    assert sum(write.startswith("DELETE") for write in fake.writes()) == 1


def test_a_delete_that_never_arrived_is_not_sent_again(index, fake, monkeypatch):
    monkeypatch.setattr(index_steps, "LOST_FOR", timedelta(0))
    run = removal(index)
    looked(run)
    fake.drop_next_write(done=False)

    run = work(run)

    index.refresh_from_db()
    assert (run.state, run.effect, index.state) == ("failed", "unknown", "kept")
    assert NAME in fake.indices


@pytest.mark.parametrize("change", ["suffix", "inode", "dev"])
def test_a_folder_that_is_not_the_one_that_was_made(folder, tmp_path, change):
    SafetyCopy.objects.update(facts=folder.facts | {change: "" if change == "suffix" else 1})

    run = work(removal(folder))

    folder.refresh_from_db()
    assert (run.state, run.effect, folder.state) == ("failed", "none", "missing")
    assert (tmp_path / "models.before-7/closed/weights.bin").exists()


def test_a_folder_whose_name_does_not_end_so(folder, tmp_path):
    SafetyCopy.objects.update(name=str(tmp_path))

    assert work(removal(folder)).state == "failed"
    assert tmp_path.exists()


def test_a_link_in_the_place_of_a_folder(folder, tmp_path):
    path = tmp_path / "models.before-7"
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")

    assert work(removal(folder)).state == "failed"
    assert (tmp_path / "moved/closed/weights.bin").exists()


def test_killed_in_the_middle_of_a_folder(folder, tmp_path):
    run = removal(folder)
    looked(run)
    (tmp_path / "models.before-7/link").unlink()
    Run.objects.filter(pk=run.pk).update(claims=1)

    assert work(run).state == "succeeded"
    assert not (tmp_path / "models.before-7").exists()


def test_one_that_is_gone_is_missing(folder, dump, tmp_path):
    (tmp_path / "before-7.rdb").unlink()

    run = work(removal(dump))

    dump.refresh_from_db()
    assert (run.state, dump.state) == ("failed", "missing")
