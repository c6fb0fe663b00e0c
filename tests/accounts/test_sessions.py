"""Which acts end whose sessions."""

from datetime import timedelta

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.utils import timezone

from backups.accounts import services
from backups.accounts.sessions import end_sessions, remove_old_sessions
from tests.conftest import PASSWORD

PAGE = "/account/"
NEW = "another long password"


def is_in(browser) -> bool:
    return browser.get(PAGE).status_code == 200


@pytest.mark.parametrize(
    "verb",
    [
        lambda person, actor: services.deactivate(person, actor=actor),
        lambda person, actor: services.change_roles(person, ["viewer"], actor=actor, reason="Moves to another team"),
        lambda person, actor: services.set_one_time_password(person, actor=actor),
    ],
    ids=["deactivate", "roles", "one-time password"],
)
def test_the_persons_sessions_end_and_nobody_elses(cast, as_person, verb):
    browsers = [as_person("operator"), as_person("operator")]
    others = [as_person("viewer"), as_person("administrator")]
    assert all(map(is_in, browsers + others))

    verb(cast["operator"], cast["administrator"])

    assert not any(map(is_in, browsers))
    assert all(map(is_in, others))


def test_reactivating_does_not_bring_old_sessions_back(cast, as_person):
    browser = as_person("operator")
    services.deactivate(cast["operator"], actor=cast["administrator"])
    services.reactivate(cast["operator"], actor=cast["administrator"])

    assert not is_in(browser)


def test_a_changed_password_ends_the_other_sessions(cast, as_person):
    here, there = as_person("operator"), as_person("operator")

    here.post("/account/password/", {"current": PASSWORD, "new": NEW, "again": NEW})

    assert is_in(here)
    assert not is_in(there)


def test_the_session_gets_a_new_key_with_the_new_password(as_person):
    browser = as_person("operator")
    before = browser.session.session_key

    browser.post("/account/password/", {"current": PASSWORD, "new": NEW, "again": NEW})

    assert browser.session.session_key != before
    assert SESSION_KEY in browser.session


def test_a_session_under_way_is_not_written_back(cast, as_person):
    """What a slow request would do at its end, after its session was ended."""
    session = as_person("operator").session
    assert session[SESSION_KEY] == str(cast["operator"].pk)
    assert end_sessions(cast["operator"]) == 1

    session["used_at"] = 1
    with pytest.raises(UpdateError):
        session.save()
    assert not Session.objects.exists()


def test_sessions_of_nobody_and_unreadable_ones_do_no_harm(cast, as_person):
    later = timezone.now() + timedelta(hours=1)
    Session.objects.create(session_key="a" * 32, session_data="garbage", expire_date=later)
    as_person("operator")

    assert end_sessions(cast["operator"]) == 1
    assert Session.objects.get().session_key == "a" * 32


def test_old_sessions_are_removed(cast, as_person):
    as_person("operator")
    Session.objects.create(session_key="b" * 32, session_data="", expire_date=timezone.now())

    assert remove_old_sessions() == 1
    assert Session.objects.count() == 1
