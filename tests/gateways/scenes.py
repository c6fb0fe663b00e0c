"""The same scene on the fake and on the real Elasticsearch, so that one test runs on both."""

import base64
import json
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

from backups.gateways.elasticsearch import snapshots
from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.client import Access, Client, connect
from backups.gateways.elasticsearch.errors import Refused
from backups.gateways.elasticsearch.snapshots import SnapshotFacts
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.fakes.es_dialects import DIALECTS

WAIT_SECONDS = 60


class Scene:
    """One cluster with a name space of its own: indices and repositories begin with ``prefix``."""

    kind = ""
    url = ""
    ca_pem = ""
    passwords: dict[str, str]
    secure = True
    """Whether the server tells users apart."""
    capabilities: Capabilities

    def __init__(self, prefix: str = ""):
        self.prefix = prefix or f"t{uuid.uuid4().hex[:8]}-"

    def access(self, username: str = "everyday", **changes) -> Access:
        given = {
            "addresses": (self.url,),
            "username": username,
            "password": self.passwords.get(username, ""),
            "ca_pem": self.ca_pem,
        }
        return Access(**{**given, **changes})

    def client(self, username: str = "everyday", **changes) -> Client:
        return connect(self.access(username, **changes))

    def name(self, tail: str) -> str:
        return self.prefix + tail

    def add_repository(self, tail: str = "repo", **settings) -> str:
        raise NotImplementedError

    def start_snapshot(self, repository: str, name: str, indices: list[str], run_id: str = "run-1") -> None:
        snapshots.create(self.client(), self.create_call(repository, name, indices, run_id), run_id)

    def create_call(self, repository: str, name: str, indices: list[str], run_id: str = "run-1", **options):
        options = {"global_state": False, "partial": False, "capabilities": self.capabilities} | options
        return snapshots.create_call(repository, name, indices, run_id=run_id, **options)

    def finished(self, repository: str, name: str) -> SnapshotFacts:
        """The snapshot when it is over."""
        client = self.client()
        return until(lambda: (found := snapshots.get(client, repository, name)) and found.over and found)

    def gone(self, repository: str, name: str) -> None:
        """After a delete. A server may list a snapshot for a moment whose files are gone already."""
        until(lambda: self._is_gone(repository, name))

    def _is_gone(self, repository: str, name: str) -> bool:
        try:
            return snapshots.get(self.client(), repository, name) is None
        except Refused:
            return False


class FakeScene(Scene):
    kind = "fake"

    def __init__(self, fake: FakeElasticsearch, prefix: str = ""):
        super().__init__(prefix)
        self.fake = fake
        self.url, self.ca_pem = fake.url, fake.ca_pem
        self.secure, self.capabilities = fake.kind.secure, Capabilities.parse(fake.product, fake.version)
        self.passwords = {name: user.password for name, user in fake.users.items()}

    def add_index(self, tail: str, documents: int = 0, **facts) -> str:
        return self.fake.add_index(self.name(tail), documents, **facts).name

    def write(self, name: str, documents: int) -> None:
        self.fake.write(name, documents)

    def add_stream(self, tail: str) -> str:
        """With a document in each of its two indices."""
        name = self.name(tail)
        self.fake.add_stream(name, 1, 1)
        self.fake.templates[name] = [name]
        return name

    def location(self, tail: str) -> str:
        return f"{self.fake.path_repo[0]}/{self.name(tail)}"

    def add_repository(self, tail: str = "repo", **settings) -> str:
        return self.fake.add_repository(self.name(tail), self.location(tail)).name

    def block(self, location: str) -> None:
        """Nobody can write there."""
        self.fake.unwritable.add(location)

    def slow_repository(self) -> tuple[str, str]:
        """A repository and an index whose snapshot runs until it is deleted."""
        self.fake.hold_snapshots()
        return self.add_repository("slow"), self.add_index("big", 6)

    def slow_restores(self) -> tuple[str, str]:
        """A repository and an index; restores run until their targets are deleted."""
        self.fake.hold_restores()
        return self.add_repository("slow-restores"), self.add_index("heavy", 12)

    def spoil(self, repository: str, index: str) -> None:
        """The data of its only shard is not what it was."""
        self.fake.restores_lose(index)

    def broken_index(self, tail: str) -> str:
        """An index whose only shard is nowhere."""
        return self.add_index(tail, health="red")

    def damage(self, repository: str, snapshot: SnapshotFacts) -> None:
        """Somebody removes the file that describes the snapshot."""
        self.fake.damaged.add(snapshot.name)

    def empty_snapshot(self, repository: str, name: str) -> None:
        """Somebody makes a snapshot of nothing."""
        self.fake.add_snapshot(repository, name, ())

    def overwrite(self, repository: str) -> None:
        """Another cluster writes to the repository."""
        self.fake.overwrite(repository)

    def release(self) -> None:
        self.fake.release()
        self.fake.release_restores()

    def forget_repository(self, tail: str) -> None:
        self.fake.repositories.pop(self.name(tail), None)

    def clear(self) -> None:
        """Nothing: every test has a fake of its own."""


class RealScene(Scene):
    kind = "real"

    def __init__(self, server, prefix: str = ""):
        super().__init__(prefix)
        self.server = server
        self.url, self.ca_pem = server.url, server.ca_pem
        self.secure, self.capabilities = server.kind.secure, Capabilities.parse(server.product, server.version)
        self.passwords = {**server.passwords, "powerless": server.passwords["everyday"]}
        self._indices: list[str] = []
        self._streams: list[str] = []
        self._repositories: list[str] = []

    def add_index(self, tail: str, documents: int = 0, **facts) -> str:
        name, hidden = self.name(tail), facts.get("hidden", False) and DIALECTS[self.server.kind.slug].hides
        shards = {"number_of_shards": facts.get("primaries", 1), "number_of_replicas": 0}
        settings = shards | ({"hidden": True} if hidden else {})
        mapping = {"properties": {"@timestamp": {"type": "date"}}}
        body = {"settings": settings, "mappings": mapping, "aliases": facts.get("aliases", {})}
        self._indices.append(name)
        self._put(f"/{name}", body)
        self.write(name, documents)
        if facts.get("state") == "close":
            self.server.request("POST", f"/{name}/_close")
        return name

    def write(self, name: str, documents: int, text: str = "") -> None:
        line = json.dumps({"@timestamp": "2026-01-01T00:00:00Z", **({"text": text} if text else {})})
        if documents:
            body = f'{{"index":{{}}}}\n{line}\n' * documents
            self.server.request("POST", f"/{name}/_bulk", body.encode())
            self.server.request("POST", f"/{name}/_refresh")

    def add_stream(self, tail: str) -> str:
        name = self.name(tail)
        body = {"index_patterns": [name], "data_stream": {}, "template": {"settings": {"number_of_replicas": 0}}}
        self._put(f"/_index_template/{name}", body)
        self._streams.append(name)
        for then in (f"/{name}/_rollover", f"/{name}/_refresh"):
            document = b'{"create":{}}\n{"@timestamp":"2026-01-01T00:00:00Z"}\n'
            self.server.request("POST", f"/{name}/_bulk", document)
            self.server.request("POST", then)
        return name

    def location(self, tail: str) -> str:
        return str(self.server.path_repo / self.name(tail))

    def add_repository(self, tail: str = "repo", **settings) -> str:
        name = self.name(tail)
        self._put(f"/_snapshot/{name}", {"type": "fs", "settings": {"location": self.location(tail), **settings}})
        self._repositories.append(name)
        return name

    def block(self, location: str) -> None:
        """A file in the way: permissions do not hold back a server that root started."""
        self.server.path_repo.joinpath(location).write_text("in the way")

    def slow_repository(self) -> tuple[str, str]:
        return self.add_repository("slow", max_snapshot_bytes_per_sec="100kb"), self._heavy_index("big")

    def slow_restores(self) -> tuple[str, str]:
        return self.add_repository("slow-restores", max_restore_bytes_per_sec="100kb"), self._heavy_index("heavy")

    def _heavy_index(self, tail: str) -> str:
        name = self.add_index(tail)
        for _ in range(12):
            self.write(name, 1, base64.b64encode(os.urandom(100_000)).decode())
        return name

    def spoil(self, repository: str, index: str) -> None:
        data = self.server.path_repo.joinpath(repository).rglob("__*")
        flip(max(data, key=lambda file: file.stat().st_size))

    def damage(self, repository: str, snapshot: SnapshotFacts) -> None:
        (self.server.path_repo / repository / f"snap-{snapshot.uuid}.dat").unlink()

    def empty_snapshot(self, repository: str, name: str) -> None:
        path = f"/_snapshot/{repository}/{name}?wait_for_completion=true"
        self._put(path, {"indices": self.name("nothing-*"), "include_global_state": False})

    def overwrite(self, repository: str) -> None:
        overwrite(self.server.path_repo / repository)

    def broken_index(self, tail: str) -> str:
        name = self.name(tail)
        nowhere = {"index.routing.allocation.require._name": "nowhere", "number_of_replicas": 0}
        self._indices.append(name)
        self._put(f"/{name}?timeout=1s&wait_for_active_shards=0", {"settings": nowhere})
        return name

    def release(self) -> None:
        """Nothing: a real one ends by itself."""

    def forget_repository(self, tail: str) -> None:
        """Servers before 8 keep a repository that they could not verify."""
        with suppress(HTTPError):
            self.server.request("DELETE", f"/_snapshot/{self.name(tail)}")

    def clear(self) -> None:
        for name in self._repositories:
            self.server.request("DELETE", f"/_snapshot/{name}")
        for name in self._streams:
            self.server.request("DELETE", f"/_data_stream/{name}")
            self.server.request("DELETE", f"/_index_template/{name}")
        for name in self._indices:
            self.server.request("DELETE", f"/{name}?ignore_unavailable=true")

    def _put(self, path: str, body: dict) -> None:
        self.server.request("PUT", path, json.dumps(body).encode())


def overwrite(folder: Path) -> None:
    """What a write of another cluster leaves: the repository's own index with the next number."""
    last = max(int(file.name.partition("-")[2]) for file in folder.glob("index-*"))
    number = last + 1
    (folder / f"index-{last}").rename(folder / f"index-{number}")
    (folder / "index.latest").write_bytes(number.to_bytes(8, "big"))


def flip(file: Path) -> None:
    """Some bytes in the middle are not what they were."""
    whole, middle = bytearray(file.read_bytes()), file.stat().st_size // 2
    whole[middle : middle + 8] = (byte ^ 0xFF for byte in whole[middle : middle + 8])
    file.write_bytes(whole)


def until(look: Callable, seconds: float = WAIT_SECONDS):
    """The first true answer; the deadline is for the case that it never comes."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.01)
    return found
