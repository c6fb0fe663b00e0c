"""A connected cluster, and registrations done in-process."""

import pytest

from backups.repositories.services import request_registration
from tests.factories import connected_cluster


@pytest.fixture
def cluster(cast, fake_elasticsearch):
    return connected_cluster(fake_elasticsearch)


@pytest.fixture
def ask(cast, cluster):
    """``ask()`` queues the registration of "nightly" as the administrator; arguments replace what the form says."""

    def make(**changes):
        values = {"cluster": cluster, "name": "nightly", "location": "/srv/backups/nightly", "compress": True}
        return request_registration(**(values | {"actor": cast["administrator"]} | changes))

    return make
