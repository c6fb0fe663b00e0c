"""The log page: who sees what, sentences, filters, pages, and the entry that looking leaves."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from backups.audit.models import AuditEntry
from backups.clusters.models import Cluster

URL = "/audit/"


def page_of(browser, **filters) -> str:
    return browser.get(URL, filters).content.decode()


def shown(browser, **filters) -> list[int]:
    return [reading.entry.seq for reading in browser.get(URL, filters).context["readings"]]


def test_sentences_link_who_and_what(cast, auditor, write):
    cluster = Cluster.objects.create(name="sandbox")
    write(cast["administrator"], obj=cluster)

    page = page_of(auditor)

    assert f'<a class="link" href="/people/{cast["administrator"].pk}/">Daniel Farrugia</a> changed cluster' in page
    assert f'<a class="link" href="/clusters/{cluster.pk}/">sandbox</a>' in page


def test_names_in_entries_cannot_carry_markup(cast, auditor, write):
    write(cast["administrator"], obj=("cluster", "x", "<script>alert(1)</script>"))

    page = page_of(auditor)

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_operators_see_their_own_entries_only(cast, as_person, write):
    mine = write(cast["operator"], "run.cancel_requested", ("run", 1, "run 1"))
    theirs = write(cast["administrator"])
    browser = as_person("operator")

    assert shown(browser) == [mine.seq]
    assert browser.get(f"{URL}{mine.seq}/").status_code == 200
    assert browser.get(f"{URL}{theirs.seq}/").status_code == 404
    assert shown(browser, person=cast["administrator"].pk)[-1] == mine.seq


def test_viewers_see_nothing(as_person):
    assert as_person("viewer").get(URL).status_code == 403


def test_filters_by_person_action_kind_and_outcome(cast, auditor, write):
    first = write(cast["administrator"])
    second = write(cast["operator"], "run.failed", ("run", 3, "run 3"), outcome="failure")

    assert shown(auditor, person=cast["operator"].pk) == [second.seq]
    assert shown(auditor, action="cluster.changed") == [first.seq]
    assert shown(auditor, action="Runs") == [second.seq]
    assert shown(auditor, outcome="failure") == [second.seq]
    assert shown(auditor, outcome="failure", action="Configuration") == []


def test_filters_by_object(cast, auditor, write):
    cluster = Cluster.objects.create(name="soc-prod")
    on_cluster = write(cast["administrator"], obj=cluster)
    on_run = write(None, "run.succeeded", ("run", 12, "run 12: nightly"))
    on_person = write(cast["administrator"], "person.deactivated", cast["viewer"])

    assert shown(auditor, q="soc-prod") == [on_cluster.seq]
    assert shown(auditor, q=f"cluster:{cluster.pk}") == [on_cluster.seq]
    assert shown(auditor, q="Run #12") == [on_run.seq]
    assert on_person.seq in shown(auditor, q="Vera Camilleri")
    assert on_person.seq in shown(auditor, q="viewer")
    assert shown(auditor, q="nothing of that name") == []


def test_filters_by_day(cast, auditor, monkeypatch, write):
    days = [datetime(2031, 3, day, 23, 59, tzinfo=UTC) for day in (1, 2, 3)]
    rows = []
    for day in days:
        with monkeypatch.context() as clock:
            clock.setattr("backups.clock.now", lambda day=day: day)
            rows.append(write(cast["administrator"]).seq)

    assert shown(auditor, since="2031-03-02", until="2031-03-02") == [rows[1]]
    assert shown(auditor, until="2031-03-02") == [rows[1], rows[0]]
    assert shown(auditor, since="2031-03-04", until="2031-03-05")[1:] == []


@pytest.mark.parametrize(
    "filters",
    [
        {"person": "x"},
        {"person": "99999999999999999999"},
        {"action": "nothing"},
        {"since": "2026-02-31"},
        {"since": "0001-01-01", "until": "9999-12-31"},
        {"q": "run 999999999999999999"},
        {"q": "a\x00b"},
        {"outcome": "';--"},
        {"before": "-1", "after": "x"},
    ],
)
def test_nonsense_filters_nothing_and_breaks_nothing(cast, auditor, filters, write):
    write(cast["administrator"])

    assert auditor.get(URL, filters).status_code == 200


def test_older_entries_come_by_key_and_keep_the_filter(cast, auditor, write):
    rows = [write(cast["administrator"]).seq for _ in range(12)]
    write(cast["operator"], "run.failed", ("run", 3, "run 3"), outcome="failure")

    answer = auditor.get(URL, {"size": 10, "person": cast["administrator"].pk})
    older = answer.context["page"].older

    assert [reading.entry.seq for reading in answer.context["readings"]] == rows[:1:-1]
    assert f"before={older}" in answer.content.decode()
    assert shown(auditor, size=10, person=cast["administrator"].pk, before=older) == rows[1::-1]


def test_looking_leaves_one_entry_per_target_and_five_minutes(cast, auditor, monkeypatch):
    def looks() -> list[str]:
        views = AuditEntry.objects.filter(action="log.viewed", actor=cast["auditor"])
        return list(views.order_by("seq").values_list("object_name", flat=True))

    for _ in range(3):
        page_of(auditor)
        page_of(auditor, before=1)
    assert looks() == ["the log"]

    page_of(auditor, person=cast["operator"].pk)
    page_of(auditor, q="run 12")
    page_of(auditor, q="run 12", outcome="failure")
    assert looks() == ["the log", "the log of Maria Zammit", "the log on run 12"]

    later = timezone.now() + timedelta(minutes=6)
    monkeypatch.setattr("backups.clock.now", lambda: later)
    page_of(auditor)
    assert looks()[3:] == ["the log"]


def test_the_list_asks_few_questions(cast, auditor, django_assert_max_num_queries, write):
    for _ in range(30):
        write(cast["administrator"])
    page_of(auditor)

    with django_assert_max_num_queries(20):
        page_of(auditor)
