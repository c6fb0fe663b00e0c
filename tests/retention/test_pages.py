"""Pages of retention, and what each role finds there."""

import re
from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from backups.approvals.models import ApprovalRequest
from backups.clusters.models import ClusterCredential
from backups.retention.asking import ask_delete
from backups.retention.models import CopyForm, Hold, SafetyCopy
from backups.retention.overview import url_of
from backups.runs.models import Run, RunState
from tests.turns import work

from .conftest import WHY
from .test_holds import restore_of

EVERYBODY = ("viewer", "operator", "approver", "auditor", "administrator")


@pytest.fixture(params=["snapshot", "archive"])
def copy(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def _looked_at(location):
    (location.directory / "cybersift_restore.py").touch()


def page_of(copy, which: str = "") -> str:
    name = copy._meta.model_name
    return reverse(f"retention:{name}{which and f'_{which}'}", args=[copy.pk])


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def button(answer, label: str) -> str:
    """The start tag of the button or link with this label."""
    found = re.search(rf"<(a|button)\b([^>]*)>(?:<svg.*?</svg>)?{label}", answer.content.decode())
    return found[0] if found else ""


def test_an_empty_console_says_what_there_would_be(as_person, db):
    text = text_of(as_person("viewer").get(reverse("retention:overview")))

    assert "Nobody holds a copy" in text
    assert "No request needs a copy" in text
    assert "No safety copy is kept" in text


def test_the_first_page_shows_what_keeps_copies(as_person, snapshot, archive, hold, cast, cluster):
    hold(snapshot)
    hold(archive, "approver")
    request = restore_of(archive, cast["operator"])
    over = {"state": RunState.SUCCEEDED, "ended_at": timezone.now()}
    run = Run.objects.create(kind="restore_indices", key="r", subject="restore", **over)
    until = timezone.now() + timedelta(days=3)
    SafetyCopy.objects.create(
        run=run, form=CopyForm.INDEX, cluster=cluster, name="events-1-before", of="events-1", state="kept",
        made_at=timezone.now(), keep_until=until, bytes=2048,
    )  # fmt: skip

    answer = as_person("viewer").get(reverse("retention:overview"))

    text = text_of(answer)
    assert "Legal hold, case INC-4402." in text
    assert f"{request.number} by {cast['operator']}: Restore 2 indices" in text
    assert "events-1-before" in text
    assert "in 3 d" in text or f"{until:%d %b}".lstrip("0") in text
    assert page_of(snapshot) in answer.content.decode()


def test_the_pages_of_the_copies_lead_here(as_person, copy):
    assert page_of(copy) in as_person("viewer").get(copy.get_absolute_url()).content.decode()


@pytest.mark.parametrize("who", EVERYBODY)
def test_buttons_are_disabled_with_the_reason(as_person, snapshot, who):
    answer = as_person(who).get(page_of(snapshot))

    assert ("disabled" in button(answer, "Place a hold")) == (who in ("viewer", "auditor"))
    assert ("disabled" in button(answer, "Delete…")) == (who != "administrator")
    assert ("Administrators delete copies." in text_of(answer)) == (who != "administrator")
    assert not button(answer, "Ask…")


@pytest.mark.parametrize("who", EVERYBODY)
def test_a_held_one_can_be_asked_for(as_person, copy, hold, who):
    hold(copy)

    answer = as_person(who).get(page_of(copy))

    assert "disabled" in button(answer, "Delete…")
    assert ("disabled" in button(answer, "Ask…")) == (who not in ("operator", "administrator"))
    assert ("disabled" in button(answer, "Release…")) == (who != "approver")
    assert "Legal hold, case INC-4402." in text_of(answer)


def test_without_the_restricted_credential_it_is_said_before(as_person, snapshot):
    ClusterCredential.objects.filter(purpose="restricted").delete()
    browser = as_person("administrator")

    for page in ("", "delete"):
        answer = browser.get(page_of(snapshot, page))
        assert "This needs the restricted credential of soc-prod, which is not set." in text_of(answer)
        assert "disabled" in button(answer, "Delete")


def test_a_hold_by_its_form(as_person, copy, cast):
    until = timezone.now() + timedelta(days=30)
    answer = as_person("operator").post(page_of(copy, "hold"), {"until": f"{until:%Y-%m-%d}", "reason": WHY})

    placed = Hold.objects.get()
    assert answer["Location"] == page_of(copy)
    assert (placed.snapshot or placed.archive, placed.placed_by, placed.reason) == (copy, cast["operator"], WHY)
    assert placed.until.date() == (until + timedelta(days=1)).date()


@pytest.mark.parametrize(
    "sent", [{}, {"until": "2020-01-01", "reason": WHY}, {"until": "soon", "reason": WHY}, {"until": "2027-01-01"}]
)
def test_a_hold_that_says_too_little(as_person, snapshot, sent):
    answer = as_person("operator").post(page_of(snapshot, "hold"), {"x": "y"} | sent)

    assert answer.status_code == 422
    assert not Hold.objects.exists()


def test_a_release_by_its_form(as_person, copy, hold):
    placed = hold(copy)
    url = reverse("retention:release", args=[placed.pk])
    browser = as_person("approver")
    assert "Legal hold, case INC-4402." in text_of(browser.get(url))

    assert browser.post(url, {"reason": WHY})["Location"] == page_of(copy)
    assert browser.post(url, {"reason": WHY}).status_code == 422
    assert "It is over already." in text_of(browser.get(url))


def test_a_deletion_by_its_form(as_person, copy):
    browser = as_person("administrator")
    key = re.search(r'name="form_key" value="(\w+)"', browser.get(page_of(copy, "delete")).content.decode())[1]

    first = browser.post(page_of(copy, "delete"), {"reason": WHY, "form_key": key})
    again = browser.post(page_of(copy, "delete"), {"reason": WHY, "form_key": key})

    assert first["Location"] == again["Location"]
    run = Run.objects.get(kind=f"delete_{copy._meta.model_name}")
    assert work(run).state == "succeeded"
    text = text_of(browser.get(page_of(copy)))
    assert "Deleted by run" in text
    assert "there is nothing to delete" in text


def test_the_last_good_one_asks_for_its_name(as_person, make_snapshot):
    only, browser = make_snapshot(), as_person("administrator")
    assert "This is the last good copy" in text_of(browser.get(page_of(only, "delete")))

    wrong = browser.post(page_of(only, "delete"), {"reason": WHY, "form_key": "k", "typed_name": "nightly"})
    assert wrong.status_code == 422
    assert "Type its name, nightly-1" in text_of(wrong)
    right = browser.post(page_of(only, "delete"), {"reason": WHY, "form_key": "k", "typed_name": "nightly-1"})
    assert right.status_code == 302


def test_a_held_one_is_not_deleted_by_its_form(as_person, copy, hold):
    hold(copy)
    answer = as_person("administrator").post(page_of(copy, "delete"), {"reason": WHY, "form_key": "k"})

    assert answer.status_code == 422
    assert "is held. Hold by" in text_of(answer)
    assert not Run.objects.filter(kind__startswith="delete_").exists()


def test_asked_for_by_its_form(as_person, copy, hold):
    hold(copy)
    browser = as_person("operator")
    asked = browser.post(page_of(copy, "ask"), {"reason": WHY, "form_key": "k", "ticket": "INC-1"})

    request = ApprovalRequest.objects.get()
    assert asked["Location"] == request.get_absolute_url()
    assert copy.name in text_of(browser.get(request.get_absolute_url()))
    answer = browser.get(page_of(copy))
    assert "disabled" in button(answer, "Ask…")
    assert re.search(r"RR-\d+ by .* asks for it", text_of(answer))


def test_what_people_decide_about(snapshot, hold, cast):
    hold(snapshot)
    request = ask_delete(actor=cast["operator"], copy=snapshot, reason=WHY)

    html = render_to_string(request.template, {"plan": request.document})

    assert snapshot.name in html
    assert snapshot.uuid in html
    assert "Legal hold, case INC-4402." in html
    assert "Hold by" in html


def test_the_page_says_how_many_decide_here(as_person, snapshot, hold, settings):
    settings.APPROVALS_NEEDED = settings.APPROVALS_NEEDED | {"R3": 3}
    hold(snapshot)
    assert b"3 other people decide" in as_person("operator").get(f"{url_of(snapshot)}ask/").content
