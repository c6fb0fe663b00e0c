"""What a verification says of each node, with the remedy."""

import pytest

from backups.gateways.elasticsearch.cluster import Node
from backups.repositories.nodes import failing, in_words, lines_of, lines_of_failure

NODES = [
    Node("id-1", "n1", ("data", "master"), "8.19.0", ("/srv",)),
    Node("id-2", "n2", ("data",), "8.19.0", ("/srv",)),
    Node("id-3", "n3", ("ingest",), "8.19.0", ()),
]


def test_every_node_that_takes_part_has_a_line():
    lines = lines_of(NODES, {"id-1", "id-2"})

    assert [(line["name"], line["state"]) for line in lines] == [("n1", "good"), ("n2", "good")]
    assert in_words(lines) == "2 of 2 nodes can write"


def test_a_node_that_did_not_answer_is_named():
    lines = lines_of(NODES, {"id-1"})

    assert failing(lines) == ["n2"]
    assert "n2 did not answer" in lines[1]["message"]
    assert in_words(lines) == "1 of 2 nodes cannot use it: n2"


@pytest.mark.parametrize(
    ("reason", "cause", "node", "words"),
    [
        ("[r] [[id-2, 'RemoteTransportException[[n2][127.0.0.1]]']]", "Permission denied", "n2", "able to write to"),
        ("[r] path  is not accessible on master node", "/srv/x/tests-abc", "n1", "account that runs Elasticsearch"),
        ("failed to create blob container", "/srv/x/tests-abc", "n1", "account that runs Elasticsearch"),
        ("[r] cannot create blob store", "/srv/x", "n1", "account that runs Elasticsearch"),
        ("[r] [[id-2, 'x']]", "java.io.IOException: Stale file handle", "n2", "lost its mount of /srv/x"),
        ("[r] [[id-2, 'x']]", "Read-only file system", "n2", "mounted read-only on n2"),
        ("[r] [[id-2, 'x']]", "No space left on device", "n2", "no space left at /srv/x on n2"),
        (
            "[r] [[id-2, 'a file written by master cannot be accessed']]",
            "",
            "n2",
            "Mount the same share",
        ),
        ("[r] [[id-2, 'x']]", "something new", "n2", "Look at its mount and rights"),
    ],
)
def test_the_remedy_says_who_must_do_what_where(reason, cause, node, words):
    lines = lines_of_failure(NODES, "/srv/x", reason, cause)

    assert failing(lines) == [node]
    assert words in next(line["message"] for line in lines if line["name"] == node)
    assert {line["state"] for line in lines if line["name"] != node} == {"unknown"}


def test_without_a_name_nobody_is_blamed():
    several = [*NODES[:1], Node("id-4", "n4", ("master",), "8.19.0", ())]

    assert failing(lines_of_failure(several, "/srv/x", "[r] path  is not accessible on master node", "")) == []
