"""Calls as values, and the rules that they keep by themselves."""

import json
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.gateways.elasticsearch import answers, guard, snapshots
from backups.gateways.elasticsearch.call import Call
from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.datemath import BadName
from backups.gateways.elasticsearch.errors import NotElasticsearch, OutcomeUnknown, Refused, Untrusted, Unusable

NEW = Capabilities("elasticsearch", (8, 19, 0))


def create_call(repository: str = "r", name: str = "s", indices=("a",), **options) -> Call:
    given = {"run_id": "1", "global_state": False, "partial": False, "capabilities": NEW} | options
    return snapshots.create_call(repository, name, indices, **given)


def test_a_call_is_shown_as_it_is_sent():
    call = Call("PUT", ("_snapshot", "a b", "<x>"), {"verify": True, "names": ["a", "b"]}, {"é": 1})
    assert call.target == "/_snapshot/a%20b/%3Cx%3E?verify=true&names=a,b"
    assert call.payload == '{"é":1}'
    first, _, body = call.text().partition("\n")
    assert first == f"PUT {call.target}"
    assert json.loads(body) == json.loads(call.payload)
    assert Call("GET", ()).text() == "GET /"


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_a_part_cannot_change_the_path(part):
    with pytest.raises(ValueError, match="meaning of the path"):
        Call("DELETE", ("_snapshot", "r", part))


@given(st.lists(st.text(min_size=1).filter(lambda part: part not in (".", "..")), min_size=1, max_size=4))
def test_no_part_can_add_another_one(parts):
    target = Call("GET", tuple(parts)).target
    assert target.count("/") == len(parts)
    assert not set(target) & set("?#\r\n ")


# --- what a create may contain


def test_a_create_names_its_run_and_exactly_these_indices():
    call = create_call(indices=["b", "a"])
    assert call.method == "PUT"
    assert call.params == {"wait_for_completion": False}
    assert call.body == {
        "indices": ["b", "a"],
        "ignore_unavailable": False,
        "include_global_state": False,
        "partial": False,
        "expand_wildcards": "all",
        "feature_states": ["none"],
        "metadata": {"run_id": "1", "by": "cybersift"},
    }


@pytest.mark.parametrize("indices", [[], (), "", "abc"])
def test_a_create_is_never_of_everything(indices):
    with pytest.raises(ValueError, match="at least one index"):
        create_call(indices=indices)


@pytest.mark.parametrize("index", ["*", "a*", "-a", "_all", "a,b", "<a-{now/d}>", "", "a?"])
def test_a_create_has_exact_names_only(index):
    with pytest.raises(ValueError, match="not the name of one"):
        create_call(indices=["ok", index])


@pytest.mark.parametrize("name", ["<a-{now/d}>", "Upper", "_all", "a..b", "*", ""])
def test_a_create_has_a_concrete_name(name):
    with pytest.raises(BadName):
        create_call(name=name)


@pytest.mark.parametrize("name", ["*", "a*", "_all", "a,b", "", "-a", "<a>", "_current"])
def test_a_delete_is_of_one_snapshot(name):
    with pytest.raises(ValueError, match="not the name of one"):
        snapshots.delete_call("r", name)
    with pytest.raises(ValueError, match="not the name of one"):
        snapshots.delete_call(name, "s")


def test_a_found_snapshot_with_a_strange_name_can_be_deleted():
    assert snapshots.delete_call("R", "né:1").target == "/_snapshot/R/n%C3%A9%3A1"


# --- capabilities


@pytest.mark.parametrize(
    ("product", "version", "able"),
    [
        ("elasticsearch", "7.2.0", set()),
        ("elasticsearch", "7.3.1", {"metadata"}),
        ("elasticsearch", "7.9.0", {"metadata", "cleanup", "clone_index", "concurrent", "data_streams"}),
        ("elasticsearch", "8.3.0", "all but async_delete"),
        ("elasticsearch", "8.15.0", "all"),
        ("elasticsearch", "9.2.0", "all"),
        ("opensearch", "1.3.20", {"metadata", "cleanup", "clone_index", "concurrent", "data_streams", "clone"}),
        ("opensearch", "3.3.0", {"metadata", "cleanup", "clone_index", "concurrent", "data_streams", "clone"}),
    ],
)
def test_what_a_version_can_do(product, version, able):
    names = {name for name, value in vars(Capabilities).items() if isinstance(value, property)}
    wanted = (
        {"all": names, "all but async_delete": names - {"async_delete"}}.get(able, able)
        if isinstance(able, str)
        else able
    )
    found = Capabilities.parse(product, version)
    assert {name for name in names if getattr(found, name)} == wanted


# --- texts of the server


def refused(error: dict, status: int = 500, method: str = "PUT"):
    return answers.refusal(Call(method, ("_snapshot", "r", "s")), status, error, user="everyday")


def test_only_the_deepest_reason_is_shown():
    error = {
        "type": "a",
        "reason": "outer",
        "caused_by": {"type": "b", "reason": "x", "caused_by": {"reason": "deep"}},
    }
    assert refused(error).detail == "deep"


def test_a_stack_trace_is_cut_to_its_last_cause():
    trace = "org.x.Y: no\n\tat a.b(C.java:1)\nCaused by: java.E: first\nCaused by: java.F: the disk is full\n"
    found = refused({"type": "snapshot_exception", "reason": trace + "\tat z\n" * 5000})
    assert found.detail == "java.F: the disk is full"
    assert "\tat" not in found.message


def test_long_texts_are_cut_and_projects_left_out():
    found = refused({"type": "x", "reason": "[default:r:s] " + "x" * 5000})
    assert found.detail.startswith("[r:s] xxx")
    assert len(found.detail) == answers.DETAIL_LIMIT


def test_texts_of_a_broken_connection_can_be_kept():
    assert answers.cut("a\ud800\0b") == "a\ufffd\ufffdb"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            {"type": "concurrent_snapshot_execution_exception", "reason": "[r:s]  a snapshot is running"},
            "Wait until it is over",
        ),
        (
            {"type": "repository_exception", "reason": "[r] cannot create snapshot in a readonly repository"},
            "read-only",
        ),
        (
            {
                "type": "snapshot_exception",
                "reason": "failed",
                "caused_by": {
                    "type": "repository_exception",
                    "reason": "[r] concurrent modification of the index-N file, expected",
                },
            },
            "Another cluster has written",
        ),
        (
            {
                "type": "repository_exception",
                "reason": "[r] concurrent modification of the index-N file, expected current generation [0] but it "
                "was not found in the repository. The last cluster to write to this repository was "
                "[54d30qs0RqmCOG-QpVlxiQ] at generation [1].",
            },
            "Another cluster (54d30qs0RqmCOG-QpVlxiQ) has written",
        ),
        (
            {
                "type": "repository_exception",
                "reason": (
                    "[r] location [x] doesn't match any of the locations specified by path.repo because this "
                    "setting is empty"
                ),
            },
            "no directory is allowed",
        ),
        (
            {"type": "cluster_block_exception", "reason": "blocked by: [FORBIDDEN/6/cluster read-only];"},
            "Remove the block",
        ),
        ({"type": "never_seen_exception", "reason": "odd"}, "Elasticsearch refused PUT /_snapshot/r/s: odd."),
        ({}, "it gave no reason"),
    ],
)
def test_refusals_say_what_to_do(error, words):
    found = refused(error)
    assert isinstance(found, Refused)
    assert words in found.message


DISABLED = (
    "[r] Could not read repository data because the contents of the repository do not match its expected state. "
    "This is likely the result of either concurrently modifying the contents of the repository by a process other "
    "than this cluster or an issue with the repository's underlying storage. The repository has been disabled to "
    "prevent corrupting its contents. To re-enable it and continue using it please remove the repository from the "
    "cluster and add it again"
)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("[r] concurrent modification of the index-N file, expected current generation [0]", "bring back"),
        ("[r] The repository has been disabled to prevent data corruption because its contents", "bring back"),
        (DISABLED, "bring back"),
        ("[r] Unexpected exception when loading repository data", "cannot read the list"),
        ("[r] could not read repository data from index blob", "cannot read the list"),
    ],
)
def test_a_repository_that_cannot_be_used_is_not_one_damaged_snapshot(reason, words):
    found = refused({"type": "repository_exception", "reason": reason})
    assert isinstance(found, Unusable)
    assert words in found.message
    nested = {"type": "repository_exception", "reason": "[r] cannot retrieve snapshots list"}
    file = {"type": "no_such_file_exception", "reason": "index-3"}
    cause = {"type": "repository_exception", "reason": reason, "caused_by": file}
    found = refused(nested | {"caused_by": cause})
    assert isinstance(found, Unusable)
    assert found.cause == "no_such_file_exception"


def test_a_blocked_cluster_is_not_a_missing_right():
    error = {"type": "cluster_block_exception", "reason": "blocked by: [FORBIDDEN/6/cluster read-only];"}
    assert type(refused(error, status=403)) is Refused


@pytest.mark.parametrize("type_", sorted(answers.UNKNOWN_OUTCOME))
def test_some_refusals_of_writes_prove_nothing(type_):
    assert isinstance(refused({"type": type_, "reason": "x"}, 503), OutcomeUnknown)
    assert isinstance(refused({"type": type_, "reason": "x"}, 503, method="GET"), Refused)


@pytest.mark.parametrize(
    ("code", "words"),
    [(62, "another name"), (64, "another name"), (10, "expired"), (19, "signed by an authority")],
)
def test_certificates_are_explained(code, words):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    found = guard.not_connected("https://es1:9200", error)
    assert isinstance(found, Untrusted)
    assert words in found.message


def test_a_failed_handshake_is_explained():
    found = guard.not_connected("https://es1:9200", ssl.SSLError(1, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION]"))
    assert isinstance(found, Untrusted)
    error = ssl.SSLError(1, "wrong")
    error.reason = "WRONG_VERSION_NUMBER"
    assert isinstance(guard.not_connected("https://es1:9200", error), NotElasticsearch)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("timed out"), "no answer within 5 seconds"),
        (OSError(113, "No route to host"), "no route"),
        (OSError(101, "Network is unreachable"), "no route"),
        (ConnectionResetError(104, "reset"), "broke at once"),
    ],
)
def test_a_failed_connection_is_explained(error, words):
    assert words in guard.not_connected("https://es1:9200", error).message
