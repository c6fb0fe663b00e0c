"""The act ``save_cluster``: it works with its entries, it refuses, it is safe twice."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backups.access import Denied
from backups.access.secrets import SealError, unseal
from backups.audit.models import AuditEntry
from backups.clusters.models import Cluster, ClusterCredential
from backups.clusters.services import AlreadyThere, ClusterError, request_test
from backups.runs.models import CHECK, Run

pytestmark = pytest.mark.django_db


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))


def test_it_is_saved_first_and_tested_later(save):
    cluster = save()

    assert (cluster.state, cluster.version) == ("unchecked", "")
    assert [(c.purpose, c.state, c.in_use) for c in cluster.credentials.order_by("purpose")] == [
        ("everyday", "unchecked", False),
        ("restricted", "unchecked", False),
    ]
    assert actions() == ["cluster.added", "credential.saved", "credential.saved"]
    assert Run.objects.get(kind=CHECK).params == {"what": "cluster", "cluster": cluster.pk}


def test_passwords_are_sealed_for_their_user_and_stand_nowhere_else(save, fake_elasticsearch):
    credential = save().credentials.get(purpose="everyday")
    secret = fake_elasticsearch.everyday[1]

    assert unseal(credential.context, credential.sealed) == secret
    with pytest.raises(SealError):
        unseal(credential.context.replace("everyday", "restricted"), credential.sealed)
    assert not AuditEntry.objects.filter(text__contains=secret).exists()
    assert secret not in str(list(Run.objects.values_list("params", flat=True)))


def test_the_entry_says_what_changed_and_for_whom(save, cast):
    save()
    entry = AuditEntry.objects.get(action="credential.saved", text__contains="restricted")

    assert entry.actor == cast["administrator"]
    assert (entry.object_type, entry.object_name) == ("cluster", "soc-prod")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": "soc prod"}, "name", "cannot be a name"),
        ({"name": "../etc"}, "name", "cannot be a name"),
        ({"addresses": []}, "addresses", "at least|between 1 and"),
        ({"addresses": ["es1:9200"]}, "addresses", "not a web address"),
        ({"addresses": ["https://es1"]}, "addresses", "names no port"),
        ({"addresses": ["https://u:p@es1:9200"]}, "addresses", "user or a password"),
        ({"addresses": ["https://169.254.169.254:80"]}, "addresses", "metadata"),
        ({"addresses": ["http://10.0.0.1:9200"]}, "addresses", "clear text"),
        ({"ca_file": "../keys/secrets.pem"}, "ca_file", "by its name"),
        ({"credentials": {}}, "everyday_user", "everyday credential"),
        ({"credentials": {"everyday": None}}, "everyday_user", "everyday credential"),
        ({"credentials": {"everyday": ("a:b", "x")}}, "everyday_user", "colon"),
        ({"credentials": {"everyday": ("boss", "")}}, "everyday_password", "password of boss"),
    ],
)
def test_it_refuses_in_plain_words_and_writes_nothing(save, changes, field, words):
    with pytest.raises(ClusterError, match=words) as refused:
        save(**changes)

    assert refused.value.field == field
    assert not Cluster.objects.exists()
    assert actions() == []


@pytest.mark.parametrize("person", ["viewer", "operator", "approver", "auditor"])
def test_only_administrators_may(save, cast, person):
    with pytest.raises(Denied):
        save(actor=cast[person])

    assert not Cluster.objects.exists()


def test_sent_twice_makes_one(save):
    first = save()

    with pytest.raises(AlreadyThere) as there:
        save()

    assert there.value.cluster == first
    assert Cluster.objects.count() == 1
    assert first.credentials.count() == 2


def test_a_name_is_taken_once(save):
    save()

    with pytest.raises(ClusterError, match="Choose another name") as refused:
        save(addresses=["https://other.example.org:9200"])

    assert not isinstance(refused.value, AlreadyThere)


def test_addresses_are_tidied(save, fake_elasticsearch):
    url = fake_elasticsearch.url

    assert save(addresses=[f" {url}/ ", url, ""]).addresses == [url]


def test_a_stale_form_changes_nothing(save):
    cluster = save()
    seen = cluster.digest
    save(cluster=cluster, name="renamed", credentials={}, seen=seen)

    with pytest.raises(ClusterError, match="Someone else changed it"):
        save(cluster=cluster, name="mine", credentials={}, seen=seen)

    assert Cluster.objects.get().name == "renamed"


def test_a_change_is_an_entry_with_before_and_after(save):
    cluster = save()
    save(cluster=cluster, name="renamed", credentials={})

    entry = AuditEntry.objects.get(action="cluster.changed")
    assert '"name":{"after":"renamed","before":"soc-prod"}' in entry.text.replace(" ", "")


def test_a_change_to_a_taken_name_is_refused(save):
    save()
    other = save(name="other")

    with pytest.raises(ClusterError, match="There is a cluster soc-prod"):
        save(cluster=other, credentials={})


def test_saving_the_same_again_is_no_change(save):
    cluster = save()
    save(cluster=cluster, credentials={})

    assert actions().count("cluster.changed") == 0


def test_another_address_asks_for_the_password_again(save, tested):
    cluster, _ = tested(save())

    with pytest.raises(ClusterError, match="never sent to another place") as refused:
        save(cluster=cluster, addresses=["https://elsewhere.example.org:9200"], credentials={})

    assert refused.value.field == "everyday_password"
    assert ClusterCredential.objects.filter(in_use=True).count() == 2


def test_after_a_move_no_stored_password_is_left(save, tested):
    cluster, _ = tested(save())

    save(
        cluster=cluster,
        addresses=["https://elsewhere.example.org:9200"],
        credentials={"everyday": ("everyday", "new")},
    )

    cluster.refresh_from_db()
    assert [(c.purpose, c.in_use) for c in cluster.credentials.all()] == [("everyday", False)]
    assert (cluster.state, cluster.uuid, cluster.nodes) == ("unchecked", "", [])


def test_an_address_less_moves_nothing(save, fake_elasticsearch, tested):
    url = fake_elasticsearch.url
    cluster, _ = tested(save(addresses=[url, url.replace("127.0.0.1", "localhost")]))

    save(cluster=cluster, credentials={})

    assert ClusterCredential.objects.filter(in_use=True).count() == 2


def test_the_restricted_credential_can_be_removed(save, tested):
    cluster, _ = tested(save())
    save(cluster=cluster, credentials={"restricted": None})

    assert list(cluster.credentials.values_list("purpose", flat=True)) == ["everyday"]
    assert "restricted user" in AuditEntry.objects.get(action="cluster.changed").text


def test_a_test_is_an_entry_and_one_check_a_person(save, cast):
    cluster = save()
    first, second = (request_test(cluster, actor=cast["administrator"]) for _ in range(2))

    first.refresh_from_db()
    assert (first.state, second.state) == ("cancelled", "queued")
    assert actions().count("cluster.tested") == 2


def test_a_test_needs_the_right(save, cast):
    cluster = save()

    with pytest.raises(Denied):
        request_test(cluster, actor=cast["operator"])


def locked(queries) -> list[str]:
    """The tables whose rows were changed or read to be changed, in order."""
    tables = ("backups_run", "backups_clustercredential", "backups_cluster")
    texts = [query["sql"] for query in queries]
    changes = [text for text in texts if text.startswith(("UPDATE", "DELETE")) or "FOR UPDATE" in text]
    return [table for text in changes for table in tables if f'"{table}"' in text.partition("WHERE")[0]]


def test_whoever_saves_locks_the_run_before_the_cluster(save, cast):
    """As a turn does, so that neither waits for what the other one has."""
    cluster = save()
    with CaptureQueriesContext(connection) as queries:
        save(cluster=cluster, name="renamed")

    order = locked(queries)
    last_run = len(order) - 1 - order[::-1].index("backups_run")
    assert last_run < order.index("backups_cluster") < order.index("backups_clustercredential")


def test_a_test_locks_in_the_same_order(save, tested):
    cluster = save()
    with CaptureQueriesContext(connection) as queries:
        tested(cluster)

    order = locked(queries)
    commit = order[order.index("backups_cluster") :]
    assert "backups_clustercredential" in commit
    assert "backups_clustercredential" not in order[: order.index("backups_cluster")]
    assert "backups_run" in order[: order.index("backups_cluster")]


def test_a_stale_form_gives_up_no_test(save):
    cluster = save()
    with pytest.raises(ClusterError, match="Someone else changed it"):
        save(cluster=cluster, credentials={}, seen="another")

    assert [run.state for run in Run.objects.filter(kind=CHECK)] == ["queued"]
