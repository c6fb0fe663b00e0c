"""Pages about people: the list, the matrix, one person, and what administrators do there."""

import logging

import pytest
from django.contrib.sessions.models import Session

from backups.access import ACTS, ROLES
from backups.access.models import User
from backups.accounts.matrix import LABELS, gains_and_loses, matrix
from backups.audit.models import AuditEntry

REASON = "Takes over the night shift from Monday"


@pytest.fixture
def administrator(as_person):
    return as_person("administrator")


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


def test_the_list_shows_everybody_with_state_and_roles(cast, administrator):
    User.objects.filter(username="viewer").update(is_active=False)

    page = text_of(administrator.get("/people/"))

    for person in cast.values():
        assert person.name in page
    assert "5 active people. 2 can approve." in page
    assert "Deactivated" in page


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"q": "zammit"}, {"operator"}),
        ({"q": "approver"}, {"approver", "approver2"}),
        ({"role": "auditor"}, {"auditor"}),
        ({"state": "deactivated"}, {"viewer"}),
        ({"state": "invited"}, {"auditor"}),
        ({"state": "active", "role": "approver"}, {"approver", "approver2"}),
        ({"state": "nonsense"}, {"viewer", "operator", "approver", "approver2", "auditor", "administrator"}),
    ],
)
def test_filters(cast, administrator, filters, names):
    User.objects.filter(username="viewer").update(is_active=False)
    User.objects.filter(username="auditor").update(must_change_password=True)

    rows = administrator.get("/people/", filters).context["page"].rows

    assert {person.username for person in rows} == names


def test_the_list_asks_few_questions_however_many_people(cast, administrator, django_assert_max_num_queries):
    for number in range(20):
        User.objects.create_user(f"person-{number}").groups.set(cast["operator"].groups.all())

    with django_assert_max_num_queries(12):
        administrator.get("/people/")


def test_the_matrix_is_the_table_that_decides(cast, administrator):
    assert set(LABELS) == set(ACTS)
    for row in matrix():
        act = next(act for act, label in LABELS.items() if label == row.label)
        assert [role for role, allowed in row.cells if allowed] == [role for role in ROLES if role in ACTS[act]]

    page = text_of(administrator.get("/people/"))
    assert all(label in page for label in LABELS.values())


def test_what_a_change_of_roles_means():
    gains, loses = gains_and_loses({"operator"}, {"auditor"})

    assert LABELS["entry.export"] in gains
    assert LABELS["snapshot.start"] in loses
    assert LABELS["pages.read"] not in gains + loses


@pytest.mark.parametrize("role", ["operator", "approver", "auditor"])
def test_others_see_people_without_buttons(cast, as_person, role):
    browser = as_person(role)

    assert "Add person" not in text_of(browser.get("/people/"))
    page = text_of(browser.get(f"/people/{cast['viewer'].pk}/"))
    assert "Vera Camilleri" in page
    assert "Deactivate" not in page


def test_viewers_do_not_see_people(cast, as_person):
    assert as_person("viewer").get("/people/").status_code == 403
    assert as_person("viewer").get(f"/people/{cast['operator'].pk}/").status_code == 403


def test_an_administrator_adds_a_person_who_signs_in(cast, administrator, client, caplog):
    with caplog.at_level(logging.DEBUG):
        answer = administrator.post(
            "/people/add/", {"full_name": "Nadia Mifsud", "name": "nadia", "roles": ["operator", "approver"]}
        )

    password = answer.context["password"]
    assert password in text_of(answer)
    assert password not in caplog.text
    assert all(password not in str(session.get_decoded()) for session in Session.objects.all())
    assert all(password not in entry.text for entry in AuditEntry.objects.all())
    assert password not in text_of(administrator.get("/people/"))
    signed_in = client.post("/sign-in/", {"name": "nadia", "password": password})
    assert signed_in.status_code == 302
    assert client.get("/account/")["Location"] == "/account/password/"


@pytest.mark.parametrize(
    "data",
    [
        {"name": "operator"},
        {"name": "Nadia"},
        {"roles": []},
        {"roles": ["auditor", "viewer"]},
        {"roles": ["king"]},
        {"full_name": ""},
    ],
)
def test_a_form_that_will_not_do_comes_back(cast, administrator, data):
    sent = {"full_name": "Nadia Mifsud", "name": "nadia", "roles": ["viewer"]} | data

    assert administrator.post("/people/add/", sent).status_code == 422
    assert User.objects.count() == len(cast)


def test_a_change_of_roles_is_shown_before_it_is_saved(cast, administrator):
    url = f"/people/{cast['viewer'].pk}/roles/"
    sent = {"roles": ["operator"], "reason": REASON}

    page = text_of(administrator.post(url, sent))
    assert "Before it is saved" in page
    assert "Start snapshots" in page
    assert User.objects.get(username="viewer").roles == {"viewer"}

    answer = administrator.post(url, sent | {"confirmed": "yes"})
    assert answer["Location"] == f"/people/{cast['viewer'].pk}/"
    assert User.objects.get(username="viewer").roles == {"operator"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"reason": "too short"}, "at least 20 characters"),
        ({"roles": ["auditor", "viewer"]}, "no other role"),
        ({"roles": ["viewer"]}, "already"),
    ],
)
def test_a_change_of_roles_that_will_not_do(cast, administrator, data, said):
    sent = {"roles": ["operator"], "reason": REASON, "confirmed": "yes"} | data

    answer = administrator.post(f"/people/{cast['viewer'].pk}/roles/", sent)

    assert answer.status_code == 422
    assert said in text_of(answer)
    assert User.objects.get(username="viewer").roles == {"viewer"}


@pytest.mark.parametrize("page", ["roles", "one-time-password", "deactivate", "reactivate"])
def test_ones_own_account_is_left_alone_and_the_try_is_written_down(cast, administrator, page):
    answer = administrator.get(f"/people/{cast['administrator'].pk}/{page}/")

    assert answer.status_code == 403
    assert "your own account" in text_of(answer)
    assert AuditEntry.objects.get(action="access.denied").actor == cast["administrator"]


def test_a_one_time_password_is_shown_once(cast, administrator):
    url = f"/people/{cast['viewer'].pk}/one-time-password/"

    answer = administrator.post(url, {"reason": ""})

    password = answer.context["password"]
    assert password in text_of(answer)
    assert User.objects.get(username="viewer").check_password(password)
    assert password not in text_of(administrator.get(url))


def test_deactivate_and_reactivate(cast, administrator):
    page = f"/people/{cast['operator'].pk}/"

    assert administrator.post(f"{page}deactivate/", {"reason": "left"})["Location"] == page
    assert "Reactivate" in text_of(administrator.get(page))
    assert administrator.post(f"{page}deactivate/", {"reason": ""}).status_code == 422
    assert administrator.post(f"{page}reactivate/", {"reason": ""})["Location"] == page
    assert User.objects.get(username="operator").is_active


def test_a_person_who_is_not_there(administrator):
    for page in ("", "roles/", "deactivate/"):
        assert administrator.get(f"/people/99999/{page}").status_code == 404


def test_the_form_says_what_each_role_does(administrator):
    page = administrator.get("/people/add/").content.decode()

    assert all(f"{role.capitalize()}: " in page for role in ROLES)
