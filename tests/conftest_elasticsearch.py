"""Elasticsearch for tests: a fake one for each test, and a real one for the whole run."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from deploy.sandbox import elasticsearch as server
from deploy.sandbox.packages import Missing
from tests.fakes.elasticsearch import FakeElasticsearch


@pytest.fixture
def fake_elasticsearch():
    """An empty fake with one node and three users: everyday, restricted, powerless."""
    fake = FakeElasticsearch().start()
    yield fake
    fake.stop()


@pytest.fixture(scope="session")
def real_elasticsearch():
    """A real 8.19 with TLS and an authority of its own. Beside its own users it knows ``powerless``, with
    the password of everyday and no role."""
    home = Path(tempfile.mkdtemp(prefix="console-elasticsearch-"))
    home.chmod(0o711)  # an ordinary account may have to pass through
    try:
        started = server.start(home)
    except (Missing, server.NotStarted) as problem:
        shutil.rmtree(home, ignore_errors=True)
        _not_tested(problem)
    try:
        _add_powerless(home / "config" / "users")
        started.wait_ready()
        yield started
    finally:
        started.stop()
        shutil.rmtree(home, ignore_errors=True)


def _not_tested(problem: Exception) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"Elasticsearch 8.19 could not be had: {problem}", pytrace=False)
    pytest.skip(f"Elasticsearch 8.19: {problem}")


def _add_powerless(users: Path) -> None:
    """Read by the server while it starts, or some seconds later when it looks at its files again."""
    everyday = next(line for line in users.read_text().splitlines() if line.startswith("everyday:"))
    with users.open("a") as file:
        file.write(everyday.replace("everyday:", "powerless:", 1) + "\n")
