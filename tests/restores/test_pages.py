"""The pages of restores: what each role sees, what comes back when something cannot be done, and where it leads."""

import hashlib
import re
from datetime import timedelta

import pytest

from backups import clock
from backups.access.gate import STEPPED_UP_AT
from backups.approvals.models import ApprovalRequest, RequestState
from backups.approvals.services import withdraw
from backups.restores import services
from backups.restores.indices.asked import Mode
from backups.restores.models import RestorePlan, TargetLock
from backups.runs.models import Effect, Run, RunState
from tests.restores.conftest import REASON
from tests.turns import work

pytestmark = pytest.mark.django_db

EVERYBODY = ("viewer", "operator", "approver", "auditor", "administrator")
FRAGMENT = {"HX-Request": "true"}


def text_of(response) -> str:
    return " ".join(response.content.decode().split())


def post(browser, plan, verb, **given):
    return browser.post(f"/restores/plans/{plan.pk}/{verb}/", given)


def sent(**different) -> dict:
    return {"reason": REASON, "typed_name": "soc-prod", "ticket": "INC-1"} | different


# --- the list and the form ------------------------------------------------------------------------------


def test_an_empty_list_says_how_it_begins(as_person, db):
    text = text_of(as_person("operator").get("/restores/"))

    assert "No restore was asked for yet" in text and "No snapshot to restore from" in text


@pytest.mark.parametrize("who", EVERYBODY)
def test_who_may_ask_gets_the_links(as_person, restores, who):
    restores.ask(restores.plan(Mode.SWAP))

    text = text_of(as_person(who).get("/restores/"))

    assert "Restore events-1 into soc-prod" in text and "Waiting for approval" in text
    assert (f"/restores/snapshot/{restores.snapshot.pk}/" in text) is (who in ("operator", "administrator"))


def test_the_form_lists_what_the_snapshot_holds(as_person, restores):
    text = text_of(as_person("operator").get(f"/restores/snapshot/{restores.snapshot.pk}/"))

    assert "2 indices in the snapshot" in text
    assert re.search(r'value="beside"[^>]*checked', text) and "restored-{index}" in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Choose at least one index."),
        ({"names": "events-1", "template": ""}, "Give the copies a new name"),
        ({"names": "not-there"}, "Select a valid choice"),
        ({"names": "events-1", "tier": "Data Warm!"}, "Enter a valid value"),
    ],
)
def test_what_is_wrong_comes_back_with_the_form(as_person, restores, given, words):
    asked = {"into": restores.snapshot.pk, "mode": "beside", "template": "restored-{index}"} | given

    response = as_person("operator").post(f"/restores/snapshot/{restores.snapshot.pk}/", asked)

    assert response.status_code == 422 and words in text_of(response)
    assert not RestorePlan.objects.exists()


def test_from_the_form_over_the_check_to_the_plan(as_person, restores):
    browser = as_person("operator")
    asked = {"into": restores.snapshot.pk, "names": "events-1", "mode": "swap", "replicas": "0"}

    waiting = browser.post(f"/restores/snapshot/{restores.snapshot.pk}/", asked)
    check = Run.objects.latest("pk")
    assert waiting["Location"] == f"/restores/checking/{check.pk}/"
    assert "The plan is being made" in text_of(browser.get(waiting["Location"]))
    assert as_person("administrator").get(waiting["Location"]).status_code == 404

    work(check)
    plan = RestorePlan.objects.get()
    assert browser.get(waiting["Location"])["Location"] == plan.get_absolute_url()
    fragment = browser.get(waiting["Location"], headers=FRAGMENT)
    assert (fragment.status_code, fragment["HX-Redirect"]) == (204, plan.get_absolute_url())
    assert plan.options["settings"] == {"index.number_of_replicas": 0}


def test_a_cluster_that_is_away_is_said(as_person, restores, fake):
    browser = as_person("operator")
    check = services.queue_again(restores.plan(), actor=restores.cast["operator"])
    fake.go_away()
    work(check)

    page = browser.get(f"/restores/checking/{check.pk}/")
    fragment = browser.get(f"/restores/checking/{check.pk}/", headers=FRAGMENT)

    assert "No plan was made" in text_of(page) and f"/restores/snapshot/{restores.snapshot.pk}/" in text_of(page)
    assert (fragment.status_code, fragment["HX-Refresh"]) == (204, "true")
    assert RestorePlan.objects.count() == 1


# --- the plan -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", EVERYBODY)
def test_a_plan_to_everybody(as_person, restores, who):
    plan = restores.plan(Mode.SWAP)

    text = text_of(as_person(who).get(plan.get_absolute_url()))

    assert "1 live index is replaced on soc-prod" in text and "It replaces 1 live index." in text or who != "operator"
    assert ('<button class="btn primary" type="submit">Send for approval' in text) is (who == "operator")
    assert ("Somebody else" in text or "made this plan. Check again" in text) is (
        who in ("operator", "administrator")
    )
    assert ("The calls that will be sent" in text) is (who != "viewer")
    assert ("Change it…" in text) is (who in ("operator", "administrator"))


def test_the_text_of_the_plan_is_what_the_digest_is_of(as_person, restores):
    plan = restores.plan(Mode.SWAP)

    response = as_person("approver").get(f"/restores/plans/{plan.pk}/json/")

    assert hashlib.sha256(response.content).hexdigest() == plan.digest
    assert response["Content-Disposition"] == f'attachment; filename="plan-{plan.pk}.json"'


def test_a_blocked_plan_offers_to_take_the_index_out(as_person, restores, fake):
    fake.add_index("restored-events-1", 3)
    plan = restores.plan(names=("events-1", "events-2"))
    browser = as_person("operator")

    page = text_of(browser.get(plan.get_absolute_url()))
    refused = post(browser, plan, "ask", **sent())
    again = post(browser, plan, "again", skip="events-1")
    work(Run.objects.latest("pk"))

    assert "1 in the way" in page and 'name="skip" value="events-1"' in page and "disabled" in page
    assert refused.status_code == 422 and not ApprovalRequest.objects.exists()
    assert again["Location"].startswith("/restores/checking/")
    assert RestorePlan.objects.latest("pk").blocked == 0


def test_a_disk_that_nobody_watches_is_said(as_person, restores):
    plan = restores.plan()
    document = plan.document
    document["space"]["bytes_most"] = document["space"]["bytes_total"]
    RestorePlan.objects.filter(pk=plan.pk).update(text=services.document.canonical(document))

    text = text_of(as_person("operator").get(plan.get_absolute_url()))

    assert "Disk not watched by the server" in text and "Low watermark 100%" not in text


# --- asking ---------------------------------------------------------------------------------------------


def test_sent_it_is_a_request(as_person, restores):
    plan = restores.plan(Mode.SWAP)
    browser = as_person("operator")

    response = post(browser, plan, "ask", **sent())
    again = post(browser, plan, "ask", **sent())

    asked = ApprovalRequest.objects.get()
    assert response["Location"] == asked.get_absolute_url() and asked.ticket == "INC-1"
    assert again.status_code == 422 and "asked for already" in text_of(again)
    page = text_of(browser.get(plan.get_absolute_url()))
    assert asked.number in page and plan.digest in page and "Send for approval" not in page


@pytest.mark.parametrize(
    ("different", "words"),
    [
        ({"reason": "because"}, "Ensure this value has at least 20 characters"),
        ({"typed_name": "elsewhere"}, "Type soc-prod to allow replacing live data."),
    ],
)
def test_what_was_written_wrong_comes_back(as_person, restores, different, words):
    plan = restores.plan(Mode.SWAP)

    response = post(as_person("operator"), plan, "ask", **sent(**different))

    assert response.status_code == 422 and words in text_of(response) and "INC-1" in text_of(response)
    assert not ApprovalRequest.objects.exists()


def test_an_old_plan_and_that_of_another_are_refused(as_person, restores):
    plan = restores.plan(Mode.SWAP)
    other = post(as_person("administrator"), plan, "ask", **sent())
    RestorePlan.objects.filter(pk=plan.pk).update(made_at=clock.now() - timedelta(hours=1))
    old = post(as_person("operator"), plan, "ask", **sent())

    assert other.status_code == 422 and old.status_code == 422 and "too old" in text_of(old)
    assert not ApprovalRequest.objects.exists()


def test_why_it_was_not_sent_is_said_though_the_form_is_gone(as_person, restores):
    plan = restores.plan(Mode.SWAP)
    other = post(as_person("administrator"), plan, "ask", **sent())

    assert "Somebody else made this plan" in text_of(other)


def test_a_new_form_of_a_withdrawn_request_names_it(as_person, restores, cast):
    plan = restores.plan(Mode.SWAP)
    asked = restores.ask(plan)
    withdraw(asked, actor=cast["operator"])
    browser = as_person("operator")

    request = text_of(browser.get(asked.get_absolute_url()))
    page = text_of(browser.get(plan.get_absolute_url()))
    like = text_of(browser.get(f"/restores/snapshot/{restores.snapshot.pk}/?like={plan.pk}"))
    post(browser, plan, "again")
    check = work(Run.objects.latest("pk"))
    leads = browser.get(f"/restores/checking/{check.pk}/")
    changed = RestorePlan.objects.latest("pk")
    shown = text_of(browser.get(leads["Location"]))
    post(browser, changed, "ask", **sent(earlier=asked.pk))

    assert "Ask again" in request and plan.get_absolute_url() in request
    assert "Withdrawn" in page and f"?like={plan.pk}" in page
    assert re.search(r'value="events-1"[^>]*checked', like) and re.search(r'value="swap"[^>]*checked', like)
    assert leads["Location"] == f"{changed.get_absolute_url()}?earlier={asked.pk}"
    assert f'It takes the place of <a class="link" href="{asked.get_absolute_url()}">' in shown
    assert ApprovalRequest.objects.latest("pk").earlier_id == asked.pk


@pytest.mark.parametrize("junk", ["0", "-1", "abc", "999999999999999999", "1"])
def test_an_earlier_request_that_is_none_is_left_out(as_person, restores, junk):
    plan = restores.plan(Mode.SWAP)
    browser = as_person("operator")

    assert "takes the place of" not in text_of(browser.get(f"{plan.get_absolute_url()}?earlier={junk}"))
    assert browser.get(f"/restores/snapshot/{restores.snapshot.pk}/?like={junk}").status_code == 200


# --- broken glass ---------------------------------------------------------------------------------------


def test_breaking_the_glass_wants_the_password_first_and_comes_back_to_the_plan(as_person, restores):
    plan = restores.plan(Mode.SWAP, who="administrator")
    browser = as_person("administrator")
    session = browser.session
    session[STEPPED_UP_AT] = 0
    session.save()

    asks = post(browser, plan, "break-glass", **sent())
    session[STEPPED_UP_AT] = clock.now().timestamp()
    session.save()
    back = browser.get(f"/restores/plans/{plan.pk}/break-glass/")
    starts = post(browser, plan, "break-glass", **sent())

    assert asks["Location"].startswith("/step-up/?next=")
    assert back["Location"] == plan.get_absolute_url()
    asked = ApprovalRequest.objects.get()
    assert starts["Location"] == asked.get_absolute_url()
    assert (asked.break_glass, asked.state) == (True, RequestState.APPROVED)


@pytest.mark.parametrize("who", ["viewer", "operator", "approver", "auditor"])
def test_others_break_no_glass(as_person, restores, who):
    plan = restores.plan(Mode.SWAP)
    browser = as_person(who)

    assert "Break the glass" not in text_of(browser.get(plan.get_absolute_url()))
    assert post(browser, plan, "break-glass", **sent()).status_code == 403
    assert not ApprovalRequest.objects.exists()


# --- comparing ------------------------------------------------------------------------------------------


def test_comparing_answers_with_a_fragment_or_leads_back(as_person, restores):
    plan = restores.plan(Mode.SWAP)
    restores.ask(plan)
    browser = as_person("approver")

    leads = post(browser, plan, "compare")
    fragment = browser.post(f"/restores/plans/{plan.pk}/compare/", headers=FRAGMENT)
    work(Run.objects.latest("pk"))
    page = text_of(browser.get(plan.get_absolute_url()))

    assert leads["Location"] == plan.get_absolute_url()
    assert fragment.status_code == 200 and "<html" not in text_of(fragment) and "hx-get" in text_of(fragment)
    assert "Everything that the plan relies on is as it was." in page


# --- afterwards -----------------------------------------------------------------------------------------


def test_the_verdict_and_the_way_back(as_person, restores):
    plan = restores.plan(Mode.SWAP)
    run = restores.carry_out(restores.ask(plan))

    operator, viewer = (text_of(as_person(who).get(plan.get_absolute_url())) for who in ("operator", "viewer"))

    assert "events-1 is in place with 120 documents." in viewer and "What was planned" in viewer
    assert "Roll back…" in operator and "Roll back…" not in viewer and "Way back" in viewer
    post(as_person("operator"), plan, "undo")
    back = restores.planned(Run.objects.latest("pk"))
    assert back.undoes == run and "Roll back events-1" in text_of(as_person("operator").get(back.get_absolute_url()))


def test_no_way_back_is_said(as_person, restores):
    plan = restores.plan()

    response = as_person("operator").post(f"/restores/plans/{plan.pk}/undo/", follow=True)

    assert "There is no safety copy of this restore" in text_of(response)


def test_the_locks_of_a_restore_that_nobody_knows(as_person, restores):
    plan = restores.plan()
    run = restores.ask(plan).run
    over = {"state": RunState.FAILED, "effect": Effect.UNKNOWN, "ended_at": clock.now(), "error": "No answer."}
    Run.objects.filter(pk=run.pk).update(**over)
    TargetLock.objects.create(target="index:u:restored-events-1", run=run, taken_at=clock.now())
    admin = as_person("administrator")

    operator, page = (text_of(one.get(plan.get_absolute_url())) for one in (as_person("operator"), admin))
    short = text_of(admin.post(f"/restores/plans/{plan.pk}/clear-locks/", {"reason": "seen"}, follow=True))
    still = run.locks.exists()
    reason = {"reason": "I looked: the copy is there, and whole."}
    cleared = text_of(admin.post(f"/restores/plans/{plan.pk}/clear-locks/", reason, follow=True))

    assert "Still locked" in operator and "Clear the locks" not in operator and "No answer." in operator
    assert "Unknown: somebody must look" in page and "Clear the locks" in page
    assert "Nothing was cleared." in short and still
    assert "The locks are cleared." in cleared and "Still locked" not in cleared and not run.locks.exists()


def test_a_plan_that_was_never_carried_out_has_no_locks(as_person, restores):
    plan = restores.plan()

    response = as_person("administrator").post(
        f"/restores/plans/{plan.pk}/clear-locks/", {"reason": "x"}, follow=True
    )

    assert "This plan was never carried out." in text_of(response)


@pytest.mark.parametrize(
    ("needed", "words"),
    [(1, "Somebody else has to approve."), (2, "2 other people have to approve."), (0, "It needs no approval.")],
)
def test_the_page_says_how_many_have_to_approve_here(restores, as_person, settings, needed, words):
    settings.APPROVALS_NEEDED = settings.APPROVALS_NEEDED | {"R2": needed}
    plan = restores.plan(Mode.SWAP)
    assert words in text_of(as_person("operator").get(plan.get_absolute_url()))
