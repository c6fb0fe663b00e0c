"""The check of a location: the preview of the form, with the everyday credential. Nothing is sent."""

import pytest

from backups.audit.models import AuditEntry
from backups.repositories.services import RepositoryError, request_check

pytestmark = pytest.mark.django_db


@pytest.fixture
def look(cluster, cast, run_until_over):
    """The result of a check of "nightly"; arguments replace what the form says."""

    def check(**changes) -> dict:
        values = {"cluster": cluster, "name": "nightly", "location": "/srv/backups/nightly", "compress": True}
        return run_until_over(request_check(**(values | {"actor": cast["administrator"]} | changes))).result

    return check


def test_what_can_be_registered(look, fake_elasticsearch):
    result = look()

    assert (result["state"], result["title"]) == ("good", "It can be registered")
    assert result["call"].startswith("PUT /_snapshot/nightly\n")
    assert {user for _, _, user, _ in fake_elasticsearch.requests} == {"everyday"}
    assert fake_elasticsearch.writes() == []
    assert not AuditEntry.objects.exists()


def test_a_location_outside_path_repo(look):
    result = look(location="/elsewhere")

    assert result["state"] == "bad"
    assert "Choose a folder below /srv/backups" in result["text"]
    assert result["setting"] == 'path.repo: ["/srv/backups", "/elsewhere"]'
    assert [line["state"] for line in result["lines"]] == ["ok", "fail", "ok", "idle"]


def test_no_path_repo_at_all(look, fake_elasticsearch):
    fake_elasticsearch.path_repo = ()

    assert look()["setting"] == 'path.repo: ["/srv/backups/nightly"]'


def test_a_taken_name(look, fake_elasticsearch):
    fake_elasticsearch.add_repository("nightly", "/srv/backups/other")

    assert "Choose another name" in look()["text"]


def test_one_that_is_there_already(look, fake_elasticsearch):
    fake_elasticsearch.add_repository("nightly")
    result = look()

    assert (result["title"], result["call"]) == ("It is registered already", "")


def test_a_cluster_that_is_away(look, fake_elasticsearch):
    fake_elasticsearch.go_away()
    result = look()

    assert result["title"] == "soc-prod could not be asked"
    assert fake_elasticsearch.url in result["text"]


def test_a_bad_name_is_refused_before(look):
    with pytest.raises(RepositoryError, match="upper-case"):
        look(name="Nightly")
