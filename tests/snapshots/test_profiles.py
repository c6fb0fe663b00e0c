"""Profiles: adding, changing, and two people at once."""

import re

import pytest

from backups.access import Denied
from backups.audit.models import AuditEntry
from backups.repositories.models import Repository
from backups.runs.models import Run
from backups.snapshots.models import SnapshotProfile
from backups.snapshots.services import SnapshotError, save_profile
from tests.factories import connected_cluster, registered_repository


def new(repository, **values) -> SnapshotProfile:
    return SnapshotProfile(**{"cluster": repository.cluster, "repository": repository, "name": "SOC"} | values)


def test_it_is_added_with_its_entry(cast, repository):
    profile = save_profile(actor=cast["administrator"], profile=new(repository))

    assert profile.patterns == ["*", "-.*"]
    entry = AuditEntry.objects.get(action="profile.added")
    assert (entry.object_name, entry.actor) == ("SOC", cast["administrator"])


def test_a_change_is_recorded_with_before_and_after(cast, repository):
    profile = save_profile(actor=cast["administrator"], profile=new(repository))
    seen, profile.partial = profile.digest, True

    save_profile(actor=cast["administrator"], profile=profile, seen=seen)

    assert '"partial":{"after":true,"before":false}' in AuditEntry.objects.get(action="profile.changed").text


def test_saving_without_a_change_leaves_no_entry(cast, repository):
    profile = save_profile(actor=cast["administrator"], profile=new(repository))

    save_profile(actor=cast["administrator"], profile=profile, seen=profile.digest)

    assert not AuditEntry.objects.filter(action="profile.changed").exists()


def test_names_are_unique_per_cluster(cast, repository, fake):
    save_profile(actor=cast["administrator"], profile=new(repository))
    other = registered_repository(connected_cluster(fake, "soc-dr"))

    save_profile(actor=cast["administrator"], profile=new(other))
    with pytest.raises(SnapshotError, match="exists on soc-prod already"):
        save_profile(actor=cast["administrator"], profile=new(repository))

    assert SnapshotProfile.objects.count() == 2


def test_a_template_that_makes_no_sense_is_refused(cast, repository):
    with pytest.raises(SnapshotError, match="now"):
        save_profile(actor=cast["administrator"], profile=new(repository, name_template="<x-{yesterday}>"))


@pytest.mark.parametrize("who", ["viewer", "operator", "approver", "auditor"])
def test_only_administrators_may(cast, repository, who):
    with pytest.raises(Denied):
        save_profile(actor=cast[who], profile=new(repository))


def test_the_page_tells_a_second_person_that_it_was_changed(as_person, cast, repository):
    profile = save_profile(actor=cast["administrator"], profile=new(repository))
    client, url = as_person("administrator"), f"/snapshots/profiles/{profile.pk}/change/"
    sent = {
        "name": "SOC",
        "repository": repository.pk,
        "patterns": "mine-*",
        "name_template": "<x-{now/d}>",
        "time_field": "@timestamp",
        "seen": profile.digest,
    }
    seen, profile.patterns = profile.digest, ["theirs-*"]
    save_profile(actor=cast["administrator"], profile=profile, seen=seen)

    response = client.post(url, sent)

    assert response.status_code == 422
    assert "Someone else changed it" in response.content.decode() and "mine-*" in response.content.decode()
    assert SnapshotProfile.objects.get().patterns == ["theirs-*"]


def test_saving_a_second_time_does_not_slip_over_the_others_change(as_person, cast, repository):
    profile = save_profile(actor=cast["administrator"], profile=new(repository))
    client, url = as_person("administrator"), f"/snapshots/profiles/{profile.pk}/change/"
    sent = {"name": "SOC", "repository": repository.pk, "patterns": "mine-*", "name_template": "x", "time_field": "t"}
    sent["seen"] = profile.digest
    seen, profile.patterns = profile.digest, ["theirs-*"]
    save_profile(actor=cast["administrator"], profile=profile, seen=seen)

    first = client.post(url, sent)
    shown = re.search(r'name="seen" value="(\w+)"', first.content.decode())[1]
    second = client.post(url, sent | {"seen": shown})

    assert (first.status_code, second.status_code) == (422, 422)
    assert SnapshotProfile.objects.get().patterns == ["theirs-*"]


def test_a_bad_template_is_marked_at_its_own_field(as_person, repository):
    sent = {"name": "SOC", "repository": repository.pk, "patterns": "*", "name_template": "Upper", "time_field": "t"}

    response = as_person("administrator").post("/snapshots/profiles/add/", sent)

    assert list(response.context["form"].errors) == ["name_template"]


def test_a_read_only_repository_is_offered_to_nobody_but_the_profile_that_has_it(as_person, cast, repository):
    profile = save_profile(actor=cast["administrator"], profile=new(repository))
    read_only = {"location": repository.location, "readonly": "true"}
    other = registered_repository(repository.cluster, "other", "/srv/snapshots/other")
    Repository.objects.filter(pk=repository.pk).update(settings=read_only)
    client = as_person("administrator")

    added = client.get("/snapshots/profiles/add/").context["form"]["repository"]
    changed = client.get(f"/snapshots/profiles/{profile.pk}/change/").context["form"]["repository"]

    assert [str(choice) for _, choice in added.field.choices] == [str(other)]
    assert changed.value() == repository.pk
    assert [str(choice) for _, choice in changed.field.choices] == [str(repository), str(other)]


@pytest.mark.parametrize(("previewed", "warned"), [("nothing-*", True), ("events-*", False), (None, False)])
def test_saving_what_was_seen_to_match_nothing_says_so(
    as_person, fake, repository, run_until_over, previewed, warned
):
    client = as_person("administrator")
    if previewed:
        client.post("/snapshots/preview/", {"repository": repository.pk, "patterns": previewed})
        run_until_over(Run.objects.get(kind="check"))
    sent = {"name": "SOC", "repository": repository.pk, "patterns": previewed or "nothing-*"}

    page = client.post("/snapshots/profiles/add/", sent | {"name_template": "x", "time_field": "t"}, follow=True)

    assert SnapshotProfile.objects.exists()
    assert ("No index matches its patterns" in page.content.decode()) is warned


def test_a_preview_of_other_patterns_says_nothing_of_these(as_person, fake, repository, run_until_over):
    client = as_person("administrator")
    client.post("/snapshots/preview/", {"repository": repository.pk, "patterns": "nothing-*"})
    run_until_over(Run.objects.get(kind="check"))
    sent = {
        "name": "SOC",
        "repository": repository.pk,
        "patterns": "events-*",
        "name_template": "x",
        "time_field": "t",
    }

    page = client.post("/snapshots/profiles/add/", sent, follow=True)

    assert "No index matches its patterns" not in page.content.decode()
