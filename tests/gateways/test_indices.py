"""Indices and their facts. On the fake and on a real 8.19."""

import pytest

from backups.gateways.elasticsearch import indices
from backups.gateways.elasticsearch.errors import Forbidden


def mine(scene, found) -> dict:
    return {index.name.removeprefix(scene.prefix): index for index in found if index.name.startswith(scene.prefix)}


def test_every_index_is_listed_closed_and_hidden_too(scene):
    scene.add_index("open", 5, primaries=2, aliases={scene.name("alias"): {}})
    scene.add_index("closed", 3, state="close")
    scene.add_index("hidden", 1, hidden=True)
    found = mine(scene, indices.list_indices(scene.client()))
    assert {tail: (index.state, index.hidden) for tail, index in found.items()} == {
        "open": ("open", False),
        "closed": ("close", False),
        "hidden": ("open", True),
    }
    assert (found["open"].documents, found["open"].primaries) == (5, 2)
    assert found["open"].aliases == (scene.name("alias"),)
    assert found["open"].health == "green"
    assert found["open"].bytes > 0
    assert (found["closed"].documents, found["closed"].bytes) == (None, None)
    assert len({index.uuid for index in found.values()}) == 3


def test_facts_hold_what_a_snapshot_does_not_keep(scene):
    alias = {scene.name("alias"): {"is_write_index": True}}
    name = scene.add_index("a", 5, primaries=2, aliases=alias)
    (facts,) = indices.facts(scene.client(), [name]).values()
    assert (facts.name, facts.state, facts.documents, facts.primaries) == (name, "open", 5, 2)
    assert sum(number + 1 for number in facts.max_seq_no) == 5
    assert len(facts.max_seq_no) == 2
    assert facts.aliases == alias
    assert facts.mapping["properties"]["@timestamp"] == {"type": "date"}
    assert facts.settings["index"]["number_of_shards"] == "2"
    assert facts.settings["index"]["uuid"] == facts.uuid


def test_the_sequence_numbers_change_with_every_write_and_only_then(scene):
    name = scene.add_index("a", 5)
    client = scene.client()
    before = indices.facts(client, [name])[name]
    assert indices.facts(client, [name])[name] == before
    scene.write(name, 1)
    after = indices.facts(client, [name])[name]
    assert after.max_seq_no != before.max_seq_no
    assert (before.documents, after.documents) == (5, 6)


def test_a_closed_index_has_facts_without_numbers(scene):
    name = scene.add_index("closed", 3, state="close")
    (facts,) = indices.facts(scene.client(), [name]).values()
    assert (facts.state, facts.documents, facts.max_seq_no, facts.bytes) == ("close", None, None, None)
    assert facts.mapping


def test_an_index_that_is_gone_is_left_out(scene):
    name = scene.add_index("a", 1)
    assert set(indices.facts(scene.client(), [name, scene.name("gone")])) == {name}
    assert indices.facts(scene.client(), [scene.name("gone")]) == {}
    assert indices.facts(scene.client(), []) == {}


def test_more_names_than_one_request_line_takes(scene):
    first, last = scene.add_index("a", 1), scene.add_index("z", 2)
    many = [scene.name("n" * 100 + str(number)) for number in range(60)]
    assert set(indices.facts(scene.client(), [first, *many, last])) == {first, last}


def test_a_broken_index_is_listed_without_numbers(fake_scene):
    name = fake_scene.add_index("red", 5, primaries=2, health="red")
    (index,) = indices.list_indices(fake_scene.client())
    assert (index.health, index.documents, index.bytes) == ("red", None, None)
    facts = indices.facts(fake_scene.client(), [name])[name]
    assert (facts.documents, facts.max_seq_no) == (None, None)


def test_reading_facts_needs_a_right_on_the_indices(scene):
    name = scene.add_index("a", 1)
    with pytest.raises(Forbidden, match="index privilege monitor"):
        indices.facts(scene.client("powerless"), [name])
