"""Signing in: who gets in, what is counted, what is said, and what the log keeps of it."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth import SESSION_KEY
from django.db import connection
from django.test import Client
from django.urls import reverse

from backups.access.models import User
from backups.accounts import sign_in
from backups.accounts.models import SignInTry
from backups.accounts.sign_in import SignInError, Throttled
from backups.audit.models import AuditEntry
from tests.conftest import PASSWORD

pytestmark = pytest.mark.db

URL = "/sign-in/"


def post(browser, name="operator", password=PASSWORD, **extra):
    return browser.post(URL, {"name": name, "password": password}, **extra)


def entries(action: str):
    return AuditEntry.objects.filter(action=action).order_by("seq")


@pytest.mark.django_db
def test_the_page_is_open_to_everybody(client):
    answer = client.get(URL)

    assert answer.status_code == 200
    assert b"Sign in" in answer.content


def test_a_right_password_opens_a_session_and_leaves_an_entry(cast, client):
    answer = post(client)

    assert answer.status_code == 302
    assert answer["Location"] == reverse("dashboard:home")
    assert client.session[SESSION_KEY] == str(cast["operator"].pk)
    entry = entries("person.signed_in").get()
    assert (entry.actor, entry.outcome) == (cast["operator"], "success")


@pytest.mark.parametrize(
    ("name", "password"),
    [("operator", "wrong"), ("nobody", PASSWORD), ("operator", PASSWORD + " "), ("OPERATOR", PASSWORD)],
)
def test_a_wrong_name_or_password_is_one_answer(cast, client, name, password):
    answer = post(client, name, password)

    assert answer.status_code == 422
    assert "Name or password is wrong" in answer.content.decode()
    assert SESSION_KEY not in client.session
    assert entries("sign_in.failed").get().object_name == name


def test_a_deactivated_person_is_answered_like_a_wrong_password(cast, client):
    User.objects.filter(username="operator").update(is_active=False)

    answer = post(client)

    assert answer.status_code == 422
    assert "Name or password is wrong" in answer.content.decode()


def test_an_unknown_name_costs_a_hash_too(cast, monkeypatch):
    """Django hashes for unknown names; the test holds that nothing of ours returns before it."""
    hashed = []
    original = User.set_password
    monkeypatch.setattr(User, "set_password", lambda self, raw: (hashed.append(raw), original(self, raw))[1])

    with pytest.raises(SignInError):
        sign_in.sign_in("nobody", "some words", address="10.0.0.1")

    assert hashed == ["some words"]


def test_the_log_never_has_the_password_and_cuts_the_name(cast, client):
    post(client, "x" * 150, "the-password-that-was-typed")

    entry = entries("sign_in.failed").get()
    assert entry.object_name == "x" * 60
    assert "the-password-that-was-typed" not in entry.text
    assert "x" * 61 not in entry.text


def test_signing_in_gives_the_session_a_new_key(cast, client):
    session = client.session
    session["planted"] = "yes"
    session.save()
    before = session.session_key

    post(client)

    assert client.session.session_key != before


def test_signing_in_again_begins_a_new_session(as_person):
    browser = as_person("operator")
    session = browser.session
    session["left"] = "by another"
    session.save()
    before = browser.session.session_key

    post(browser, "viewer")

    assert browser.session.session_key != before
    assert "left" not in browser.session


def test_signing_in_counts_as_step_up(cast, client):
    post(client, "administrator")

    assert client.get(reverse("accounts:person_add")).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/people/", "/people/"),
        ("/runs/?state=failed", "/runs/?state=failed"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("///evil.example/", "/"),
        ("/\t/evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("people/", "/"),
        ("http:/evil.example", "/"),
        ("", "/"),
    ],
)
def test_the_way_on_stays_in_the_console(cast, client, wanted, reached):
    answer = client.post(URL, {"name": "operator", "password": PASSWORD, "next": wanted})

    assert answer["Location"] == reached
    assert client.get(URL, {"next": wanted})["Location"] == reached


def test_the_sixth_try_waits_and_is_not_checked(cast, client):
    for said in ("4 tries left", "3 tries left", "2 tries left", "1 try left", "This name has to wait now"):
        assert said in post(client, password="wrong").content.decode()

    answer = post(client)

    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 300
    assert "Try again in" in answer.content.decode()
    assert SESSION_KEY not in client.session
    assert entries("person.signed_in").count() == 0


def test_other_names_and_other_addresses_are_not_held_up(cast, client):
    for _ in range(5):
        post(client, password="wrong")

    assert post(Client(), "viewer").status_code == 302
    assert post(Client(), "operator", REMOTE_ADDR="10.9.9.9").status_code == 302


def test_upper_case_does_not_give_more_tries(cast, client):
    for name in ("operator", "Operator", "OPERATOR", "oPerator", "opErator"):
        post(client, name, "wrong")

    assert post(client).status_code == 429


def test_one_address_with_many_names_is_held_up_at_ten_times_the_limit(cast, client, settings):
    settings.SIGN_IN_TRIES = 2
    for number in range(20):
        assert post(client, f"name{number}", "wrong").status_code == 422

    assert post(client, "viewer").status_code == 429
    assert post(client, "viewer", REMOTE_ADDR="10.9.9.9").status_code == 302


def test_a_right_password_clears_the_tries_of_that_name_only(cast, client):
    for _ in range(4):
        post(client, password="wrong")
    post(client, "viewer", "wrong")

    post(client)

    assert [row.name for row in SignInTry.objects.all()] == ["viewer"]


def test_the_wait_ends_with_the_window(cast, client, settings):
    for _ in range(5):
        post(client, password="wrong")
    back = timedelta(seconds=settings.SIGN_IN_WINDOW_SECONDS + 1)
    for row in SignInTry.objects.all():
        SignInTry.objects.filter(pk=row.pk).update(at=row.at - back)

    assert post(client).status_code == 302


def test_refused_tries_do_not_make_the_wait_longer(cast, client):
    for _ in range(8):
        post(client, password="wrong")

    assert SignInTry.objects.count() == 5


def test_hammering_leaves_one_entry(cast, client):
    for _ in range(9):
        post(client, password="wrong")

    entry = entries("sign_in.throttled").get()
    assert (entry.object_name, entry.outcome) == ("operator from 127.0.0.1", "denied")
    assert entries("sign_in.failed").count() == 5


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_moment_do_not_get_past_the_limit(cast):
    """However many come at once: no more than five are hashed."""
    outcomes = []
    ready = threading.Barrier(12)

    def attempt():
        ready.wait()
        try:
            sign_in.sign_in("operator", "wrong", address="10.0.0.1")
        except (SignInError, Throttled) as error:
            outcomes.append(type(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 12
    assert outcomes.count(SignInError) <= 5
    assert entries("sign_in.failed").count() == outcomes.count(SignInError)


def test_old_tries_are_removed(db, settings):
    client = Client()
    post(client, "nobody", "wrong")
    post(client, "somebody", "wrong")
    old = SignInTry.objects.get(name="nobody")
    SignInTry.objects.filter(pk=old.pk).update(at=old.at - timedelta(seconds=settings.SIGN_IN_WINDOW_SECONDS + 1))

    assert sign_in.remove_old_tries() == 1
    assert SignInTry.objects.get().name == "somebody"


@pytest.mark.parametrize("name", ["a\x00b", "x" * 151, "", "   "])
def test_names_that_nobody_can_have_are_refused_by_the_form(cast, client, name):
    assert post(client, name).status_code == 422
    assert SignInTry.objects.count() == 0


def test_sign_out_ends_the_session_with_an_entry(cast, as_person):
    browser = as_person("operator")

    answer = browser.post("/sign-out/")

    assert answer["Location"] == URL
    assert SESSION_KEY not in browser.session
    assert entries("person.signed_out").get().actor == cast["operator"]


def test_sign_out_is_not_a_link(as_person):
    browser = as_person("operator")

    assert browser.get("/sign-out/").status_code == 405
    assert SESSION_KEY in browser.session


def test_every_answer_about_passwords_is_never_stored(cast, client):
    assert client.get(URL)["Cache-Control"] == "no-store"
