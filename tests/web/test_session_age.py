import time

import pytest
from django.contrib.messages import get_messages
from django.contrib.sessions.models import Session

from backups.audit.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]


@pytest.fixture
def browser(as_person):
    client = as_person("operator")
    client.get("/trouble/fragment/")
    return client


def grow_old(client, **ages) -> None:
    """Set started_at and used_at this many seconds back."""
    session = client.session
    for name, seconds in ages.items():
        session[name] = time.time() - seconds
    session.save()


def test_a_session_in_use_lives_on(browser, settings):
    grow_old(browser, started_at=settings.SESSION_MAX_SECONDS - 60, used_at=settings.SESSION_IDLE_SECONDS - 60)

    assert browser.get("/trouble/fragment/").status_code == 200


@pytest.mark.parametrize(
    ("ages", "limit", "words"),
    [
        ({"used_at": 30 * 60 + 1}, "SESSION_IDLE_SECONDS", "ended after 30 min without use"),
        ({"started_at": 8 * 3600 + 1}, "SESSION_MAX_SECONDS", "ended 8 h after you signed in"),
    ],
)
def test_an_old_session_ends_and_says_why(browser, ages, limit, words):
    key = browser.session.session_key
    grow_old(browser, **ages)

    answer = browser.get("/trouble/fragment/")

    assert answer.status_code == 302
    assert answer["Location"].endswith("?next=/trouble/fragment/")
    assert not Session.objects.filter(pk=key).exists()
    entry = AuditEntry.objects.get(action="session.expired")
    assert (entry.actor, entry.object_name) == (None, "Maria Zammit")
    assert limit in entry.text
    told = [str(message).replace("\N{NO-BREAK SPACE}", " ") for message in get_messages(answer.wsgi_request)]
    assert any(words in text for text in told)


def test_the_end_of_a_session_is_one_entry(browser):
    grow_old(browser, used_at=3600)

    for _ in range(3):
        browser.get("/trouble/fragment/")

    assert AuditEntry.objects.filter(action="session.expired").count() == 1


def test_use_moves_the_time_of_use(browser):
    grow_old(browser, used_at=1200)

    browser.get("/trouble/fragment/")

    assert time.time() - browser.session["used_at"] < 60


def test_a_page_that_refreshes_itself_is_not_use(browser):
    grow_old(browser, used_at=1200)

    browser.get("/trouble/fragment/", headers={"HX-Request": "true", "X-Poll": "1"})

    assert time.time() - browser.session["used_at"] >= 1200


def test_the_time_of_use_is_not_written_with_every_request(browser, django_assert_num_queries):
    with django_assert_num_queries(2):  # session, person
        browser.get("/trouble/fragment/")


def test_a_fragment_sends_the_whole_page_to_sign_in_and_back(browser):
    grow_old(browser, used_at=3600)

    answer = browser.get(
        "/trouble/fragment/?v=4",
        headers={"HX-Request": "true", "HX-Current-URL": "https://console.example/runs/5/?tab=log#L3"},
    )

    assert answer.status_code == 204
    assert answer["HX-Redirect"].endswith("?next=%2Fruns%2F5%2F%3Ftab%3Dlog")


@pytest.mark.parametrize("page", ["", "https://evil.example", "https://x//evil.example", "http://[", "runs/", "%00"])
def test_the_way_back_never_leaves_the_console(client, page):
    answer = client.get("/trouble/fragment/", headers={"HX-Request": "true", "HX-Current-URL": page})

    assert answer["HX-Redirect"].endswith("?next=%2F")


def test_a_form_that_comes_too_late_leads_back_to_its_page_not_to_an_address_for_forms(browser):
    grow_old(browser, used_at=3600)

    answer = browser.post("/runs/5/cancel/", headers={"Referer": "http://testserver/runs/5/?tab=log"})

    assert answer.status_code == 302
    assert answer["Location"].endswith("?next=%2Fruns%2F5%2F%3Ftab%3Dlog")
    assert "it was not saved, and nothing was changed" in browser.get(answer["Location"]).content.decode()


def test_a_form_that_comes_too_late_without_a_page_leads_home(client):
    assert client.post("/runs/5/cancel/")["Location"].endswith("?next=%2F")
    outside = client.post("/runs/5/cancel/", headers={"Referer": "https://evil.example//evil.example"})
    assert outside["Location"].endswith("?next=%2F")


@pytest.mark.parametrize(
    ("ages", "seconds"),
    [({"used_at": 0}, 30 * 60), ({"used_at": 50}, 30 * 60 - 50), ({"started_at": 8 * 3600 - 90}, 90)],
)
def test_pages_carry_the_seconds_until_the_session_ends(browser, ages, seconds):
    grow_old(browser, **ages)

    said = browser.get("/account/").content.decode().split('data-session="')[1].split('"')[0]

    assert seconds - 5 <= int(said) <= seconds


def test_pages_for_nobody_in_particular_carry_no_session(client):
    assert "data-session" not in client.get("/sign-in/").content.decode()
