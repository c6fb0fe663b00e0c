"""Clusters as the form saves them, and their tests done in-process."""

import pytest

from backups.clusters.services import save_cluster
from backups.runs.models import CHECK, Run
from deploy.sandbox import certificates
from tests.fakes.elasticsearch import FakeElasticsearch


@pytest.fixture
def save(cast, fake_elasticsearch):
    """``save()`` saves a cluster at the fake as the administrator does; arguments replace what the form says."""

    def make(**changes):
        everyday, restricted = fake_elasticsearch.everyday, fake_elasticsearch.restricted
        values = {"name": "soc-prod", "addresses": [fake_elasticsearch.url], "ca_file": ""}
        values |= {"credentials": {"everyday": everyday, "restricted": restricted}, "actor": cast["administrator"]}
        return save_cluster(**(values | changes))

    return make


@pytest.fixture
def tested(run_until_over):
    """``tested(cluster)`` does the newest check, and gives the cluster as it is then, with the check's result."""

    def work(cluster):
        run = run_until_over(Run.objects.filter(kind=CHECK).latest("pk"))
        cluster.refresh_from_db()
        cluster._prefetched_objects_cache = {}
        return cluster, run.result

    return work


@pytest.fixture
def tls_elasticsearch():
    """A fake that shows a certificate of an authority that nobody knows."""
    fake = FakeElasticsearch(certificates=certificates.make()).start()
    yield fake
    fake.stop()


@pytest.fixture
def ca_dir(settings, tmp_path):
    """The folder for certificates, empty."""
    settings.CA_DIR = tmp_path / "ca"
    settings.CA_DIR.mkdir()
    return settings.CA_DIR
