"""Mail addresses of people: an administrator enters them, and everybody may change their own."""

import json

import pytest

from backups.access import Denied
from backups.access.models import User
from backups.accounts import services
from backups.audit.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def address_of(name: str) -> str:
    return User.objects.get(username=name).email


def changes() -> list[dict]:
    entries = AuditEntry.objects.filter(action="person.changed").order_by("seq")
    return [json.loads(entry.text)["change"] for entry in entries]


def test_ones_own_with_its_entry_and_once(cast):
    for _ in range(2):
        services.change_email(cast["viewer"], "vera@soc.example", actor=cast["viewer"])
    assert address_of("viewer") == "vera@soc.example"
    assert changes() == [{"email": {"before": "", "after": "vera@soc.example"}}]


def test_somebody_elses_is_for_administrators(cast):
    services.change_email(cast["viewer"], "vera@soc.example", actor=cast["administrator"])
    with pytest.raises(Denied):
        services.change_email(cast["viewer"], "", actor=cast["operator"])
    assert address_of("viewer") == "vera@soc.example"


def test_on_the_page_of_ones_own_profile(cast, as_person):
    browser = as_person("viewer")
    sent = {"email": "vera@soc.example", "time_zone": "Europe/Malta"}
    assert browser.post("/account/", sent).status_code == 302
    assert (address_of("viewer"), User.objects.get(username="viewer").time_zone) == (
        "vera@soc.example",
        "Europe/Malta",
    )
    assert 'value="vera@soc.example"' in browser.get("/account/").content.decode()
    assert browser.post("/account/", sent | {"email": "no address"}).status_code == 422


def test_on_the_page_of_a_person(cast, as_person):
    browser, page = as_person("administrator"), f"/people/{cast['viewer'].pk}/"
    assert "None: no mail is sent" in browser.get(page).content.decode()
    assert browser.post(f"{page}email/", {"email": "vera@soc.example"})["Location"] == page
    assert "vera@soc.example" in browser.get(page).content.decode()
    assert browser.post(f"{page}email/", {"email": "@"}).status_code == 422
    assert browser.post(f"/people/{cast['administrator'].pk}/email/", {"email": ""}).status_code == 403


def test_a_new_person_comes_with_one(cast, as_person):
    sent = {"full_name": "Nadia Mifsud", "name": "nadia", "roles": ["approver"], "email": "nadia@soc.example"}
    assert as_person("administrator").post("/people/add/", sent).status_code == 200
    assert address_of("nadia") == "nadia@soc.example"
