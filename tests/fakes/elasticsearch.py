"""An Elasticsearch that tests can make misbehave: a real HTTP server in a thread of the test.

It imitates any server of ``deploy.sandbox.kinds`` as far as the console uses it, 8.19.0 unless told otherwise;
``tests/contract`` holds it to the answers of the real ones.
"""

import base64
import contextlib
import copy
import json
import re
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

from deploy.sandbox.kinds import BY_SLUG, DEFAULT
from tests.fakes import es_changes, es_restore_routes, es_streams
from tests.fakes.es_dialects import DIALECTS, Dialect
from tests.fakes.es_restores import CORRUPT, EXISTING, Restore
from tests.fakes.es_routes import ROUTES, Request, Route, shut
from tests.fakes.es_state import (
    Index,
    Problem,
    Repository,
    Snapshot,
    User,
    forbidden,
    in_words,
    unauthorized,
    unrecognized,
    uuid,
)

ROUTES += es_restore_routes.ROUTES + es_changes.ROUTES + es_streams.ROUTES

EVERYDAY = ("everyday", "everyday-secret-1")
RESTRICTED = ("restricted", "restricted-secret-2")
POWERLESS = ("powerless", "powerless-secret-3")
PATIENCE = 30.0


class FakeElasticsearch:
    """Controls first: a test sets the scene with them, and reads the counters afterwards."""

    def __init__(
        self,
        slug: str = DEFAULT.slug,
        *,
        path_repo: tuple[str, ...] = ("/srv/backups",),
        certificates=None,
        host="127.0.0.1",
    ):
        self.kind, self.dialect = BY_SLUG[slug], DIALECTS[slug]
        self.product, self.version = self.kind.product, self.kind.version
        self.name, self.uuid = "fake", uuid()
        self.node_id, self.node_name = uuid(), "fake-1"
        self.path_repo = path_repo
        self.everyday, self.restricted, self.powerless = EVERYDAY, RESTRICTED, POWERLESS
        self.users = _users()
        self.indices: dict[str, Index] = {}
        self.streams: dict[str, list[str]] = {}
        self.templates: dict[str, list[str]] = {}
        """Index templates that make data streams, with their patterns."""
        self.repositories: dict[str, Repository] = {}
        self.unwritable: set[str] = set()
        self.damaged: set[str] = set()
        self.overwritten: set[str] = set()
        self.shard_files_gone: set[str] = set()
        self.disabled: set[str] = set()
        self.deletes_linger = 0
        self.restores: list[Restore] = []
        self.settings: dict[str, dict[str, str]] = {"persistent": {}, "transient": {}}
        self.blocks: dict[str, str] = {}
        self.shards_most = 1000
        self.disk: dict[str, int] = {}
        self._next_restore: dict = {}
        self._damaged_shards: dict[str, dict[tuple[str, int], str]] = {}
        self.requests: list[tuple[str, str, str, str]] = []
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._next_snapshot: dict = {}
        self._queued: list[tuple[bool, str, int, bytes, str]] = []
        self._html = False
        self._slow = 0.0
        self._drops: list[bool] = []
        self._stopping = threading.Event()
        self._certificates = certificates
        self._server: ThreadingHTTPServer | None = None
        self._host, self._port = host, 0

    # --- the scene

    def add_index(self, name: str, documents: int = 0, **facts) -> Index:
        """``facts``: primaries, state, hidden, health, aliases, mapping."""
        self.indices[name] = Index(name, documents, **facts)
        return self.indices[name]

    def add_stream(self, name: str, *documents: int) -> list[str]:
        """A data stream with so many documents in each of its indices; their names."""
        names = [f".ds-{name}-{number:06}" for number in range(1, len(documents) + 1)]
        for index, number in zip(names, documents, strict=True):
            self.add_index(index, number, hidden=True)
        self.streams[name] = names
        return names

    def write(self, name: str, documents: int) -> None:
        """Somebody indexes more documents."""
        with self.lock:
            self.indices[name].write(documents)

    def add_repository(self, name: str, location: str = "") -> Repository:
        location = location or str(PurePosixPath(self.path_repo[0]) / name)
        self.repositories[name] = Repository(name, "fs", {"location": location})
        return self.repositories[name]

    def add_snapshot(self, repository: str, name: str, indices: tuple[str, ...], metadata=None, **facts) -> Snapshot:
        """Somebody else's snapshot, over already unless it is held."""
        shards = {index: self.indices[index].primaries for index in indices}
        contents = copy.deepcopy({index: self.indices[index] for index in indices})
        snapshot = Snapshot(name, shards, metadata, global_state=False, **{"contents": contents} | facts)
        self.repositories[repository].snapshots[name] = snapshot
        return snapshot

    def set_password(self, username: str, password: str) -> None:
        self.users[username].password = password

    # --- how snapshots go

    def snapshots_take(self, seconds: float) -> None:
        self._next_snapshot = {**self._next_snapshot, "seconds": seconds}

    def snapshots_are(self, **facts) -> None:
        """More about new snapshots: any field of ``Snapshot``."""
        self._next_snapshot = {**self._next_snapshot, **facts}

    def hold_snapshots(self) -> None:
        """New snapshots run until ``release``."""
        self._next_snapshot = {**self._next_snapshot, "held": True}

    def release(self) -> None:
        """All running snapshots end now, and new ones are not held any more."""
        with self.lock:
            self._next_snapshot = {**self._next_snapshot, "held": False}
            for repository in self.repositories.values():
                for snapshot in repository.snapshots.values():
                    if snapshot.running:
                        snapshot.end()

    def make_partial(self, index: str, shard: int = 0, reason: str = "IndexShardSnapshotFailedException[Aborted]"):
        """New snapshots end PARTIAL, without this shard."""
        failure = {
            "index": index,
            "index_uuid": self.indices[index].uuid,
            "shard_id": shard,
            "reason": reason,
            "node_id": self.node_id,
            "status": "INTERNAL_SERVER_ERROR",
        }
        self._next_snapshot = {**self._next_snapshot, "outcome": "PARTIAL", "failures": [failure]}

    def overwrite(self, repository: str) -> None:
        """Another cluster writes to it. This one notices with its own next write, and uses it no more."""
        self.overwritten.add(repository)

    def make_failed(self) -> None:
        """New snapshots end FAILED."""
        self._next_snapshot = {**self._next_snapshot, "outcome": "FAILED"}

    def forget_running(self) -> None:
        """The cluster was restarted: what ran has vanished without a trace."""
        with self.lock:
            for repository in self.repositories.values():
                kept = {name: found for name, found in repository.snapshots.items() if not found.running}
                repository.snapshots = kept
            for restore in self.running_restores():
                restore.forget(self.indices)
            for index in self.indices.values():
                index.origins = {shard: EXISTING for shard in range(index.primaries)}

    # --- how restores go

    def restores_take(self, looks: int) -> None:
        """New restores are over when the cluster's entry of them was read so often."""
        self._next_restore = {**self._next_restore, "looks": looks}

    def hold_restores(self) -> None:
        """New restores run until ``release_restores``."""
        self._next_restore = {**self._next_restore, "held": True}

    def release_restores(self) -> None:
        """All running restores end now, and new ones are not held any more."""
        with self.lock:
            self._next_restore = {**self._next_restore, "held": False}
            for restore in self.running_restores():
                restore.end(self.indices)

    def restores_lose(self, index: str, shard: int = 0, reason: str = CORRUPT, *, snapshot: str = "") -> None:
        """New restores fail at this shard of an index of the snapshot (of any, without one): its data is damaged."""
        self._damaged_shards[snapshot] = self._damaged_shards.get(snapshot, {}) | {(index, shard): reason}

    # --- faults

    def be_slow(self, seconds: float) -> None:
        """Every answer waits so long; 0 for at once."""
        self._slow = seconds

    def drop_next_write(self, *, done: bool = True) -> None:
        """The next write is carried out (or not), and its connection is reset instead of an answer."""
        self._drops.append(done)

    def answer_html(self, on: bool = True) -> None:
        """A sign-in page answers to everything."""
        self._html = on

    def answer_next(
        self, status: int, body, *, write: bool = False, path: str = "", content_type: str = "application/json"
    ) -> None:
        """The next read (or write), or the next one of this path, gets this answer and does nothing."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._queued.append((write, path, status, data, content_type))

    def go_away(self) -> None:
        """Nobody listens on the port any more."""
        self._stopping.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server.drop_connections()
            self._server = None

    def come_back(self) -> None:
        self.start()

    # --- life

    def start(self) -> "FakeElasticsearch":
        self._stopping.clear()
        self._server = _Server((self._host, self._port), self)
        self._port = self._server.server_address[1]
        if self._certificates:
            self._server.socket = server_tls(self._certificates).wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    stop = go_away

    @property
    def url(self) -> str:
        return f"{'https' if self._certificates else 'http'}://{self._host}:{self._port}"

    @property
    def ca_pem(self) -> str:
        return self._certificates.ca if self._certificates else ""

    def writes(self) -> list[str]:
        """Method and path of every request that was not a read."""
        return [f"{method} {target}" for method, target, *_ in self.requests if method not in ("GET", "HEAD")]

    # --- for the routes

    def allows(self, location: str) -> bool:
        path = PurePosixPath(location)
        if ".." in path.parts:
            return False
        return bool(self.path_repo) and (
            not path.is_absolute() or any(path.is_relative_to(root) for root in self.path_repo)
        )

    def new_snapshot(self, name: str, indices: dict[str, int], metadata, global_state: bool) -> Snapshot:
        contents = copy.deepcopy({index: self.indices[index] for index in indices})
        return Snapshot(name, indices, metadata, global_state, **{"contents": contents} | self._next_snapshot)

    def new_restore(self, repository: str, snapshot: Snapshot, indices: dict[str, str]) -> Restore:
        lost = self._damaged_shards.get("", {}) | self._damaged_shards.get(snapshot.name, {})
        return Restore(repository, snapshot, indices, lost=lost, **self._next_restore)

    def running_restores(self) -> list[Restore]:
        return [one for one in self.restores if not one.over]

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Without the lock, so that others are answered meanwhile."""
        end = time.monotonic() + PATIENCE
        self.lock.release()
        try:
            while not done() and time.monotonic() < end and not self._stopping.wait(0.01):
                pass
        finally:
            self.lock.acquire()

    # --- answering

    def answer(self, method: str, target: str, headers, body: bytes) -> tuple[int, dict, bool]:
        """Status, body and whether the product names itself."""
        parts = urlsplit(target)
        path, params = parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            user = self._authenticated(headers, path)
            self.requests.append((method, target, user, headers.get("x-opaque-id") or ""))
            if path == "/" and not self.dialect.front_door:
                raise shut(method)
            found, named = _find(method, path)
            if found is None:
                raise in_words(400, {"error": f"no handler found for uri [{path}] and method [{method}]"})
            with self.lock:
                request = Request(self, user, unquote(path), params, _parsed(body), named)
                self._allowed(found, request)
                answer = _filtered(found.answer(request), params.get("filter_path"), self.dialect)
                return 200, answer, self.dialect.names_itself
        except Problem as problem:
            return problem.status, dict(problem.body), problem.product and self.dialect.names_itself

    def _authenticated(self, headers, path: str) -> str:
        given = headers.get("authorization") or ""
        if not self.kind.secure:
            return _decoded(given)[0]
        if not given.startswith("Basic "):
            raise unauthorized(f"missing authentication credentials for REST request [{path}]")
        name, password = _decoded(given)
        if name not in self.users or self.users[name].password != password:
            raise unauthorized(f"unable to authenticate user [{name}] for REST request [{path}]")
        return name

    def _allowed(self, found: Route, request: Request) -> None:
        if unknown := sorted(set(request.params) - found.params):
            raise unrecognized(request.path, unknown[0])
        if not self.kind.secure or not found.action:
            return
        user = self.users[request.user]
        if not user.may(found.action):
            raise forbidden(found.action, request.user, user.role, request.named.get("names") or "")

    def fault(self, write: bool, path: str) -> tuple[int, bytes, str] | None:
        """The answer that was ordered instead of the true one."""
        if self._slow:
            self._stopping.wait(self._slow)
        for ordered in self._queued:
            if ordered[0] == write and ordered[1] in ("", path):
                self._queued.remove(ordered)
                return ordered[2:]
        if self._html:
            return 200, b"<html><title>Sign in</title><body>Who are you?</body></html>", "text/html"
        return None

    def dropped(self, write: bool) -> bool | None:
        """None to answer; otherwise whether the write is carried out before the connection breaks."""
        return self._drops.pop(0) if write and self._drops else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], fake: FakeElasticsearch):
        self.fake = fake
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request, client_address):
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self):
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        """Tests break connections on purpose; the thread's traceback would only be noise."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """The test output belongs to the tests."""

    def _any(self):
        fake: FakeElasticsearch = self.server.fake
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        write = self.command not in ("GET", "HEAD")
        if ordered := fake.fault(write, self.path.partition("?")[0]):
            fake.requests.append((self.command, self.path, "", ""))
            return self._send(ordered[0], ordered[1], ordered[2], product=False)
        drop = fake.dropped(write)
        if drop is False:
            return reset(self)
        status, answer, product = fake.answer(self.command, self.path, self.headers, body)
        if drop:
            return reset(self)
        return self._send(status, json.dumps(answer).encode(), "application/json", product)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any

    def _send(self, status: int, data: bytes, content_type: str, product: bool):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(data)))
        if product:
            self.send_header("X-elastic-product", "Elasticsearch")
        if status in (301, 302):
            self.send_header("location", "/elsewhere")
        self.end_headers()
        self.wfile.write(data)


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Break the connection without a word, as a crashed proxy does."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def _decoded(basic: str) -> tuple[str, str]:
    name, _, password = base64.b64decode(basic.removeprefix("Basic ")).decode().partition(":")
    return name, password


def _users() -> dict[str, User]:
    return {
        EVERYDAY[0]: User(
            EVERYDAY[1],
            frozenset({"monitor", "monitor_snapshot", "create_snapshot"}),
            frozenset({"monitor", "view_index_metadata"}),
            "everyday",
        ),
        RESTRICTED[0]: User(RESTRICTED[1], frozenset({"manage"}), frozenset({"manage", "read"}), "restricted"),
        POWERLESS[0]: User(POWERLESS[1]),
    }


def _find(method: str, path: str) -> tuple[Route | None, dict[str, str]]:
    for route in ROUTES:
        found = route.pattern.fullmatch(path) if route.method == method else None
        if found and not (found.groupdict().get("names") or "").startswith("_"):
            return route, {key: unquote(value) if value else "" for key, value in found.groupdict().items()}
    return None, {}


def _parsed(body: bytes):
    return json.loads(body) if body else None


def _filtered(answer: dict, paths: str | None, dialect: Dialect) -> dict:
    if not paths:
        return answer
    if paths.startswith("-"):
        left = _without(answer, [path.lstrip("-").split(".") for path in paths.split(",")])
        return {key: value for key, value in left.items() if not (dialect.leaves_out_empty and value == [])}
    return _kept(answer, [path.split(".") for path in paths.split(",")]) or {}


def _without(value, paths: list[list[str]]):
    """What is left when these are excluded."""
    if isinstance(value, list):
        return [_without(one, paths) for one in value]
    if not isinstance(value, dict):
        return value
    deeper = {key: [path[1:] for path in paths if path[0] == key] for key in value}
    return {key: _without(inner, deeper[key]) for key, inner in value.items() if [] not in deeper[key]}


def _kept(value, paths: list[list[str]]):
    """What ``filter_path`` leaves: whole values below a path that ends, nothing where none begins."""
    if any(not path for path in paths):
        return value
    if isinstance(value, list):
        return [kept for one in value if (kept := _kept(one, paths)) not in (None, {})]
    if not isinstance(value, dict):
        return None
    found = {}
    for key, inner in value.items():
        deeper = [path[1:] for path in paths if re.fullmatch(re.escape(path[0]).replace(r"\*", ".*"), key)]
        kept = _kept(inner, deeper) if deeper else None
        if kept not in (None, {}) or (deeper and any(not path for path in deeper)):
            found[key] = kept
    return found


def server_tls(certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder) / "server.pem", Path(folder) / "server.key"
        chain.write_text(certificates.server)
        key.write_text(certificates.key)
        context.load_cert_chain(chain, key)
    return context
