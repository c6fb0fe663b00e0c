"""A throw-away PostgreSQL server, one for the whole test run."""

import os

import pytest

from deploy.sandbox import postgres as server
from deploy.sandbox.packages import Missing


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "db(only): what the database decides; `make test` runs it on PostgreSQL too, or only there"
    )
    config.addinivalue_line(
        "markers", "long(layer): too long for `make test`; `make test-long` runs it in that layer"
    )
    config.addinivalue_line("markers", "short: belongs to `make test` although it runs on every server")


@pytest.fixture(scope="session")
def postgres():
    """A running server: ``.create_database(name)`` gives the URL of a new, empty database."""
    try:
        started = server.start()
    except Missing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"PostgreSQL could not be had: {missing}", pytrace=False)
        pytest.skip(f"PostgreSQL: {missing}")
    try:
        started.wait_ready()
        yield started
    finally:
        started.stop()
