import re

import pytest
from django.urls import reverse

from backups.runs.models import Run, RunState

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]

PROTECT = ["Snapshots", "File and Redis archives", "Retention"]
EVERYBODY = ["Dashboard", "Runs", *PROTECT, "Restores", "Approvals", "Clusters", "Repositories"]


def sections(html: str) -> list[str]:
    nav = re.search(r'<nav class="nav".*?</nav>', html, re.DOTALL)[0]
    return re.findall(r"</svg>([A-Z][^<]*?)\s*<", nav)


@pytest.mark.parametrize(
    ("who", "more"),
    [
        ("viewer", []),
        ("operator", ["Audit log", "People"]),
        ("approver", ["Audit log", "People"]),
        ("auditor", ["Audit log", "People"]),
        ("administrator", ["Audit log", "People"]),
    ],
)
def test_the_shell_shows_the_sections_a_person_may_open(as_person, who, more):
    assert sections(as_person(who).get("/trouble/page/").content.decode()) == EVERYBODY + more


def test_the_present_section_is_marked(as_person):
    html = as_person("viewer").get("/trouble/page/").content.decode()
    assert 'aria-current="page"' not in html

    html = as_person("viewer").get(reverse("runs:list")).content.decode()
    assert re.findall(r'<a href="([^"]*)"[^>]*aria-current="page"', html) == [reverse("runs:list")]


def test_running_runs_are_counted_without_checks(as_person):
    for number, (kind, state) in enumerate(
        [("snapshot", "running"), ("snapshot", "running"), ("check", "running"), ("snapshot", "queued")]
    ):
        Run.objects.create(kind=kind, key=str(number), subject="x", state=RunState(state))

    html = as_person("viewer").get("/trouble/page/").content.decode()

    assert re.search(r'<span class="count">2<span class="sr"> running', html)


def test_the_shell_costs_two_queries_beside_session_and_person(as_person, django_assert_num_queries):
    client = as_person("operator")
    client.get("/trouble/page/")

    with django_assert_num_queries(4):  # session, person, roles, running
        client.get("/trouble/page/")


def test_a_fragment_pays_nothing_for_the_shell(as_person, django_assert_num_queries):
    client = as_person("operator")
    client.get("/trouble/page/")

    with django_assert_num_queries(2):  # session, person
        client.get("/trouble/fragment/")


@pytest.mark.parametrize(("theme", "mark"), [("auto", None), ("light", "light"), ("dark", "dark")])
def test_the_theme_is_written_by_the_server(as_person, cast, theme, mark):
    cast["viewer"].theme = theme
    cast["viewer"].time_zone = "Europe/Malta"
    cast["viewer"].save()

    html = as_person("viewer").get("/trouble/page/").content.decode()

    assert (f'<html lang="en" data-theme="{mark}"' in html) == (mark is not None)
    assert 'data-zone="Europe/Malta"' in html


def test_who_is_signed_in_and_as_what(as_person):
    html = as_person("approver").get("/trouble/page/").content.decode()

    assert "Ġorġ Borg" in html
    assert "Signed in as approver" in html


def test_acts_of_the_shell_are_posted(as_person):
    html = as_person("viewer").get("/trouble/page/").content.decode()

    for name in ("accounts:theme", "accounts:sign_out"):
        assert re.search(rf'<form[^>]*method="post" action="{reverse(name)}"', html)
