"""The requests that the fake Elasticsearch knows, answered as the server that it imitates."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.es_dialects import Dialect
from tests.fakes.es_state import Index, Problem, Repository, Snapshot, in_words, no_index, unrecognized

if TYPE_CHECKING:
    from tests.fakes.elasticsearch import FakeElasticsearch

COMMON = {"filter_path", "pretty", "human", "error_trace", "flat_settings"}
MULTI = {"expand_wildcards", "ignore_unavailable", "allow_no_indices", "local", "master_timeout"}


@dataclass
class Request:
    fake: "FakeElasticsearch"
    user: str
    path: str
    params: dict[str, str]
    body: Any
    named: dict[str, str] = field(default_factory=dict)

    def flag(self, name: str, default: bool) -> bool:
        return self.params.get(name, str(default).lower()) in ("true", "")


@dataclass(frozen=True)
class Route:
    method: str
    pattern: re.Pattern
    action: str
    params: set[str]
    answer: Callable[[Request], dict]


def collecting(routes: list[Route]) -> Callable:
    """A decorator that registers a handler there. ``{name}`` in the pattern is one part of the path."""

    def route(method: str, pattern: str, action: str = "", params: tuple[str, ...] | set[str] = ()) -> Callable:
        expression = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))

        def register(answer):
            routes.append(Route(method, expression, action, COMMON | set(params), answer))
            return answer

        return register

    return route


ROUTES: list[Route] = []
route = collecting(ROUTES)


@route("GET", "/", "cluster:monitor/main")
def front_door(request: Request) -> dict:
    fake, dialect = request.fake, request.fake.dialect
    own = {"build_flavor": dialect.build_flavor} if dialect.build_flavor else {"distribution": "opensearch"}
    build = dict.fromkeys(("build_type", "build_hash", "build_date", "lucene_version"), "x")
    oldest = dict.fromkeys(("minimum_wire_compatibility_version", "minimum_index_compatibility_version"), "x")
    version = {"number": fake.version, "build_snapshot": False, **own, **build, **oldest}
    named = {"name": fake.node_name, "cluster_name": fake.name, "cluster_uuid": fake.uuid}
    return named | {"version": version, "tagline": "x"}


@route("GET", "/_nodes/_local", "cluster:monitor/nodes/info")
def local_node(request: Request) -> dict:
    dialect = request.fake.dialect
    version = {"index_version": dialect.index_version} if dialect.index_version else {}
    return _nodes(request.fake, version | ({"build_flavor": dialect.build_flavor} if dialect.build_flavor else {}))


@route("GET", "/_nodes/settings", "cluster:monitor/nodes/info")
def nodes_settings(request: Request) -> dict:
    data = ["/var/lib/es"] if request.fake.dialect.lists_paths else "/var/lib/es"
    paths = {"data": data, "logs": "/var/log/es", "home": "/usr/share/es"}
    if request.fake.path_repo:
        paths["repo"] = list(request.fake.path_repo)
    return _nodes(request.fake, {"settings": {"path": paths}})


def _nodes(fake: "FakeElasticsearch", more: dict) -> dict:
    roles = ["data", "ingest", fake.dialect.manager_role]
    node = {"name": fake.node_name, "version": fake.version, "roles": roles, **more}
    return {"cluster_name": fake.name, "nodes": {fake.node_id: node}}


@route("GET", "/_cluster/health", "cluster:monitor/health", MULTI | {"level", "timeout"})
def health(request: Request) -> dict:
    fake = request.fake
    shards = sum(index.primaries for index in fake.indices.values() if index.health != "red")
    lost = sum(index.primaries for index in fake.indices.values() if index.health == "red")
    answer = {
        "cluster_name": fake.name,
        "status": "red" if lost else "green",
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": shards,
        "active_shards": shards,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": lost,
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0,
    }
    own = {"unassigned_primary_shards": lost, "discovered_master": True, "discovered_cluster_manager": True}
    answer |= {key: own[key] for key in fake.dialect.health}
    if request.params.get("level") == "indices":
        answer["indices"] = {name: {"status": index.health} for name, index in fake.indices.items()}
    return answer


@route("GET", "/_cluster/state/version", "cluster:monitor/state", MULTI)
def state_version(request: Request) -> dict:
    fake = request.fake
    return {"cluster_name": fake.name, "cluster_uuid": fake.uuid, "version": 7, "state_uuid": "state"}


@route("GET", "/_cluster/state/metadata(?:/{names})?", "cluster:monitor/state", MULTI)
def state_metadata(request: Request) -> dict:
    fake = request.fake
    found = {
        name: {
            "state": fake.indices[name].state,
            "settings": fake.indices[name].settings(fake.dialect),
            "aliases": sorted(fake.indices[name].aliases),
        }
        for name in (_chosen(request) if request.named.get("names") else fake.indices)
    }
    more = _streams(fake) if fake.dialect.data_streams else {}
    return {"cluster_name": fake.name, "cluster_uuid": fake.uuid, "metadata": {"indices": found, **more}}


def _streams(fake: "FakeElasticsearch") -> dict:
    streams = {
        name: {
            "name": name,
            "timestamp_field": {"name": "@timestamp"},
            "indices": [{"index_name": index, "index_uuid": "x"} for index in indices],
            "generation": len(indices),
        }
        for name, indices in fake.streams.items()
    }
    of_streams = {"data_stream": {"timestamp_field": {"name": "@timestamp"}}}
    made = {name: {"index_patterns": patterns, **of_streams} for name, patterns in fake.templates.items()}
    found = {"data_stream": {"data_stream": streams, **fake.dialect.stream_aliases}}
    return found | ({"index_template": {"index_template": made}} if made else {})


@route("GET", "/(?:{names}/)?_stats/{metrics}", "indices:monitor/stats", MULTI | {"level", "forbid_closed_indices"})
def stats(request: Request) -> dict:
    names = _chosen(request, closed=not request.flag("forbid_closed_indices", True))
    by_shard = request.params.get("level") == "shards"
    found = {name: _index_stats(request.fake.indices[name], by_shard) for name in names}
    shards = sum(request.fake.indices[name].primaries for name in names)
    return {
        "_shards": {"total": shards, "successful": shards, "failed": 0},
        "_all": {"primaries": {}, "total": {}},
        "indices": found,
    }


def _index_stats(index, by_shard: bool) -> dict:
    if index.health == "red":
        return {
            "uuid": index.uuid,
            "health": "red",
            "status": index.state,
            "primaries": {},
            "total": {},
            "shards": {},
        }
    primaries = {"docs": {"count": index.documents, "deleted": 0}, "store": {"size_in_bytes": index.bytes}}
    answer = {"uuid": index.uuid, "health": index.health, "status": index.state, "primaries": primaries}
    if by_shard:
        answer["shards"] = {
            str(shard): [{"routing": {"state": "STARTED", "primary": True}, "seq_no": {"max_seq_no": number}}]
            for shard, number in enumerate(index.seq_nos)
        }
    return answer


@route("GET", "/_security/user/_has_privileges")
def has_privileges(request: Request) -> dict:
    if not request.fake.kind.secure:
        raise _no_security(request)
    user = request.fake.users[request.user]
    cluster = {name: user.has("cluster", name) for name in request.body["cluster"]}
    index = {
        pattern: {name: user.has("index", name) for name in wanted["privileges"]}
        for wanted in request.body["index"]
        for pattern in wanted["names"]
    }
    every = all(cluster.values()) and all(all(found.values()) for found in index.values())
    answer = {"username": request.user, "has_all_requested": every, "cluster": cluster, "index": index}
    return answer | {"application": {}}


def _no_security(request: Request) -> Problem:
    if request.fake.dialect.security_is_index:
        return no_index("_security")
    return in_words(400, {"error": f"no handler found for uri [{request.path}] and method [GET]"})


def shut(method: str) -> Problem:
    """The test builds of 8 and 9 have no front door, for nobody."""
    words = f"Incorrect HTTP method for uri [/] and method [{method}], allowed: [DELETE]"
    return in_words(405, {"error": words, "status": 405})


@route("GET", "/_snapshot(?:/{repository})?", "cluster:admin/repository/get", ("local", "master_timeout"))
def get_repository(request: Request) -> dict:
    repositories = request.fake.repositories
    if name := request.named["repository"]:
        return {name: _repository(request).described()}
    return {name: repositories[name].described() for name in repositories}


@route("PUT", "/_snapshot/{repository}", "cluster:admin/repository/put", ("verify", "timeout", "master_timeout"))
def put_repository(request: Request) -> dict:
    fake, name = request.fake, request.named["repository"]
    kind, settings = request.body["type"], request.body.get("settings", {})
    if "#" in name:
        raise Problem(500, "repository_exception", f"[{name}] must not contain '#'")
    if kind != "fs":
        raise Problem(500, "repository_exception", f"[{name}] repository type [{kind}] does not exist")
    location = settings.get("location")
    if not location:
        raise _not_created(name, f"[{name}] missing location")
    if not fake.allows(location):
        empty = "" if fake.path_repo else " because this setting is empty"
        why = f"[{name}] location [{location}] doesn't match any of the locations specified by path.repo{empty}"
        raise _not_created(name, why)
    before = fake.repositories.get(name)
    if before and any(snapshot.running for snapshot in before.snapshots.values()):
        raise _in_use(name, fake.dialect)
    made = Repository(name, kind, settings, *([before.uuid, before.snapshots] if before else ()))
    if name in fake.disabled:
        _register_stopped(fake, name)
    if location in fake.unwritable:
        if fake.dialect.keeps_unverified:
            fake.repositories[name] = made
        raise _not_writable(name, location, fake.dialect)
    fake.repositories[name] = made
    return {"acknowledged": True}


def _register_stopped(fake: "FakeElasticsearch", name: str) -> None:
    if fake.dialect.registering_mends is None:
        raise _disabled(name, fake.dialect)
    if fake.dialect.registering_mends:
        fake.disabled.discard(name)
        fake.overwritten.discard(name)


def _not_created(name: str, why: str) -> Problem:
    cause = {"type": "repository_exception", "reason": why}
    return Problem(500, "repository_exception", f"[{name}] failed to create repository", cause=cause)


def _not_writable(name: str, location: str, dialect: Dialect) -> Problem:
    denied = {"type": "access_denied_exception", "reason": f"{location}/tests-abcdefghijklmnopqrstuv"}
    if not dialect.wraps_unverified:
        return Problem(500, "repository_exception", f"[{name}] cannot create blob store", cause=denied)
    cause = {"type": "exception", "reason": "failed to create blob container", "caused_by": denied}
    node = dialect.manager_role.replace("_", "-")
    reason = f"[{name}] path  is not accessible on {node} node"
    problem = Problem(500, "repository_verification_exception", reason, cause=cause)
    problem.body["error"]["root_cause"] = [{"type": "repository_verification_exception", "reason": reason}]
    return problem


@route("DELETE", "/_snapshot/{repository}", "cluster:admin/repository/delete", ("timeout", "master_timeout"))
def delete_repository(request: Request) -> dict:
    repository = _repository(request)
    if any(snapshot.running for snapshot in repository.snapshots.values()):
        raise _in_use(repository.name, request.fake.dialect)
    del request.fake.repositories[repository.name]
    request.fake.disabled.discard(repository.name)
    request.fake.overwritten.discard(repository.name)
    return {"acknowledged": True}


@route("POST", "/_snapshot/{repository}/_verify", "cluster:admin/repository/verify", ("timeout", "master_timeout"))
def verify_repository(request: Request) -> dict:
    repository = _repository(request)
    if repository.settings["location"] in request.fake.unwritable:
        raise _not_writable(repository.name, repository.settings["location"], request.fake.dialect)
    return {"nodes": {request.fake.node_id: {"name": request.fake.node_name}}}


@route(
    "PUT",
    "/_snapshot/{repository}/{snapshot}",
    "cluster:admin/snapshot/create",
    ("wait_for_completion", "master_timeout"),
)
def create_snapshot(request: Request) -> dict:
    fake, name = request.fake, request.named["snapshot"]
    try:
        snapshot = _new_snapshot(request)
    except Problem:
        fake.refused[name] += 1
        raise
    fake.accepted[name] += 1
    repository = fake.repositories[request.named["repository"]]
    if fake.dialect.repository_uuid:
        repository.uuid = repository.uuid or "a-repository-uuid-0001"
    if repository.name in fake.overwritten and fake.kind.notices_writers:
        fake.disabled.add(repository.name)
    repository.snapshots[name] = snapshot
    if request.flag("wait_for_completion", False):
        fake.wait_until(lambda: not snapshot.running)
        return {"snapshot": snapshot.described(repository.name)}
    return {"accepted": True}


def _new_snapshot(request: Request) -> Snapshot:
    fake, name, body = request.fake, request.named["snapshot"], request.body or {}
    metadata = body.get("metadata") if fake.dialect.metadata else None
    if (size := _size(metadata)) > 1024:
        reason = f"Validation Failed: 1: metadata must be smaller than 1024 bytes, but was [{size}];"
        raise Problem(400, "action_request_validation_exception", reason)
    repository = _repository(request)
    if repository.name in fake.disabled:
        raise _disabled(repository.name, request.fake.dialect)
    where = f"[{repository.name}:{name}] Invalid snapshot name [{name}], "
    for wrong, words in ((name != name.lower(), "must be lowercase"), (name[0] == "_", "must not start with '_'")):
        if wrong:
            raise Problem(400, "invalid_snapshot_name_exception", where + words)
    _one_at_a_time(fake, repository.name, name)
    if there := repository.snapshots.get(name):
        words = "is already in-progress" if there.running else "already exists"
        raise Problem(400, fake.dialect.taken, f"{where}snapshot with the same name {words}")
    streams = {one: fake.streams[one] for one in body.get("indices") or () if one in fake.streams}
    chosen = [*_asked(fake, body.get("indices")), *_of_features(fake, body)]
    indices = {index: fake.indices[index].primaries for index in dict.fromkeys(chosen)}
    red = [index for index in indices if fake.indices[index].health == "red"]
    if red and not body.get("partial") and not fake.dialect.keeps_failed:
        raise Problem(500, "snapshot_exception", f"[{repository.name}:{name}] {fake.dialect.no_primaries} {red}")
    snapshot = fake.new_snapshot(name, indices, metadata, body.get("include_global_state", True))
    snapshot.data_streams = streams
    if red:
        snapshot.outcome = "PARTIAL" if body.get("partial") else "FAILED"
        lost = ((fake.indices[index], shard) for index in red for shard in range(indices[index]))
        snapshot.failures = [_unassigned(index, shard) for index, shard in lost]
    return snapshot


def _one_at_a_time(fake: "FakeElasticsearch", repository: str, name: str) -> None:
    running = [one for found in fake.repositories.values() for one in found.snapshots.values() if one.running]
    if running and not fake.dialect.concurrent:
        reason = f"[{repository}:{name}]  a snapshot is already running"
        raise Problem(503, "concurrent_snapshot_execution_exception", reason)


def _asked(fake: "FakeElasticsearch", names: Any) -> list[str]:
    """An empty list, or none, means all of them: as on the real one."""
    names = names.split(",") if isinstance(names, str) else names
    for name in names or ():
        if name not in fake.indices and name not in fake.streams:
            raise no_index(name)
    found = [fake.streams.get(name, [name]) for name in names or fake.indices]
    return [index for indices in found for index in indices]


def _of_features(fake: "FakeElasticsearch", body: dict) -> list[str]:
    if not fake.dialect.feature_states or not body.get("include_global_state", True):
        return []
    return [] if body.get("feature_states") == ["none"] else [one.name for one in fake.indices.values() if one.system]


def _unassigned(index: Index, shard: int) -> dict:
    failure = {"index": index.name, "index_uuid": index.uuid, "shard_id": shard}
    return failure | {"reason": "primary shard is not allocated", "status": "INTERNAL_SERVER_ERROR"}


def _size(metadata: Any) -> int:
    """As the server counts: its binary form has a few bytes around a text."""
    return 0 if not metadata else sum(len(key) + len(str(value)) + 7 for key, value in metadata.items())


@route(
    "GET",
    "/_snapshot/{repository}/{snapshot}",
    "cluster:admin/snapshot/get",
    ("verbose", "ignore_unavailable", "index_names", "master_timeout"),
)
def get_snapshot(request: Request) -> dict:
    if "index_names" in request.params and not request.fake.dialect.index_names:
        raise unrecognized(request.path, "index_names")
    repository = request.fake.repositories.get(request.named["repository"])
    if repository is None and request.fake.dialect.missing_is_beside:
        error = _missing_repository(request).body["error"]
        why = {key: error[key] for key in ("type", "reason")}
        return _list(request, []) | {"failures": {request.named["repository"]: why}}
    return _list(request, _listed(request, _repository(request)))


def _list(request: Request, found: list[dict]) -> dict:
    counted = {"total": len(found), "remaining": 0} if request.fake.dialect.counted else {}
    return {"snapshots": found} | counted


def _listed(request: Request, repository: Repository) -> list[dict]:
    """Without ``verbose`` the files of the snapshots are not read, so damaged ones are listed like all others."""
    dialect, name = request.fake.dialect, request.named["snapshot"]
    if repository.name in request.fake.disabled:
        raise _disabled(repository.name, dialect)
    names = list(repository.snapshots) if name == "_all" else name.split(",")
    if not request.flag("verbose", True):
        known = [repository.snapshots[name] for name in names]
        listed = [one.brief(repository.name, dialect) for one in known if one.indices or dialect.lists_empty]
        unnamed = () if request.flag("index_names", True) else ("indices",)
        return [{key: one[key] for key in one if key not in unnamed} for one in listed]
    found = []
    for name in names:
        try:
            found.append(_snapshot(request, name).described(repository.name, dialect))
        except Problem as problem:
            if not request.flag("ignore_unavailable", False):
                raise _damaged(problem, dialect) from None
    return found


def _damaged(problem: Problem, dialect: Dialect) -> Problem:
    """In a list some servers put the missing file into another error."""
    error = problem.body["error"]
    if not dialect.wraps_damaged or "caused_by" not in error:
        return problem
    cause = {key: error[key] for key in ("type", "reason", "caused_by")}
    wrapped = Problem(500, "snapshot_exception", "Snapshot could not be read", cause=cause)
    wrapped.body["error"]["root_cause"] = error["root_cause"]
    return wrapped


def _disabled(name: str, dialect: Dialect) -> Problem:
    why = f"[{name}] {dialect.disabled}"
    if not dialect.wraps_disabled:
        return Problem(500, "repository_exception", why)
    cause = {"type": "repository_exception", "reason": why}
    return Problem(500, "repository_exception", f"[{name}] cannot retrieve snapshots list", cause=cause)


@route(
    "GET",
    "/_snapshot/{repository}/{snapshot}/_status",
    "cluster:admin/snapshot/status",
    ("ignore_unavailable", "master_timeout"),
)
def snapshot_status(request: Request) -> dict:
    snapshot = _snapshot(request)
    if snapshot.name in request.fake.shard_files_gone and not snapshot.running:
        reason = f"[{request.named['repository']}:{snapshot.name}/{snapshot.uuid}] is missing"
        cause = {"type": "no_such_file_exception", "reason": f"indices/x/0/snap-{snapshot.uuid}.dat"}
        raise Problem(404, "snapshot_missing_exception", reason, cause=cause)
    return {"snapshots": [snapshot.status(request.named["repository"], request.fake.dialect)]}


@route(
    "DELETE",
    "/_snapshot/{repository}/{snapshot}",
    "cluster:admin/snapshot/delete",
    ("wait_for_completion", "master_timeout"),
)
def delete_snapshot(request: Request) -> dict:
    if "wait_for_completion" in request.params and not request.fake.dialect.async_delete:
        raise unrecognized(request.path, "wait_for_completion")
    repository, name = _repository(request), request.named["snapshot"]
    chosen = list(repository.snapshots) if name == "*" else [name]
    for one in chosen:
        snapshot = _snapshot(request, one)
        snapshot.deleted, snapshot.lingers = True, request.fake.deletes_linger
        if snapshot.running:
            snapshot.end("FAILED")  # seen on the real one for some tenths of a second, before it is gone
        if not snapshot.lingers:
            del repository.snapshots[one]
    return {"acknowledged": True}


@route("GET", "/{names}", "indices:admin/get", MULTI | {"include_defaults", "features"})
def get_index(request: Request) -> dict:
    indices, dialect = request.fake.indices, request.fake.dialect
    return {name: _described(indices[name], dialect) for name in _chosen(request)}


def _described(index: Index, dialect: Dialect) -> dict:
    return {"aliases": index.aliases, "mappings": index.mapping, "settings": index.settings(dialect)}


def _repository(request: Request) -> Repository:
    name = request.named["repository"]
    if name not in request.fake.repositories:
        raise _missing_repository(request)
    return request.fake.repositories[name]


def _missing_repository(request: Request) -> Problem:
    return Problem(404, "repository_missing_exception", f"[{request.named['repository']}] missing")


def _snapshot(request: Request, name: str = "") -> Snapshot:
    repository, name = _repository(request), name or request.named["snapshot"]
    if repository.name in request.fake.disabled:
        raise _disabled(repository.name, request.fake.dialect)
    snapshot = repository.snapshots.get(name)
    if snapshot is None:
        raise Problem(404, "snapshot_missing_exception", f"[{repository.name}:{name}] is missing")
    if name in request.fake.damaged:
        reason = f"[{repository.name}:{name}/{snapshot.uuid}] is missing"
        cause = {"type": "no_such_file_exception", "reason": f"snap-{snapshot.uuid}.dat"}
        problem = Problem(404, "snapshot_missing_exception", reason, cause=cause)
        problem.body["error"]["root_cause"] = [{"type": "snapshot_missing_exception", "reason": reason}]
        raise problem
    if snapshot.deleted:
        snapshot.lingers -= 1
        if snapshot.lingers <= 0:
            del repository.snapshots[name]
    return snapshot


def _in_use(name: str, dialect: Dialect) -> Problem:
    reason = f"[{name}] trying to modify or unregister repository that is currently used (snapshot is in progress)"
    return Problem(*dialect.in_use, reason)


def _chosen(request: Request, closed: bool = True) -> list[str]:
    """The indices named in the path; without a name, by wildcard as ``expand_wildcards`` says."""
    indices = request.fake.indices
    names = (request.named.get("names") or "").split(",") if request.named.get("names") else None
    if names is None:
        every = request.params.get("expand_wildcards") == "all"
        return [name for name, index in indices.items() if every or (index.state == "open" and not index.hidden)]
    for name in names:
        if name not in indices and not request.flag("ignore_unavailable", False):
            raise no_index(name)
        if name in indices and indices[name].state == "close" and not closed:
            index = {"index_uuid": indices[name].uuid, "index": name}
            raise Problem(400, "index_closed_exception", "closed", **index)
    return [name for name in names if name in indices]
