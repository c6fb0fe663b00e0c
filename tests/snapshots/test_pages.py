"""The pages of snapshots and profiles show what the rows say, and nothing that was not proven."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.repositories.models import Repository
from backups.runs import queue_run
from backups.runs.models import Run
from backups.snapshots.models import Snapshot, SnapshotProfile
from backups.templatetags import formats

PAGES = ["/snapshots/", "/snapshots/start/", "/snapshots/profiles/", "/snapshots/profiles/add/"]


@pytest.mark.parametrize("page", PAGES)
def test_first_use_says_what_is_missing(as_person, page):
    response = as_person("administrator").get(page)

    assert response.status_code == 200
    assert "<table" not in response.content.decode()


def test_the_list_shows_state_and_age(as_person, repository):
    Snapshot.objects.create(
        repository=repository,
        name="nightly-1",
        state="verified",
        started_at=timezone.now(),
        shards_total=3,
        shards_failed=0,
    )

    text = as_person("viewer").get("/snapshots/").content.decode()

    assert "nightly-1" in text and "Verified" in text and "3 / 3" in text
    assert "Start snapshot" not in text  # a viewer may not


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=night", True),
        ("q=other", False),
        ("state=verified", True),
        ("state=failed", False),
        ("state=nonsense", True),
    ],
)
def test_filters(as_person, repository, query, found):
    Snapshot.objects.create(repository=repository, name="nightly-1", state="verified")

    text = as_person("viewer").get(f"/snapshots/?{query}").content.decode()

    assert ("nightly-1</a>" in text) is found


def test_a_partial_snapshot_names_what_is_missing(as_person, repository):
    snapshot = Snapshot.objects.create(
        repository=repository,
        name="n",
        state="partial",
        message="Partial: 2 of 3",
        failures=["events-2 shard 1: no space"],
    )

    text = as_person("viewer").get(snapshot.get_absolute_url()).content.decode()

    assert "events-2 shard 1: no space" in text and "Partial: 2 of 3" in text


def test_an_unverified_snapshot_is_not_called_verified(as_person, repository):
    snapshot = Snapshot.objects.create(repository=repository, name="n", state="wanted")

    text = as_person("viewer").get(snapshot.get_absolute_url()).content.decode()

    assert "Read back and verified" not in text


@pytest.mark.parametrize("state", ["verified", "partial", "found", "damaged", "missing"])
def test_what_is_known_of_the_data_is_said_and_no_more(as_person, repository, state):
    """All were verified once."""
    columns = {"verified_at": timezone.now(), "message": "What the collector saw."}
    row = Snapshot.objects.create(repository=repository, name="one", state=state, **columns)
    page = as_person("viewer").get(row.get_absolute_url()).content.decode()
    assert ("Only a restore proves that the data can be read" in page) == (state not in ("damaged", "missing"))
    assert ("was read back and compared" in page) == (state == "verified")
    assert ("What the collector saw." in page) == (state != "verified")


def test_a_snapshot_in_a_repository_that_cannot_be_read_says_so(as_person, repository):
    row = Snapshot.objects.create(repository=repository, name="one", state="verified", verified_at=timezone.now())
    Repository.objects.update(collect_message="Elasticsearch has stopped.", failing_since=timezone.now())
    page = as_person("viewer").get(row.get_absolute_url()).content.decode()
    assert "Its repository cannot be read since" in page
    assert "Elasticsearch has stopped." in page


def test_the_profile_page_says_never_in_plain_words(as_person, repository):
    profile = SnapshotProfile.objects.create(cluster=repository.cluster, repository=repository, name="SOC")

    text = as_person("viewer").get(profile.get_absolute_url()).content.decode()

    assert "No good snapshot of it yet" in text


def test_the_list_takes_few_queries(as_person, repository, django_assert_max_num_queries):
    for number in range(30):
        Snapshot.objects.create(repository=repository, name=f"n-{number}", state="verified")
    client = as_person("viewer")

    for number in range(20):
        Repository.objects.create(cluster=repository.cluster, name=f"other-{number}")
    with django_assert_max_num_queries(12):
        client.get("/snapshots/")


def test_a_count_is_judged_only_when_the_snapshot_is_over(as_person, repository):
    snapshot = Snapshot.objects.create(repository=repository, name="n", state="running", started_at=timezone.now())
    snapshot.indices.create(name="events-1", state="open", documents_before=120)

    text = as_person("viewer").get(snapshot.get_absolute_url()).content.decode()

    assert "Before, so far" in text and 'data-l="Counted">Not counted' not in text


@pytest.mark.parametrize("state", ["cancelled", "failed", "missing", "unknown"])
def test_one_that_came_to_nothing_ended_with_its_run(as_person, cast, repository, state):
    run, began = queue_run("snapshot", actor=None, subject="snapshot n"), timezone.now() - timedelta(hours=9)
    Run.objects.filter(pk=run.pk).update(state="failed", ended_at=began + timedelta(seconds=75))
    profile = SnapshotProfile.objects.create(cluster=repository.cluster, repository=repository, name="SOC")
    row = Snapshot.objects.create(
        repository=repository, profile=profile, run=run, name="n", state=state, started_at=began
    )
    row.indices.create(name="events-1", state="open", documents_before=120)
    client = as_person("viewer")

    pages = [client.get(url).content.decode() for url in ("/snapshots/", profile.get_absolute_url())]
    own = client.get(row.get_absolute_url()).content.decode()

    assert all(formats.duration(75) in page and "so far" not in page for page in pages)
    assert "Not ended" not in own and "so far" not in own


def test_one_that_runs_counts_on(as_person, repository):
    Snapshot.objects.create(repository=repository, name="n", state="running", started_at=timezone.now())

    assert " so far" in as_person("viewer").get("/snapshots/").content.decode()


def test_how_long_one_took_whose_end_nobody_saw_is_not_said(as_person, repository):
    Snapshot.objects.create(repository=repository, name="n", state="missing", started_at=timezone.now())

    page = as_person("viewer").get("/snapshots/").content.decode()

    assert '<td class="num" data-l="Took">–</td>' in page
