"""Clusters and repositories on a real Elasticsearch: the same acts and runs as on the fake."""

import uuid

import pytest

from backups.clusters.services import save_cluster
from backups.repositories.models import Repository
from backups.repositories.services import request_registration, request_verification
from backups.runs.models import CHECK, Run
from tests.fakes.proxy import Proxy

pytestmark = pytest.mark.django_db


@pytest.fixture
def connect(cast, settings, tmp_path, real_elasticsearch, run_until_over):
    """``connect()`` is the cluster, saved and tested as the form does it, with the result of its test."""
    settings.CA_DIR = tmp_path

    def make(**changes):
        server = real_elasticsearch
        (tmp_path / "ca.pem").write_text(changes.pop("ca_pem", server.ca_pem))
        values = {"name": f"real-{uuid.uuid4().hex[:8]}", "addresses": [server.url], "ca_file": "ca.pem"}
        values["credentials"] = {"everyday": server.everyday, "restricted": server.restricted}
        cluster = save_cluster(**(values | changes), actor=cast["administrator"])
        run = run_until_over(Run.objects.filter(kind=CHECK).latest("pk"))
        cluster.refresh_from_db()
        return cluster, run.result

    return make


@pytest.fixture
def name(real_elasticsearch):
    """A name that no other test uses; what was registered under it is taken away again."""
    unique = f"test-{uuid.uuid4().hex[:12]}"
    yield unique
    if unique in real_elasticsearch.request("GET", "/_snapshot"):
        real_elasticsearch.request("DELETE", f"/_snapshot/{unique}")


@pytest.fixture
def register(cast, connect, name, real_elasticsearch, run_until_over):
    """``register()`` registers a folder of that name below path.repo, and gives the run when it is over."""

    def make(location=None, cluster=None) -> Run:
        run = request_registration(
            cluster=cluster or connect()[0],
            name=name,
            location=str(location or real_elasticsearch.path_repo / name),
            compress=True,
            actor=cast["administrator"],
        )
        return run_until_over(run)

    return make


def test_both_users_are_good_and_it_is_said_what_they_may(connect):
    cluster, result = connect()

    assert result["state"] == "good", result
    assert cluster.health["state"] in ("green", "yellow")
    assert [node["name"] for node in cluster.nodes] == ["sandbox-1"]
    assert "Make snapshots" in result["lines"][0]["sub"]
    assert "Register, verify, delete, cancel and restore" in result["lines"][1]["sub"]


def test_a_wrong_password(connect):
    _, result = connect(credentials={"everyday": ("everyday", "wrong")})

    assert "password of user everyday was refused" in result["lines"][0]["sub"]


def test_an_untrusted_certificate(connect):
    _, result = connect(ca_file="")

    assert "certificate" in result["text"]


def test_an_everyday_user_cannot_be_the_restricted_one(connect, real_elasticsearch):
    everyday = real_elasticsearch.everyday
    _, result = connect(credentials={"everyday": everyday, "restricted": everyday})

    assert "lacks the privilege manage" in result["lines"][1]["sub"]


def test_it_is_registered_and_verified_on_its_node(register, name, real_elasticsearch):
    run = register()

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    assert [(n["name"], n["state"]) for n in Repository.objects.get().nodes] == [("sandbox-1", "good")]
    there = real_elasticsearch.request("GET", f"/_snapshot/{name}")[name]
    assert there["settings"] == {"location": str(real_elasticsearch.path_repo / name), "compress": "true"}


def test_a_location_outside_path_repo(register, name, real_elasticsearch):
    run = register("/somewhere/else")

    assert (run.state, run.effect) == ("failed", "none")
    assert "lies outside path.repo of sandbox-1" in run.error
    assert name not in real_elasticsearch.request("GET", "/_snapshot")


def test_a_directory_that_is_not_writable(register, name, real_elasticsearch):
    folder = real_elasticsearch.path_repo / name
    folder.mkdir(mode=0o555)
    run = register(folder)

    assert (run.state, run.effect) == ("failed", "none")
    assert f"sandbox-1 cannot write to {folder}" in run.error
    assert Repository.objects.get().failing == ["sandbox-1"]
    assert name not in real_elasticsearch.request("GET", "/_snapshot")


def test_a_repository_that_is_there_already_is_adopted(register, name, real_elasticsearch):
    first = register()
    Repository.objects.update(state="failed")
    second = register(cluster=Repository.objects.get().cluster)

    assert (first.state, second.state) == ("succeeded", "succeeded")
    assert "adopted" in second.steps.first().note


def test_one_folder_under_a_second_name_is_refused(register, name, connect, real_elasticsearch, run_until_over, cast):
    register()
    other, _ = connect()
    run = request_registration(
        cluster=other, name=f"{name}-2", location=name, compress=True, actor=cast["administrator"]
    )

    assert f"is the repository {name} of this cluster already" in run_until_over(run).error


def test_a_swallowed_answer_makes_no_second_registration(register, connect, name, real_elasticsearch):
    server = real_elasticsearch
    with Proxy(server.url, server.ca_pem) as proxy:
        cluster, _ = connect(addresses=[proxy.url], ca_pem=proxy.ca_pem)
        proxy.swallow_next_write()
        run = register(cluster=cluster)

    assert (run.state, run.effect) == ("succeeded", "applied")
    assert proxy.swallowed == [f"PUT /_snapshot/{name} -> 200"]
    assert [write for write in proxy.writes if write.startswith("PUT")] == [f"PUT /_snapshot/{name}"]


def test_a_mended_directory_is_verified(register, name, cast, real_elasticsearch, run_until_over):
    register()
    folder, repository = real_elasticsearch.path_repo / name, Repository.objects.get()
    folder.chmod(0o555)
    broken = run_until_over(request_verification(repository, actor=cast["operator"]))
    folder.chmod(0o755)
    mended = run_until_over(request_verification(repository, actor=cast["operator"]))

    assert (broken.state, broken.effect) == ("failed", "none")
    assert "must be able to write to this folder" in broken.error
    assert mended.state == "succeeded"


def test_a_repository_removed_by_hand_is_missing(register, name, cast, real_elasticsearch, run_until_over):
    register()
    real_elasticsearch.request("DELETE", f"/_snapshot/{name}")
    run = run_until_over(request_verification(Repository.objects.get(), actor=cast["operator"]))

    assert run.state == "failed"
    assert Repository.objects.get().state == "missing"
