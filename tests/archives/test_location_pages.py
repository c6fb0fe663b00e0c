"""Pages of locations: what people see in each state, who may do what, and the form."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from backups.archives.models import Archive, ArchiveLocation, ArchiveProfile, ArchiveState
from backups.runs.models import WorkerHost

pytestmark = pytest.mark.db

EVERYONE = ["viewer", "operator", "approver", "auditor", "administrator"]
GIB = 1 << 30


@pytest.fixture
def place(db) -> ArchiveLocation:
    """One that works, looked at a moment ago."""
    now = timezone.now()
    WorkerHost.objects.create(name="node-01", beat_at=now, started_at=now)
    return ArchiveLocation.objects.create(
        name="share",
        host="node-01",
        path="/srv/archives",
        state="good",
        space_free=43 * GIB,
        space_total=100 * GIB,
        looked_at=now,
    )


def change(place: ArchiveLocation, **columns) -> ArchiveLocation:
    ArchiveLocation.objects.filter(pk=place.pk).update(**columns)
    place.refresh_from_db()
    return place


def add_archives(place: ArchiveLocation, count: int = 10) -> None:
    """One a day, of a GiB each; and one that is gone."""
    for number in range(count + 1):
        Archive.objects.create(
            location=place,
            name=f"a{number}.tar.gz",
            codec="gz",
            size=GIB,
            state=ArchiveState.MISSING if number == count else ArchiveState.VERIFIED,
            made_at=timezone.now() - timedelta(days=count - number - 1, minutes=1),
        )


def text(response) -> str:
    return response.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def page_of(browser, place: ArchiveLocation) -> str:
    return text(browser.get(place.get_absolute_url()))


def list_of(browser) -> str:
    return text(browser.get(reverse("archives:locations")))


@pytest.mark.parametrize("person", EVERYONE)
def test_everybody_sees_it_and_administrators_change_it(as_person, place, person):
    browser = as_person(person)
    page, listed = page_of(browser, place), list_of(browser)

    assert "/srv/archives" in page and "/srv/archives" in listed
    assert ("Add location" in listed) is (person == "administrator")
    assert (reverse("archives:location_change", args=[place.pk]) in page) is (person == "administrator")


def test_it_says_what_lies_there_how_much_and_how_long_it_lasts(as_person, place):
    add_archives(place)
    ArchiveProfile.objects.create(name="weights", location=place)
    page = page_of(as_person("viewer"), place)

    assert "10 archives, 10.0 GiB." in page
    assert "About 1.00 GiB a day; full in about 43 days." in page
    assert 'aria-valuenow="57"' in page and "<b>43.0 GiB</b> of 100 GiB" in page
    assert "a9.tar.gz" in page and "a10.tar.gz" not in page
    assert f"{reverse('archives:list')}?location={place.pk}" in page
    assert "weights" in page and "hx-get" not in page.partition('id="live"')[2].partition(">")[0]
    listed = list_of(as_person("viewer"))
    assert ">10<" in listed and "10.0 GiB" in listed and "43.0 GiB" in listed


def test_it_promises_nothing_where_little_is_known(as_person, place):
    add_archives(place, 2)

    assert "a day" not in page_of(as_person("viewer"), place)


@pytest.mark.parametrize("person", ["viewer", "administrator"])
def test_empty_pages_say_what_is_missing(as_person, person, db):
    listed = list_of(as_person(person))

    assert ("Add the first location" in listed) is (person == "administrator")
    assert ("An administrator adds it." in listed) is (person == "viewer")


def test_an_empty_location_says_what_comes(as_person, place):
    page = page_of(as_person("viewer"), place)

    assert "No archive there" in page and "No profile goes there" in page


def test_a_new_one_asks_for_itself_until_somebody_has_looked(as_person, place):
    change(place, state="unchecked", space_total=None, space_free=None, looked_at=None)
    browser, url = as_person("operator"), place.get_absolute_url()
    page = page_of(browser, place)
    assert "Not checked yet; its worker looks within seconds." in page
    assert f'hx-get="{url}?v=unchecked" hx-trigger="every 2s" hx-select="#live"' in page

    assert browser.get(f"{url}?v=unchecked", headers={"HX-Request": "true"}).status_code == 204
    assert browser.get(f"{url}?v=unchecked").status_code == 200
    change(place, state="good", looked_at=timezone.now())
    page = text(browser.get(f"{url}?v=unchecked", headers={"HX-Request": "true"}))
    assert "hx-select" not in page and "Last looked at" in page


def test_a_new_one_of_a_silent_host_promises_no_look(as_person, place):
    change(place, state="unchecked", looked_at=None)
    WorkerHost.objects.update(beat_at=timezone.now() - timedelta(minutes=5))

    assert "Not checked yet: its worker is not running." in page_of(as_person("viewer"), place)


@pytest.mark.parametrize(("person", "sees"), [("viewer", False), ("operator", True)])
def test_one_that_cannot_be_used_says_why_and_raw_words_to_some(as_person, place, person, sees):
    since = timezone.now() - timedelta(minutes=3)
    change(place, state="bad", message="The disk is full.", detail="[Errno 28]", failing_since=since)
    page = page_of(as_person(person), place)

    assert "It cannot be used since" in page and "The disk is full." in page
    assert ("[Errno 28]" in page) is sees
    assert "The disk is full." in list_of(as_person(person))


def test_what_is_odd_and_harmless_is_noted(as_person, place):
    change(place, message="1 archive is being written at the moment.\nAnother line.")

    assert "Seen there" in page_of(as_person("viewer"), place)


def test_a_host_that_is_silent_makes_figures_old(as_person, place):
    WorkerHost.objects.update(beat_at=timezone.now() - timedelta(minutes=5))
    page, listed = page_of(as_person("viewer"), place), list_of(as_person("viewer"))

    assert "Nobody looks at node-01" in page and "5 min ago" in page and "may no longer be true" in page
    assert "worker last seen" in listed
    WorkerHost.objects.all().delete()
    assert "No worker has run on node-01 yet." in page_of(as_person("viewer"), place)
    assert "no worker yet" in list_of(as_person("viewer"))


def test_the_form_adds_changes_and_comes_back_with_what_is_wrong(as_person, place):
    browser, add = as_person("administrator"), reverse("archives:location_add")
    assert "node-01, worker seen" in text(browser.get(add))

    sent = {"name": "cold", "host": "node-01", "path": "relative", "seen": ""}
    refused = browser.post(add, sent)
    assert refused.status_code == 422 and "from the root on" in text(refused)

    sent["path"] = "/srv/cold"
    answer = browser.post(add, sent)
    cold = ArchiveLocation.objects.get(name="cold")
    assert answer["Location"] == cold.get_absolute_url()
    again = browser.post(add, sent, follow=True)
    assert "was there already" in text(again) and ArchiveLocation.objects.count() == 2

    url = reverse("archives:location_change", args=[cold.pk])
    browser.post(url, sent | {"path": "/srv/colder", "seen": cold.digest})
    cold.refresh_from_db()
    assert cold.path == "/srv/colder"
    late = browser.post(url, sent | {"seen": "an older one"})
    assert late.status_code == 422 and "Someone else changed it" in text(late)


def test_without_any_worker_there_is_nothing_to_choose(as_person, db):
    page = text(as_person("administrator").get(reverse("archives:location_add")))

    assert "No worker has run yet" in page and "<select" not in page


def test_names_and_paths_are_shown_as_text(as_person, place):
    change(place, name="<b>share</b>", path="/srv/<i>", message="<u>odd</u>")
    for page in (page_of(as_person("viewer"), place), list_of(as_person("viewer"))):
        assert "<b>share" not in page and "<i>" not in page and "<u>" not in page


def test_the_list_asks_the_database_the_same_for_many(as_person, place, django_assert_max_num_queries):
    browser = as_person("viewer")
    list_of(browser)
    for number in range(20):
        row = ArchiveLocation.objects.create(name=f"l{number}", host=settings.WORKER_HOST, path=f"/srv/{number}")
        add_archives(row, 3)
    with django_assert_max_num_queries(9):
        list_of(browser)


@pytest.mark.db(only="sqlite")  # PostgreSQL chooses by size
def test_its_archives_are_found_by_their_index(as_person, place):
    add_archives(place)
    browser = as_person("viewer")
    with CaptureQueriesContext(connection) as queries:
        page_of(browser, place)

    asked = [each["sql"] for each in queries.captured_queries if '"backups_archive"' in each["sql"]]
    assert len(asked) >= 3
    with connection.cursor() as cursor:
        for sql in asked:
            cursor.execute("EXPLAIN QUERY PLAN " + sql)
            plan = [row[-1] for row in cursor.fetchall()]
            assert any("archive_of_location (location_id=?" in line for line in plan), plan
            assert not any("TEMP B-TREE FOR ORDER" in line for line in plan), plan
