"""The engine: claim, turn, commit, and what happens when one of them does not come to its end."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from backups.access import Denied
from backups.audit import act
from backups.audit.models import AuditEntry
from backups.runs import Done, Kind, Next, RunError, Stay, Step, Turn, advance, queue_run, request_cancel
from backups.runs.engine import MAX_CLAIMS, Fenced, claim, commit, due
from backups.runs.log import NotWritten
from backups.runs.models import CHECK, Effect, Run, RunLogLine, RunState, RunStep, StepState
from backups.runs.services import queue_check

from .fakes import World, assert_true_history, one_step, states_of, succeed

pytestmark = pytest.mark.db


def finish(run: Run, kinds) -> Run:
    while advance(run.pk, kinds) is not None:
        Run.objects.filter(pk=run.pk).update(next_at=None)
    run.refresh_from_db()
    return run


def test_a_run_goes_through_its_steps_to_its_end(queue):
    world = World()
    run = finish(queue(subject="t"), {"make": world.kind()})

    assert (run.state, run.effect) == (RunState.SUCCEEDED, Effect.APPLIED)
    assert world.made == {"t": 1}
    assert states_of(run) == ["queued", "running", "succeeded"]
    assert [line.text for line in run.log.all()] == ["looked", "made"]
    assert run.lines == 2
    steps = list(run.steps.all())
    assert [(step.title, step.state) for step in steps] == [
        ("Look", StepState.SUCCEEDED),
        ("Make", StepState.SUCCEEDED),
        ("Wait", StepState.SUCCEEDED),
    ]
    assert steps[0].note == "The name is free"
    assert all(step.started_at <= step.ended_at for step in steps)
    assert (run.lease_owner, run.lease_until, run.next_at) == ("", None, None)
    assert run.started_at <= run.ended_at


def test_the_step_that_is_worked_on_is_shown_as_running(queue):
    run = queue()
    advance(run.pk, {"make": World().kind()})

    assert list(run.steps.values_list("state", flat=True)) == ["succeeded", "running", "waiting"]


def test_steps_after_the_end_are_shown_as_not_reached(queue):
    def fail(turn):
        return Done(RunState.FAILED, error="No.", detail="raw")

    run = queue("stops")
    advance(run.pk, {"stops": Kind("stops", "Stops", (Step("A", fail), Step("B", fail)))})
    run.refresh_from_db()

    assert list(run.steps.values_list("state", flat=True)) == [StepState.FAILED, StepState.SKIPPED]
    assert (run.error, run.error_detail) == ("No.", "raw")


def test_a_claimed_run_cannot_be_claimed_again(queue):
    run = queue()
    assert claim(run.pk).fence == 1
    assert claim(run.pk) is None


def test_a_run_can_be_claimed_again_when_its_lease_is_over(queue, lease_ends):
    run = queue()
    first = claim(run.pk)
    lease_ends(run)
    second = claim(run.pk)

    assert (first.fence, second.fence) == (1, 2)
    assert second.claims == 2


def test_a_run_that_waits_is_not_claimed_before_its_time(queue, comes_due):
    run = queue("waits")
    assert advance(run.pk, one_step("waits", lambda turn: Stay(200))) == 200
    assert claim(run.pk) is None
    assert not due(Run.objects.filter(pk=run.pk)).exists()
    comes_due(run)
    assert claim(run.pk) is not None


@pytest.mark.parametrize("column", ["next_at", "lease_until"])
def test_a_time_that_a_wrong_clock_wrote_does_not_keep_a_run_for_ever(queue, column):
    run = queue()
    Run.objects.filter(pk=run.pk).update(**{column: timezone.now() + timedelta(days=3650)})

    assert claim(run.pk) is not None


def test_the_question_for_due_runs_uses_its_index(queue):
    """The ticker asks every second, however long the history is."""
    queue()

    plan = due(Run.objects.all()).explain()

    assert "SEARCH" in plan or connection.vendor != "sqlite", plan


def test_a_run_of_another_host_is_left_to_it(queue, settings):
    run = queue("only", host="elsewhere")
    assert claim(run.pk) is None
    settings.WORKER_HOST = "elsewhere"
    assert claim(run.pk) is not None


def test_a_run_that_is_over_stays_over(queue):
    run = queue("ends")
    kinds = one_step("ends", succeed)
    advance(run.pk, kinds)
    assert advance(run.pk, kinds) is None
    assert claim(run.pk) is None
    assert_true_history(run)


def test_what_a_late_owner_writes_is_void(queue, lease_ends):
    run = queue("ends")
    kinds = one_step("ends", succeed)
    late = Turn(claim(run.pk), kinds["ends"])
    late.log("from the grave")
    late.write(lambda a: Run.objects.filter(pk=run.pk).update(subject="changed"))
    lease_ends(run)
    advance(run.pk, kinds)

    with pytest.raises(Fenced):
        commit(late, Done(RunState.FAILED, error="late"))
    run.refresh_from_db()
    assert (run.state, run.subject, run.lines) == (RunState.SUCCEEDED, "a thing", 0)
    assert_true_history(run)


def test_a_late_owner_is_void_even_while_the_new_one_still_works(queue, lease_ends):
    run = queue("ends")
    late = Turn(claim(run.pk), one_step("ends", succeed)["ends"])
    lease_ends(run)
    claim(run.pk)

    with pytest.raises(Fenced):
        commit(late, Done(RunState.SUCCEEDED))
    assert states_of(run) == ["queued"]


def test_a_void_turn_is_no_error_of_the_task(queue, lease_ends):
    run = queue("overtaken")

    def overtaken(turn):
        lease_ends(run)
        claim(run.pk)
        return Done(RunState.SUCCEEDED)

    assert advance(run.pk, one_step("overtaken", overtaken)) is None
    run.refresh_from_db()
    assert run.state == RunState.QUEUED


def test_a_step_that_raises_comes_again_soon(queue, comes_due):
    run = queue("stumbles")
    tries = []

    def stumble(turn):
        tries.append(turn.run.claims)
        if len(tries) < 3:
            raise RuntimeError("password=hunter2")
        return Done(RunState.SUCCEEDED)

    kinds = one_step("stumbles", stumble)
    for _ in range(3):
        assert advance(run.pk, kinds) is None
        run.refresh_from_db()
        if not run.is_over:
            assert (run.state, run.lease_owner, run.lease_until) == (RunState.QUEUED, "", None)
            assert claim(run.pk) is None  # it waits a little
        comes_due(run)

    assert run.state == RunState.SUCCEEDED
    assert tries == [1, 2, 3]
    assert [line.text for line in run.log.all()] == [
        "An attempt failed (RuntimeError). Trying again in 2 s.",
        "An attempt failed (RuntimeError). Trying again in 4 s.",
    ]
    assert_true_history(run)


def test_a_commit_gives_the_attempts_back(queue, comes_due):
    run = queue("patient")
    kinds = one_step("patient", lambda turn: Stay())
    for _ in range(MAX_CLAIMS + 5):
        assert advance(run.pk, kinds) == 0
    run.refresh_from_db()
    assert (run.state, run.claims) == (RunState.RUNNING, 0)


@pytest.mark.parametrize(("began", "effect"), [(False, Effect.UNKNOWN), (True, Effect.UNKNOWN)])
def test_a_run_that_kills_every_attempt_is_given_up(queue, lease_ends, began, effect):
    """Even before the first commit an attempt may have reached the outside world."""
    tidied = []
    kinds = one_step("deadly", lambda turn: Stay(), on_failure=tidied.append)
    run = queue("deadly")
    if began:
        advance(run.pk, kinds)
    for _ in range(MAX_CLAIMS):
        assert claim(run.pk) is not None
        lease_ends(run)

    assert advance(run.pk, kinds) is None
    run.refresh_from_db()
    assert (run.state, run.effect) == (RunState.FAILED, effect)
    assert "Given up after 20 attempts" in run.error
    assert tidied == [run]
    assert_true_history(run)


def test_attempts_that_raise_are_given_up_too(queue, comes_due):
    def raises(turn):
        raise ValueError("always")

    run = queue("hopeless")
    kinds = one_step("hopeless", raises)
    for _ in range(MAX_CLAIMS + 1):
        advance(run.pk, kinds)
        comes_due(run)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert RunLogLine.objects.filter(run=run, level="warning").count() == MAX_CLAIMS
    assert_true_history(run)


def test_a_run_ends_even_when_tidying_up_fails(queue, lease_ends):
    def untidy(run):
        RunStep.objects.create(run=run, number=99, title="half done")
        raise RuntimeError("broken")

    run = queue("deadly")
    for _ in range(MAX_CLAIMS):
        claim(run.pk)
        lease_ends(run)
    advance(run.pk, one_step("deadly", succeed, on_failure=untidy))
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert not run.steps.filter(number=99).exists()


def test_an_unknown_kind_is_given_up_without_effect(queue):
    run = queue("from-the-future")
    assert advance(run.pk, {}) is None
    run.refresh_from_db()
    assert (run.state, run.effect) == (RunState.FAILED, Effect.NONE)
    assert "does not know the kind 'from-the-future'" in run.error
    assert_true_history(run)


def test_a_run_cannot_end_in_a_state_that_is_no_end(queue):
    run = queue("odd")
    advance(run.pk, one_step("odd", lambda turn: Done(RunState.RUNNING)))
    run.refresh_from_db()
    assert run.state == RunState.QUEUED
    assert run.log.get().text.startswith("An attempt failed (ValueError)")


def test_a_database_that_does_not_answer_is_left_to_the_lease(queue):
    def locked(turn):
        raise OperationalError("database is locked")

    run = queue("locked")
    assert advance(run.pk, one_step("locked", locked)) is None
    run.refresh_from_db()
    assert run.lease_until > timezone.now()
    assert run.lines == 0


def test_a_claim_that_cannot_be_written_is_told_in_one_line(queue, monkeypatch, caplog):
    def full(run_id):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr("backups.runs.engine.claim", full)
    assert advance(queue("full").pk, one_step("full", succeed)) is None
    assert [record.exc_info for record in caplog.records] == [None]


@pytest.mark.parametrize(
    "error", [OperationalError("disk is full"), InterfaceError("closed"), NotWritten("log: full")]
)
def test_a_disk_that_is_full_for_long_does_not_use_up_the_attempts(queue, lease_ends, error):
    def full(turn):
        turn.write(write)
        return Done(RunState.SUCCEEDED)

    def write(a):
        if disk_is_full:
            raise error

    run, disk_is_full = queue("full"), True
    for _ in range(MAX_CLAIMS + 5):
        assert advance(run.pk, one_step("full", full)) is None
        lease_ends(run)
    run.refresh_from_db()
    assert run.claims == 1  # the next one knows that an attempt came before it
    disk_is_full = False
    advance(run.pk, one_step("full", full))
    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert_true_history(run)


def test_other_rows_are_written_with_the_commit_or_not_at_all(queue):
    run = queue("writes")

    def writes(turn):
        turn.log("wrote")
        turn.result = {"found": 3}
        turn.write(lambda a: a.record("snapshot.verified", ("snapshot", 1, "nightly"), run=turn.run.pk))
        turn.write(lambda a: 1 / 0)
        return Done(RunState.SUCCEEDED)

    advance(run.pk, one_step("writes", writes))
    run.refresh_from_db()
    assert (run.state, run.result) == (RunState.QUEUED, {})
    assert [line.level for line in run.log.all()] == ["warning"]
    assert not AuditEntry.objects.filter(action="snapshot.verified").exists()


def test_cancel_is_obeyed_by_the_next_turn(queue, cast):
    run = queue()
    request_cancel(run, actor=cast["operator"], reason="wrong indices")
    world = World()
    finish(run, {"make": world.kind()})

    assert (run.state, run.effect) == (RunState.CANCELLED, Effect.NONE)
    assert not world.made
    assert run.cancel_requested_by == cast["operator"]
    asked = AuditEntry.objects.get(action="run.cancel_requested")
    assert (asked.actor, asked.reason, asked.run) == (cast["operator"], "wrong indices", run.pk)
    assert list(run.steps.values_list("state", flat=True)) == ["cancelled", "skipped", "skipped"]
    assert_true_history(run)


def test_cancel_while_a_turn_is_at_work_is_not_lost(queue, cast):
    run = queue()
    world = World()
    kinds = {"make": world.kind()}
    turn = Turn(claim(run.pk), kinds["make"])
    request_cancel(run, actor=cast["operator"])
    commit(turn, Stay())

    finish(run, kinds)
    assert run.state == RunState.CANCELLED


def test_cancel_is_seen_by_pages_that_poll(queue, cast):
    run = queue()
    request_cancel(run, actor=cast["operator"])
    before = run.version
    run.refresh_from_db()
    assert run.version > before


def test_cancel_is_refused_a_second_time_and_after_the_end(queue, cast):
    run = queue("ends")
    request_cancel(run, actor=cast["operator"])
    with pytest.raises(RunError, match="asked to cancel it before"):
        request_cancel(run, actor=cast["administrator"])

    over = queue("ends")
    advance(over.pk, one_step("ends", succeed))
    with pytest.raises(RunError, match="This run is over"):
        request_cancel(over, actor=cast["operator"])
    assert AuditEntry.objects.filter(action="run.cancel_requested").count() == 1


@pytest.mark.parametrize("who", ["viewer", "approver", "auditor"])
def test_cancel_is_denied_to_those_who_may_not(queue, cast, who):
    run = queue()
    with pytest.raises(Denied):
        request_cancel(run, actor=cast[who])
    run.refresh_from_db()
    assert run.cancel_requested_at is None


def test_the_same_key_is_one_run(queue):
    run = queue(key="form:1")
    with pytest.raises(RunError, match="already sent"):
        queue(key="form:1")
    assert list(Run.objects.all()) == [run]
    assert AuditEntry.objects.filter(action="run.queued").count() == 1


def test_a_check_leaves_no_history(cast):
    run = queue_check("cluster", actor=cast["operator"], form="cluster:1")
    advance(run.pk, one_step(CHECK, succeed))
    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert not run.steps.exists()
    assert not AuditEntry.objects.filter(run=run.pk).exists()
    assert run not in Run.objects.history()


def test_a_check_that_breaks_ends_at_once(cast):
    run = queue_check("cluster", actor=cast["operator"], form="cluster:1")
    advance(run.pk, one_step(CHECK, lambda turn: 1 / 0))
    run.refresh_from_db()
    assert (run.state, run.error_detail) == (RunState.FAILED, "ZeroDivisionError")


def test_a_second_check_of_a_form_gives_up_the_first(cast):
    first = queue_check("cluster", actor=cast["operator"], form="cluster:1")
    turn = Turn(claim(first.pk), one_step(CHECK, succeed)[CHECK])
    other = queue_check("cluster", actor=cast["administrator"], form="cluster:1")
    second = queue_check("cluster", actor=cast["operator"], form="cluster:1")

    with pytest.raises(Fenced):
        commit(turn, Done(RunState.SUCCEEDED))
    assert {run.pk for run in Run.objects.active()} == {other.pk, second.pk}


def test_queueing_joins_the_act_that_is_open(db):
    with suppress(RuntimeError), act(None):
        queue_run("make", actor=None, subject="a thing")
        raise RuntimeError
    assert not Run.objects.exists()
    assert not AuditEntry.objects.exists()


def test_next_leads_to_the_next_step_and_its_wait(queue):
    run = queue("two")
    kinds = {"two": Kind("two", "Two", (Step("A", lambda turn: Next("a", wait=7)), Step("B", succeed)))}
    assert advance(run.pk, kinds) == 7
    run.refresh_from_db()
    assert run.step == 1
    assert run.next_at > timezone.now()
