"""The fragment of a check: waiting in words, the result, and only for the person who asked."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from backups.runs import queue_run
from backups.runs.models import Run, RunState
from backups.runs.services import beat, queue_check

pytestmark = pytest.mark.django_db


@pytest.fixture
def check(cast) -> Run:
    return queue_check("location", actor=cast["administrator"], form="a form")


@pytest.fixture
def look(as_person, check):
    """``look()`` is the answer that the one who asked gets."""
    browser = as_person("administrator")
    return lambda query="": browser.get(reverse("runs:check", args=[check.pk]) + query)


def long_ago() -> None:
    Run.objects.update(queued_at=timezone.now() - timedelta(seconds=6))


def text(response) -> str:
    return response.content.decode()


def test_at_first_it_only_waits(look):
    assert "Looking." in text(look())
    assert "every 1s" in text(look())


def test_unclaimed_without_a_worker(look):
    long_ago()

    assert "No worker is running" in text(look())


def test_unclaimed_with_a_busy_worker(look, cast):
    for _ in range(2):
        queue_run("make", actor=None, subject="a thing")
    later = queue_check("location", actor=cast["administrator"], form="another form")
    long_ago()
    beat(timezone.now())

    assert "The worker is busy. You are next." in text(look())
    assert later.pk > Run.objects.filter(kind="make").latest("pk").pk


def test_unclaimed_for_a_host_that_is_away_names_it(as_person, cast):
    check = queue_check("location", actor=cast["administrator"], form="a form", host="node-09")
    long_ago()
    beat(timezone.now())

    page = text(as_person("administrator").get(reverse("runs:check", args=[check.pk])))
    assert "The worker of node-09 is not running." in page
    assert "started there" in page


def test_unclaimed_for_a_host_that_works_waits_its_turn(as_person, cast, settings):
    check = queue_check("location", actor=cast["administrator"], form="a form", host=settings.WORKER_HOST)
    long_ago()
    beat(timezone.now())

    page = text(as_person("administrator").get(reverse("runs:check", args=[check.pk])))
    assert "The worker is busy. You are next." in page


def test_it_counts_who_is_before(as_person, cast):
    for _ in range(2):
        queue_run("make", actor=None, subject="a thing")
    check = queue_check("location", actor=cast["administrator"], form="a form")
    long_ago()
    beat(timezone.now())

    page = text(as_person("administrator").get(reverse("runs:check", args=[check.pk])))
    assert "The worker is busy, 2 before you." in page


def test_nothing_new_is_204(look):
    version = look().context["check_version"]

    assert look(f"?v={version}").status_code == 204
    long_ago()
    assert look(f"?v={version}").status_code == 200


def test_the_result_ends_the_polling_and_tells_the_page(look, check):
    result = {"state": "bad", "title": "It does not work", "text": "Because.", "lines": [], "detail": "Errno 1"}
    Run.objects.update(state=RunState.SUCCEEDED, ended_at=timezone.now(), result=result)
    answer = look()

    assert "It does not work" in text(answer)
    assert "Errno 1" in text(answer)
    assert "hx-get" not in text(answer)
    assert answer["HX-Trigger"] == "check-over"


def test_raw_errors_are_for_those_who_may_read_them(as_person, cast):
    check = queue_check("location", actor=cast["approver"], form="a form")
    result = {"error": "It was not possible.", "detail": "Errno 1"}
    Run.objects.update(state=RunState.SUCCEEDED, ended_at=timezone.now(), result=result)
    page = text(as_person("approver").get(reverse("runs:check", args=[check.pk])))

    assert "It was not possible." in page
    assert "Errno 1" not in page


def test_one_that_was_given_up_says_so(look, cast):
    queue_check("location", actor=cast["administrator"], form="a form")

    assert "was given up" in text(look())


def test_a_check_may_bring_its_own_template(as_person, cast):
    params = {"template": "ui/brand.html"}
    check = queue_check("location", actor=cast["operator"], form="a form", params=params)
    Run.objects.update(state=RunState.SUCCEEDED, ended_at=timezone.now())

    assert "CyberSift" in text(as_person("operator").get(reverse("runs:check", args=[check.pk])))


@pytest.mark.parametrize("person", ["viewer", "operator", "auditor"])
def test_others_do_not_see_it(as_person, check, person):
    assert as_person(person).get(reverse("runs:check", args=[check.pk])).status_code == 404


def test_a_run_is_no_check(as_person):
    run = queue_run("make", actor=None, subject="a thing")

    assert as_person("administrator").get(reverse("runs:check", args=[run.pk])).status_code == 404
