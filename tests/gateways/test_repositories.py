"""Repositories: registered, read back, verified, refused. On the fake and on a real 8.19."""

import pytest

from backups.gateways.elasticsearch import repositories
from backups.gateways.elasticsearch.errors import Forbidden, NotFound, Refused


@pytest.fixture
def registered(scene):
    """Names that a test registers itself; taken away at the end where the server stays."""
    names = []
    yield names
    if scene.kind == "real":
        for name in names:
            scene.server.request("DELETE", f"/_snapshot/{name}")


def test_register_read_back_verify(scene, registered):
    client, name = scene.client("restricted"), scene.name("repo")
    settings = {"location": scene.location("repo"), "compress": True}
    repositories.register(client, repositories.register_call(name, "fs", settings), "run-1")
    registered.append(name)
    found = repositories.get(scene.client(), name)
    assert (found.name, found.type) == (name, "fs")
    assert found.settings["location"] == scene.location("repo")
    assert found in repositories.list_repositories(scene.client())
    (node,) = repositories.verify(client, name, "run-1")
    assert node.name
    assert node.id


def test_a_repository_that_is_not_there_is_none(scene):
    assert repositories.get(scene.client(), scene.name("nope")) is None


def test_a_location_outside_path_repo_is_explained(scene):
    client, name = scene.client("restricted"), scene.name("repo")
    with pytest.raises(Refused) as refused:
        repositories.register(client, repositories.register_call(name, "fs", {"location": "/nowhere/else"}))
    assert refused.value.message.startswith("The location was refused: it is outside the directories")
    assert "path.repo" in refused.value.message
    assert refused.value.detail == (
        f"[{name}] location [/nowhere/else] doesn't match any of the locations specified by path.repo"
    )
    assert repositories.get(client, name) is None


def test_a_location_that_cannot_be_written_is_explained(scene):
    client, name, location = scene.client("restricted"), scene.name("repo"), scene.location("blocked")
    scene.block(location)
    with pytest.raises(Refused, match="Make it writable") as refused:
        repositories.register(client, repositories.register_call(name, "fs", {"location": location}))
    assert refused.value.type == "repository_verification_exception"
    assert repositories.get(client, name) is None


def test_an_unknown_type_is_explained(scene):
    call = repositories.register_call(scene.name("repo"), "s3", {})
    with pytest.raises(Refused, match="does not know this type"):
        repositories.register(scene.client("restricted"), call)


def test_a_missing_location_is_explained(scene):
    call = repositories.register_call(scene.name("repo"), "fs", {})
    with pytest.raises(Refused, match=r"missing location"):
        repositories.register(scene.client("restricted"), call)


def test_the_everyday_user_may_look_but_not_register_or_verify(scene):
    name, client = scene.add_repository(), scene.client()
    call = repositories.register_call(name, "fs", {"location": scene.location("repo")})
    assert repositories.get(client, name)
    with pytest.raises(Forbidden, match="cluster privilege manage") as refused:
        repositories.register(client, call)
    assert refused.value.action == "cluster:admin/repository/put"
    with pytest.raises(Forbidden, match="cluster privilege manage"):
        repositories.verify(client, name)


def test_verifying_what_is_not_there(scene):
    with pytest.raises(NotFound, match="not registered"):
        repositories.verify(scene.client("restricted"), scene.name("nope"))


def test_a_change_while_a_snapshot_runs_is_refused(fake_scene):
    repository, index = fake_scene.slow_repository()
    fake_scene.start_snapshot(repository, "s1", [index])
    call = repositories.register_call(repository, "fs", {"location": fake_scene.location("other")})
    with pytest.raises(Refused, match="The repository is in use"):
        repositories.register(fake_scene.client("restricted"), call)
