"""The overview: facts that exist, and the way to the first protection until there is one."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from backups.clusters.models import Cluster, ClusterCredential, ClusterState, CredentialState, Purpose
from backups.repositories.models import Repository, RepositoryState
from backups.runs import queue_run
from backups.runs.models import CHECK, Effect, Run, RunState, WorkerHost
from backups.runs.services import beat
from backups.snapshots.models import Snapshot, SnapshotProfile, SnapshotState

NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture
def worker(db):
    beat(timezone.now())


@pytest.fixture
def cluster(db) -> Cluster:
    made = Cluster.objects.create(name="soc-prod", addresses=["https://es:9200"], state=ClusterState.GOOD)
    ClusterCredential.objects.create(
        cluster=made, purpose=Purpose.EVERYDAY, username="backup", in_use=True, state=CredentialState.GOOD
    )
    return made


@pytest.fixture
def repository(cluster) -> Repository:
    return Repository.objects.create(
        cluster=cluster, name="nfs-primary", state=RepositoryState.REGISTERED, verified_at=timezone.now()
    )


@pytest.fixture
def profile(repository) -> SnapshotProfile:
    return SnapshotProfile.objects.create(cluster=repository.cluster, repository=repository, name="nightly")


@pytest.fixture
def snapshot(profile, worker):
    """``snapshot("name", state, hours_ago)`` of the profile."""

    def make(name: str, state: str = SnapshotState.VERIFIED, hours: float = 0, **options) -> Snapshot:
        started = timezone.now() - timedelta(hours=hours, minutes=1)
        row = {"repository": profile.repository, "profile": profile, "name": name, "state": state}
        return Snapshot.objects.create(**(row | {"started_at": started} | options))

    return make


def ended(state: str, hours: float = 1, subject: str = "snapshot nightly", kind: str = "snapshot", **columns) -> Run:
    run = queue_run(kind, actor=None, subject=subject)
    moment = timezone.now() - timedelta(hours=hours)
    Run.objects.filter(pk=run.pk).update(state=state, started_at=moment, ended_at=moment, **columns)
    return run


def text_of(response) -> str:
    assert response.status_code == 200
    text = re.sub(r"<[^>]+>", " ", response.content.decode()).replace(NBSP, " ")
    return re.sub(r"\s+", " ", text)


def home(client) -> str:
    return text_of(client.get(reverse("dashboard:home")))


# --- what is protected ------------------------------------------------------------------------------------


def test_each_profile_shows_its_last_good_snapshot_beside_the_newest(as_person, snapshot, profile):
    snapshot("nightly-1", hours=30)
    good = snapshot("nightly-2", hours=6)
    snapshot("nightly-3", SnapshotState.FAILED)
    response = as_person("viewer").get(reverse("dashboard:home"))
    row = re.search(r"<tr><th[^>]*><a[^>]*>nightly</a>.*?</tr>", response.content.decode(), re.DOTALL)[0]
    assert good.get_absolute_url() in row
    assert "Failed" in row
    assert f"6{NBSP}h ago" in row
    assert "Every profile has a good snapshot." in text_of(response)


def test_a_profile_without_a_good_snapshot_is_said_in_plain_words(as_person, snapshot, profile):
    snapshot("by hand", profile=None)
    snapshot("nightly-1", SnapshotState.PARTIAL)
    text = home(as_person("viewer"))
    assert "1 of 1 profile has no good snapshot." in text
    assert "Never: nothing of it is protected" in text
    assert "nightly has no good snapshot" in text


def test_without_a_profile_the_answer_says_so(as_person, snapshot):
    snapshot("by hand", profile=None)
    SnapshotProfile.objects.all().delete()
    text = home(as_person("viewer"))
    assert "There is no profile, so nothing is protected regularly." in text
    assert "Protection by profile" not in text


# --- what runs, what failed -------------------------------------------------------------------------------


def test_what_runs_is_shown_with_its_progress(as_person, snapshot, cast):
    snapshot("nightly-1")
    run = queue_run("snapshot", actor=cast["operator"], subject="snapshot nightly-2")
    queue_run(CHECK, actor=cast["operator"], subject="clusters:add")
    Run.objects.filter(pk=run.pk).update(
        state=RunState.RUNNING, started_at=timezone.now(), progress={"shards_done": 5, "shards_total": 8}
    )
    text = home(as_person("viewer"))
    assert "snapshot nightly-2 asked for by Maria Zammit 62%" in text
    assert "5 of 8 shards" in text
    assert "clusters:add" not in text


def test_what_failed_in_the_last_day_needs_attention(as_person, snapshot):
    snapshot("nightly-1")
    ended(RunState.FAILED, 2, error="No space left.")
    ended(RunState.FAILED, 3, "snapshot lost", effect=Effect.UNKNOWN, error="Gave up.")
    ended(RunState.PARTIAL, 4, "snapshot half")
    ended(RunState.SUCCEEDED, 5, "snapshot fine")
    ended(RunState.FAILED, 25, "snapshot of old")
    ended(RunState.FAILED, 1, "clusters:add", CHECK)
    response = as_person("viewer").get(reverse("dashboard:home"))
    text = text_of(response)

    assert [trouble.title for trouble in response.context["overview"].troubles] == [
        "Snapshot nightly failed",
        "Snapshot lost failed",
        "Snapshot half ended incomplete",
    ]
    assert "No space left." in text
    assert "Unknown: somebody must look. Gave up." in text
    assert "Runs in 24 hours 1 ok 3 failed" in text
    assert "A failed run stays here for 24 hours at most." in text


def titles(client) -> list[str]:
    return [trouble.title for trouble in client.get(reverse("dashboard:home")).context["overview"].troubles]


def test_a_failure_that_was_made_good_needs_nobody(as_person, snapshot):
    """By the same act on the same thing, or by another snapshot of the same profile; an unknown effect stays."""
    lost = ended(RunState.FAILED, 6, "snapshot nightly-1")
    snapshot("nightly-1", SnapshotState.FAILED, 6, run=lost)
    ended(RunState.FAILED, 5, "nfs-primary on soc-prod", "verify_repository")
    ended(RunState.FAILED, 5, "snapshot lost", effect=Effect.UNKNOWN)
    client = as_person("viewer")
    snapshot("first", profile=None)
    assert set(titles(client)) >= {"Snapshot lost failed", "Snapshot nightly-1 failed"}

    snapshot("nightly-2", hours=1)
    ended(RunState.SUCCEEDED, 1, "nfs-primary on soc-prod", "register_repository")
    assert sorted(titles(client)) == ["Nfs-primary on soc-prod failed", "Snapshot lost failed"]
    ended(RunState.SUCCEEDED, 1, "nfs-primary on soc-prod", "verify_repository")
    ended(RunState.SUCCEEDED, 1, "snapshot lost")
    assert titles(client) == ["Snapshot lost failed"]

    Run.objects.filter(subject="snapshot lost").update(effect=Effect.NONE)
    text = home(client)
    assert "What failed in the last 24 hours was made good since" in text
    assert "3 ok 3 failed Each was made good since" in text


def test_a_failure_after_a_success_stays(as_person, snapshot):
    snapshot("nightly-1", hours=9)
    snapshot("nightly-2", SnapshotState.FAILED, 1, run=ended(RunState.FAILED, 1, "snapshot nightly-2"))
    assert titles(as_person("viewer")) == ["Snapshot nightly-2 failed"]


def test_the_lane_shows_the_last_fourteen_of_each_profile_oldest_first(as_person, snapshot, profile):
    other = SnapshotProfile.objects.create(cluster=profile.cluster, repository=profile.repository, name="other")
    for number in range(20):
        snapshot(f"nightly-{number}", SnapshotState.FAILED if number in (3, 19) else SnapshotState.VERIFIED)
        if number % 7 == 0:
            snapshot(f"other-{number}", profile=other)
    response = as_person("viewer").get(reverse("dashboard:home"))
    lanes = {shown.name: shown.lane for shown in response.context["overview"].profiles}

    assert lanes == {"nightly": ["verified"] * 13 + ["failed"], "other": ["verified"] * 3}
    assert 'aria-label="nightly: last 14 snapshots, 13 verified, 1 failed"' in response.content.decode()
    assert 'aria-label="other: last 3 snapshots, 3 verified"' in response.content.decode()


@pytest.mark.parametrize(("who", "shown"), [("auditor", True), ("operator", False), ("viewer", False)])
def test_recent_activity_is_what_this_person_may_see_of_the_log(as_person, snapshot, cast, who, shown):
    snapshot("nightly-1")
    queue_run("snapshot", actor=cast["administrator"], subject="snapshot nightly-9")
    client = as_person(who)
    response = client.get(reverse("dashboard:home"))
    said = [entry.sentence for entry in response.context["overview"].activity]

    assert any("nightly-9" in sentence for sentence in said) is shown
    assert ("Recent activity" in text_of(response)) is (who != "viewer" and bool(said))


def test_places_that_do_not_work_need_attention(as_person, snapshot, cluster, repository):
    snapshot("nightly-1")
    Cluster.objects.update(state=ClusterState.BAD, message="No answer from 3 of 3 addresses.")
    Repository.objects.update(state=RepositoryState.MISSING)
    text = home(as_person("viewer"))
    assert "No contact with soc-prod No answer from 3 of 3 addresses." in text
    assert "nfs-primary on soc-prod is missing from the cluster" in text
    assert "Repositories 0 of 1" in text
    assert "Clusters 0 of 1" in text


@pytest.mark.parametrize("kept", [{}, {"readonly": "true"}])
def test_a_repository_of_others_that_was_never_verified_here_is_no_trouble(as_person, snapshot, cluster, kept):
    snapshot("nightly-1")
    Repository.objects.create(cluster=cluster, name="theirs", state=RepositoryState.REGISTERED, settings=kept)

    text = home(as_person("viewer"))

    assert "theirs on soc-prod" not in text
    assert "Repositories 2 of 2" in text


def test_a_read_only_repository_is_no_step_to_the_first_backup(as_person, worker, cluster):
    settings = {"readonly": "true"}
    Repository.objects.create(cluster=cluster, name="theirs", state=RepositoryState.REGISTERED, settings=settings)
    client = as_person("administrator")

    assert states(client)[2] == "next"
    assert "theirs on soc-prod" not in home(client)
    assert reverse("repositories:register") in client.get("/").content.decode()


def test_lost_and_damaged_snapshots_need_attention(as_person, snapshot, repository):
    snapshot("nightly-1")
    Repository.objects.update(damaged=1, vanished=12, vanished_at=timezone.now())
    response = as_person("viewer").get(reverse("dashboard:home"))
    text = text_of(response)
    assert "1 snapshot damaged in nfs-primary on soc-prod" in text
    assert "12 snapshots vanished from nfs-primary on soc-prod" in text
    assert f"repository={repository.pk}&amp;state=missing" in response.content.decode()
    Repository.objects.update(damaged=0, vanished_at=timezone.now() - timedelta(hours=25))
    assert "Nothing failed in the last 24 hours" in home(as_person("viewer"))


def test_a_repository_that_cannot_be_read_needs_attention_while_its_cluster_answers(as_person, snapshot, repository):
    snapshot("nightly-1")
    Repository.objects.update(collect_message="Elasticsearch has stopped using this repository.")
    text = home(as_person("viewer"))
    assert "The snapshots in nfs-primary on soc-prod cannot be read Elasticsearch has stopped" in text
    assert "Repositories 0 of 1" in text
    Cluster.objects.update(state=ClusterState.BAD)
    assert "cannot be read Elasticsearch" not in home(as_person("viewer"))


def test_nothing_to_look_at_is_said(as_person, snapshot):
    snapshot("nightly-1")
    text = home(as_person("viewer"))
    assert "Nothing failed in the last 24 hours" in text
    assert "Nothing runs now." in text
    assert "No worker is running" not in text


def test_without_a_worker_the_overview_says_so(as_person, snapshot):
    snapshot("nightly-1")
    WorkerHost.objects.all().delete()
    assert "No worker is running" in home(as_person("viewer"))


@pytest.mark.parametrize(("who", "shown"), [("operator", True), ("administrator", True), ("viewer", False)])
def test_only_those_who_may_are_offered_a_start(as_person, snapshot, who, shown):
    snapshot("nightly-1")
    assert ("Start snapshot" in home(as_person(who))) is shown


def test_it_asks_little_of_the_database(as_person, snapshot, profile, cast, django_assert_max_num_queries):
    for number in range(12):
        snapshot(f"nightly-{number}", hours=number)
        ended(RunState.FAILED)
        queue_run("snapshot", actor=cast["operator"], subject=f"snapshot {number}")
        SnapshotProfile.objects.create(cluster=profile.cluster, repository=profile.repository, name=f"p{number}")
    client = as_person("administrator")
    home(client)
    with django_assert_max_num_queries(15 + 2):  # and those for the session and the person
        home(client)


# --- live -------------------------------------------------------------------------------------------------


def live(client, version: str = ""):
    return client.get(reverse("dashboard:live"), {"v": version}, headers={"HX-Request": "true"})


def test_a_reader_who_has_the_newest_is_sent_nothing_until_something_changes(as_person, snapshot, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr("backups.dashboard.facts.timezone.now", lambda: now)
    snapshot("nightly-1")
    client = as_person("viewer")
    version = live(client).context["overview"].version
    assert live(client, version).status_code == 204

    run = queue_run("snapshot", actor=None, subject="snapshot nightly-2")
    queued = live(client, version)
    assert "snapshot nightly-2" in text_of(queued)
    assert 'hx-trigger="every 5s"' in queued.content.decode()
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, ended_at=now)
    after = live(client, queued.context["overview"].version)
    assert "Snapshot nightly-2 failed" in text_of(after)
    assert 'hx-trigger="every 30s"' in after.content.decode()


def test_ages_are_sent_anew_every_minute(as_person, snapshot, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr("backups.dashboard.facts.timezone.now", lambda: now)
    snapshot("nightly-1")
    client = as_person("viewer")
    version = live(client).context["overview"].version
    now += timedelta(minutes=1)
    assert live(client, version).status_code == 200


def test_the_head_of_the_page_follows(as_person, cast, snapshot):
    client = as_person("viewer")
    assert "Set up this console" in text_of(live(client))
    snapshot("nightly-1")
    fragment = live(client).content.decode()
    assert 'id="home-head" hx-swap-oob="true"' in fragment
    assert "<h1>Dashboard</h1>" in fragment


# --- the way to the first protection ----------------------------------------------------------------------


def steps(client) -> list[tuple[str, str]]:
    return [(step.title, step.state) for step in client.get(reverse("dashboard:home")).context["steps"]]


def states(client) -> list[str]:
    return [state for _, state in steps(client)]


def test_a_new_console_shows_the_way(as_person, cast):
    client = as_person("administrator")
    assert steps(client) == [
        ("Start the worker", "next"),
        ("Connect a cluster", "waiting"),
        ("Register and verify a repository", "waiting"),
        ("Make a profile", "waiting"),
        ("Take the first snapshot", "waiting"),
    ]
    text = home(client)
    assert "Set up this console" in text
    assert "manage.py worker" in text
    assert "Needs step 1" in text
    assert "Last good snapshot" not in text


def test_each_step_leads_to_the_next(as_person, worker, db):
    client = as_person("administrator")
    assert states(client) == ["done", "next", "waiting", "waiting", "waiting"]
    assert reverse("clusters:add") in client.get("/").content.decode()

    cluster = Cluster.objects.create(name="soc-prod", state=ClusterState.BAD, message="Wrong password.")
    credential = ClusterCredential.objects.create(
        cluster=cluster, purpose=Purpose.EVERYDAY, username="x", in_use=True
    )
    assert states(client)[1] == "next"
    assert "its everyday credential does not work yet. Wrong password." in home(client)

    ClusterCredential.objects.filter(pk=credential.pk).update(state=CredentialState.GOOD)
    assert states(client) == ["done", "done", "next", "waiting", "waiting"]
    assert reverse("repositories:register") in client.get("/").content.decode()

    repository = Repository.objects.create(cluster=cluster, name="nfs", state=RepositoryState.REGISTERED)
    assert states(client)[2] == "next"
    assert "nfs on soc-prod is registered, but not verified" in home(client)

    Repository.objects.update(verified_at=timezone.now())
    assert states(client) == ["done", "done", "done", "next", "waiting"]

    profile = SnapshotProfile.objects.create(cluster=cluster, repository=repository, name="nightly")
    assert states(client) == ["done", "done", "done", "done", "next"]
    assert reverse("snapshots:start") in client.get("/").content.decode()

    Snapshot.objects.create(repository=repository, profile=profile, name="n", state=SnapshotState.FAILED)
    assert states(client)[4] == "next"
    Snapshot.objects.create(
        repository=repository, profile=profile, name="n", state=SnapshotState.VERIFIED, started_at=timezone.now()
    )
    assert steps(client) == []
    assert "Set up this console" not in home(client)


def test_a_step_that_was_undone_is_open_again(as_person, profile, worker):
    ClusterCredential.objects.update(state=CredentialState.BAD)
    assert states(as_person("administrator")) == ["done", "next", "done", "done", "waiting"]


@pytest.mark.parametrize(("who", "told"), [("viewer", True), ("operator", True), ("administrator", False)])
def test_those_who_may_not_are_told_who_may(as_person, worker, who, told):
    text = home(as_person(who))
    assert ("For administrators" in text) is told
    assert ("Connect cluster" in text) is not told


def test_a_repository_that_a_node_cannot_use_is_no_step_done_and_needs_attention(as_person, worker, cluster):
    """``verified_at`` is the time of the last verification, good or bad."""
    Repository.objects.create(
        cluster=cluster,
        name="nfs",
        state=RepositoryState.REGISTERED,
        verified_at=timezone.now(),
        message="es-data-03 cannot write to /mnt/backup.",
    )
    client = as_person("administrator")

    assert states(client)[2] == "next"
    assert "nfs on soc-prod was not verified on every node" in home(client)
    assert "es-data-03 cannot write" in home(client)


def test_no_repository_hides_the_trouble_of_another(as_person, repository):
    for number in range(60):
        Repository.objects.create(
            cluster=repository.cluster, name=f"a{number}", state="registered", verified_at=timezone.now()
        )
    Repository.objects.filter(pk=repository.pk).update(damaged=3)

    assert f"3 snapshots damaged in {repository}" in home(as_person("viewer"))


def test_a_repository_with_damaged_snapshots_is_not_shown_as_good(as_person, snapshot, repository):
    snapshot("nightly-1")
    Repository.objects.filter(pk=repository.pk).update(damaged=1)

    client = as_person("viewer")

    assert "Repositories 0 of 1" in home(client)
    for page in (
        home(client),
        text_of(client.get("/repositories/")),
        text_of(client.get(repository.get_absolute_url())),
    ):
        assert "1 snapshot damaged" in page


def test_a_run_whose_snapshot_was_found_whole_afterwards_needs_nobody_to_look(as_person, snapshot):
    run = ended("failed", effect=Effect.UNKNOWN, subject="snapshot nightly-1")
    row = snapshot("nightly-1", SnapshotState.UNKNOWN, run=run)
    assert "somebody must look" in home(as_person("viewer"))

    Snapshot.objects.filter(pk=row.pk).update(state=SnapshotState.VERIFIED)
    assert "somebody must look" not in home(as_person("viewer"))
