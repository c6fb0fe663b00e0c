"""Elasticsearch for tests: a fake one for each test, and real ones for the whole run."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.sandbox import elasticsearch as server
from deploy.sandbox.kinds import BY_SLUG, DEFAULT, ServerKind
from deploy.sandbox.packages import Missing
from tests.fakes.elasticsearch import FakeElasticsearch


@pytest.fixture
def fake_elasticsearch(request):
    """An empty fake with one node and three users: everyday, restricted, powerless. It imitates 8.19.0, or the server
    whose slug is the parameter: ``parametrize("fake_elasticsearch", EVERY, indirect=True)``."""
    fake = FakeElasticsearch(getattr(request, "param", DEFAULT.slug)).start()
    yield fake
    fake.stop()


@pytest.fixture(scope="session")
def real_elasticsearch():
    """A real 8.19 with TLS and an authority of its own. Beside its own users it knows ``powerless``, with
    the password of everyday and no role."""
    with _running(DEFAULT) as started:
        yield started


@pytest.fixture(scope="session")
def any_server(request):
    """The server of the parameter (a slug of ``kinds``), for all tests of it in turn: it is stopped before the next
    one starts."""
    if request.param == DEFAULT.slug:
        yield request.getfixturevalue("real_elasticsearch")
        return
    with _running(BY_SLUG[request.param]) as started:
        yield started


@contextmanager
def _running(kind: ServerKind) -> Iterator[server.Server]:
    home = Path(tempfile.mkdtemp(prefix="console-elasticsearch-"))
    home.chmod(0o711)  # an ordinary account may have to pass through
    try:
        started = server.start(home, kind=kind)
    except (Missing, server.NotStarted) as problem:
        shutil.rmtree(home, ignore_errors=True)
        not_tested(kind, problem)
    try:
        if kind.secure:
            _add_powerless(home / "config" / "users")
        started.wait_ready()
        yield started
    finally:
        started.stop()
        shutil.rmtree(home, ignore_errors=True)


def not_tested(kind: ServerKind, problem: Exception) -> None:
    """A server that wants a newer Java than this machine has is named only; any other has to be had where CI=true."""
    lacks_java = kind.newer_java and isinstance(problem, Missing) and str(problem).startswith("Java ")
    if os.environ.get("CI") == "true" and not lacks_java:
        pytest.fail(f"{kind} could not be had: {problem}", pytrace=False)
    pytest.skip(f"{kind}: {problem}")


def _add_powerless(users: Path) -> None:
    """Read by the server while it starts, or some seconds later when it looks at its files again."""
    everyday = next(line for line in users.read_text().splitlines() if line.startswith("everyday:"))
    with users.open("a") as file:
        file.write(everyday.replace("everyday:", "powerless:", 1) + "\n")
