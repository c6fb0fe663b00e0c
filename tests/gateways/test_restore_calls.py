"""Calls of a restore and of a swap: exactly what leaves, and what never does. And what is made of odd answers."""

import pytest

from backups.gateways.elasticsearch import swapping
from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.rename import BadRename
from backups.gateways.elasticsearch.restores import _root_of, restore_call
from backups.gateways.elasticsearch.room import watermark_bytes

NEW = Capabilities("elasticsearch", (8, 19, 0))
OLD = Capabilities("elasticsearch", (7, 2, 0))
PLAIN = {
    "indices": ["a", "b"],
    "ignore_unavailable": False,
    "include_global_state": False,
    "include_aliases": False,
    "partial": False,
}


def call(indices=("a", "b"), **options):
    return restore_call("r", "s", indices, **{"capabilities": NEW} | options)


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, {"feature_states": ["none"]}),
        ({"capabilities": OLD}, {}),
        ({"capabilities": Capabilities("opensearch", (3, 3, 0))}, {}),
        (
            {"rename": ("^(.+)$", "x-$1"), "capabilities": OLD},
            {"rename_pattern": "^(.+)$", "rename_replacement": "x-$1"},
        ),
        ({"include_aliases": True, "partial": True, "capabilities": OLD}, {"include_aliases": True, "partial": True}),
        ({"global_state": True}, {"include_global_state": True, "feature_states": ["none"]}),
        (
            {"index_settings": {"index.number_of_replicas": 0}, "ignore_index_settings": ["index.lifecycle.name"]},
            {
                "index_settings": {"index.number_of_replicas": 0},
                "ignore_index_settings": ["index.lifecycle.name"],
                "feature_states": ["none"],
            },
        ),
    ],
)
def test_a_restore_says_everything_that_the_server_would_otherwise_choose(options, more):
    made = call(**options)
    assert (made.method, made.target) == ("POST", "/_snapshot/r/s/_restore?wait_for_completion=false")
    assert made.body == PLAIN | more


@pytest.mark.parametrize("indices", [[], (), "", "abc"])
def test_a_restore_is_never_of_everything(indices):
    with pytest.raises(ValueError, match="at least one index"):
        call(indices)


@pytest.mark.parametrize("name", ["*", "a*", "-a", "_all", "a,b", "<a-{now/d}>", "", "a?"])
def test_every_name_is_exact(name):
    makers = (
        lambda: call(["ok", name]),
        lambda: restore_call(name, "s", ["a"], capabilities=NEW),
        lambda: restore_call("r", name, ["a"], capabilities=NEW),
        lambda: swapping.delete_index_call(name),
        lambda: swapping.close_call(name),
        lambda: swapping.open_call(name),
        lambda: swapping.block_writes_call(name, True),
        lambda: swapping.clone_call(name, "b", replicas=0, aliases={}, capabilities=NEW),
        lambda: swapping.clone_call("a", name, replicas=0, aliases={}, capabilities=NEW),
        lambda: swapping.alias_swap_call(remove_index=name, add_index="b", alias="a", aliases={}),
        lambda: swapping.alias_swap_call(remove_index="a", add_index=name, alias="a", aliases={}),
        lambda: swapping.without_names(None, [name]),
    )
    for make in makers:
        with pytest.raises(ValueError, match="not the name of one"):
            make()


def test_a_restore_cannot_rename_two_to_one_or_to_a_name_that_is_refused():
    with pytest.raises(BadRename, match="both become"):
        call(rename=("^.+$", "same"))
    with pytest.raises(BadRename, match="lower case"):
        call(rename=("^(.+)$", "X-$1"))


@pytest.mark.parametrize(
    ("made", "line", "body"),
    [
        (swapping.block_writes_call("a", True), "PUT /a/_settings", {"index.blocks.write": True}),
        (swapping.block_writes_call("a", False), "PUT /a/_settings", {"index.blocks.write": None}),
        (
            swapping.clone_call("a", "b", replicas=1, aliases={"x": {"filter": {}}}, capabilities=NEW),
            "POST /a/_clone/b",
            {
                "settings": {"index.number_of_replicas": 1, "index.blocks.write": None},
                "aliases": {"x": {"filter": {}}},
            },
        ),
        (
            swapping.clone_call("a", "b", replicas="0", aliases={}, capabilities=NEW),
            "POST /a/_clone/b",
            {
                "settings": {
                    "index.number_of_replicas": "0",
                    "index.blocks.write": None,
                },
                "aliases": {},
            },
        ),
        (swapping.delete_index_call("a"), "DELETE /a", None),
        (swapping.close_call("a"), "POST /a/_close", None),
        (swapping.open_call("a"), "POST /a/_open", None),
        (
            swapping.alias_swap_call(
                remove_index="a", add_index="a-new", alias="a", aliases={"x": {"is_write_index": True}}
            ),
            "POST /_aliases",
            {
                "actions": [
                    {"remove_index": {"index": "a"}},
                    {"add": {"index": "a-new", "alias": "a"}},
                    {"add": {"is_write_index": True, "index": "a-new", "alias": "x"}},
                ]
            },
        ),
        (
            swapping.auto_create_call("-a,+*"),
            "PUT /_cluster/settings",
            {"persistent": {"action.auto_create_index": "-a,+*"}},
        ),
        (
            swapping.auto_create_call(None),
            "PUT /_cluster/settings",
            {"persistent": {"action.auto_create_index": None}},
        ),
    ],
)
def test_a_swap_sends_this(made, line, body):
    assert (f"{made.method} {made.target}", made.body) == (line, body)


def test_no_server_is_asked_for_a_copy_that_it_cannot_make():
    with pytest.raises(ValueError, match="cannot copy"):
        swapping.clone_call("a", "b", replicas=0, aliases={}, capabilities=OLD)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "-a,-b,+*"),
        ("", "-a,-b,+*"),
        ("true", "-a,-b,+*"),
        ("false", "false"),
        ("+logs-*,-*", "-a,-b,+logs-*,-*"),
    ],
)
def test_names_are_forbidden_on_top_of_what_was_there(before, after):
    assert swapping.without_names(before, ["a", "b"]) == after


@pytest.mark.parametrize(
    ("text", "headroom", "free"),
    [
        ("85%", "", 150),
        ("0.85", "", 150),
        ("85%", "100b", 100),
        ("85%", "200b", 150),
        ("85%", "-1", 150),
        ("500b", "", 500),
        ("0b", "", 0),
        ("500mb", "", 500 * 2**20),
        ("1.5GB", "", 3 * 2**29),
        ("", "", 0),
    ],
)
def test_a_watermark_is_what_must_stay_free(text, headroom, free):
    assert watermark_bytes(text, 1000, headroom) == free


@pytest.mark.parametrize("text", ["much", "850", "-1", "120%"])
def test_a_watermark_that_is_none_is_an_error(text):
    with pytest.raises(ValueError):
        watermark_bytes(text, 1000)


@pytest.mark.parametrize(
    ("details", "root"),
    [
        ("failed: Some[x]\n\tat a.b(C.java)\nCaused by: A: one\n\tat x\nCaused by: B: two\n\t... 4 more", "B: two"),
        (
            "failed shard, failure Recovery[a]; nested: B[b]; nested: CorruptIndexException[sum]",
            "CorruptIndexException[sum]",
        ),
        ("restore_source[r/s]", "restore_source[r/s]"),
        ("", ""),
    ],
)
def test_a_reason_is_cut_to_its_root(details, root):
    assert _root_of(details) == root
