"""The verbs on plans: what each does, writes and refuses."""

import hashlib
from datetime import timedelta

import pytest

from backups import clock
from backups.access import Denied
from backups.approvals import voting
from backups.approvals.errors import ApprovalError
from backups.approvals.models import ApprovalRequest, RequestState
from backups.approvals.services import withdraw
from backups.audit.models import AuditEntry
from backups.restores import clearing, services
from backups.restores.indices.asked import Asked, Mode
from backups.restores.models import RestorePlan, TargetLock
from backups.restores.services import RestoreError
from backups.runs.models import Effect, Run, RunState
from tests.turns import work

pytestmark = pytest.mark.django_db

FOUND = "I looked: the index is there, whole, with 120 documents."


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))


# --- making a plan --------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["viewer", "approver", "auditor"])
def test_others_make_no_plan(restores, cast, who):
    options = Asked(("events-1",), Mode.BESIDE, services.new_token()).as_options()

    with pytest.raises(Denied):
        services.queue_plan(actor=cast[who], snapshot=restores.snapshot, options=options)
    with pytest.raises(Denied):
        services.queue_undo(restores.plan(), actor=cast[who])


def test_a_plan_writes_nothing_to_the_cluster(restores, fake):
    before, entries = fake.writes(), actions()

    plan = restores.plan(Mode.SWAP)

    assert (fake.writes(), actions()) == (before, entries)
    assert plan.digest == hashlib.sha256(plan.text.encode()).hexdigest()
    assert (plan.blocked, plan.risk, plan.made_by.username) == (0, "R2", "operator")


def test_what_is_newer_is_said_before_anybody_agrees(restores, fake):
    fake.write("events-1", 7)
    fake.indices["events-1"].newer = 7

    plan = restores.plan(Mode.SWAP)

    assert "7 newer documents drop out" in plan.document["consequence"]
    assert plan.document["rows"][0]["documents_now"] == 127


def test_made_again_it_has_names_of_its_own_and_without_what_was_taken_out(restores, cast):
    first = restores.plan(names=("events-1", "events-2"))

    second = restores.planned(services.queue_again(first, actor=cast["administrator"], skip=["events-2"]))

    assert second.made_by == cast["administrator"] and second.pk != first.pk
    assert second.options["token"] != first.options["token"]
    assert second.options["skip"] == ["events-2"]
    actions_of = {row["source"]: row["action"] for row in second.document["rows"]}
    assert actions_of == {"events-1": "rename", "events-2": "skip"}


def test_patterns_that_match_nothing_are_said(restores, cast):
    chosen = {"names": [], "patterns": ["nothing-*"]}

    with pytest.raises(RestoreError) as error:
        services.queue_form(chosen, ["events-1"], actor=cast["operator"])
    assert error.value.field == "patterns"


def test_a_new_form_of_what_came_to_nothing_names_it(restores, cast):
    plan = restores.plan(Mode.SWAP)
    asked = restores.ask(plan)
    withdraw(asked, actor=cast["operator"])
    asked.refresh_from_db()
    plan = RestorePlan.objects.get(pk=plan.pk)

    check = services.queue_again(plan, actor=cast["operator"])

    assert plan.came_to_nothing and check.params["earlier"] == asked.pk
    changed = restores.ask(restores.planned(check), earlier=asked)
    assert changed.earlier_id == asked.pk


def test_plans_that_nobody_asked_for_go(restores):
    old, sent, new = restores.plan(), restores.plan(), restores.plan()
    restores.ask(sent)
    RestorePlan.objects.exclude(pk=new.pk).update(made_at=clock.now() - timedelta(days=3))

    assert services.remove_old_plans() == 1
    assert set(RestorePlan.objects.values_list("pk", flat=True)) == {sent.pk, new.pk} and old.pk not in {sent.pk}


# --- asking for it --------------------------------------------------------------------------------------


def test_scratch_copies_start_at_once(restores, fake):
    plan = restores.plan(Mode.BESIDE)

    asked = restores.ask(plan)

    assert (asked.risk, asked.needed, asked.state) == ("R0", 0, RequestState.APPROVED)
    assert work(asked.run).state == "succeeded"
    assert fake.indices["restored-events-1"].documents == 120


def test_what_is_asked_for_is_frozen_with_the_plan(restores):
    plan = restores.plan(Mode.SWAP)

    asked = restores.ask(plan, ticket=" INC-1 ")

    plan.refresh_from_db()
    assert plan.request == asked and (asked.text, asked.digest) == (plan.text, plan.digest)
    assert (asked.state, asked.needed, asked.ticket) == (RequestState.PENDING, 1, "INC-1")
    assert asked.source == f"snapshot:{restores.snapshot.pk}"
    assert asked.subject_url == plan.get_absolute_url()
    assert actions()[-1] == "request.filed"


def old(plan):
    RestorePlan.objects.filter(pk=plan.pk).update(made_at=clock.now() - services.FRESH - timedelta(seconds=1))


def in_the_way(plan):
    RestorePlan.objects.filter(pk=plan.pk).update(blocked=1)


@pytest.mark.parametrize(
    ("spoil", "who", "said", "words", "field"),
    [
        (old, "operator", {}, "too old", None),
        (in_the_way, "operator", {}, "in the way", None),
        (None, "administrator", {}, "Somebody else made this plan", None),
        (None, "operator", {"typed_name": "soc-prd"}, "Type soc-prod", "typed_name"),
        (None, "operator", {"typed_name": ""}, "Type soc-prod", "typed_name"),
        (None, "operator", {"reason": "too short"}, "at least 20 characters", "reason"),
    ],
)
def test_what_is_refused_leaves_nothing(restores, spoil, who, said, words, field):
    plan = restores.plan(Mode.SWAP)
    if spoil:
        spoil(plan)
        plan.refresh_from_db()
    entries = actions()

    with pytest.raises((RestoreError, ApprovalError)) as error:
        restores.ask(plan, who, **said)

    assert words in str(error.value) and (error.value.field or None) == field
    assert actions() == entries and not ApprovalRequest.objects.exists()


@pytest.mark.parametrize("who", ["viewer", "approver", "auditor"])
def test_others_ask_for_nothing(restores, who):
    plan = restores.plan(Mode.SWAP)

    with pytest.raises(Denied):
        restores.ask(plan, who)


def test_sent_twice_it_is_one_request(restores):
    plan = restores.plan(Mode.SWAP)
    same = RestorePlan.objects.select_related("cluster").get(pk=plan.pk)  # as the other tab has it
    restores.ask(plan)

    with pytest.raises((RestoreError, ApprovalError)):
        restores.ask(same)
    with pytest.raises(RestoreError, match="asked for already"):
        restores.ask(RestorePlan.objects.get(pk=plan.pk))
    assert ApprovalRequest.objects.count() == 1


def test_the_global_state_needs_two(restores, fake):
    fake.repositories["nightly"].snapshots["nightly-1"].global_state = True
    plan = restores.plan(Mode.BESIDE, global_state=True)
    asked = restores.ask(plan)

    assert (plan.risk, asked.needed) == ("R3", 2)
    voting.approve(asked, actor=restores.cast["approver"], digest=asked.digest)
    asked.refresh_from_db()
    assert asked.state == RequestState.PENDING and asked.run is None


def test_only_administrators_break_the_glass(restores, cast):
    plan = restores.plan(Mode.SWAP)
    with pytest.raises(Denied):
        restores.ask(plan, break_glass=True)
    plan = restores.plan(Mode.SWAP, who="administrator")

    asked = restores.ask(plan, "administrator", break_glass=True)

    assert (asked.state, asked.break_glass, asked.review) == (RequestState.APPROVED, True, "due")
    assert "request.glass_broken" in actions()
    with pytest.raises(ApprovalError, match="no glass to break"):
        restores.ask(restores.plan(Mode.BESIDE, who="administrator"), "administrator", break_glass=True)


# --- what becomes of it ---------------------------------------------------------------------------------


def test_a_swap_is_proven_and_leads_back(restores, fake, cast):
    fake.write("events-1", 7)
    plan = restores.plan(Mode.SWAP)
    run = restores.carry_out(restores.ask(plan))

    assert (run.state, run.effect, fake.indices["events-1"].documents) == ("succeeded", "applied", 120)
    assert run.result["verdict"]["state"] == "succeeded" and not run.locks.exists()
    assert [name for name in actions() if name.startswith(("restore.", "credential.used", "request.started"))] == [
        *("request.started", "credential.used"),
        *("restore.applied", "restore.verified"),
    ]

    plan = RestorePlan.objects.get(pk=plan.pk)
    back = restores.planned(services.queue_undo(plan, actor=cast["operator"]))
    assert (back.risk, back.undoes) == (plan.risk, run)
    run = restores.carry_out(restores.ask(back))

    assert (run.state, fake.indices["events-1"].documents) == ("succeeded", 127)
    assert "restore.rolled_back" in actions()
    with pytest.raises(RestoreError, match="no safety copy"):
        services.queue_undo(plan, actor=cast["operator"])


def test_no_way_back_where_nothing_was_replaced(restores, cast):
    plan = restores.plan(Mode.BESIDE)
    with pytest.raises(RestoreError, match="no safety copy"):
        services.queue_undo(plan, actor=cast["operator"])
    restores.carry_out(restores.ask(plan))

    with pytest.raises(RestoreError, match="no safety copy"):
        services.queue_undo(RestorePlan.objects.get(pk=plan.pk), actor=cast["operator"])


def test_what_moved_since_makes_it_stale(restores, fake):
    asked = restores.ask(restores.plan(Mode.SWAP))
    del fake.indices["events-1"]
    fake.add_index("events-1", 3)  # another one of the same name

    run = restores.carry_out(asked)

    asked.refresh_from_db()
    assert (run.state, run.effect, asked.state) == ("failed", "none", RequestState.INVALIDATED)
    assert "index events-1" in run.error and "Make a new plan" in asked.ending
    assert fake.indices["events-1"].documents == 3 and "credential.used" not in actions()


def test_a_comparison_names_what_moved(restores, fake, cast):
    plan = restores.plan(Mode.SWAP)
    fake.write("events-1", 5)

    same = work(services.queue_compare(plan, actor=cast["approver"]))
    del fake.indices["events-1"]
    gone = work(services.queue_compare(plan, actor=cast["approver"]))

    assert same.result["stale"] == [] and "125 documents now" in same.result["moved"][0]
    assert any("events-1" in line for line in gone.result["stale"])


# --- locks ----------------------------------------------------------------------------------------------


@pytest.fixture
def unknown(restores):
    """A restore of the operator that ended without anybody knowing what it did."""
    run = restores.ask(restores.plan(Mode.BESIDE)).run
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, effect=Effect.UNKNOWN, ended_at=clock.now())
    TargetLock.objects.create(target="index:u:restored-events-1", run=run, taken_at=clock.now())
    run.refresh_from_db()
    return run


def test_who_looked_clears_the_locks(unknown, cast):
    clearing.clear_locks(unknown, actor=cast["administrator"], reason=FOUND)

    assert not unknown.locks.exists()
    entry = AuditEntry.objects.order_by("seq").last()
    assert (entry.action, entry.reason, entry.actor_name) == ("lock.cleared", FOUND, str(cast["administrator"]))
    assert "restored-events-1" in entry.text
    with pytest.raises(RestoreError, match="holds nothing"):
        clearing.clear_locks(unknown, actor=cast["administrator"], reason=FOUND)


@pytest.mark.parametrize("who", ["viewer", "operator", "approver", "auditor"])
def test_others_clear_no_locks(unknown, cast, who):
    with pytest.raises(Denied):
        clearing.clear_locks(unknown, actor=cast[who], reason=FOUND)
    assert unknown.locks.exists()


def test_nobody_clears_locks_of_their_own(unknown, cast):
    Run.objects.filter(pk=unknown.pk).update(actor=cast["administrator"])
    unknown.refresh_from_db()

    with pytest.raises(Denied):
        clearing.clear_locks(unknown, actor=cast["administrator"], reason=FOUND)


@pytest.mark.parametrize(
    ("reason", "row", "words"),
    [
        ("looked", {}, "at least 20 characters"),
        (FOUND, {"effect": Effect.APPLIED}, "go by themselves"),
        (FOUND, {"state": RunState.RUNNING, "ended_at": None}, "go by themselves"),
    ],
)
def test_locks_that_are_not_cleared(unknown, cast, reason, row, words):
    Run.objects.filter(pk=unknown.pk).update(**row)
    unknown.refresh_from_db()

    with pytest.raises(RestoreError, match=words):
        clearing.clear_locks(unknown, actor=cast["administrator"], reason=reason)
    assert unknown.locks.exists()


def test_the_same_cannot_be_planned_while_it_is_locked(restores):
    plan = restores.plan(Mode.SWAP)
    run = Run.objects.create(kind="restore_swap", key="other", state=RunState.RUNNING)
    TargetLock.objects.create(target=f"index:{plan.cluster.uuid}:events-1", run=run, taken_at=clock.now())

    again = restores.plan(Mode.SWAP)

    assert again.document["rows"][0]["action"] == "blocked" and "Another restore" in again.document["rows"][0]["note"]
    assert again.title == "Restore events-1 into soc-prod"


def test_a_swap_where_nothing_is_left_to_replace_restores_what_is_missing(restores, fake):
    del fake.indices["events-1"]
    plan = restores.plan(Mode.SWAP)
    assert [row["action"] for row in plan.document["rows"]] == ["create"]

    run = restores.carry_out(restores.ask(plan))

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert fake.indices["events-1"].documents == 120
