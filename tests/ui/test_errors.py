"""Every error that can occur, provoked for real: what happened, why, what to do, and the raw cause for those who may
read it. Nothing is changed by any of them, and no page shows the inside of the program."""

import html
import re
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from backups.access.models import User
from backups.audit.models import AuditEntry
from backups.clusters.models import Cluster
from backups.clusters.services import save_cluster
from backups.repositories.models import Repository
from backups.repositories.services import request_registration
from backups.runs.models import CHECK, Run
from backups.snapshots.models import Snapshot, SnapshotProfile
from backups.snapshots.services import queue_snapshot, save_profile
from backups.worker import collecting
from tests.factories import connected_cluster, registered_repository
from tests.turns import lease

pytestmark = pytest.mark.django_db

ROWS = (User, Cluster, Repository, SnapshotProfile, Snapshot, Run, AuditEntry)


@pytest.fixture
def fake(fake_elasticsearch):
    fake_elasticsearch.add_index("events-1", 120, primaries=3)
    fake_elasticsearch.add_index("events-2", 80, primaries=2)
    fake_elasticsearch.add_repository("nightly")
    return fake_elasticsearch


@pytest.fixture
def repository(fake) -> Repository:
    return registered_repository(connected_cluster(fake), location="/srv/backups/nightly")


@pytest.fixture
def profile(repository, cast) -> SnapshotProfile:
    new = SnapshotProfile(
        cluster=repository.cluster, repository=repository, name="SOC indices", patterns=["events-*"]
    )
    return save_profile(actor=cast["administrator"], profile=new)


def rows() -> dict:
    """How many there are of everything, and what a person may have changed."""
    people = sorted((person.username, person.role_list) for person in User.objects.all())
    return {model: model.objects.count() for model in ROWS} | {"people": people}


def words(answer) -> str:
    """What a page says, as it is read."""
    page = answer.content.decode()
    main = page[page.index("<main") : page.index("</main>")] if "<main" in page else page
    return " ".join(html.unescape(strip_tags(main)).split())


def technical_details(answer) -> list[str]:
    """The raw causes on a page, each with its button."""
    found = re.findall(r"<details><summary[^>]*>Technical details</summary>(.*?)</details>", answer.content.decode())
    parts = [
        re.fullmatch(r"<pre [^>]*>(.*)</pre><p[^>]*><button [^>]* data-copy>.*Copy</button></p>", one)
        for one in found
    ]
    return [html.unescape(part[1]) for part in parts]


def no_insides(answer) -> bool:
    return not re.search(r"Traceback|File &quot;|\.py\b|backups\.", answer.content.decode())


# --- a field


def cluster_fields(fake, **changes) -> dict:
    fields = {"name": "soc-dr", "addresses": fake.url, "ca_file": "", "seen": ""}
    fields |= {
        "everyday_user": "everyday",
        "everyday_password": "p",
        "restricted_user": "",
        "restricted_password": "",
    }
    return fields | changes


FIELDS = {
    "reason": (
        lambda made: reverse("accounts:roles", args=[made["operator"].pk]),
        lambda made: {"roles": ["viewer"], "reason": "Left us"},
        ("id_reason", "Write at least 20 characters. The auditor reads this.", "Left us"),
    ),
    "person": (
        lambda made: reverse("accounts:person_add"),
        lambda made: {"full_name": "Ġorġ Vella", "name": "Gorg Vella", "roles": ["viewer"]},
        ("id_name", "lower-case letters", "Ġorġ Vella"),
    ),
    "cluster": (
        lambda made: reverse("clusters:add"),
        lambda made: cluster_fields(made["fake"], addresses="ftp://es1:9200"),
        ("id_addresses", "http", "ftp://es1:9200"),
    ),
    "repository": (
        lambda made: reverse("repositories:register"),
        lambda made: {"cluster": made["cluster"], "name": "Nightly", "location": "/srv/backups/x", "form_key": "k"},
        ("id_name", "Use lower case only: nightly", "/srv/backups/x"),
    ),
    "profile": (
        lambda made: reverse("snapshots:profile_add"),
        lambda made: (
            {"name": "Cases", "repository": made["repository"], "patterns": "cases-*", "time_field": "@timestamp"}
            | {"name_template": "<x-{yesterday}>"}
        ),
        ("id_name_template", "now", "cases-*"),
    ),
    "snapshot": (
        lambda made: reverse("snapshots:start"),
        lambda made: (
            {"repository": made["repository"], "patterns": "events-*", "name": "Before Upgrade"} | {"form_key": "k"}
        ),
        ("id_name", "lower case", "Before Upgrade"),
    ),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_field(as_person, cast, fake, repository, case):
    address, sent, (field, says, kept) = FIELDS[case]
    made = {"fake": fake, "cluster": repository.cluster_id, "repository": repository.pk, "operator": cast["operator"]}
    client, before = as_person("administrator"), rows()

    answer = client.post(address(made), sent(made))
    page = answer.content.decode()

    assert answer.status_code == 422
    assert f'<a class="link" href="#{field}">' in page
    assert 'role="alert" tabindex="-1" data-focus' in page
    assert f'id="{field}_error"' in page
    assert re.search(rf'<(input|textarea|select)[^>]*id="{field}"[^>]*>', page)
    assert re.search(rf'aria-invalid="true"[^>]*id="{field}"|id="{field}"[^>]*aria-invalid="true"', page)
    assert words(answer).lower().count(says.lower()) >= 2  # above the form and under the field
    assert kept in html.unescape(page)
    assert rows() == before
    assert no_insides(answer)


# --- a repository that nodes cannot use


def test_a_check_of_a_place_that_path_repo_does_not_allow(as_person, repository, run_until_over):
    client = as_person("administrator")
    sent = {"cluster": repository.cluster_id, "name": "weekly", "location": "/elsewhere", "form_key": "k"}
    client.post(reverse("repositories:check"), sent)
    check = run_until_over(Run.objects.get(kind=CHECK))

    answer = client.get(reverse("runs:check", args=[check.pk]))

    assert "/elsewhere lies outside path.repo of fake-1." in words(answer)
    assert "Choose a folder below /srv/backups, or add the line below" in words(answer)
    assert 'path.repo: ["/srv/backups", "/elsewhere"]' in words(answer)
    assert Repository.objects.count() == 1


@pytest.mark.parametrize(
    ("who", "raw"), [("administrator", True), ("operator", True), ("auditor", True), ("viewer", False)]
)
def test_a_node_that_cannot_write(as_person, cast, repository, fake, run_until_over, who, raw):
    fake.unwritable.add("/srv/backups/weekly")
    asked = {"cluster": repository.cluster, "name": "weekly", "location": "/srv/backups/weekly", "compress": True}
    run = run_until_over(request_registration(**asked, actor=cast["administrator"]))
    client = as_person(who)

    for path in (run.get_absolute_url(), Repository.objects.get(name="weekly").get_absolute_url()):
        answer = client.get(path)
        assert "fake-1 cannot write to /srv/backups/weekly." in words(answer)
        assert "look at its mount, owner and rights, then verify again." in words(answer)
        shown = [detail.partition("tests-")[0] for detail in technical_details(answer)]
        assert shown == ["/srv/backups/weekly/"] * raw
        assert no_insides(answer)
    assert "Nothing was changed" in words(client.get(run.get_absolute_url()))
    assert "weekly" not in fake.repositories


# --- somebody else was faster


def test_a_profile_that_someone_else_changed(as_person, cast, profile):
    client, address = as_person("administrator"), reverse("snapshots:profile_change", args=[profile.pk])
    seen, profile.patterns = profile.digest, ["theirs-*"]
    save_profile(actor=cast["administrator"], profile=profile, seen=seen)
    sent = {"name": "SOC", "repository": profile.repository_id, "patterns": "mine-*", "seen": seen}

    answer = client.post(address, sent | {"name_template": "<x-{now/d}>", "time_field": "@timestamp"})

    assert answer.status_code == 422
    assert re.search(CONFLICT, words(answer))
    assert ">\nmine-*</textarea>" in answer.content.decode()
    assert SnapshotProfile.objects.get().patterns == ["theirs-*"]


def test_a_cluster_that_someone_else_changed(as_person, cast, fake, repository):
    cluster, client = repository.cluster, as_person("administrator")
    seen = Cluster.objects.get().digest
    values = {"addresses": cluster.addresses, "ca_file": "", "credentials": {}, "actor": cast["administrator"]}
    save_cluster(name="theirs", cluster=cluster, seen=seen, **values)
    sent = cluster_fields(fake, name="mine", seen=seen, restricted_user="restricted")

    answer = client.post(reverse("clusters:edit", args=[cluster.pk]), sent)

    assert answer.status_code == 422
    assert re.search(CONFLICT, words(answer))
    assert 'value="mine"' in answer.content.decode()
    assert Cluster.objects.get().name == "theirs"


CONFLICT = r"Someone else changed it (just now|\d+\ss ago)\. Reload to see their change\. Your text is kept below\."


# --- a cluster that is away


def refresh(cluster: Cluster) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(collect_at=None)
    collecting.collect_cluster(cluster.pk, lease(cluster))


@pytest.mark.parametrize(("who", "raw"), [("operator", True), ("viewer", False)])
def test_a_cluster_that_is_away(as_person, fake, repository, who, raw):
    cluster, port = repository.cluster, fake.url.rsplit(":", 1)[1]
    snapshot = Snapshot.objects.create(repository=repository, name="soc-1", state="found")
    refresh(cluster)
    fake.go_away()
    Cluster.objects.update(addresses=[f"http://127.0.0.{number}:{port}" for number in (1, 2, 3)])
    Cluster.objects.update(answered_at=timezone.now() - timedelta(seconds=40))
    refresh(cluster)
    client = as_person(who)

    for path in (cluster, repository, snapshot):
        answer = client.get(path.get_absolute_url())
        said = words(answer)
        assert "No answer from 3 of 3 addresses." in said
        assert "the connection was refused. Check that Elasticsearch runs there, and on which port." in said
        assert re.search(r"soc-prod (cannot be used )?since \d+ \w+ \d{4} \d\d:\d\d:\d\d UTC", said)
        assert re.search(r"Figures on this page are from \d\d:\d\d:\d\d UTC, 4\d\ss ago\.", said)
        assert re.search(r"Trying again every \d+ s\.", said)
        assert no_insides(answer)
    shown = technical_details(client.get(cluster.get_absolute_url()))
    assert shown == ["[Errno 111] Connection refused"] * raw
    assert "No answer from 3 of 3 addresses." in words(client.get("/clusters/"))


# --- not allowed

DENIED = [
    ("viewer", "get", "/snapshots/start/", "operator or administrator"),
    ("viewer", "get", "/people/", "operator, approver, auditor or administrator"),
    ("operator", "post", "/repositories/register/", "administrator"),
    ("auditor", "post", "/clusters/add/", "administrator"),
    ("approver", "post", "/snapshots/profiles/add/", "administrator"),
    ("administrator", "get", "/audit/export.csv", "auditor"),
]


@pytest.mark.parametrize(("who", "method", "path", "roles"), DENIED)
def test_not_allowed(as_person, cast, who, method, path, roles):
    client, before = as_person(who), rows()

    answer = getattr(client, method)(path)

    assert answer.status_code == 403
    assert f"You need the role {roles} for this." in words(answer)
    assert "Administrators give roles: Daniel Farrugia." in words(answer)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.object_name) == ("access.denied", cast[who], path)
    assert rows() == before | {AuditEntry: before[AuditEntry] + 1}


# --- a snapshot with a part missing


@pytest.mark.parametrize(("who", "raw"), [("operator", True), ("viewer", False)])
def test_a_partial_snapshot(as_person, cast, fake, profile, run_until_over, who, raw):
    fake.make_partial("events-2", 1, "no space left on device")
    asked = {"actor": cast["operator"], "repository": profile.repository, "name": "soc-1", "patterns": ["events-*"]}
    run = run_until_over(queue_snapshot(**asked, profile=profile))
    client = as_person(who)

    for path in (run.get_absolute_url(), run.snapshot.get_absolute_url()):
        answer = client.get(path)
        assert "Partial: 4 of 5 shards are complete. events-2 shard 1: no space left on device." in words(answer)
        assert "Indices without a missing shard can be restored from it." in words(answer)
        assert "Mend the cause, then start another snapshot." in words(answer)
        assert no_insides(answer)
    shown = technical_details(client.get(run.get_absolute_url()))
    assert shown == ["events-2 shard 1: no space left on device"] * raw


def test_a_snapshot_that_failed(as_person, cast, fake, profile, run_until_over):
    fake.make_failed()
    asked = {"actor": cast["operator"], "repository": profile.repository, "name": "soc-1", "patterns": ["events-*"]}
    run = run_until_over(queue_snapshot(**asked, profile=profile))

    said = words(as_person("operator").get(run.get_absolute_url()))

    assert "The snapshot failed." in said
    assert "Earlier snapshots stay as they are. Mend the cause, then start another snapshot." in said


# --- what nobody foresaw


def test_an_error_that_nobody_foresaw(as_person, profile):
    """The database refuses to keep a profile, in the middle of the act."""

    def broken(execute, sql, params, many, context):
        if sql.startswith('UPDATE "backups_snapshotprofile"'):
            raise DatabaseError("disk I/O error in password=hunter2")
        return execute(sql, params, many, context)

    client, before = as_person("administrator"), rows()
    client.raise_request_exception = False
    sent = {"name": "Mine", "repository": profile.repository_id, "patterns": "mine-*", "seen": profile.digest}
    with connection.execute_wrapper(broken):
        answer = client.post(
            reverse("snapshots:profile_change", args=[profile.pk]),
            sent | {"name_template": "<x-{now/d}>", "time_field": "@timestamp"},
        )

    assert answer.status_code == 500
    assert "This did not work" in words(answer)
    assert "A change is made whole or not at all" in words(answer)
    assert f"this reference: {answer['X-Request-ID']}. It is in the log of this console." in words(answer)
    assert "hunter2" not in answer.content.decode() and no_insides(answer)
    assert rows() == before and SnapshotProfile.objects.get().name == "SOC indices"
