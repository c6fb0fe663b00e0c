"""Pages of repositories: what people see, who may do what, and the form."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from backups.clusters.models import Cluster
from backups.repositories.models import Repository
from backups.runs.models import CHECK, Run
from tests.factories import connected_cluster, registered_repository

pytestmark = pytest.mark.django_db

EVERYONE = ["viewer", "operator", "approver", "auditor", "administrator"]


@pytest.fixture
def repository(cluster):
    return registered_repository(cluster)


@pytest.fixture
def posted(cluster):
    """What the browser sends; arguments replace fields."""
    fields = {"cluster": cluster.pk, "name": "nightly", "location": "/srv/backups/nightly", "form_key": "one-opening"}
    return lambda **changes: fields | {"compress": "on"} | changes


def text(response) -> str:
    return response.content.decode()


@pytest.mark.parametrize("person", EVERYONE)
def test_everybody_sees_list_and_page(as_person, repository, person):
    browser = as_person(person)

    assert "/srv/snapshots/nightly" in text(browser.get(reverse("repositories:list")))
    assert "Verified per node" in text(browser.get(repository.get_absolute_url()))


@pytest.mark.parametrize(
    ("person", "registers", "verifies"),
    [("viewer", False, False), ("operator", False, True), ("auditor", False, False), ("administrator", True, True)],
)
def test_buttons_are_for_those_who_may(as_person, repository, person, registers, verifies):
    browser = as_person(person)

    assert ("Register repository" in text(browser.get(reverse("repositories:list")))) is registers
    assert ("Verify now" in text(browser.get(repository.get_absolute_url()))) is verifies


def test_without_the_restricted_credential_the_button_is_off_with_the_reason(as_person, fake_elasticsearch):
    repository = registered_repository(connected_cluster(fake_elasticsearch, restricted=False))
    page = text(as_person("operator").get(repository.get_absolute_url()))

    assert "disabled" in page
    assert "needs the restricted credential of soc-prod, which is not set" in page
    answer = as_person("operator").post(reverse("repositories:verify", args=[repository.pk]), follow=True)
    assert "which is not set" in text(answer)
    assert not Run.objects.exists()


def test_nodes_and_what_to_do_are_shown(as_person, repository):
    line = {"id": "1", "name": "n1", "roles": ["data"], "state": "failed", "message": "Mount it again."}
    Repository.objects.update(nodes=[line, line | {"name": "n2", "state": "good", "message": ""}], message="Broken")
    page = text(as_person("viewer").get(repository.get_absolute_url()))

    assert "1 of 2 nodes fails" in page
    assert "Mount it again." in page
    assert "Can write" in page


def test_a_read_only_one_is_not_shown_as_verified_and_offers_no_verification(as_person, repository):
    Repository.objects.update(settings={"location": "/srv/snapshots/nightly", "readonly": "true"})
    browser = as_person("administrator")

    for address in (repository.get_absolute_url(), reverse("repositories:list")):
        assert re.search(r'class="pill[^"]*">.*?Read-only', text(browser.get(address)), re.DOTALL)
    page = text(browser.get(repository.get_absolute_url()))
    assert "Verify now" not in page and "Verified per node" not in page
    answer = browser.post(reverse("repositories:verify", args=[repository.pk]), follow=True)
    assert "no node writes there" in text(answer)
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("kept", "taken"),
    [({}, True), ({"readonly": "false"}, True), ({"readonly": False}, True), ({"readonly": "true"}, False)],
)
@pytest.mark.parametrize("state", ["registered", "missing"])
def test_snapshots_go_to_registered_ones_that_may_be_written(repository, kept, taken, state):
    Repository.objects.update(settings={"location": "/srv/snapshots/nightly"} | kept, state=state)

    assert Repository.objects.targets().exists() is (taken and state == "registered")


def test_the_form_says_where_a_repository_may_be(as_person, cluster):
    browser, address = as_person("administrator"), reverse("repositories:register")
    assert "Allowed on" not in text(browser.get(address))

    data = {"writes_snapshots": True, "path_repo": ["/srv/snapshots", "/mnt/nfs"]}
    Cluster.objects.update(nodes=[data, data | {"path_repo": ["/mnt/nfs"]}])

    assert "Allowed on soc-prod: /mnt/nfs." in text(browser.get(address))


def test_what_was_lost_is_said_with_a_link_to_it(as_person, repository):
    Repository.objects.update(damaged=2, vanished=1, vanished_at=timezone.now())
    page = as_person("viewer").get(repository.get_absolute_url()).content.decode()
    assert "2 of its snapshots are damaged" in page
    assert "1 snapshot vanished in the last 24 hours" in page
    assert f"?repository={repository.pk}&amp;state=damaged" in page


def test_one_whose_snapshots_cannot_be_read_is_not_shown_as_good(as_person, repository):
    Repository.objects.update(collect_message="It cannot be read.", failing_since=timezone.now(), message="")
    for address in (repository.get_absolute_url(), reverse("repositories:list")):
        assert "Cannot be read" in as_person("viewer").get(address).content.decode()


def test_raw_errors_are_for_those_who_may_read_them(as_person, repository):
    Repository.objects.update(message="It failed.", detail="java.io.Something")

    assert "java.io.Something" in text(as_person("operator").get(repository.get_absolute_url()))
    assert "java.io.Something" not in text(as_person("viewer").get(repository.get_absolute_url()))


@pytest.mark.parametrize(
    ("uuid", "other_uuid", "location", "words"),
    [
        ("u-1", "u-1", "/elsewhere", "This is also theirs on other"),
        ("", "", "/srv/snapshots/nightly", "This may also be theirs on other"),
        ("u-1", "", "/srv/snapshots/nightly", "This may also be theirs on other"),
        ("u-1", "u-2", "/srv/snapshots/nightly", ""),
        ("", "", "/elsewhere", ""),
    ],
)
def test_another_cluster_that_may_write_to_the_same_storage_is_named(
    as_person, repository, fake_elasticsearch, uuid, other_uuid, location, words
):
    """OpenSearch and old servers give a repository no uuid: there the place alone is known."""
    other = registered_repository(connected_cluster(fake_elasticsearch, "other"), "theirs", location)
    Repository.objects.filter(pk=repository.pk).update(uuid=uuid)
    Repository.objects.filter(pk=other.pk).update(uuid=other_uuid)

    page = text(as_person("viewer").get(repository.get_absolute_url()))

    assert ("theirs on other" in page) == bool(words)
    assert words in page


def test_who_only_reads_is_no_second_writer(as_person, repository):
    other = registered_repository(repository.cluster, "recovery")
    browser = as_person("viewer")
    assert "This is also recovery" in text(browser.get(repository.get_absolute_url()))

    Repository.objects.filter(pk=other.pk).update(settings=other.settings | {"readonly": "true"})

    for row in (repository, other):
        assert "This is also" not in text(browser.get(row.get_absolute_url()))


def test_the_list_is_filtered_by_its_address(as_person, repository, fake_elasticsearch):
    other = registered_repository(connected_cluster(fake_elasticsearch, "other"), "weekly")
    browser = as_person("viewer")

    for query in (f"cluster={other.cluster_id}", "q=week"):
        page = text(browser.get(f"{reverse('repositories:list')}?{query}"))
        assert "weekly" in page
        assert repository.get_absolute_url() not in page
    assert "No repositories match" in text(browser.get(f"{reverse('repositories:list')}?q=nothing"))


def test_an_empty_list_says_what_to_do(as_person, cast):
    browser = as_person("administrator")

    assert "First connect a cluster" in text(browser.get(reverse("repositories:list")))
    assert "First connect a cluster" in text(browser.get(reverse("repositories:register")))


def test_registering_leads_to_the_run(as_person, posted):
    answer = as_person("administrator").post(reverse("repositories:register"), posted())

    assert answer["Location"] == Run.objects.get().get_absolute_url()
    assert Repository.objects.get().settings == {"location": "/srv/backups/nightly", "compress": True}


def test_sent_twice_registers_once(as_person, posted):
    browser = as_person("administrator")
    first, second = (browser.post(reverse("repositories:register"), posted()) for _ in range(2))

    assert first["Location"] == second["Location"]
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Nightly"}, "Use lower case only: nightly"),
        ({"name": ""}, "This field is required"),
        ({"location": "/srv/../etc"}, "contains .. as a folder"),
        ({"cluster": "77"}, "Select a valid choice"),
    ],
)
def test_bad_input_is_answered_at_its_field(as_person, posted, changes, words):
    answer = as_person("administrator").post(reverse("repositories:register"), posted(**changes))

    assert answer.status_code == 422
    assert words in text(answer)
    assert not Run.objects.exists()


def test_a_taken_name_is_answered_at_its_field(as_person, posted, repository):
    answer = as_person("administrator").post(reverse("repositories:register"), posted())

    assert answer.context["form"].errors == {
        "name": ["soc-prod has a repository nightly already. Choose another name."]
    }


def test_the_check_answers_with_the_fragment_that_polls(as_person, posted, run_until_over):
    browser = as_person("administrator")
    fragment = text(browser.post(reverse("repositories:check"), posted(), headers={"HX-Request": "true"}))
    run = Run.objects.get(kind=CHECK)
    url = reverse("runs:check", args=[run.pk])
    assert url in fragment

    run_until_over(run)
    answer = browser.get(url)
    assert "It can be registered" in text(answer)
    assert "PUT /_snapshot/nightly" in text(answer)
    assert "hx-get" not in text(answer)
    assert not Repository.objects.exists()


def test_a_check_of_bad_input_says_what_is_wrong(as_person, posted):
    answer = as_person("administrator").post(reverse("repositories:check"), posted(name="Nightly"))

    assert "Use lower case only: nightly" in text(answer)
    assert not Run.objects.exists()


def test_verifying_leads_to_the_run(as_person, repository):
    answer = as_person("operator").post(reverse("repositories:verify", args=[repository.pk]))

    assert answer["Location"] == Run.objects.get().get_absolute_url()


def test_registering_again_is_filled_in(as_person, repository):
    Repository.objects.update(state="missing")
    browser = as_person("administrator")
    page = text(browser.get(repository.get_absolute_url()))
    assert "Register again" in page

    form = text(browser.get(f"{reverse('repositories:register')}?name=nightly&location=/srv/x"))
    assert 'value="nightly"' in form
    assert 'value="/srv/x"' in form


@pytest.mark.parametrize("person", ["viewer", "operator", "approver", "auditor"])
def test_who_may_not(as_person, posted, repository, person):
    browser = as_person(person)

    assert browser.get(reverse("repositories:register")).status_code == 403
    assert browser.post(reverse("repositories:register"), posted()).status_code == 403
    assert browser.post(reverse("repositories:check"), posted()).status_code == 403
    if person != "operator":
        assert browser.post(reverse("repositories:verify", args=[repository.pk])).status_code == 403
    assert not Run.objects.exists()
