"""One's own account: the password again, a new password, time zone and theme."""

import time

import pytest
from django.test import Client
from django.utils.http import urlencode

from backups.access.gate import STEPPED_UP_AT
from backups.access.models import User
from backups.audit.models import AuditEntry
from tests.conftest import PASSWORD

STEP_UP, CHANGE = "/step-up/", "/account/password/"
NEW = "another long password"


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))


def stale(browser: Client) -> Client:
    """The same browser ten minutes after the password was given."""
    session = browser.session
    session[STEPPED_UP_AT] = time.time() - 600
    session.save()
    return browser


@pytest.fixture
def administrator(as_person):
    return stale(as_person("administrator"))


def test_dangerous_pages_ask_for_the_password_again(cast, administrator):
    page = f"/people/{cast['viewer'].pk}/roles/"

    answer = administrator.get(page)
    assert answer["Location"] == f"{STEP_UP}?{urlencode({'next': page})}"

    answer = administrator.post(STEP_UP, {"password": PASSWORD, "next": page})
    assert answer["Location"] == page
    assert administrator.get(page).status_code == 200
    assert actions() == ["step_up.passed"]


def test_what_was_sent_without_it_is_not_done(cast, administrator):
    answer = administrator.post(f"/people/{cast['viewer'].pk}/deactivate/", {"reason": ""})

    assert answer.status_code == 302
    assert User.objects.get(pk=cast["viewer"].pk).is_active


def test_a_wrong_password_passes_nothing(administrator):
    answer = administrator.post(STEP_UP, {"password": "wrong", "next": "/people/add/"})

    assert answer.status_code == 422
    assert "The password is wrong" in answer.content.decode()
    assert administrator.get("/people/add/").status_code == 302
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.outcome) == ("step_up.failed", "failure")


def test_wrong_passwords_are_counted_here_too(administrator):
    for _ in range(5):
        administrator.post(STEP_UP, {"password": "wrong"})

    answer = administrator.post(STEP_UP, {"password": PASSWORD})
    assert answer.status_code == 429
    assert answer["Retry-After"]
    assert administrator.post(CHANGE, {"current": PASSWORD, "new": NEW, "again": NEW}).status_code == 429


def test_step_up_does_not_lead_to_other_sites(administrator):
    answer = administrator.post(STEP_UP, {"password": PASSWORD, "next": "//evil.example/"})

    assert answer["Location"] == "/"


def test_a_new_password_is_set_with_an_entry(cast, as_person):
    browser = as_person("operator")

    answer = browser.post(CHANGE, {"current": PASSWORD, "new": NEW, "again": NEW})

    assert answer.status_code == 302
    assert User.objects.get(username="operator").check_password(NEW)
    assert actions() == ["password.changed"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"current": "wrong"}, "current password is wrong"),
        ({"again": "something else"}, "not the same"),
        ({"new": "short", "again": "short"}, "too short"),
        ({"new": "password1234", "again": "password1234"}, "too common"),
        ({"new": "maria zammit", "again": "maria zammit"}, "too similar"),
        ({"new": PASSWORD, "again": PASSWORD}, "current password. Choose another"),
        ({"current": ""}, "required"),
    ],
)
def test_passwords_that_will_not_do(cast, as_person, data, said):
    answer = as_person("operator").post(CHANGE, {"current": PASSWORD, "new": NEW, "again": NEW} | data)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert User.objects.get(username="operator").check_password(PASSWORD)


def test_what_was_typed_is_not_sent_back(as_person):
    answer = as_person("operator").post(CHANGE, {"current": "typed-wrong", "new": NEW, "again": "typed-other"})

    assert b"typed-" not in answer.content


def test_a_one_time_password_is_changed_and_then_the_console_opens(cast, client):
    User.objects.filter(username="operator").update(must_change_password=True)
    client.post("/sign-in/", {"name": "operator", "password": PASSWORD})
    assert client.get("/account/")["Location"] == CHANGE

    client.post(CHANGE, {"current": PASSWORD, "new": NEW, "again": NEW})

    assert client.get("/account/").status_code == 200


def test_the_time_zone_is_saved_and_the_name_is_not_a_field(as_person):
    browser = as_person("operator")

    browser.post("/account/", {"time_zone": "Europe/Malta", "name": "Somebody Else"})

    person = User.objects.get(username="operator")
    assert (person.time_zone, person.name) == ("Europe/Malta", "Maria Zammit")
    assert browser.post("/account/", {"time_zone": "Mars/Base"}).status_code == 422


def test_the_theme_is_saved_and_leads_back(as_person):
    browser = as_person("operator")

    answer = browser.post("/account/theme/", {"theme": "dark", "next": "/runs/?state=failed"})

    assert answer["Location"] == "/runs/?state=failed"
    assert User.objects.get(username="operator").theme == "dark"
    assert browser.post("/account/theme/", {"theme": "neon"}).status_code == 400
    assert browser.post("/account/theme/", {"theme": "light", "next": "https://evil.example"})["Location"] == "/"


def test_a_person_without_a_role_can_still_leave(db, client):
    person = User.objects.create_user("nobody", password=PASSWORD)
    client.force_login(person)

    assert client.get("/people/").status_code == 403
    assert client.get("/account/").status_code == 200
    assert client.post("/sign-out/").status_code == 302


def test_the_zones_of_places_are_offered_and_no_others(as_person):
    page = as_person("operator").get("/account/").content.decode()

    assert 'value="Europe/Malta"' in page and "UTC only" in page
    others = ("Factory", "localtime", "CET", "US/Eastern", "Etc/GMT+5")
    assert not [zone for zone in others if f'value="{zone}"' in page]


def test_a_time_zone_that_is_not_offered_any_more_stays_until_it_is_changed(as_person):
    browser = as_person("operator")
    User.objects.filter(username="operator").update(time_zone="US/Eastern")

    assert '<option value="US/Eastern" selected>' in browser.get("/account/").content.decode()
    browser.post("/account/", {"time_zone": "US/Eastern"})
    assert User.objects.get(username="operator").time_zone == "US/Eastern"
