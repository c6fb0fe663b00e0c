"""The run of a snapshot on the fake cluster: what becomes of it when things go right, and when they do not."""

import time
from datetime import timedelta

import pytest

from backups import clock
from backups.audit.models import AuditEntry
from backups.runs import advance, request_cancel
from backups.runs.models import Run
from backups.snapshots import steps, troubles
from backups.snapshots.models import Mapping, Snapshot, SnapshotIndex, SnapshotProfile
from backups.snapshots.services import queue_snapshot
from backups.worker.kinds import KINDS
from tests.fakes.es_dialects import EVERY

NAME = "nightly-1"
on_every_server = pytest.mark.parametrize("fake_elasticsearch", EVERY, indirect=True)
on_7_2 = pytest.mark.parametrize("fake_elasticsearch", ["elasticsearch-7.2.0"], indirect=True)


@pytest.fixture
def start(cast, repository):
    def start(name: str = NAME, patterns=("*", "-.*"), **options) -> Run:
        return queue_snapshot(
            actor=cast["operator"], repository=repository, name=name, patterns=list(patterns), **options
        )

    return start


def turns(run: Run, number: int) -> Run:
    """Do so many turns, whatever they would like to wait for."""
    for _ in range(number):
        Run.objects.filter(pk=run.pk).update(next_at=None)
        advance(run.pk, KINDS)
    run.refresh_from_db()
    return run


def creates(fake) -> list[str]:
    return [write for write in fake.writes() if write.startswith("PUT /_snapshot/nightly/")]


@on_every_server
def test_it_is_verified_after_reading_back(start, fake, run_until_over):
    run = run_until_over(start())

    assert (run.state, run.effect) == ("succeeded", "applied")
    snapshot = Snapshot.objects.get()
    assert (snapshot.state, snapshot.shards_total, snapshot.shards_failed) == ("verified", 3, 0)
    assert snapshot.verified_at and snapshot.uuid
    assert list(snapshot.indices.values_list("name", "documents_before", "counted")) == [
        ("events-1", 120, "exact"),
        ("events-2", 80, "exact"),
    ]
    assert [entry.action for entry in AuditEntry.objects.filter(run=run.pk).order_by("seq")] == [
        "run.queued",
        "run.running",
        "snapshot.verified",
        "run.succeeded",
    ]
    assert [step.state for step in run.steps.all()] == ["succeeded"] * 4


def test_it_sends_exact_names_and_its_run(start, fake, run_until_over):
    run = run_until_over(start())

    found = fake.repositories["nightly"].snapshots[NAME]
    assert found.metadata == {"run_id": run.key, "by": "cybersift"}
    call = run.log.get(level="call").text
    assert "events-1" in call and "events-2" in call and "*" not in call


def test_closed_indices_are_taken_and_not_counted(start, fake, run_until_over):
    fake.add_index("events-old", 7, state="close")

    run_until_over(start())

    assert Snapshot.objects.get().indices.get(name="events-old").counted == "not_counted"


def test_an_index_that_is_written_to_lies_between_two_counts(start, fake, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 3)
    fake.write("events-1", 30)
    fake.release()

    run_until_over(run)

    index = Snapshot.objects.get().indices.get(name="events-1")
    assert (index.counted, index.documents_before, index.documents_after) == ("within", 120, 150)


def test_patterns_that_match_nothing_send_nothing(start, fake, run_until_over):
    run = run_until_over(start(patterns=["nothing-*"]))

    assert (run.state, run.effect) == ("failed", "none")
    assert "No index matches nothing-*" in run.error
    assert creates(fake) == []


def test_what_is_not_taken_is_warned_of_in_the_log_and_at_the_step(start, fake, run_until_over):
    fake.add_index(".ds-logs-2026.11.22-000001", 9)

    run = run_until_over(start(patterns=["events-1", "nothing-*", "logs", "-gone"]))

    said = [
        "Nothing matches nothing-*, logs.",
        "logs is the name of data streams: .ds-logs-* takes their indices.",
        "Indices of data streams that are left out: 1. Patterns that begin with .ds- take them.",
    ]
    assert run.state == "succeeded"
    assert list(run.log.filter(level="warning").values_list("text", flat=True)) == said
    assert run.steps.get(number=0).note == " ".join(("1 index with 120 documents.", *said))


def test_a_run_that_takes_all_of_it_warns_of_nothing(start, fake, run_until_over):
    run = run_until_over(start())

    assert not run.log.filter(level="warning").exists()
    assert run.steps.get(number=0).note == "2 indices with 200 documents"


def test_a_failed_one_leads_to_the_patterns_of_its_profile(start, as_person, repository, run_until_over):
    profile = SnapshotProfile.objects.create(cluster=repository.cluster, repository=repository, name="SOC indices")
    run = run_until_over(start(patterns=["nothing-*"], profile=profile))
    change = f"/snapshots/profiles/{profile.pk}/change/"

    page = as_person("administrator").get(run.get_absolute_url()).content.decode()
    denied = as_person("operator").get(run.get_absolute_url()).content.decode()

    assert f'href="{profile.get_absolute_url()}">SOC indices</a>' in page and change in page
    assert f'href="{profile.get_absolute_url()}">SOC indices</a>' in denied and change not in denied


def test_a_data_stream_that_was_named_is_told_in_the_error(start, fake, run_until_over):
    fake.add_index(".ds-logs-2026.11.22-000001", 9)

    run = run_until_over(start(patterns=["logs"]))

    assert run.error == (
        "No index matches logs. Nothing was made. logs is the name of data streams: .ds-logs-* takes their indices. "
        "Check the patterns."
    )


def test_a_partial_snapshot_is_partial_and_names_the_shard(start, fake, run_until_over):
    fake.make_partial("events-2", 1, "no space left on device")

    run = run_until_over(start())

    assert (run.state, run.effect) == ("partial", "applied")
    assert Snapshot.objects.get().state == "partial"
    assert "2 of 3 shards are complete" in run.error
    assert "events-2 shard 1: no space left on device" in run.error_detail


def test_a_failed_snapshot_is_failed(start, fake, run_until_over):
    fake.make_failed()

    run = run_until_over(start())

    assert run.state == "failed"
    assert Snapshot.objects.get().state == "failed"


def test_progress_is_told_in_shards_and_bytes(start, fake):
    fake.hold_snapshots()

    run = turns(start(), 4)

    assert run.progress["shards_total"] == 3
    assert {"shards_done", "bytes_done", "bytes_total", "since", "at"} <= run.progress.keys()


# --- names


@on_every_server
def test_a_name_that_the_repository_holds_already_is_not_touched(start, fake, run_until_over):
    fake.add_snapshot("nightly", NAME, ("events-1",), metadata={"run_id": "somebody else"})

    run = run_until_over(start())

    assert (run.state, run.effect) == ("failed", "none")
    assert "that this run did not make" in run.error
    assert creates(fake) == []


@on_7_2
def test_without_metadata_an_earlier_one_of_the_same_name_and_indices_is_not_ours(start, fake, run_until_over):
    fake.add_snapshot("nightly", NAME, ("events-1", "events-2"), started=time.time() - 10)

    run = run_until_over(start())

    assert (run.state, run.effect) == ("failed", "none")
    assert "that this run did not make" in run.error
    assert creates(fake) == []


@on_7_2
def test_without_metadata_one_that_began_after_the_call_with_the_same_indices_is_adopted(start, fake, run_until_over):
    run = turns(start(), 2)
    fake.add_snapshot("nightly", NAME, ("events-1", "events-2"))

    run = run_until_over(run)

    assert (run.state, creates(fake)) == ("succeeded", [])
    assert "adopted" in "".join(run.log.values_list("text", flat=True))


# --- a worker that dies, an answer that is lost


def test_a_worker_killed_after_the_call_adopts_its_own_snapshot(start, fake, run_until_over):
    """The cluster did it, and the process died before it could write that down."""
    run = turns(start(), 2)
    snapshot = Snapshot.objects.get()
    assert snapshot.sent_at is not None
    fake.add_snapshot("nightly", NAME, ("events-1", "events-2"), metadata={"run_id": run.key})

    run = run_until_over(run)

    assert run.state == "succeeded"
    assert creates(fake) == []
    assert "adopted" in "".join(run.log.values_list("text", flat=True))


@on_every_server
def test_a_lost_answer_makes_no_second_snapshot(start, fake, run_until_over):
    fake.drop_next_write()

    run = run_until_over(start())

    assert run.state == "succeeded"
    assert len(creates(fake)) == 1


def test_a_lost_call_is_not_sent_again(start, fake, run_until_over, monkeypatch):
    monkeypatch.setattr(troubles, "LOST_FOR", timedelta(0))
    fake.drop_next_write(done=False)

    run = run_until_over(start())

    assert (run.state, run.effect) == ("failed", "unknown")
    assert "Most likely the call never arrived" in run.error
    assert creates(fake) == []  # the one that was lost never reached the server, and no other was sent
    assert Snapshot.objects.get().state == "unknown"  # it may still come, so nobody else gets its name


def test_a_snapshot_that_vanishes_is_failed(start, fake, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    fake.forget_running()

    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "none")
    assert "vanished" in run.error


def test_a_snapshot_replaced_by_somebody_else_is_not_called_ours(start, fake, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    fake.forget_running()
    fake.release()
    fake.add_snapshot("nightly", NAME, ("events-1", "events-2"), metadata={"run_id": "somebody else"})

    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "unknown")
    assert not AuditEntry.objects.filter(action="snapshot.verified").exists()


def test_a_second_try_refused_as_taken_does_not_say_that_nothing_happened(start, fake, run_until_over, monkeypatch):
    """The first process died after the call; the second one is told that the name is taken, and then cannot look."""
    monkeypatch.setattr(troubles, "PATIENCE_AFTER", timedelta(0))
    run = turns(start(), 2)
    Run.objects.filter(pk=run.pk).update(claims=1)  # a process claimed this turn and died in it
    taken = {
        "error": {"type": "snapshot_name_already_in_use_exception", "reason": "already in-progress"},
        "status": 400,
    }
    fake.answer_next(400, taken, write=True)
    turns(run, 1)
    fake.set_password("everyday", "changed on the cluster")

    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "unknown")


# --- a cluster that does not answer, or not properly

MASTERLESS = {"error": {"type": "master_not_discovered_exception", "reason": None}, "status": 503}
BUSY = {"error": {"type": "circuit_breaking_exception", "reason": "too much"}, "status": 429}


@pytest.mark.parametrize("at", [4, 5], ids=["while it runs", "when it is over"])
@pytest.mark.parametrize(
    ("status", "body"),
    [(503, MASTERLESS), (429, BUSY), (502, b"<html>Bad Gateway</html>")],
    ids=["503", "429", "502"],
)
def test_one_bad_answer_does_not_end_a_run_whose_snapshot_goes_on(start, fake, run_until_over, status, body, at):
    fake.hold_snapshots()
    run = turns(start(), 4)
    if at == 5:
        fake.release()
        run = turns(run, 1)
    for _ in range(3):  # a read is tried three times
        fake.answer_next(status, body)
    run = turns(run, 1)
    assert not run.is_over
    fake.release()

    assert run_until_over(run).state == "succeeded"


def test_a_password_changed_while_it_runs_is_waited_for(start, fake, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    fake.set_password("everyday", "changed on the cluster")
    run = turns(run, 2)
    assert not run.is_over
    fake.set_password("everyday", fake.everyday[1])
    fake.release()

    assert run_until_over(run).state == "succeeded"


@on_every_server
def test_a_cluster_between_two_masters_is_waited_for_before_the_start_too(start, fake, run_until_over):
    run = start()
    for _ in range(3):
        fake.answer_next(503, MASTERLESS)
    turns(run, 1)

    assert run_until_over(run).state == "succeeded"


def test_the_create_refused_for_another_reason_ends_the_run(start, fake, run_until_over):
    body = {"error": {"type": "repository_exception", "reason": "cannot create snapshot in a readonly repository"}}
    fake.answer_next(500, body | {"status": 500}, write=True)

    run = run_until_over(start())

    assert (run.state, run.effect) == ("failed", "none")
    assert Snapshot.objects.get().state == "failed"


@pytest.fixture
def busy(fake):
    """Somebody else's snapshot runs until ``fake.release()``."""
    fake.add_snapshot("nightly", "other", ("events-1",), held=True)


@on_7_2
def test_a_cluster_that_takes_one_snapshot_at_a_time_is_waited_for(start, fake, busy, run_until_over):
    run = turns(start(), 5)
    assert creates(fake) != []
    fake.release()

    run = run_until_over(run)

    assert run.state == "succeeded"
    assert len([line for line in run.log.all() if "This run waits for it" in line.text]) == 1
    assert fake.accepted[NAME] == 1


@on_7_2
def test_a_run_that_only_waits_is_cancelled_without_a_trace(start, fake, busy, cast, run_until_over):
    run = turns(start(), 3)
    assert "busy_since" in run.result
    request_cancel(run, actor=cast["operator"])

    run = run_until_over(run)

    assert (run.state, run.effect) == ("cancelled", "none")
    assert fake.accepted[NAME] == 0


@on_7_2
def test_a_cluster_that_is_always_busy_is_given_up_in_the_end(start, fake, busy, run_until_over, monkeypatch):
    monkeypatch.setattr(troubles, "BUSY_FOR", timedelta(0))

    run = run_until_over(start())

    assert (run.state, run.effect) == ("failed", "none")
    assert "allows one at a time" in run.error


@on_every_server
def test_an_index_without_its_primary_shard_is_never_called_safe(start, fake, run_until_over):
    fake.add_index("broken", health="red")

    run = run_until_over(start())

    assert run.state == "failed"
    assert "primary shard" in run.error
    snapshot = Snapshot.objects.get()
    kept = list(fake.repositories["nightly"].snapshots)
    assert (snapshot.state, kept) == ("failed", [NAME] if fake.dialect.keeps_failed else [])


@on_every_server
def test_the_global_state_brings_no_index_that_nobody_chose(start, fake, run_until_over):
    fake.add_index(".system", 3, system=True)

    run = run_until_over(start(global_state=True))

    assert (run.state, run.error) == ("succeeded", "")
    assert list(fake.repositories["nightly"].snapshots[NAME].indices) == ["events-1", "events-2"]


@on_every_server
def test_a_repository_that_the_cluster_has_stopped_using_is_said_at_once(start, fake, run_until_over):
    """Its create is accepted all the same. 7.2 never notices that another cluster writes there."""
    fake.overwrite("nightly")

    run = run_until_over(start())

    if not fake.kind.notices_writers:
        assert (run.state, run.effect) == ("succeeded", "applied")
        return
    assert (run.state, run.effect) == ("failed", "unknown")
    assert "has stopped using this repository" in run.error
    assert Snapshot.objects.get().state == "unknown"


def test_a_cluster_that_is_away_at_the_start_ends_the_run_without_effect(start, fake, run_until_over, monkeypatch):
    monkeypatch.setattr(troubles, "PATIENCE_BEFORE", timedelta(0))
    fake.go_away()

    run = run_until_over(start())

    assert (run.state, run.effect) == ("failed", "none")
    assert "cannot be reached" in run.error


def test_a_cluster_that_is_away_for_a_moment_is_waited_for(start, fake, run_until_over):
    fake.go_away()
    run = turns(start(), 2)
    fake.come_back()

    assert run_until_over(run).state == "succeeded"


def test_silence_after_the_start_leaves_the_effect_unknown(start, fake, run_until_over, monkeypatch):
    monkeypatch.setattr(troubles, "PATIENCE_AFTER", timedelta(0))
    fake.hold_snapshots()
    run = turns(start(), 4)
    fake.go_away()

    run = run_until_over(run)

    assert (run.state, run.effect) == ("failed", "unknown")


def test_a_wrong_password_is_said_in_words(start, fake, run_until_over):
    fake.set_password("everyday", "changed on the cluster")

    run = run_until_over(start())

    assert (run.state, run.effect) == ("failed", "none")
    assert "everyday" in run.error


# --- a damaged repository


def test_one_whose_files_are_gone_already_is_damaged_not_verified(start, fake, run_until_over):
    fake.shard_files_gone.add(NAME)

    run = run_until_over(start())

    assert (run.state, run.effect, run.snapshot.state) == ("failed", "applied", "damaged")
    assert "look at the storage" in run.error
    assert run.snapshot.verified_at is None
    assert not AuditEntry.objects.filter(action="snapshot.verified").exists()


def test_what_the_server_says_of_a_damaged_one_is_for_those_who_may_read_it(
    start, fake, run_until_over, cast, client
):
    fake.shard_files_gone.add(NAME)
    run = run_until_over(start())
    assert run.error_detail.startswith("indices/")

    client.force_login(cast["viewer"])
    for url in (run.get_absolute_url(), f"{run.get_absolute_url()}log/", run.snapshot.get_absolute_url()):
        assert run.error_detail not in client.get(url).content.decode()


def test_one_whose_files_are_only_said_to_be_missing_is_damaged_not_verified(start, fake, run_until_over):
    """As OpenSearch says it."""
    fake.hold_snapshots()
    run = turns(start(), 4)
    fake.release()
    run = turns(run, 1)
    missing = {
        "error": {"type": "snapshot_missing_exception", "reason": f"[nightly:{NAME}] is missing"},
        "status": 404,
    }
    fake.answer_next(404, missing, path=f"/_snapshot/nightly/{NAME}/_status")

    run = run_until_over(run)

    assert (run.state, run.effect, run.snapshot.state) == ("failed", "applied", "damaged")
    assert not AuditEntry.objects.filter(action="snapshot.verified").exists()


def test_a_repository_that_cannot_be_used_ends_the_run_before_anything_is_sent(start, fake, run_until_over):
    fake.disabled.add("nightly")

    run = run_until_over(start())

    assert (run.state, run.effect, run.snapshot.state) == ("failed", "none", "failed")
    assert "has stopped using this repository" in run.error
    assert creates(fake) == []


def test_one_that_cannot_be_used_any_more_is_not_waited_for_as_long_as_silence(
    start, fake, run_until_over, monkeypatch
):
    monkeypatch.setattr(troubles, "PATIENCE_BEFORE", timedelta(0))
    fake.hold_snapshots()
    run = turns(start(), 4)
    fake.disabled.add("nightly")

    run = run_until_over(run)

    assert (run.state, run.effect, run.snapshot.state) == ("failed", "unknown", "unknown")
    assert "has stopped using this repository" in run.error


def test_a_storage_that_is_away_for_a_moment_does_not_end_a_run_whose_snapshot_goes_on(start, fake, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    away = {"type": "file_system_exception", "reason": "/srv/backups/index-5: Stale file handle"}
    reason = "[nightly] Unexpected exception when loading repository data"
    error = {"type": "repository_exception", "reason": reason, "caused_by": away}
    fake.answer_next(500, {"error": error, "status": 500}, path=f"/_snapshot/nightly/{NAME}")

    run = turns(run, 1)
    assert not run.is_over
    assert "or the storage does not answer" in run.log.get(level="warning").text

    fake.release()
    assert run_until_over(run).state == "succeeded"


def test_one_that_looks_damaged_after_a_silence_is_given_the_same_moment(start, fake, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    fake.answer_next(503, MASTERLESS)
    run = turns(run, 1)
    silent = (clock.now() - 2 * troubles.PATIENCE_BEFORE).isoformat()
    Run.objects.update(result=run.result | {"silent_since": silent})
    fake.damaged.add(NAME)

    assert not turns(run, 1).is_over
    fake.damaged.clear()
    fake.release()
    assert run_until_over(run).state == "succeeded"


# --- cancel


def test_cancel_before_the_call_sends_nothing(start, fake, cast, run_until_over):
    run = start()
    request_cancel(run, actor=cast["operator"])

    run = run_until_over(run)

    assert (run.state, run.effect) == ("cancelled", "none")
    assert fake.writes() == []
    assert Snapshot.objects.get().state == "cancelled"


def test_cancel_deletes_the_running_snapshot_with_the_restricted_credential(start, fake, cast, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    request_cancel(run, actor=cast["operator"])

    run = run_until_over(run)

    assert (run.state, run.effect) == ("cancelled", "rolled_back")
    assert NAME not in fake.repositories["nightly"].snapshots
    deletes = [(user, target) for method, target, user, _ in fake.requests if method == "DELETE"]
    assert [user for user, _ in deletes] == ["restricted"]
    actions = set(AuditEntry.objects.filter(run=run.pk).values_list("action", flat=True))
    assert {"run.cancel_requested", "credential.used", "snapshot.deleted", "run.cancelled"} <= actions


def test_a_lost_answer_to_the_delete_is_reconciled_by_reading(start, fake, cast, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    request_cancel(run, actor=cast["operator"])
    fake.drop_next_write()

    run = run_until_over(run)

    assert run.state == "cancelled"
    assert sum(write.startswith("DELETE") for write in fake.writes()) == 1


def test_a_cancel_that_comes_too_late_changes_nothing(start, fake, cast, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    fake.release()
    request_cancel(run, actor=cast["operator"])

    run = run_until_over(run)

    assert run.state == "succeeded"
    assert NAME in fake.repositories["nightly"].snapshots


def test_a_cancel_is_tried_again_when_the_cluster_is_busy(start, fake, cast, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    request_cancel(run, actor=cast["operator"])
    fake.answer_next(503, {"error": {"type": "process_cluster_event_timeout_exception", "reason": "x"}}, write=True)

    assert run_until_over(run).state == "cancelled"


def test_a_refused_cancel_lets_the_snapshot_go_on_and_can_be_asked_again(start, fake, cast, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    request_cancel(run, actor=cast["operator"])
    fake.set_password("restricted", "changed on the cluster")
    run = turns(run, 3)
    assert "could not be cancelled" in "".join(run.log.values_list("text", flat=True))
    assert run.cancel_requested_at is None
    fake.set_password("restricted", fake.restricted[1])
    request_cancel(run, actor=cast["operator"])

    assert run_until_over(run).state == "cancelled"


def test_a_delete_that_was_refused_is_not_recorded_as_done(start, fake, cast, run_until_over):
    fake.hold_snapshots()
    run = turns(start(), 4)
    request_cancel(run, actor=cast["operator"])
    fake.set_password("restricted", "changed on the cluster")
    run = turns(run, 3)
    fake.forget_running()

    run = run_until_over(run)

    assert run.state == "failed"
    assert not AuditEntry.objects.filter(action="snapshot.deleted").exists()


def test_mappings_are_kept_once(start, fake, run_until_over):
    run_until_over(start("one"))
    run_until_over(start("two"))

    assert Mapping.objects.count() == 1
    assert {index.mapping_id for index in SnapshotIndex.objects.all()} == {Mapping.objects.get().digest}


def test_the_verdict_does_not_wait_for_the_status_of_a_big_snapshot(start, fake, run_until_over, monkeypatch):
    """The status of a finished snapshot costs the server a file for every shard."""
    monkeypatch.setattr(steps, "SHARDS_ASKED_AGAIN", 0)

    run = run_until_over(start())

    assert run.state == "succeeded"
    assert not [target for method, target, *_ in fake.requests if target.endswith("/_status")]
