"""What reaches the wire, and what comes of every way in which an answer can fail to come."""

import io
import logging
import os
import socket

import pytest

from backups.gateways.elasticsearch import addresses, client, cluster, indices, repositories, snapshots
from backups.gateways.elasticsearch.addresses import BadAddress
from backups.gateways.elasticsearch.call import Call
from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.errors import (
    BadCredential,
    Forbidden,
    GatewayError,
    NotElasticsearch,
    OutcomeUnknown,
    Refused,
    Unreachable,
    Untrusted,
)
from deploy.sandbox import certificates
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.fakes.proxy import NEVER, Proxy
from tests.gateways.scenes import FakeScene

HEALTH = Call("GET", ("_cluster", "health"))
QUICK = Call("GET", ("_cluster", "health"), timeout=0.2)
BUSY = {"error": {"type": "master_not_discovered_exception", "reason": None}, "status": 503}


@pytest.fixture
def repository(fake_scene):
    fake_scene.add_index("one", 1)
    return fake_scene.add_repository()


def create(scene, repository: str, name: str = "s1", run_id: str = "run-1", **changes) -> None:
    call = scene.create_call(repository, name, [scene.name("one")], run_id)
    snapshots.create(scene.client(**changes), call, run_id)


# --- a write leaves at most once


def test_a_lost_answer_to_a_create_is_unknown_and_it_is_there_once(fake_scene, repository):
    fake_scene.fake.drop_next_write()
    with pytest.raises(OutcomeUnknown, match="was sent, but its result is not known"):
        create(fake_scene, repository)
    assert len(fake_scene.fake.writes()) == 1
    assert fake_scene.fake.accepted == {"s1": 1}
    assert snapshots.get(fake_scene.client(), repository, "s1").metadata["run_id"] == "run-1"


def test_a_create_that_never_arrived_is_unknown_too(fake_scene, repository):
    fake_scene.fake.drop_next_write(done=False)
    with pytest.raises(OutcomeUnknown):
        create(fake_scene, repository)
    assert fake_scene.fake.writes() == []
    assert snapshots.get(fake_scene.client(), repository, "s1") is None


def test_a_lost_answer_to_a_delete_is_unknown_and_it_is_gone(fake_scene, repository):
    create(fake_scene, repository)
    fake_scene.finished(repository, "s1")
    fake_scene.fake.drop_next_write()
    with pytest.raises(OutcomeUnknown):
        snapshots.delete(fake_scene.client("restricted"), snapshots.delete_call(repository, "s1"))
    assert snapshots.get(fake_scene.client(), repository, "s1") is None


def test_lost_answers_of_a_real_server(real_scene, real_elasticsearch):
    """Through TLS: create, delete and register each reach the server once, and reading tells the truth."""
    repository, index = real_scene.add_repository(), real_scene.add_index("one", 3)
    with Proxy(real_elasticsearch.url, real_elasticsearch.ca_pem) as proxy:
        lossy = {"addresses": (proxy.url,), "ca_pem": proxy.ca_pem}
        everyday, restricted = real_scene.client(**lossy), real_scene.client("restricted", **lossy)

        proxy.swallow_next_write()
        with pytest.raises(OutcomeUnknown):
            snapshots.create(everyday, real_scene.create_call(repository, "s1", [index], "run-9"), "run-9")
        found = real_scene.finished(repository, "s1")
        assert (found.state, found.metadata["run_id"]) == ("SUCCESS", "run-9")

        proxy.swallow_next_write(NEVER)
        with pytest.raises(OutcomeUnknown):
            snapshots.create(everyday, real_scene.create_call(repository, "s2", [index]), "run-9")
        assert snapshots.get(everyday, repository, "s2") is None

        proxy.swallow_next_write()
        with pytest.raises(OutcomeUnknown):
            snapshots.delete(restricted, snapshots.delete_call(repository, "s1"))
        assert snapshots.get(everyday, repository, "s1") is None

        proxy.swallow_next_write()
        settings = {"location": real_scene.location("repo")}
        with pytest.raises(OutcomeUnknown):
            repositories.register(restricted, repositories.register_call(repository, "fs", settings))
        assert repositories.get(everyday, repository)
        assert [line.rpartition(" -> ")[2] for line in proxy.swallowed] == ["200", "200", "200"]
        assert len(proxy.writes) == 3


@pytest.mark.parametrize("status", [200, 500, 502, 504])
def test_a_write_answered_by_something_else_is_unknown(fake_scene, repository, status):
    fake_scene.fake.answer_next(status, b"<html>gateway</html>", write=True, content_type="text/html")
    with pytest.raises(OutcomeUnknown):
        create(fake_scene, repository)
    assert len(fake_scene.fake.writes()) == 1


@pytest.mark.parametrize("status", [302, 404, 413])
def test_a_write_turned_away_before_the_cluster_was_not_done(fake_scene, repository, status):
    fake_scene.fake.answer_next(status, b"<html>no</html>", write=True, content_type="text/html")
    with pytest.raises(NotElasticsearch):
        create(fake_scene, repository)


def test_a_write_whose_node_lost_the_master_is_unknown(fake_scene, repository):
    error = {"error": {"type": "node_disconnected_exception", "reason": "disconnected"}, "status": 503}
    fake_scene.fake.answer_next(503, error, write=True)
    with pytest.raises(OutcomeUnknown):
        create(fake_scene, repository)


def test_a_busy_cluster_refuses_a_write_once(fake_scene, repository):
    fake_scene.fake.answer_next(503, BUSY, write=True)
    with pytest.raises(Refused, match="no elected master"):
        create(fake_scene, repository)
    assert len(fake_scene.fake.writes()) == 1


def test_an_unconfirmed_change_is_unknown(fake_scene, repository):
    fake_scene.fake.answer_next(200, {"acknowledged": False}, write=True)
    with pytest.raises(OutcomeUnknown, match="not every node confirmed"):
        snapshots.delete(fake_scene.client("restricted"), snapshots.delete_call(repository, "s1"))


@pytest.mark.parametrize(
    "body", [{}, {"hello": 1}, {"accepted": "yes", "acknowledged": 1}, {"accepted": None}, {"snapshot": {}}, [1]]
)
@pytest.mark.parametrize("write", ["create", "register", "delete"])
def test_a_write_answered_with_another_body_is_unknown(fake_scene, repository, write, body):
    """200 is no refusal, so nobody may say that nothing was done."""
    fake_scene.fake.answer_next(200, body, write=True)
    restricted = fake_scene.client("restricted")
    writes = {
        "create": lambda: create(fake_scene, repository),
        "register": lambda: repositories.register(
            restricted, repositories.register_call("r", "fs", {"location": "r"})
        ),
        "delete": lambda: snapshots.delete(restricted, snapshots.delete_call(repository, "s1")),
    }
    with pytest.raises(OutcomeUnknown, match="was sent, but its result is not known"):
        writes[write]()
    assert len(fake_scene.fake.writes()) == 1


def test_a_slow_write_is_unknown(fake_scene, repository):
    fake_scene.fake.be_slow(30)
    with pytest.raises(OutcomeUnknown, match="no answer within 0.2 seconds"):
        create(fake_scene, repository, patience=0.2)


def test_a_write_to_nobody_was_not_sent(fake_scene, repository):
    fake_scene.fake.go_away()
    with pytest.raises(Unreachable, match="connection was refused"):
        create(fake_scene, repository)


# --- reads


def test_a_read_is_tried_three_times(fake_scene):
    for _ in range(2):
        fake_scene.fake.answer_next(503, BUSY)
    assert cluster.health(fake_scene.client()).state == "green"
    assert len(fake_scene.fake.requests) == 3


def test_a_read_is_not_tried_a_fourth_time(fake_scene):
    for _ in range(3):
        fake_scene.fake.answer_next(503, BUSY)
    with pytest.raises(Refused, match="no elected master"):
        cluster.health(fake_scene.client())
    assert len(fake_scene.fake.requests) == 3


def test_nobody_there(fake_scene):
    fake_scene.fake.go_away()
    with pytest.raises(Unreachable, match="Check that Elasticsearch runs there") as error:
        cluster.health(fake_scene.client())
    assert fake_scene.url in error.value.message
    fake_scene.fake.come_back()
    assert cluster.health(fake_scene.client()).state == "green"


def test_one_of_two_addresses_is_enough(fake_scene):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        both = fake_scene.client(addresses=(nobody, fake_scene.url))
        assert [cluster.health(both).state for _ in range(6)] == ["green"] * 6


@pytest.mark.parametrize("start", range(3))
def test_where_nothing_is_tried_twice_every_address_is_tried_once(fake_scene, start):
    port = fake_scene.url.rsplit(":", 1)[1]
    addresses = (fake_scene.url, f"http://127.0.0.2:{port}", f"http://127.0.0.3:{port}")
    turned = addresses[start:] + addresses[:start]

    assert cluster.health(fake_scene.client(addresses=turned, read_retries=0)).state == "green"
    fake_scene.fake.go_away()
    with pytest.raises(Unreachable, match=r"^No answer from 3 of 3 addresses\. http://127"):
        cluster.health(fake_scene.client(addresses=turned, read_retries=0))


def test_a_slow_read(fake_scene):
    fake_scene.fake.be_slow(30)
    with pytest.raises(Unreachable, match="no answer within 0.2 seconds"):
        fake_scene.client().send(QUICK)


# --- something else answers


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (200, b"<html>Sign in</html>", "text/html"),
        (404, b"<html>Not here</html>", "text/html"),
        (302, b"", "text/html"),
        (200, b"", "application/json"),
        (200, b"{broken", "application/json"),
        (200, b"\x00\x01", "application/octet-stream"),
        (200, [1, 2], "application/json"),
        (404, {"message": "no such page"}, "application/json"),
        (404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"}, "application/json"),
        (200, {"hello": "world"}, "application/json"),
        (200, {"status": 7, "number_of_nodes": "many"}, "application/json"),
    ],
)
def test_what_is_not_elasticsearch_is_called_so(fake_scene, status, body, content_type):
    fake_scene.fake.answer_next(status, body, content_type=content_type)
    with pytest.raises(NotElasticsearch) as error:
        cluster.health(fake_scene.client())
    assert "Check the address" in error.value.message


@pytest.mark.parametrize(
    "read",
    [
        cluster.identify,
        cluster.nodes,
        cluster.privileges,
        indices.list_indices,
        lambda found: indices.facts(found, ["a"]),
        repositories.list_repositories,
        lambda found: repositories.get(found, "a"),
        lambda found: repositories.verify(found, "a"),
        lambda found: snapshots.get(found, "a", "b"),
        lambda found: snapshots.progress(found, "a", "b"),
    ],
)
@pytest.mark.parametrize("body", [b"<html></html>", {"surprise": 1}, {"nodes": 1, "snapshots": {}, "version": []}])
def test_no_answer_is_taken_for_another(fake_scene, read, body):
    for write in (False, False, False, True):
        fake_scene.fake.answer_next(200, body, write=write)
    with pytest.raises((NotElasticsearch, OutcomeUnknown)):
        read(fake_scene.client())


ODD = "a\ud800b\0c"


def test_what_no_database_can_keep_is_replaced_in_every_name(fake_scene):
    node = {"name": ODD, "roles": [ODD], "version": "8.19.0", "settings": {"path": {"repo": [ODD]}}}
    fake_scene.fake.answer_next(200, {"nodes": {ODD: node}})
    (found,) = cluster.nodes(fake_scene.client())
    assert {found.id, found.name, *found.roles, *found.path_repo} == {"a\ufffdb\ufffdc"}


def test_what_no_database_can_keep_is_replaced_in_refusals(fake_scene):
    error = {"error": {"type": ODD, "reason": ODD}, "status": 500}
    fake_scene.fake.answer_next(500, error)
    with pytest.raises(Refused) as refused:
        fake_scene.client().send(HEALTH)
    texts = (refused.value.message, refused.value.detail, refused.value.reason, refused.value.type)
    assert all("a\ufffdb\ufffdc" in text for text in texts)
    assert not {"\ud800", "\0"} & set("".join(texts))


def test_a_number_that_is_none_is_replaced(fake_scene):
    fake_scene.fake.answer_next(200, b'{"a": NaN, "b": [1e999, 1.5, "line\\nbreak"]}')
    assert fake_scene.client().send(HEALTH) == {"a": None, "b": [None, 1.5, "line\nbreak"]}


@pytest.mark.parametrize("depth", [900, 100_000])
def test_an_answer_nested_without_end_is_not_elasticsearch(fake_scene, depth):
    fake_scene.fake.answer_next(200, b'{"a":' * depth + b"1" + b"}" * depth)
    with pytest.raises(NotElasticsearch):
        cluster.health(fake_scene.client())


def test_without_security_nobody_can_say_who_may_what(fake_scene):
    error = {"error": "no handler found for uri [/_security/user/_has_privileges] and method [GET]"}
    fake_scene.fake.answer_next(400, error)
    assert cluster.privileges(fake_scene.client()) is None


def test_a_front_door_that_is_open(fake_scene):
    version = {"number": "3.3.0", "distribution": "opensearch"}
    fake_scene.fake.answer_next(200, {"cluster_name": "c", "cluster_uuid": "u", "version": version})
    assert cluster.identify(fake_scene.client()) == cluster.Identity("opensearch", "3.3.0", "c", "u")


# --- TLS and addresses


@pytest.fixture
def tls_fake():
    fake = FakeElasticsearch(certificates=certificates.make()).start()
    yield FakeScene(fake)
    fake.stop()


def test_the_clusters_own_authority_is_trusted(tls_fake):
    assert cluster.health(tls_fake.client()).state == "green"


def test_the_nodes_own_certificate_is_enough(tls_fake):
    pinned = tls_fake.client(ca_pem=tls_fake.fake._certificates.server)
    assert cluster.health(pinned).state == "green"


@pytest.mark.parametrize("authority", ["", certificates.make("Another").ca])
def test_another_authority_is_not_trusted_and_nothing_is_sent(tls_fake, authority):
    with pytest.raises(Untrusted, match="Enter the certificate of the authority"):
        cluster.health(tls_fake.client(ca_pem=authority))
    assert tls_fake.fake.requests == []


def test_a_certificate_for_another_name_is_called_so():
    fake = FakeElasticsearch(certificates=certificates.make(), host="127.0.0.2").start()
    with pytest.raises(Untrusted, match="made out to another name"):
        cluster.health(FakeScene(fake).client())
    fake.stop()


def test_a_real_certificate_is_checked(real_scene):
    with pytest.raises(Untrusted, match="not signed by an authority"):
        cluster.health(real_scene.client(ca_pem=""))


def test_a_certificate_that_cannot_be_read(fake_scene):
    with pytest.raises(Untrusted, match="BEGIN CERTIFICATE"):
        fake_scene.client(addresses=("https://127.0.0.1:9200",), ca_pem="not a certificate")


def test_https_to_a_server_without_tls(fake_scene):
    with pytest.raises(NotElasticsearch, match="does not speak TLS"):
        cluster.health(fake_scene.client(addresses=(fake_scene.url.replace("http", "https"),)))


def test_http_to_a_server_with_tls(real_scene):
    with pytest.raises(Unreachable, match="address must begin with https://"):
        cluster.health(real_scene.client(addresses=(real_scene.url.replace("https", "http"),)))


def test_an_address_outside_the_networks_is_never_connected_to(fake_scene):
    with pytest.raises(BadAddress, match="outside the networks"):
        cluster.health(fake_scene.client(networks=("10.0.0.0/8",)))
    assert fake_scene.fake.requests == []


def test_a_name_that_moves_between_the_check_and_the_connection_gets_nothing(fake_scene, monkeypatch):
    """The first look says 10.1.1.1, the second, for the connection, 127.0.0.1."""
    true_answer = socket.getaddrinfo("127.0.0.1", fake_scene.fake._port, type=socket.SOCK_STREAM)
    harmless = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.1.1", 1))]
    answers = iter([harmless, true_answer])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: next(answers))
    moving = fake_scene.url.replace("127.0.0.1", "moving.example.org")
    access = {"addresses": (moving,), "networks": ("10.0.0.0/8",), "allow_http": True, "read_retries": 0}
    with pytest.raises(BadAddress, match=r"127\.0\.0\.1 is outside the networks"):
        cluster.health(fake_scene.client(**access))
    assert fake_scene.fake.requests == []


def test_a_bad_address_is_a_gateway_error_and_a_value_error():
    assert issubclass(addresses.BadAddress, GatewayError)
    assert issubclass(addresses.BadAddress, ValueError)


# --- secrets


def test_no_logger_prints_bodies_or_authorization(fake_scene, repository):
    """With every logger of the client at its loudest."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    loggers = [logging.getLogger(name) for name in (None, "elastic_transport", "elastic_transport.node", "urllib3")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        create(fake_scene, repository, run_id="planted-in-the-body")
        fake_scene.fake.answer_next(200, b"{planted-in-the-answer")
        with pytest.raises(NotElasticsearch):
            cluster.health(fake_scene.client())
        fake_scene.fake.go_away()
        with pytest.raises(Unreachable):
            cluster.health(fake_scene.client())
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
    text = stream.getvalue()
    assert "/_cluster/health" in text
    token = client._token(fake_scene.access())
    for secret in ("planted", fake_scene.passwords["everyday"], token, "authorization", "Authorization"):
        assert secret not in text


def test_a_secret_is_in_no_representation(fake_scene):
    access, password = fake_scene.access(), fake_scene.passwords["everyday"]
    assert password not in repr(access)
    assert password not in repr(client.connect(access))
    assert password not in repr(client.connect(access).__dict__.get("_transport"))


@pytest.mark.parametrize(("status", "kind"), [(401, BadCredential), (403, Forbidden), (500, Refused)])
def test_an_answer_that_repeats_our_headers_is_not_shown(fake_scene, status, kind):
    token = client._token(fake_scene.access())
    reason = f"you sent Basic {token}, that is {fake_scene.passwords['everyday']}"
    echo = {"error": {"type": "", "reason": reason}, "status": status}
    fake_scene.fake.answer_next(status, echo)
    with pytest.raises(kind) as error:
        fake_scene.client().send(HEALTH)
    shown = str(error.value) + repr(error.value) + error.value.message + error.value.detail + error.value.reason
    assert "you sent" in shown
    assert token not in shown
    assert fake_scene.passwords["everyday"] not in shown


def test_one_client_for_a_process_and_access(fake_scene):
    assert fake_scene.client() is fake_scene.client()
    assert fake_scene.client() is not fake_scene.client(password="other")


def test_a_forked_process_opens_connections_of_its_own(fake_scene):
    """Two processes on one socket would read each other's answers."""
    cluster.health(fake_scene.client())
    parents, (read, write) = id(fake_scene.client()._transport), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"same" if id(fake_scene.client()._transport) == parents else b"own")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"own"


def test_capabilities_decide_what_is_sent():
    old, new = (Capabilities.parse("elasticsearch", version) for version in ("7.2.0", "8.19.0"))
    call = snapshots.create_call("r", "s", ["a"], run_id="1", global_state=True, partial=True, capabilities=old)
    assert not {"metadata", "feature_states"} & set(call.body)
    assert snapshots.delete_call("r", "s", old).params == {}
    assert snapshots.delete_call("r", "s", new).target == "/_snapshot/r/s?wait_for_completion=false"
