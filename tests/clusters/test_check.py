"""The check of a cluster: what it says in words, and what it keeps. Through the real gateway."""

import pytest

from backups.audit.models import AuditEntry
from backups.clusters.connection import NoCredential, capabilities_of, open_client
from backups.clusters.models import Cluster
from backups.clusters.services import request_test

pytestmark = pytest.mark.django_db


def credentials(cluster) -> dict[str, list[tuple]]:
    """(user, state, in use) of each, by purpose."""
    rows = {}
    for row in cluster.credentials.order_by("pk"):
        rows.setdefault(row.purpose, []).append((row.username, row.state, row.in_use))
    return rows


def test_good_credentials_are_put_to_use(save, tested):
    cluster, result = tested(save())

    assert result["state"] == "good"
    assert result["title"] == "Connected to Elasticsearch 8.19.0, 1 node, green"
    assert (cluster.state, cluster.product, cluster.version, cluster.health["state"]) == (
        "good",
        "elasticsearch",
        "8.19.0",
        "green",
    )
    assert cluster.nodes[0]["path_repo"] == ["/srv/backups"]
    assert cluster.nodes[0]["writes_snapshots"] is True
    assert credentials(cluster) == {
        "everyday": [("everyday", "good", True)],
        "restricted": [("restricted", "good", True)],
    }
    assert AuditEntry.objects.filter(action="credential.promoted").count() == 2
    assert capabilities_of(cluster).metadata


def test_it_says_what_each_credential_may_do(save, tested):
    _, result = tested(save())
    everyday, restricted = (line["sub"] for line in result["lines"])

    assert "Make snapshots" in everyday
    assert "See indices" in everyday
    assert "Register, verify, delete, cancel and restore" in restricted
    assert "May not" not in everyday + restricted


def test_the_password_is_in_no_result(save, tested, fake_elasticsearch):
    _, result = tested(save(credentials={"everyday": ("everyday", "planted-secret")}))

    assert "planted-secret" not in str(result)
    assert not AuditEntry.objects.filter(text__contains="planted-secret").exists()


def test_a_wrong_password(save, tested):
    cluster, result = tested(save(credentials={"everyday": ("everyday", "wrong")}))

    assert result["title"] == "A credential does not work"
    assert "password of user everyday was refused" in result["lines"][0]["sub"]
    assert credentials(cluster) == {"everyday": [("everyday", "bad", False)]}
    assert cluster.state == "bad"
    assert "was refused" in cluster.message
    assert AuditEntry.objects.filter(action="credential.refused", outcome="failure").count() == 1


def test_a_cluster_that_is_away_says_nothing_about_credentials(save, tested, fake_elasticsearch):
    cluster = save()
    fake_elasticsearch.go_away()
    cluster, result = tested(cluster)

    assert result["title"] == "No contact with soc-prod"
    assert fake_elasticsearch.url in result["text"]
    assert result["detail"]
    assert {state for rows in credentials(cluster).values() for _, state, _ in rows} == {"unchecked"}
    assert (cluster.state, cluster.answered_at) == ("bad", None)


def test_figures_of_a_silent_cluster_stay_and_show_their_age(save, tested, fake_elasticsearch, cast):
    cluster, _ = tested(save())
    answered = cluster.answered_at
    fake_elasticsearch.go_away()
    request_test(cluster, actor=cast["administrator"])
    cluster, _ = tested(cluster)

    assert cluster.state == "bad"
    assert (cluster.version, cluster.answered_at) == ("8.19.0", answered)
    assert cluster.looked_at > answered
    assert (cluster.everyday.state, cluster.everyday.may["cluster"]["monitor"]) == ("good", True)


def test_an_untrusted_certificate(save, tested, tls_elasticsearch, ca_dir):
    cluster, result = tested(save(addresses=[tls_elasticsearch.url]))

    assert "certificate" in result["text"]
    assert cluster.state == "bad"
    assert tls_elasticsearch.requests == []


def test_the_chosen_authority_makes_it_trusted(save, tested, tls_elasticsearch, ca_dir):
    (ca_dir / "soc.pem").write_text(tls_elasticsearch.ca_pem)
    _, result = tested(save(addresses=[tls_elasticsearch.url], ca_file="soc.pem"))

    assert result["state"] == "good"


def test_a_missing_authority_is_named(save, tested, tls_elasticsearch, ca_dir):
    _, result = tested(save(addresses=[tls_elasticsearch.url], ca_file="gone.pem"))

    assert "gone.pem is not in the folder" in result["text"]


def test_something_else_answers(save, tested, fake_elasticsearch):
    fake_elasticsearch.answer_html()
    cluster, result = tested(save())

    assert "is not Elasticsearch" in result["text"]
    assert "Sign in" not in str(result)
    assert cluster.state == "bad"


def test_an_address_that_is_not_allowed(save, tested, settings, fake_elasticsearch):
    cluster = save()
    settings.CLUSTER_NETWORKS = ("10.0.0.0/8",)
    _, result = tested(cluster)

    assert "outside the networks that CLUSTER_NETWORKS allows" in result["text"]
    assert fake_elasticsearch.requests == []


def test_missing_rights_are_named(save, tested, fake_elasticsearch):
    cluster, result = tested(save(credentials={"everyday": fake_elasticsearch.powerless}))
    message = result["lines"][0]["sub"]

    assert "lacks the privileges monitor, monitor_snapshot, create_snapshot" in message
    assert "view_index_metadata on indices" in message
    assert credentials(cluster)["everyday"] == [("powerless", "bad", False)]


def test_a_restricted_user_without_manage(save, tested, fake_elasticsearch):
    both = {"everyday": fake_elasticsearch.everyday, "restricted": fake_elasticsearch.everyday}
    cluster, result = tested(save(credentials=both))

    assert "lacks the privilege manage" in result["lines"][1]["sub"]
    assert cluster.state == "good"
    with pytest.raises(NoCredential, match="no test has found it good"):
        open_client(cluster, "restricted")


def test_an_everyday_user_that_may_too_much_is_warned_of(save, tested, fake_elasticsearch):
    strong = fake_elasticsearch.restricted
    _, result = tested(save(credentials={"everyday": strong}))

    assert [line["state"] for line in result["lines"]] == ["ok", "warn"]


def test_a_changed_credential_is_promoted_by_a_good_check(save, tested, fake_elasticsearch):
    cluster, _ = tested(save())
    fake_elasticsearch.users["second"] = fake_elasticsearch.users["everyday"]
    save(cluster=cluster, credentials={"everyday": ("second", fake_elasticsearch.everyday[1])})
    cluster.refresh_from_db()
    assert len(credentials(cluster)["everyday"]) == 2

    cluster, _ = tested(cluster)

    assert credentials(cluster)["everyday"] == [("second", "good", True)]


def test_a_bad_new_credential_leaves_the_old_one_in_use(save, tested):
    cluster, _ = tested(save())
    save(cluster=cluster, credentials={"everyday": ("everyday", "wrong")})
    cluster, result = tested(cluster)

    assert credentials(cluster)["everyday"] == [("everyday", "good", True), ("everyday", "bad", False)]
    assert cluster.state == "good"
    assert result["state"] == "bad"


def test_saving_again_replaces_the_refused_one(save, tested, fake_elasticsearch):
    cluster, _ = tested(save(credentials={"everyday": ("everyday", "wrong")}))
    save(cluster=cluster, credentials={"everyday": fake_elasticsearch.everyday})
    cluster, _ = tested(cluster)

    assert credentials(cluster)["everyday"] == [("everyday", "good", True)]


def test_a_password_changed_on_the_cluster_is_refused_once(save, tested, fake_elasticsearch, cast):
    cluster, _ = tested(save())
    fake_elasticsearch.set_password("everyday", "changed-there")
    for _ in range(2):
        request_test(cluster, actor=cast["administrator"])
        cluster, _ = tested(cluster)

    assert credentials(cluster)["everyday"] == [("everyday", "bad", True)]
    assert AuditEntry.objects.filter(action="credential.refused").count() == 1


def test_another_cluster_at_the_same_address(save, tested, fake_elasticsearch, cast):
    cluster, _ = tested(save())
    known = cluster.uuid
    fake_elasticsearch.uuid = "a-cluster-that-nobody-knows"
    request_test(cluster, actor=cast["administrator"])
    cluster, result = tested(cluster)

    assert "Another cluster answers" in result["text"]
    assert (cluster.state, cluster.uuid) == ("bad", known)

    save(cluster=cluster, credentials={"everyday": fake_elasticsearch.everyday})
    cluster, result = tested(cluster)

    assert result["state"] == "good"
    assert cluster.uuid == "a-cluster-that-nobody-knows"


def test_a_worker_with_another_key(save, tested, settings, tmp_path):
    cluster = save()
    settings.KEYS_DIR = tmp_path
    cluster, result = tested(cluster)

    assert "cannot open the stored password" in result["lines"][0]["sub"]


def test_a_credential_saved_meanwhile_is_not_judged_by_the_old_one(save, tested, monkeypatch):
    """The check looked at a row that was replaced before its commit."""
    from backups.clusters import checks

    cluster = save(credentials={"everyday": ("everyday", "wrong")})
    looked = checks.make_contact

    def look_and_be_overtaken(cluster):
        contact = looked(cluster)
        cluster.credentials.all().delete()
        return contact

    monkeypatch.setattr(checks, "make_contact", look_and_be_overtaken)
    tested(cluster)

    assert not AuditEntry.objects.filter(action="credential.refused").exists()


def test_without_a_credential_nothing_is_opened(db):
    cluster = Cluster.objects.create(name="bare", addresses=["https://es.example.org:9200"])

    with pytest.raises(NoCredential, match="bare has no restricted credential"):
        open_client(cluster, "restricted")
