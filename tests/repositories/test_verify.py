"""Verifying a repository: the act, and the run through the real gateway."""

import pytest

from backups.access import Denied
from backups.audit.models import AuditEntry
from backups.repositories.models import Repository
from backups.repositories.services import RepositoryError, request_verification
from backups.runs.models import Run
from tests.factories import registered_repository

pytestmark = pytest.mark.django_db


@pytest.fixture
def repository(cluster, fake_elasticsearch):
    fake_elasticsearch.add_repository("nightly")
    return registered_repository(cluster, "nightly", "/srv/backups/nightly")


@pytest.fixture
def verify(repository, cast):
    """Ask as the operator."""
    return lambda: request_verification(repository, actor=cast["operator"])


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))


def test_one_line_per_node(verify, run_until_over, repository):
    before = repository.verified_at
    run = run_until_over(verify())
    repository.refresh_from_db()

    assert (run.state, run.effect) == ("succeeded", "none")
    assert [(node["name"], node["state"]) for node in repository.nodes] == [("fake-1", "good")]
    assert repository.verified_at > before
    assert actions() == ["run.queued", "run.running", "credential.used", "repository.verified", "run.succeeded"]


def test_a_failing_node_with_its_remedy(verify, run_until_over, repository, fake_elasticsearch):
    fake_elasticsearch.unwritable.add("/srv/backups/nightly")
    run = run_until_over(verify())
    repository.refresh_from_db()

    assert (run.state, run.effect) == ("failed", "none")
    assert "must be able to write to this folder" in run.error
    assert repository.state == "registered"
    assert repository.failing == ["fake-1"]
    assert AuditEntry.objects.get(action="repository.verified").outcome == "failure"


def test_mended_and_verified_again_nothing_bad_is_left(verify, run_until_over, repository, fake_elasticsearch):
    fake_elasticsearch.unwritable.add("/srv/backups/nightly")
    run_until_over(verify())
    fake_elasticsearch.unwritable.clear()
    run_until_over(verify())
    repository.refresh_from_db()

    assert repository.is_verified
    assert (repository.message, repository.detail) == ("", "")


def test_a_node_that_did_not_take_part_is_missing(verify, run_until_over, repository, fake_elasticsearch):
    fake_elasticsearch.answer_next(200, {"nodes": {"another-id": {"name": "another"}}}, write=True)
    run = run_until_over(verify())

    assert run.state == "failed"
    assert "fake-1 did not answer the verification" in run.error


def test_a_repository_that_the_cluster_does_not_know_any_more(verify, run_until_over, repository, fake_elasticsearch):
    fake_elasticsearch.repositories.clear()
    run = run_until_over(verify())
    repository.refresh_from_db()

    assert run.state == "failed"
    assert repository.state == "missing"
    assert "not registered on the cluster" in repository.message


def test_it_is_registered_again_where_it_was(verify, run_until_over, repository, fake_elasticsearch, ask):
    fake_elasticsearch.repositories.clear()
    run_until_over(verify())

    with pytest.raises(RepositoryError, match="has a repository nightly already"):
        ask(location="/srv/backups/elsewhere")
    run_until_over(ask())

    repository.refresh_from_db()
    assert repository.is_verified


def test_no_answer_keeps_what_was_known(verify, run_until_over, repository, fake_elasticsearch):
    run_until_over(verify())
    known = Repository.objects.values("nodes", "verified_at").get()
    run = verify()
    fake_elasticsearch.go_away()
    run = run_until_over(run)

    assert "nightly was not verified" in run.error
    assert run.effect == "none"
    assert Repository.objects.values("nodes", "verified_at").get() == known


def test_a_lost_answer_is_said(verify, run_until_over, fake_elasticsearch):
    fake_elasticsearch.drop_next_write()
    run = run_until_over(verify())

    assert run.state == "failed"
    assert "was not verified" in run.error
    assert len(fake_elasticsearch.writes()) == 1


def test_a_wrong_password(verify, run_until_over, fake_elasticsearch):
    fake_elasticsearch.set_password("restricted", "changed-there")

    assert "password of user restricted was refused" in run_until_over(verify()).error


def test_cancelled_before_anything_is_sent(verify, cast, run_until_over, fake_elasticsearch):
    from backups.runs import request_cancel

    run = verify()
    request_cancel(run, actor=cast["operator"])

    assert run_until_over(run).state == "cancelled"
    assert fake_elasticsearch.requests == []


def test_asked_twice_there_is_one_run(verify, run_until_over):
    first = verify()
    assert verify() == first

    run_until_over(first)
    assert verify() != first
    assert Run.objects.count() == 2


@pytest.mark.parametrize("person", ["viewer", "approver", "auditor"])
def test_who_may_not(repository, cast, person):
    with pytest.raises(Denied):
        request_verification(repository, actor=cast[person])


def test_without_the_restricted_credential_it_is_refused(repository, cast):
    repository.cluster.restricted.delete()
    repository.cluster.refresh_from_db()

    with pytest.raises(RepositoryError, match="which is not set"):
        request_verification(repository, actor=cast["operator"])


def test_one_that_is_not_registered_is_not_verified(repository, cast):
    Repository.objects.update(state="failed")
    repository.refresh_from_db()

    with pytest.raises(RepositoryError, match="Register it first"):
        request_verification(repository, actor=cast["operator"])
