"""Whether a repository may be registered: facts in, lines and a refusal out."""

from backups.gateways.elasticsearch.cluster import Node
from backups.gateways.elasticsearch.repositories import RepositoryFacts
from backups.repositories.preflight import examine, settings_of

WANTED = settings_of("/srv/backups/nightly", True)


def node(name: str, *roots: str, roles=("data", "master"), hidden=False) -> Node:
    return Node(f"id-{name}", name, tuple(roles), "8.19.0", None if hidden else tuple(roots))


def registered(name: str, location: str, **settings) -> RepositoryFacts:
    """As the server shows it: every setting is text."""
    return RepositoryFacts(name, "fs", {"location": location, "compress": "true"} | settings, "")


def states(found) -> list[str]:
    return [line.state for line in found.lines]


def test_all_is_well():
    found = examine("nightly", WANTED, [node("n1", "/srv/backups")], [])

    assert found.good
    assert states(found) == ["ok", "ok", "ok", "idle"]


def test_outside_path_repo_names_the_nodes_and_the_line_to_add():
    nodes = [node("n1", "/srv"), node("n2", "/mnt"), node("n3"), node("c1", "/mnt", roles=["ingest"])]
    found = examine("nightly", WANTED, nodes, [])

    assert "outside path.repo of n2, n3" in found.refusal
    assert "elasticsearch.yml on n2, n3" in found.refusal
    assert found.remedy == 'path.repo: ["/mnt", "/srv/backups/nightly"]'
    assert found.lines[1].sub == "On 1 of 3 nodes; not on n2, n3"


def test_nodes_that_take_no_part_do_not_count():
    nodes = [node("n1", "/srv/backups"), node("c1", roles=["ingest"])]

    assert examine("nightly", WANTED, nodes, []).good


def test_a_hidden_path_repo_is_unknown_and_no_error():
    found = examine("nightly", WANTED, [node("n1", hidden=True)], [])

    assert found.good
    assert states(found)[1] == "idle"


def test_the_same_repository_is_adopted():
    found = examine("nightly", WANTED, [], [registered("nightly", "/srv/backups/nightly")])

    assert found.good
    assert found.registered


def test_a_taken_name():
    found = examine("nightly", WANTED, [node("n1", "/srv")], [registered("nightly", "/srv/other")])

    assert "has a repository nightly already, at /srv/other" in found.refusal


def test_other_settings_are_another_repository():
    for change in ({"compress": "false"}, {"readonly": "true"}):
        there = registered("nightly", "/srv/backups/nightly", **change)

        assert not examine("nightly", WANTED, [node("n1", "/srv")], [there]).good


def test_one_folder_has_one_name():
    found = examine("nightly", WANTED, [node("n1", "/srv/backups")], [registered("old", "nightly")])

    assert "is the repository old of this cluster already" in found.refusal
    assert states(found)[2] == "fail"
