"""The requests that change an index or the cluster's settings, as far as a swap needs them."""

import copy

from tests.fakes.es_restores import COPIED, EXISTING
from tests.fakes.es_routes import MULTI, Request, Route, _chosen, collecting
from tests.fakes.es_state import Index, Problem, no_index, uuid

ROUTES: list[Route] = []
route = collecting(ROUTES)
PLACES = ("persistent", "transient")
ALLOWED = {"acknowledged": True}
DISK = "cluster.routing.allocation.disk"


@route("PUT", "/{names}/_settings", "indices:admin/settings/update", MULTI | {"preserve_existing"})
def put_settings(request: Request) -> dict:
    for name in _chosen(request):
        request.fake.indices[name].blocked = bool(request.body["index.blocks.write"])
    return ALLOWED


@route("POST", "/{names}/_close", "indices:admin/close", MULTI | {"timeout", "wait_for_active_shards"})
def close(request: Request) -> dict:
    names = _chosen(request)
    restored = {name for one in request.fake.running_restores() for name in one.indices}
    for name in names:
        if name in restored:
            uuid = request.fake.indices[name].uuid
            words = f"Cannot close indices that are being restored: [[{name}/{uuid}]]"
            raise Problem(400, "illegal_argument_exception", words)
        request.fake.indices[name].state = "close"
    closed = {"indices": {name: {"closed": True} for name in names}} if request.fake.dialect.names_closed else {}
    return ALLOWED | {"shards_acknowledged": True} | closed


@route("POST", "/{names}/_open", "indices:admin/open", MULTI | {"timeout", "wait_for_active_shards"})
def open_index(request: Request) -> dict:
    for name in _chosen(request):
        index = request.fake.indices[name]
        index.state, index.origins = "open", dict.fromkeys(range(index.primaries), EXISTING)
    return ALLOWED | {"shards_acknowledged": True}


@route("DELETE", "/{names}", "indices:admin/delete", MULTI | {"timeout"})
def delete_index(request: Request) -> dict:
    fake = request.fake
    for name in request.named["names"].split(","):
        if any(name in index.aliases for index in fake.indices.values()):
            words = f"The provided expression [{name}] matches an alias, specify the corresponding concrete indices"
            raise Problem(400, "illegal_argument_exception", f"{words} instead.")
    for name in _chosen(request):
        _check_write_index(fake, name)
    for name in _chosen(request):
        remove(fake, name)
    return ALLOWED


def _check_write_index(fake, name: str) -> None:
    """The last index of a data stream stays as long as the stream."""
    for stream, indices in fake.streams.items():
        if indices and indices[-1] == name:
            words = f"index [{name}] is the write index for data stream [{stream}] and cannot be deleted"
            raise Problem(400, "illegal_argument_exception", words)


def remove(fake, name: str) -> None:
    del fake.indices[name]
    fake.streams = {stream: [one for one in indices if one != name] for stream, indices in fake.streams.items()}
    for one in fake.running_restores():
        one.without(name)


@route("POST", "/{names}/_clone/{target}", "indices:admin/resize", {"timeout", "wait_for_active_shards"})
def clone(request: Request) -> dict:
    fake, source, target = request.fake, request.named["names"], request.named["target"]
    if source not in fake.indices:
        raise no_index(source, resource=False)
    if target in fake.indices:
        more = {"index_uuid": fake.indices[target].uuid, "index": target}
        words = f"index [{target}/{more['index_uuid']}] already exists"
        raise Problem(400, "resource_already_exists_exception", words, **more)
    if not fake.indices[source].blocked:
        words = f'index {source} must be read-only to resize index. use "index.blocks.write=true"'
        raise Problem(500, "illegal_state_exception", words)
    made: Index = copy.deepcopy(fake.indices[source])
    made.name, made.uuid, made.blocked, made.aliases = target, uuid(), False, request.body.get("aliases", {})
    made.origins = dict.fromkeys(range(made.primaries), COPIED)
    made.cloned = True
    fake.indices[target] = made
    return ALLOWED | {"shards_acknowledged": True, "index": target}


@route("POST", "/_aliases", "indices:admin/aliases", {"timeout", "master_timeout"})
def aliases(request: Request) -> dict:
    fake, actions = request.fake, request.body["actions"]
    steps = [step for action in actions for step in action.items()]
    for _, what in steps:
        if what["index"] not in fake.indices:
            raise no_index(what["index"])
    for kind, what in steps:
        if kind == "remove_index":
            remove(fake, what["index"])
        elif kind == "remove":
            del fake.indices[what["index"]].aliases[what["alias"]]
        else:
            more = {key: value for key, value in what.items() if key not in ("index", "alias")}
            fake.indices[what["index"]].aliases[what["alias"]] = more
    return ALLOWED | fake.dialect.alias_errors


@route("GET", "/_cluster/settings", "cluster:monitor/settings", {"include_defaults", "timeout", "master_timeout"})
def get_settings(request: Request) -> dict:
    fake = request.fake
    defaults = _defaults(fake) if request.flag("include_defaults", False) else {}
    given = {place: dict(fake.settings[place]) for place in PLACES}
    there = set(given["persistent"]) | set(given["transient"])
    places = given | {"defaults": {name: value for name, value in defaults.items() if name not in there}}
    if request.flag("flat_settings", False):
        return places
    return {place: _nested(values) for place, values in places.items()}


def _defaults(fake) -> dict[str, str]:
    own = {"threshold_enabled": "true", "watermark.low": "85%", "watermark.high": "90%"} | fake.dialect.disk
    disk = {f"{DISK}.{name}": value for name, value in own.items()}
    return disk | {"cluster.max_shards_per_node": str(fake.shards_most), "action.auto_create_index": "true"}


@route("PUT", "/_cluster/settings", "cluster:admin/settings/update", {"timeout", "master_timeout"})
def put_cluster_settings(request: Request) -> dict:
    changed = {}
    for place in PLACES:
        values = request.body.get(place, {})
        kept = request.fake.settings[place] | values
        request.fake.settings[place] = {name: value for name, value in kept.items() if value is not None}
        changed[place] = _nested({name: value for name, value in values.items() if value is not None})
    return ALLOWED | changed


def _nested(values: dict[str, str]) -> dict:
    found: dict = {}
    for name, value in values.items():
        *steps, last = name.split(".")
        place = found
        while steps and isinstance(place.get(steps[0], {}), dict):
            place = place.setdefault(steps.pop(0), {})
        place[".".join([*steps, last])] = value
    return found
