"""The start of a snapshot: the verb and the form."""

import re

import pytest

from backups.access import Denied
from backups.audit.models import AuditEntry
from backups.repositories.models import Repository
from backups.runs.models import Run
from backups.snapshots.models import Snapshot, SnapshotProfile
from backups.snapshots.services import SnapshotError, queue_snapshot, save_profile

START = "/snapshots/start/"


@pytest.fixture
def profile(cast, repository):
    made = SnapshotProfile(
        cluster=repository.cluster, repository=repository, name="SOC indices", patterns=["events-*"]
    )
    return save_profile(actor=cast["administrator"], profile=made)


def form_of(response) -> dict[str, str]:
    """The hidden and text fields of the page's form as a browser would send them."""
    found = re.findall(r'<input[^>]*name="([^"]+)"[^>]*>', response.content.decode())
    values = {}
    for name in found:
        value = re.search(rf'<input[^>]*name="{name}"[^>]*>', response.content.decode())[0]
        values[name] = (
            (re.search(r'value="([^"]*)"', value) or [None, ""])[1].replace("&lt;", "<").replace("&gt;", ">")
        )
    values.pop("csrfmiddlewaretoken", None)
    values.pop("theme", None)
    values.pop("next", None)
    return values


def test_the_name_is_ours_before_the_cluster_hears_of_it(cast, repository):
    run = queue_snapshot(
        actor=cast["operator"], repository=repository, name="a-1", patterns=["*"], reason="before upgrade"
    )

    snapshot = Snapshot.objects.get()
    assert (snapshot.name, snapshot.state, snapshot.run) == ("a-1", "wanted", run)
    assert run.subject_url == f"/snapshots/{snapshot.pk}/"
    entry = AuditEntry.objects.get(action="run.queued")
    assert (entry.run, entry.reason, entry.actor) == (run.pk, "before upgrade", cast["operator"])


@pytest.mark.parametrize(
    ("name", "says", "field"),
    [
        ("Upper", "upper-case", "name"),
        ("a..b", "two dots", "name"),
        ("a b", "not allowed", "name"),
        ("<x-{now/d>", "curly brackets", "name"),
    ],
)
def test_bad_names_are_refused_in_words(cast, repository, name, says, field):
    with pytest.raises(SnapshotError, match=says) as caught:
        queue_snapshot(actor=cast["operator"], repository=repository, name=name, patterns=["*"])

    assert caught.value.field == field
    assert not Run.objects.exists()


def test_a_taken_name_is_refused_and_a_free_one_proposed(cast, repository):
    queue_snapshot(actor=cast["operator"], repository=repository, name="a-1", patterns=["*"])

    with pytest.raises(SnapshotError, match="Free is: a-1-2"):
        queue_snapshot(actor=cast["operator"], repository=repository, name="a-1", patterns=["*"])

    assert (Run.objects.count(), Snapshot.objects.count()) == (1, 1)


def test_no_patterns_would_mean_all_and_are_refused(cast, repository):
    with pytest.raises(SnapshotError, match="which indices"):
        queue_snapshot(actor=cast["operator"], repository=repository, name="a-1", patterns=[])


def test_a_repository_that_is_not_registered_is_refused(cast, repository):
    Repository.objects.update(state="failed")
    repository.refresh_from_db()

    with pytest.raises(SnapshotError, match="not registered"):
        queue_snapshot(actor=cast["operator"], repository=repository, name="a-1", patterns=["*"])


def test_a_read_only_repository_takes_no_snapshot(cast, repository):
    Repository.objects.update(settings={"location": "/srv/backups/nightly", "readonly": "true"})
    repository.refresh_from_db()

    with pytest.raises(SnapshotError, match="read-only"):
        queue_snapshot(actor=cast["operator"], repository=repository, name="a-1", patterns=["*"])


@pytest.mark.parametrize("who", ["viewer", "approver", "auditor"])
def test_others_may_not_start(cast, repository, who):
    with pytest.raises(Denied):
        queue_snapshot(actor=cast[who], repository=repository, name="a-1", patterns=["*"])

    assert not Run.objects.exists()


def test_the_form_of_a_profile_starts_it_with_the_shown_name(as_person, profile):
    client = as_person("operator")
    page = client.get(START, {"profile": profile.pk})
    sent = form_of(page)

    response = client.post(f"{START}?profile={profile.pk}", sent)

    run = Run.objects.history().get()
    assert response["Location"] == f"/runs/{run.pk}/"
    assert Snapshot.objects.get().name == sent["name"]
    assert Snapshot.objects.get().profile == profile


def test_the_second_one_of_a_day_gets_another_name(as_person, profile):
    client = as_person("operator")
    first = form_of(client.get(START, {"profile": profile.pk}))
    client.post(f"{START}?profile={profile.pk}", first)

    second = form_of(client.get(START, {"profile": profile.pk}))

    assert second["name"] == f"{first['name']}-2"


def test_a_form_sent_twice_starts_one_snapshot_and_shows_it_twice(as_person, profile):
    client = as_person("operator")
    sent = form_of(client.get(START, {"profile": profile.pk}))

    answers = [client.post(f"{START}?profile={profile.pk}", sent) for _ in range(2)]

    run = Run.objects.history().get()
    assert [answer["Location"] for answer in answers] == [f"/runs/{run.pk}/"] * 2


def test_a_form_from_a_stale_tab_starts_nothing(as_person, cast, profile):
    client = as_person("operator")
    sent = form_of(client.get(START, {"profile": profile.pk}))
    changed = SnapshotProfile.objects.get(pk=profile.pk)
    seen, changed.patterns = changed.digest, ["other-*"]
    save_profile(actor=cast["administrator"], profile=changed, seen=seen)

    response = client.post(f"{START}?profile={profile.pk}", sent)

    assert response.status_code == 422
    assert "was changed since the form was opened" in response.content.decode()
    assert not Run.objects.history().exists()


def test_the_only_profile_is_chosen_by_itself(as_person, profile):
    client = as_person("operator")

    page = client.get(START, follow=True)

    assert page.context["profile"] == profile
    assert "?profile=none" in page.content.decode()


def test_without_a_profile_can_be_chosen_all_the_same(as_person, profile):
    page = as_person("operator").get(START, {"profile": "none"})

    assert "profile" not in page.context and "Without a profile" in page.content.decode()


def test_of_two_profiles_none_is_chosen(as_person, cast, profile):
    other = SnapshotProfile(cluster=profile.cluster, repository=profile.repository, name="Other")
    save_profile(actor=cast["administrator"], profile=other)

    page = as_person("operator").get(START)

    assert page.status_code == 200 and "profile" not in page.context


def test_a_snapshot_starts_without_a_profile(as_person, repository):
    client = as_person("operator")
    sent = form_of(client.get(START)) | {
        "repository": repository.pk,
        "patterns": "events-1\n-.*",
        "name": "<one-{now/y{uuuu}}>",
    }
    sent.pop("global_state")
    sent.pop("partial")

    response = client.post(START, sent)

    run = Run.objects.history().get()
    assert response["Location"] == f"/runs/{run.pk}/"
    assert run.params["patterns"] == ["events-1", "-.*"]
    assert re.fullmatch(r"one-\d{4}", Snapshot.objects.get().name)
    assert not Snapshot.objects.get().global_state


def test_bad_input_keeps_what_was_written(as_person, repository):
    client = as_person("operator")
    sent = form_of(client.get(START)) | {"repository": repository.pk, "patterns": "events-1", "name": "Upper"}

    response = client.post(START, sent)

    assert response.status_code == 422
    text = response.content.decode()
    assert "upper-case" in text and 'value="Upper"' in text and "events-1" in text


def test_without_a_restricted_credential_the_run_says_why_it_cannot_be_cancelled(cast, repository):
    repository.cluster.credentials.filter(purpose="restricted").delete()
    repository = Repository.objects.get()

    run = queue_snapshot(actor=cast["operator"], repository=repository, name="a-1", patterns=["*"])

    assert "restricted credential" in run.no_cancel


def test_the_preview_shows_what_the_patterns_match(as_person, fake, repository, run_until_over):
    client = as_person("operator")
    asked = client.post("/snapshots/preview/", {"repository": repository.pk, "patterns": "events-* nothing-*"})
    assert asked.status_code == 200
    check = run_until_over(Run.objects.get(kind="check"))

    text = client.get(f"/runs/checks/{check.pk}/").content.decode()

    assert "events-1" in text and "events-2" in text and "200" in text
    assert "nothing-*" in text
    assert not AuditEntry.objects.filter(run=check.pk).exists()


def test_the_preview_says_that_data_streams_are_left_out(as_person, fake, repository, run_until_over):
    fake.add_index(".ds-logs-2026.11.22-000001", 9)
    client = as_person("operator")
    client.post("/snapshots/preview/", {"repository": repository.pk, "patterns": "* -.*"})
    check = run_until_over(Run.objects.get(kind="check"))

    text = client.get(f"/runs/checks/{check.pk}/").content.decode()

    assert "Data streams are left out" in text
    assert "match nothing" not in text


def test_the_preview_knows_the_name_of_a_data_stream(as_person, fake, repository, run_until_over):
    fake.add_index(".ds-logs-2026.11.22-000001", 9)
    client = as_person("operator")
    client.post("/snapshots/preview/", {"repository": repository.pk, "patterns": "logs"})
    check = run_until_over(Run.objects.get(kind="check"))

    text = client.get(f"/runs/checks/{check.pk}/").content.decode()

    assert "No index matches" in text
    assert "logs is the name of data streams: .ds-logs-* takes their indices." in text
