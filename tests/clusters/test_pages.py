"""Pages of clusters: what people see, who may do what, and the forms."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.urls import reverse

from backups.clusters.models import Cluster
from backups.runs.models import CHECK, Run
from tests.factories import connected_cluster

pytestmark = pytest.mark.django_db

EVERYONE = ["viewer", "operator", "approver", "auditor", "administrator"]


@pytest.fixture
def posted(fake_elasticsearch):
    """What the browser sends for a new cluster; arguments replace fields."""

    def make(**changes) -> dict:
        fields = {"name": "soc-prod", "addresses": fake_elasticsearch.url, "ca_file": "", "seen": ""}
        for purpose in ("everyday", "restricted"):
            user, password = getattr(fake_elasticsearch, purpose)
            fields |= {f"{purpose}_user": user, f"{purpose}_password": password}
        return fields | changes

    return make


@pytest.fixture
def cluster(fake_elasticsearch):
    return connected_cluster(fake_elasticsearch)


def text(response) -> str:
    return response.content.decode()


@pytest.mark.parametrize("person", EVERYONE)
def test_everybody_sees_list_and_page(as_person, cluster, person):
    browser = as_person(person)

    assert "soc-prod" in text(browser.get(reverse("clusters:list")))
    assert "What works here" in text(browser.get(cluster.get_absolute_url()))


@pytest.mark.parametrize("person", EVERYONE)
def test_buttons_are_for_those_who_may(as_person, cluster, person):
    browser = as_person(person)
    shown = person == "administrator"

    assert ("Connect cluster" in text(browser.get(reverse("clusters:list")))) is shown
    assert ("Test connection" in text(browser.get(cluster.get_absolute_url()))) is shown


def test_the_form_of_a_new_one_speaks_of_no_credential_before_and_says_where_certificates_are(as_person, cluster):
    browser = as_person("administrator")
    new = text(browser.get(reverse("clusters:add")))
    changed = text(browser.get(reverse("clusters:edit", args=[cluster.pk])))

    assert "stays in use" not in new and "stays in use" in changed
    assert f"A file in {settings.CA_DIR} on the console" in new


def test_an_empty_list_says_what_to_do(as_person):
    assert "Connect the first cluster" in text(as_person("administrator").get(reverse("clusters:list")))
    assert "An administrator connects" in text(as_person("viewer").get(reverse("clusters:list")))


def test_the_list_takes_few_queries(as_person, fake_elasticsearch, django_assert_max_num_queries):
    for number in range(5):
        connected_cluster(fake_elasticsearch, f"cluster-{number}")
    browser = as_person("viewer")

    with django_assert_max_num_queries(12):
        browser.get(reverse("clusters:list"))


def test_raw_errors_are_for_those_who_may_read_them(as_person, cluster):
    Cluster.objects.update(state="bad", message="Nobody answers.", detail="Errno 111")

    assert "Errno 111" in text(as_person("operator").get(cluster.get_absolute_url()))
    page = text(as_person("viewer").get(cluster.get_absolute_url()))
    assert "Nobody answers." in page
    assert "Errno 111" not in page


def test_what_needs_a_missing_credential_says_so(as_person, fake_elasticsearch):
    cluster = connected_cluster(fake_elasticsearch, restricted=False)

    assert "No restricted credential is in use" in text(as_person("viewer").get(cluster.get_absolute_url()))


def test_it_is_saved_then_tested_on_its_page(as_person, posted, run_until_over):
    browser = as_person("administrator")
    answer = browser.post(reverse("clusters:add"), posted())
    cluster = Cluster.objects.get()
    assert answer["Location"] == cluster.get_absolute_url()

    check = Run.objects.get(kind=CHECK)
    url = reverse("runs:check", args=[check.pk])
    assert url in text(browser.get(cluster.get_absolute_url()))
    run_until_over(check)

    page = text(browser.get(cluster.get_absolute_url()))
    assert url not in page
    assert "Connected to Elasticsearch 8.19.0" in page


def test_passwords_are_never_sent_back(as_person, posted, fake_elasticsearch):
    browser = as_person("administrator")
    refused = browser.post(reverse("clusters:add"), posted(name="not a name"))
    assert refused.status_code == 422
    assert "cannot be a name" in text(refused)

    browser.post(reverse("clusters:add"), posted())
    pages = [refused, browser.get(reverse("clusters:edit", args=[Cluster.objects.get().pk]))]
    for secret in (fake_elasticsearch.everyday[1], fake_elasticsearch.restricted[1]):
        assert not any(secret in text(page) for page in pages)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"addresses": ""}, "This field is required"),
        ({"addresses": "es1:9200"}, "not a web address"),
        ({"addresses": "https://169.254.169.254:80"}, "metadata"),
        ({"everyday_password": ""}, "This field is required"),
        ({"restricted_password": ""}, "Enter the password of restricted"),
        ({"restricted_user": ""}, "Enter the user that this password belongs to"),
        ({"ca_file": "../keys/secrets.pem"}, "Select a valid choice"),
    ],
)
def test_bad_input_is_answered_at_its_field(as_person, posted, changes, words):
    answer = as_person("administrator").post(reverse("clusters:add"), posted(**changes))

    assert answer.status_code == 422
    assert words in text(answer)
    assert not Cluster.objects.exists()


def test_sent_twice_makes_one(as_person, posted):
    browser = as_person("administrator")
    first, second = (browser.post(reverse("clusters:add"), posted()) for _ in range(2))

    assert first["Location"] == second["Location"]
    assert Cluster.objects.count() == 1


def test_a_stale_tab_keeps_the_text(as_person, cluster, fake_elasticsearch):
    browser = as_person("administrator")
    stale = cluster.digest
    Cluster.objects.update(name="renamed")
    fields = {"name": "my-name", "addresses": fake_elasticsearch.url, "seen": stale}
    answer = browser.post(
        reverse("clusters:edit", args=[cluster.pk]),
        fields | {"everyday_user": "everyday", "restricted_user": "restricted"},
    )

    assert answer.status_code == 422
    assert "Someone else changed it. Reload to see their change. Your text is kept below." in text(answer)
    assert 'value="my-name"' in text(answer)
    assert Cluster.objects.get().name == "renamed"


def test_a_rename_keeps_the_stored_passwords(as_person, cluster, fake_elasticsearch):
    fields = {"name": "renamed", "addresses": fake_elasticsearch.url, "seen": cluster.digest}
    users = {"everyday_user": "everyday", "restricted_user": "restricted"}
    as_person("administrator").post(reverse("clusters:edit", args=[cluster.pk]), fields | users)

    assert Cluster.objects.get().name == "renamed"
    assert cluster.credentials.filter(in_use=True).count() == 2


def test_another_address_asks_for_both_passwords(as_person, cluster):
    fields = {"name": "soc-prod", "addresses": "https://elsewhere.example.org:9200", "seen": cluster.digest}
    users = {"everyday_user": "everyday", "restricted_user": "restricted"}
    answer = as_person("administrator").post(reverse("clusters:edit", args=[cluster.pk]), fields | users)

    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["everyday_password", "restricted_password"]


def test_an_emptied_user_removes_the_restricted_credential(as_person, cluster, fake_elasticsearch):
    fields = {"name": "soc-prod", "addresses": fake_elasticsearch.url, "seen": cluster.digest}
    as_person("administrator").post(
        reverse("clusters:edit", args=[cluster.pk]), fields | {"everyday_user": "everyday", "restricted_user": ""}
    )

    assert list(cluster.credentials.values_list("purpose", flat=True)) == ["everyday"]


@pytest.mark.parametrize("name", ["clusters:add", "clusters:edit"])
def test_the_forms_want_a_password_given_lately(as_person, cluster, name):
    browser = as_person("administrator")
    session = browser.session
    session["stepped_up_at"] = 0
    session.save()
    url = reverse(name, args=[cluster.pk] if name == "clusters:edit" else [])

    for answer in (browser.get(url), browser.post(url, {"name": "x"})):
        assert answer["Location"].startswith(reverse("accounts:step_up"))


@pytest.mark.parametrize("person", ["viewer", "operator", "approver", "auditor"])
def test_who_may_not(as_person, cluster, person):
    browser = as_person(person)

    assert browser.get(reverse("clusters:add")).status_code == 403
    assert browser.get(reverse("clusters:edit", args=[cluster.pk])).status_code == 403
    assert browser.post(reverse("clusters:test", args=[cluster.pk])).status_code == 403
    assert not Run.objects.exists()


def test_the_test_button_answers_with_the_fragment_that_polls(as_person, cluster):
    browser = as_person("administrator")
    url = reverse("clusters:test", args=[cluster.pk])

    assert browser.post(url)["Location"] == cluster.get_absolute_url()
    fragment = text(browser.post(url, headers={"HX-Request": "true"}))
    assert reverse("runs:check", args=[Run.objects.latest("pk").pk]) in fragment
    assert "<html" not in fragment


def test_a_good_test_from_before_contact_was_lost_is_not_shown(as_person, cluster, run_until_over):
    browser = as_person("administrator")
    browser.post(reverse("clusters:test", args=[cluster.pk]))
    check = run_until_over(Run.objects.get())
    assert "Connected to" in text(browser.get(cluster.get_absolute_url()))

    Cluster.objects.update(state="bad", failing_since=check.ended_at + timedelta(seconds=1))
    page = text(browser.get(cluster.get_absolute_url()))

    assert "cannot be used" in page
    assert "Connected to" not in page


def test_authorities_are_chosen_by_name(as_person, ca_dir):
    (ca_dir / "soc.pem").write_text("-")
    (ca_dir / ".hidden").write_text("-")
    (ca_dir / "link.pem").symlink_to("/etc/hostname")
    page = text(as_person("administrator").get(reverse("clusters:add")))

    assert "soc.pem" in page
    assert ".hidden" not in page
    assert "link.pem" not in page


def test_a_new_password_alone_is_enough(as_person, cluster, fake_elasticsearch):
    fields = {"name": "soc-prod", "addresses": fake_elasticsearch.url, "seen": cluster.digest}
    users = {"everyday_user": "everyday", "restricted_user": "restricted", "everyday_password": "another"}
    as_person("administrator").post(reverse("clusters:edit", args=[cluster.pk]), fields | users)

    assert list(cluster.credentials.order_by("pk").values_list("purpose", "in_use")) == [
        ("everyday", True),
        ("restricted", True),
        ("everyday", False),
    ]
