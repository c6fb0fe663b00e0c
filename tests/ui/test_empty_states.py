"""What a page says when there is nothing on it: what is missing, why it helps, and a button for those who may."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from backups.repositories.models import Repository
from backups.runs import queue_run
from backups.runs.models import Run, RunState
from backups.snapshots.models import SnapshotProfile
from tests.factories import connected_cluster, registered_repository

pytestmark = pytest.mark.django_db

EVERYBODY = ("viewer", "operator", "approver", "auditor", "administrator")
STARTERS, ADMINISTRATORS = ("operator", "administrator"), ("administrator",)
PART = re.compile(r'<div class="empty">(.*?)(?=</section>|<footer>)', re.DOTALL)
BUTTON = re.compile(r'<a class="btn[^"]*" href="([^"]+)">(.*?)</a>', re.DOTALL)


def empty_parts(client: Client, path: str) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    """(icon, title, text, buttons) of every empty part of a page."""
    answer = client.get(path)
    assert answer.status_code == 200
    found = []
    for part in PART.findall(answer.content.decode()):
        icon, title = re.search(r"icons.svg#([a-z0-9-]+)", part), re.search(r"<h3[^>]*>(.*?)</h3>", part)
        text = re.search(r"<p>(.*?)</p>", part, re.DOTALL)
        found.append((icon[1], title[1], text[1].strip(), BUTTON.findall(part)))
    return found


@pytest.fixture
def repository(fake_elasticsearch) -> Repository:
    return registered_repository(connected_cluster(fake_elasticsearch))


# Page of a new console -> its title, and who gets which button there.
NEW = [
    ("/clusters/", "Connect the first cluster", "No cluster is connected", "/clusters/add/", ADMINISTRATORS),
    ("/repositories/", "First connect a cluster", "First connect a cluster", "/clusters/add/", ADMINISTRATORS),
    ("/snapshots/", "No snapshot yet", "No snapshot yet", "/snapshots/start/", STARTERS),
    ("/snapshots/profiles/", "No profile yet", "No profile yet", "/snapshots/profiles/add/", ADMINISTRATORS),
    ("/runs/", "No runs yet", "No runs yet", "/snapshots/start/", STARTERS),
]


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize(("path", "title", "title_for_others", "button", "may"), NEW, ids=[row[0] for row in NEW])
def test_a_list_of_a_new_console(as_person, who, path, title, title_for_others, button, may):
    ((icon, shown, text, buttons),) = empty_parts(as_person(who), path)

    assert icon
    assert shown == (title if who in may else title_for_others)
    assert len(text) > 30 and text.endswith(".")
    assert [address for address, _ in buttons] == ([button] if who in may else [])


@pytest.mark.parametrize("who", EVERYBODY)
def test_a_button_of_an_empty_page_leads_to_a_page_that_its_reader_may_open(as_person, who):
    client = as_person(who)
    addresses = {address for path, *_ in NEW for *_, buttons in empty_parts(client, path) for address, _ in buttons}

    assert {address: client.get(address).status_code for address in addresses} == dict.fromkeys(addresses, 200)


@pytest.mark.parametrize(
    ("path", "who", "button"),
    [
        ("/snapshots/start/", "operator", []),
        ("/snapshots/start/", "administrator", ["/repositories/register/"]),
        ("/snapshots/profiles/add/", "administrator", ["/repositories/register/"]),
        ("/repositories/register/", "administrator", ["/clusters/add/"]),
    ],
)
def test_a_form_that_lacks_what_it_needs_leads_there(as_person, path, who, button):
    ((_, title, _, buttons),) = empty_parts(as_person(who), path)

    assert title in ("No repository is registered", "First connect a cluster")
    assert [address for address, _ in buttons] == button


@pytest.mark.parametrize("who", EVERYBODY)
def test_a_connected_cluster_without_repositories(as_person, who, fake_elasticsearch):
    connected_cluster(fake_elasticsearch)
    ((_, title, text, buttons),) = empty_parts(as_person(who), "/repositories/")

    assert ("first" in title) is (who == "administrator")
    assert "every node" in text
    assert [address for address, _ in buttons] == (["/repositories/register/"] if who == "administrator" else [])


@pytest.mark.parametrize(
    ("path", "who", "title", "there"),
    [
        ("/runs/?q=nothing", "viewer", "No run matches", 0),
        ("/runs/?state=failed&kind=snapshot", "viewer", "No run matches", 0),
        ("/snapshots/?q=nothing", "viewer", "No snapshot matches", 0),
        ("/repositories/?q=nothing", "viewer", "No repositories match", 1),
        ("/people/?q=nobody", "operator", "Nobody matches", 6),
        ("/people/?role=auditor&state=deactivated", "auditor", "Nobody matches", 6),
        ("/audit/?q=nothing", "auditor", "No entries match", 0),
        ("/audit/?since=2001-01-01&until=2001-01-02", "auditor", "No entries match", 0),
    ],
)
def test_a_filter_that_matches_nothing_says_so_and_can_be_cleared(as_person, repository, path, who, title, there):
    queue_run("snapshot", actor=None, subject="snapshot weekly")
    client = as_person(who)
    ((icon, shown, text, buttons),) = empty_parts(client, path)

    assert (icon, shown) == ("search", title)
    assert buttons == [("?", "Clear filters")]
    assert not there or text.endswith(f"Without the filters there {'is' if there == 1 else 'are'} {there}.")
    assert 'class="chip"' in client.get(path).content.decode()


@pytest.mark.parametrize("who", EVERYBODY)
def test_a_profile_without_a_snapshot(as_person, who, repository):
    profile = SnapshotProfile.objects.create(cluster=repository.cluster, repository=repository, name="SOC indices")
    ((_, title, _, buttons),) = empty_parts(as_person(who), profile.get_absolute_url())

    assert title == "No snapshot yet"
    assert [address for address, _ in buttons] == (
        [f"/snapshots/start/?profile={profile.pk}"] if who in STARTERS else []
    )


def test_a_repository_that_was_never_verified(as_person, repository):
    parts = empty_parts(as_person("viewer"), repository.get_absolute_url())

    assert [title for _, title, _, _ in parts] == ["No node has been asked yet", "No run yet"]


def test_a_cluster_that_never_answered(as_person, fake_elasticsearch):
    cluster = connected_cluster(fake_elasticsearch)
    ((_, title, text, buttons),) = empty_parts(as_person("viewer"), cluster.get_absolute_url())

    assert (title, buttons) == ("No node is known yet", [])
    assert "answers for the first time" in text


def test_a_run_that_was_over_before_its_first_line(as_person):
    run = queue_run("snapshot", actor=None, subject="snapshot weekly")
    Run.objects.filter(pk=run.pk).update(state=RunState.CANCELLED, ended_at=timezone.now())
    client = as_person("operator")

    assert [title for _, title, _, _ in empty_parts(client, run.get_absolute_url())] == ["Nothing was logged"]
    assert "Find in log" not in client.get(run.get_absolute_url()).content.decode()


def test_the_overview_of_a_new_console_has_the_steps_and_no_empty_cards(as_person):
    page = as_person("administrator").get("/").content.decode()

    assert "First protection" in page
    assert "Running now" not in page and "Needs attention" not in page
