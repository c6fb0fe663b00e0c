"""The pages of requests: what each role sees, what a vote needs, and what comes back when it cannot be."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from backups.approvals.models import ApprovalRequest, RequestState, Review, Vote
from backups.approvals.services import comment, withdraw
from backups.audit.models import AuditEntry
from backups.runs.models import Run
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

WHY = "The firewall indices are not part of the report"


def text_of(response) -> str:
    return " ".join(response.content.decode().split())


def vote(browser, request, verb="approve", **given):
    asked = {"digest": request.digest, "password": PASSWORD}
    return browser.post(f"/approvals/{request.pk}/{verb}/", asked | given)


# --- the inbox ------------------------------------------------------------------------------------------


def test_nothing_waits(as_person):
    assert "Nothing waits for you" in text_of(as_person("approver").get("/approvals/"))
    assert "No request is here" in text_of(as_person("viewer").get("/approvals/"))


def test_what_waits_stands_first_and_in_the_menu_of_every_page(as_person, ask):
    ask(title="Later"), ask(title="Sooner", risk="R3", summary={"tags": ["3.9 TiB freed"]}, ticket="INC-1")
    text = text_of(as_person("approver").get("/approvals/"))

    assert text.index("Sooner") < text.index("Later")
    assert "3.9 TiB freed" in text and "INC-1" in text and "2 approvals" in text
    for page in ("/", "/runs/"):
        text = text_of(as_person("approver").get(page))
        assert text.count('<span class="count hot">2') == 2  # in the menu, and beside the bell on a phone
        assert "2 requests wait for you" in text
        assert "count hot" not in text_of(as_person("operator").get(page))


@pytest.mark.parametrize(
    ("tab", "shown"),
    [
        ("waiting", ["pending"]),
        ("open", ["pending"]),
        ("decided", ["withdrawn", "scratch"]),
        ("expired", ["expired"]),
    ],
)
def test_each_tab_has_its_requests(as_person, ask, cast, tab, shown):
    for title in ("pending", "withdrawn", "expired", "scratch"):
        ask(title=f"the {title} one", risk="R0" if title == "scratch" else "R1")
    withdraw(ApprovalRequest.objects.get(title="the withdrawn one"), actor=cast["operator"])
    rows = ApprovalRequest.objects
    rows.filter(title="the expired one").update(state="expired", ended_at=timezone.now())
    rows.filter(title="the scratch one").update(state="started", ended_at=timezone.now())

    text = text_of(as_person("approver").get(f"/approvals/?tab={tab}"))

    found = [title for title in ("pending", "withdrawn", "expired", "scratch") if f"the {title} one" in text]
    assert sorted(found) == sorted(shown)


def test_ones_own(as_person, ask):
    ask(title="my own"), ask("administrator", title="somebody's")
    text = text_of(as_person("operator").get("/approvals/?tab=mine"))
    assert "my own" in text and "somebody&#x27;s" not in text
    assert "my own" in text_of(as_person("operator").get("/approvals/"))


def test_lists_ask_the_database_as_often_for_many_as_for_one(as_person, ask, django_assert_max_num_queries):
    for _ in range(12):
        ask()
    approver, viewer = as_person("approver"), as_person("viewer")
    with django_assert_max_num_queries(16):
        approver.get("/approvals/")
    with django_assert_max_num_queries(16):
        viewer.get("/approvals/?tab=open")


# --- one request ----------------------------------------------------------------------------------------


def test_the_page_has_all_that_is_needed_to_decide(as_person, ask, cast):
    request = ask(
        risk="R3",
        risk_reason="2 live indices are replaced",
        summary={"text": "Both are closed for about 9 minutes."},
        ticket="INC-4471",
        subject_url="/snapshots/1/",
    )
    comment(request, actor=cast["approver2"], text="Leave out DNS", asks_change=True)
    text = text_of(as_person("approver").get(f"/approvals/{request.pk}/"))

    for expected in (
        *(request.number, "Restore 12 indices into soc-prod", "2 live indices are replaced", "INC-4471"),
        *("Both are closed for about 9 minutes.", request.reason, "logs-auth", request.digest, "0 of 2"),
        *("Approvers except Maria Zammit", "You, Ritianne Vella", "Expires", "Leave out DNS", "Asks for a change"),
        *("Waits for approval", 'href="/snapshots/1/"', "Your decision", f'name="digest" value="{request.digest}"'),
    ):
        assert expected in text, expected


@pytest.mark.parametrize(
    ("who", "sees", "not_"),
    [
        ("viewer", [], ["Your decision", "Withdraw RR", "/comment/", "someone else decides"]),
        ("operator", ["You asked for this, so someone else decides.", "Withdraw RR", "/comment/"], ["/approve/"]),
        ("approver", ["/approve/", "/comment/"], ["Withdraw RR"]),
        ("auditor", [], ["/approve/", "Withdraw RR", "/comment/"]),
        ("administrator", ["Withdraw RR", "/comment/"], ["/approve/", "someone else decides"]),
    ],
)
def test_who_sees_which_buttons(as_person, ask, who, sees, not_):
    text = text_of(as_person(who).get(f"/approvals/{ask().pk}/"))
    assert [words for words in sees if words not in text] == []
    fields = [tag for tag in re.findall("<input[^>]*>", text) if 'name="password"' in tag]
    # one stands in a dialog outside of its form, and each dialog has the form of its own vote
    assert [re.search('form="([^"]*)"', tag)[1] for tag in fields] in ([], ["decide", "reject-form"])
    assert [words for words in not_ if words in text] == []


def test_the_story_goes_on_to_the_end_of_the_run(as_person, approved):
    request = approved()
    text = text_of(as_person("viewer").get(f"/approvals/{request.pk}/"))
    assert "Waits for its run to begin" in text and f"Open run {request.run_id}" in text

    now = timezone.now()
    ApprovalRequest.objects.update(state=RequestState.STARTED, ended_at=now)
    assert "Work goes on" in text_of(as_person("viewer").get(f"/approvals/{request.pk}/"))
    Run.objects.update(state="failed", ended_at=now, error="The target moved.")
    text = text_of(as_person("viewer").get(f"/approvals/{request.pk}/"))
    assert "Work began" in text and "The target moved." in text


def test_a_plan_without_a_picture_is_shown_as_it_is(as_person, ask):
    text = as_person("viewer").get(f"/approvals/{ask(template='no/such.html').pk}/").content.decode()
    assert "&quot;indices&quot;: [" in text


def test_what_people_wrote_is_text(as_person, ask):
    request = ask(title="<b>T</b>", reason="<script>alert(1)</script> and more", summary={"tags": ["<i>x</i>"]})
    for page in (f"/approvals/{request.pk}/", "/approvals/"):
        text = as_person("approver").get(page).content.decode()
        assert "<script>alert" not in text and "<b>T" not in text and "<i>x" not in text


# --- decisions ------------------------------------------------------------------------------------------


def test_an_approval_with_the_password(as_person, ask):
    request = ask()
    response = vote(as_person("approver"), request, comment="Looks right")

    assert (response.status_code, response["Location"]) == (302, f"/approvals/{request.pk}/")
    assert ApprovalRequest.objects.get().state == RequestState.APPROVED
    assert AuditEntry.objects.get(action="request.voted").reason == "Looks right"
    assert AuditEntry.objects.filter(action="step_up.passed").exists()


@pytest.mark.parametrize("password", ["", "wrong"])
def test_no_approval_without_it(as_person, ask, password):
    request = ask()
    response = vote(as_person("approver"), request, password=password, comment="Looks right")

    text = text_of(response)
    assert response.status_code == 422
    assert "Give your password to vote" in text if not password else "tries left" in text
    assert "Looks right" in text and "wrong&quot;" not in text and 'value="wrong"' not in text
    assert not Vote.objects.exists()
    # the field stands in the page now, so that it works without the dialog, and there is one button
    assert f'{request.pk}/approve/"' in text and "/reject/" not in text and 'name="password"' in text


@pytest.mark.parametrize("password", ["", "wrong"])
def test_no_rejection_without_it(as_person, ask, password):
    request = ask()
    response = vote(as_person("approver"), request, "reject", password=password, comment=WHY)

    text = text_of(response)
    assert response.status_code == 422
    assert "Give your password to vote" in text if not password else "tries left" in text
    assert WHY in text and 'value="wrong"' not in text
    assert not Vote.objects.exists() and ApprovalRequest.objects.get().state == RequestState.PENDING
    assert f'{request.pk}/reject/"' in text and "/approve/" not in text and 'name="password"' in text
    assert vote(as_person("approver"), request, "reject", comment=WHY).status_code == 302
    assert AuditEntry.objects.filter(action="step_up.passed").exists()


def test_tries_are_counted(as_person, ask, settings):
    settings.SIGN_IN_TRIES = 2
    request, browser = ask(), as_person("approver")
    for _ in range(2):
        assert vote(browser, request, password="wrong").status_code == 422
    response = vote(browser, request)
    assert response.status_code == 429 and int(response["Retry-After"]) > 0
    assert "nothing was checked" in text_of(response) and not Vote.objects.exists()


def test_a_vote_on_another_plan_shows_the_present_one(as_person, ask):
    request = ask()
    for verb in ("approve", "reject"):
        response = vote(as_person("approver"), request, verb, digest="0" * 64, comment=WHY)
        text = text_of(response)
        assert response.status_code == 409
        assert "not the plan that you were shown" in text and f'value="{request.digest}"' in text
    assert not Vote.objects.exists()


def test_a_rejection_says_why(as_person, ask):
    request, browser = ask(), as_person("approver")
    assert vote(browser, request, "reject").status_code == 422
    assert vote(browser, request, "reject", comment=WHY).status_code == 302
    assert WHY in text_of(browser.get(f"/approvals/{request.pk}/"))
    response = vote(browser, request, "reject", comment=WHY)
    assert response.status_code == 409 and "not open any more" in text_of(response)


def test_who_approved_can_still_reject(as_person, ask):
    request, browser = ask(risk="R3"), as_person("approver")
    vote(browser, request)
    text = text_of(browser.get(f"/approvals/{request.pk}/"))
    assert "You approved this." in text and 'popovertarget="approve"' not in text
    assert vote(browser, request, "reject", comment=WHY).status_code == 302


def test_a_vote_on_ones_own_is_denied_and_in_the_log(as_person, ask, cast):
    cast["operator"].groups.add(*cast["approver"].groups.all())
    response = vote(as_person("operator"), ask())
    assert response.status_code == 403
    assert AuditEntry.objects.filter(action="access.denied").exists()


def test_people_talk(as_person, ask):
    request, browser = ask(), as_person("approver")
    assert browser.post(f"/approvals/{request.pk}/comment/", {"text": " "}).status_code == 422
    browser.post(f"/approvals/{request.pk}/comment/", {"text": "Why DNS?"})
    browser.post(f"/approvals/{request.pk}/comment/", {"text": "Leave it out", "asks_change": "yes"})
    text = text_of(browser.get(f"/approvals/{request.pk}/"))
    assert text.index("Why DNS?") < text.index("Asks for a change") < text.index("Leave it out")


def test_it_is_withdrawn(as_person, ask):
    request, browser = ask(), as_person("operator")
    assert browser.post(f"/approvals/{request.pk}/withdraw/").status_code == 302
    assert "Withdrawn by Maria Zammit." in text_of(browser.get(f"/approvals/{request.pk}/"))
    assert browser.post(f"/approvals/{request.pk}/withdraw/").status_code == 409
    other = ask("administrator")
    assert browser.post(f"/approvals/{other.pk}/withdraw/").status_code == 403


def test_broken_glass_is_loud_and_reviewed(as_person, ask):
    request = ask("administrator", break_glass=True, risk="R2")
    ApprovalRequest.objects.update(state=RequestState.STARTED, ended_at=timezone.now())
    browser, page = as_person("auditor"), f"/approvals/{request.pk}/"

    assert "started without approval, look at it" in text_of(browser.get("/approvals/"))
    text = text_of(browser.get(page))
    assert "The glass was broken" in text and "Save review" in text
    assert "someone else reviews it" in text_of(as_person("administrator").get(page))
    assert "Save review" not in text_of(as_person("operator").get(page))

    response = browser.post(f"{page}review/", {"found": "accepted", "note": "fine"})
    assert response.status_code == 422 and "20 characters" in text_of(response)
    browser.post(f"{page}review/", {"found": "violation", "note": "There was time to ask somebody"})
    assert ApprovalRequest.objects.get().review == Review.VIOLATION
    assert "it was against the rules" in text_of(browser.get(page))


def test_what_expired_is_not_decided_even_before_the_worker_noticed(as_person, ask):
    request = ask()
    ApprovalRequest.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    text = text_of(as_person("approver").get(f"/approvals/{request.pk}/"))
    assert "Expired" in text and "Your decision" not in text
    assert vote(as_person("approver"), request).status_code == 409
