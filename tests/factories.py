"""Rows that many tests need, made without going through the pages."""

from django.utils import timezone

from backups.access.secrets import seal
from backups.clusters.models import Cluster, ClusterCredential, ClusterState, CredentialState, Purpose
from backups.repositories.models import Repository, RepositoryState


def connected_cluster(server, name: str = "soc-prod", *, restricted: bool = True) -> Cluster:
    """A cluster as a good test leaves it. ``server`` has url, everyday and restricted (the fake, or a real one)."""
    cluster = Cluster.objects.create(
        name=name,
        addresses=[server.url],
        ca_file=getattr(server, "ca_name", ""),
        product=getattr(server, "product", "elasticsearch"),
        version=getattr(server, "version", "8.19.0"),
        state=ClusterState.GOOD,
        looked_at=timezone.now(),
        answered_at=timezone.now(),
    )
    add_credential(cluster, Purpose.EVERYDAY, *server.everyday)
    if restricted:
        add_credential(cluster, Purpose.RESTRICTED, *server.restricted)
    return cluster


def add_credential(cluster: Cluster, purpose: str, username: str, password: str) -> ClusterCredential:
    """A credential in use."""
    credential = ClusterCredential(cluster=cluster, purpose=purpose, username=username)
    credential.sealed = seal(credential.context, password)
    credential.state, credential.in_use, credential.checked_at = CredentialState.GOOD, True, timezone.now()
    credential.save()
    return credential


def registered_repository(
    cluster: Cluster, name: str = "nightly", location: str = "/srv/snapshots/nightly"
) -> Repository:
    """A repository as a good registration leaves it in our rows; the server has to know it as well."""
    return Repository.objects.create(
        cluster=cluster,
        name=name,
        settings={"location": location, "compress": True},
        state=RepositoryState.REGISTERED,
        registered_at=timezone.now(),
        verified_at=timezone.now(),
    )
