"""A server that tests may kill."""

import pytest

from deploy.sandbox.elasticsearch import NotStarted
from deploy.sandbox.kinds import DEFAULT
from deploy.sandbox.packages import Missing
from tests.conftest_elasticsearch import not_tested
from tests.elasticsearch.mortal import Mortal


@pytest.fixture(autouse=True)
def _nothing_broken(request):
    """An index with a shard that is nowhere is removed: others ask the same server how it is."""
    yield
    if "real_elasticsearch" in request.fixturenames:
        server = request.getfixturevalue("real_elasticsearch")
        found = server.request("GET", "/_cluster/health?level=indices&filter_path=indices.*.unassigned_shards")
        for name, health in found.get("indices", {}).items():
            if health["unassigned_shards"]:
                server.request("DELETE", f"/{name}")


@pytest.fixture(scope="session")
def mortal_elasticsearch(tmp_path_factory):
    """It runs whenever a test begins; whoever kills it starts it again."""
    try:
        server = Mortal(tmp_path_factory.mktemp("elasticsearch"))
    except (Missing, NotStarted) as problem:
        not_tested(DEFAULT, problem)
    yield server
    server.stop()
