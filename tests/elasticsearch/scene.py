"""What the tests on the real server prepare: indices, repositories, and a console that is connected to it."""

import json
import uuid

from django.conf import settings

from backups.clusters.models import Cluster
from backups.repositories.models import Repository
from tests.factories import connected_cluster, registered_repository


class Scene:
    """One test's part of the one server: names begin with a prefix of its own."""

    def __init__(self, server) -> None:
        self.server = server
        self.prefix = f"t{uuid.uuid4().hex[:8]}"

    def index(self, name: str, documents: int = 50, *, text: str = "x", shards: int = 1) -> str:
        """An index with so many documents; returns its full name."""
        full = f"{self.prefix}-{name}"
        settings_ = {"settings": {"number_of_shards": shards, "number_of_replicas": 0}}
        self.server.request("PUT", f"/{full}", json.dumps(settings_).encode())
        self.write(full, documents, text)
        return full

    def write(self, full: str, documents: int, text: str = "x") -> None:
        lines = "".join('{"index":{}}\n' + json.dumps({"n": n, "text": text}) + "\n" for n in range(documents))
        self.server.request("POST", f"/{full}/_bulk?refresh=true", lines.encode())

    def repository(self, cluster: Cluster, **settings_) -> Repository:
        """A repository of its own, on the server and in our rows. ``settings_`` are Elasticsearch's."""
        location = str(self.server.path_repo / self.prefix)
        body = {"type": "fs", "settings": {"location": location, "compress": True} | settings_}
        self.server.request("PUT", f"/_snapshot/{self.prefix}", json.dumps(body).encode())
        return registered_repository(cluster, self.prefix, location)

    def cluster(self, *, url: str = "", ca_pem: str = "") -> Cluster:
        """The server as a cluster of the console, or the proxy in front of it."""
        settings.CA_DIR.mkdir(parents=True, exist_ok=True)
        ca_name = f"{self.prefix}.pem"
        (settings.CA_DIR / ca_name).write_text(ca_pem or self.server.ca_pem)
        cluster = connected_cluster(self.server, self.prefix)
        Cluster.objects.filter(pk=cluster.pk).update(ca_file=ca_name, addresses=[url or self.server.url])
        cluster.refresh_from_db()
        return cluster

    def snapshots(self, repository: Repository) -> list[dict]:
        return self.server.request("GET", f"/_snapshot/{repository.name}/_all?ignore_unavailable=true")["snapshots"]
