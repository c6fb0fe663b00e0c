"""Data streams on OpenSearch: snapshotted whole, restored as such, refused as the plan said, and removed again."""

import json
from contextlib import suppress
from urllib.error import HTTPError

import pytest

from backups.clusters.connection import capabilities_of
from backups.gateways.elasticsearch.restores import restore_call
from backups.restores.indices.asked import Mode
from backups.restores.models import RestorePlan
from backups.runs import request_cancel
from backups.snapshots.models import Snapshot
from backups.snapshots.services import queue_snapshot
from deploy.sandbox.kinds import KINDS
from tests.elasticsearch.scene import Scene
from tests.restores.asking import Asking
from tests.turns import work

pytestmark = pytest.mark.parametrize(
    "any_server", [kind.slug for kind in KINDS if kind.product == "opensearch"], indirect=True, scope="session"
)

LONG = pytest.mark.long("servers")


class Streaming(Asking):
    """A data stream with 3 and 2 documents in its two indices, and a snapshot of both."""

    def __init__(self, server, cast) -> None:
        super().__init__(cast)
        self.scene, self.server = Scene(server), server
        self.stream = f"{self.scene.prefix}-events"
        self.indices = [f".ds-{self.stream}-{number:06}" for number in (1, 2)]
        self.template(self.stream)
        self.write(3)
        self.ask_server("POST", f"/{self.stream}/_rollover", {})
        self.write(2)
        self.repository = self.scene.repository(self.scene.cluster())
        self.snapshot = self.take()

    def ask_server(self, method: str, path: str, body: dict | None = None) -> dict:
        return self.server.request(method, path, None if body is None else json.dumps(body).encode())

    def template(self, *patterns: str) -> None:
        body = {"index_patterns": patterns, "data_stream": {}, "template": {"settings": {"number_of_replicas": 0}}}
        self.ask_server("PUT", f"/_index_template/{self.scene.prefix}", body)

    def write(self, documents: int) -> None:
        line = '{"create":{}}\n{"@timestamp":"2026-01-01T00:00:00Z"}\n'
        self.server.request("POST", f"/{self.stream}/_bulk?refresh=true", (line * documents).encode())

    def take(self, name: str = "snap-1") -> Snapshot:
        patterns = [f".ds-{self.stream}-*"]
        run = work(queue_snapshot(actor=None, repository=self.repository, name=name, patterns=patterns))
        assert run.state == "succeeded", run.error
        return Snapshot.objects.get(run=run)

    def planned(self, mode: str, **options) -> RestorePlan:
        return self.plan(self.snapshot, [], mode, streams=(self.stream,), **options)

    def streams(self) -> dict[str, list[str]]:
        """Those of this test."""
        found = self.ask_server("GET", "/_data_stream")["data_streams"]
        streams = {one["name"]: [index["index_name"] for index in one["indices"]] for one in found}
        return {name: indices for name, indices in streams.items() if self.scene.prefix in name}

    def documents(self, name: str) -> int:
        return self.ask_server("GET", f"/{name}/_count")["count"]

    def clear(self) -> None:
        for name in self.streams():
            self.ask_server("DELETE", f"/_data_stream/{name}")
        with suppress(HTTPError):
            self.ask_server("DELETE", f"/*{self.scene.prefix}*?expand_wildcards=all")
        self.ask_server("DELETE", f"/_index_template/{self.scene.prefix}")


@pytest.fixture
def streaming(any_server, cast):
    made = Streaming(any_server, cast)
    yield made
    made.clear()


def test_one_is_restored_beside_with_all_of_its_indices_and_every_count(streaming):
    plan = streaming.planned(Mode.BESIDE)
    assert (plan.blocked, plan.risk) == (0, "R0"), plan.text
    assert any("No index template" in line["text"] for line in plan.document["checks"])

    run = work(streaming.agree(plan))

    assert (run.state, run.effect, run.error) == ("succeeded", "applied", "")
    copy = f"restored-{streaming.stream}"
    assert streaming.streams() == {
        streaming.stream: streaming.indices,
        copy: [f".ds-{copy}-000001", f".ds-{copy}-000002"],
    }
    assert streaming.documents(copy) == 5
    said = {one["name"]: (one["state"], one["documents"]) for one in run.result["verdict"]["indices"]}
    assert said == {
        f".ds-{copy}-000001": ("succeeded", 3),
        f".ds-{copy}-000002": ("succeeded", 2),
        copy: ("succeeded", 5),
    }
    assert not run.locks.exists()


def test_one_that_is_missing_comes_back_and_takes_documents_and_rollovers(streaming):
    streaming.ask_server("DELETE", f"/_data_stream/{streaming.stream}")
    plan = streaming.planned(Mode.MISSING)
    assert not any("No index template" in line["text"] for line in plan.document["checks"])

    run = work(streaming.agree(plan))

    assert (run.state, run.error) == ("succeeded", "")
    assert streaming.streams() == {streaming.stream: streaming.indices}
    streaming.write(1)
    streaming.ask_server("POST", f"/{streaming.stream}/_rollover", {})
    assert streaming.documents(streaming.stream) == 6
    assert len(streaming.streams()[streaming.stream]) == 3


@pytest.mark.parametrize(
    "taken", ["index", "an index behind it", *(pytest.param(one, marks=LONG) for one in ("alias", "stream", "later"))]
)
def test_a_name_that_is_taken_is_refused_by_the_plan_and_by_the_server(streaming, taken):
    name = f"restored-{streaming.stream}"
    if taken == "index":
        streaming.ask_server("PUT", f"/{name}", {})
    elif taken == "alias":
        streaming.ask_server("PUT", f"/{streaming.scene.prefix}-other", {"aliases": {name: {}}})
    elif taken == "stream":
        work(streaming.agree(streaming.planned(Mode.BESIDE)))
    else:
        number = 3 if taken == "later" else 1
        streaming.ask_server("PUT", f"/.ds-{name}-{number:06}", {})

    plan = streaming.planned(Mode.BESIDE)

    assert {row["action"] for row in plan.document["rows"]} == {"blocked"}
    assert all("exists already" in row["note"] for row in plan.document["rows"])
    with pytest.raises(HTTPError) as refused:
        streaming.server.request("POST", *restore(streaming))
    answer = refused.value.read().decode()
    assert any(words in answer for words in ("already exists", "need to be unique", "that conflict with"))


def restore(streaming: Streaming) -> tuple[str, bytes]:
    """The call that the plan would have."""
    capabilities = capabilities_of(streaming.repository.cluster)
    rename = ("^(.+)$", "restored-$1")
    names = [streaming.stream]
    call = restore_call(streaming.repository.name, "snap-1", names, rename=rename, capabilities=capabilities)
    return call.target, call.payload.encode()


@LONG
@pytest.mark.parametrize("mode", Mode.REPLACING)
def test_one_that_is_there_is_not_replaced(streaming, mode):
    plan = streaming.planned(mode)

    assert {row["action"] for row in plan.document["rows"]} == {"blocked"}
    assert all("or delete the stream first" in row["note"] for row in plan.document["rows"])
    assert plan.document["calls"] == []


def test_a_cancel_removes_the_stream_and_nothing_else(streaming, cast):
    before = streaming.streams()
    run = streaming.agree(streaming.planned(Mode.BESIDE))
    work(run, lambda run: "sent_at" in run.result)
    assert f"restored-{streaming.stream}" in streaming.streams()

    request_cancel(run, actor=cast["operator"])
    work(run)

    assert (run.state, run.effect) == ("cancelled", "rolled_back"), run.error
    assert streaming.streams() == before
    assert streaming.documents(streaming.stream) == 5
    assert not run.locks.exists()


@LONG
def test_a_snapshot_that_has_its_indices_only_says_so(streaming):
    call = {"indices": streaming.indices}
    streaming.ask_server("PUT", f"/_snapshot/{streaming.repository.name}/bare?wait_for_completion=true", call)
    Snapshot.objects.filter(pk=streaming.snapshot.pk).update(name="bare")
    streaming.snapshot.refresh_from_db()

    plan = streaming.planned(Mode.BESIDE)

    assert all("only indices of it" in row["note"] for row in plan.document["rows"])
