"""Which tests belong together: `pytest -p tests.layers --layer elasticsearch`. `make test` runs each layer in a
process of its own; without the option everything is run.

Long layers are run by `make test-long` only: a test marked ``long`` belongs to the layer named there. The lives on
real servers belong to the layer ``servers``; those on IN_SHORT, or marked ``short``, to `make test` too.

A test belongs to the layer of the server that it uses, which shows in its fixtures, or in the parameter ``real``
where it runs on the fake and the real server in turn. Tests marked ``db`` run a second time on PostgreSQL,
those marked ``db(only="postgresql")`` there alone, and one marked ``db(only="sqlite")`` among them does not.
"""

from pathlib import Path

LAYERS = ("fast", "postgres", "elasticsearch", "redis", "browser", "faults", "servers", "browser-long", "explorer")
BY_FIXTURE = {
    "chromium": "browser",
    "real_elasticsearch": "elasticsearch",
    "mortal_elasticsearch": "elasticsearch",
    "postgres": "postgres",
    "redis_server": "redis",
    "sandbox_redis": "redis",
}
BY_FOLDER = {"faults": "faults", "browser": "browser", "real": "elasticsearch"}
IN_SHORT = ("elasticsearch-7.2.0", "elasticsearch-9.2.0", "opensearch-3.3.0")
TESTS = Path(__file__).resolve().parent


def pytest_addoption(parser):
    parser.addoption("--layer", choices=LAYERS, help="run the tests of this layer only")


def pytest_collection_modifyitems(config, items):
    wanted = config.getoption("--layer")
    if wanted:
        config.hook.pytest_deselected(items=[item for item in items if not belongs(item, wanted)])
        items[:] = [item for item in items if belongs(item, wanted)]


def belongs(item, wanted: str) -> bool:
    if wanted == "servers" and "any_server" in item.fixturenames:
        return True
    layer, marker = layer_of(item), item.get_closest_marker("db")
    twice = marker and marker.kwargs.get("only") != "sqlite"
    return layer == wanted or bool(wanted == "postgres" and layer == "fast" and twice)


def layer_of(item) -> str:
    if marker := item.get_closest_marker("long"):
        return marker.args[0]
    if (marker := item.get_closest_marker("db")) and marker.kwargs.get("only") == "postgresql":
        return "postgres"
    if "any_server" in item.fixturenames:
        short = item.callspec.params["any_server"] in IN_SHORT or item.get_closest_marker("short")
        return "elasticsearch" if short else "servers"
    folders = item.path.relative_to(TESTS).parts
    if "long" in folders:
        return "browser-long"
    for folder in folders:
        if folder in BY_FOLDER:
            return BY_FOLDER[folder]
    params = item.callspec.params.values() if hasattr(item, "callspec") else ()
    used = {*item.fixturenames, *(f"{param}_elasticsearch" for param in params if isinstance(param, str))}
    return next((layer for fixture, layer in BY_FIXTURE.items() if fixture in used), "fast")
