"""Opens clients of clusters. For workers only: opening a sealed password needs the private key."""

from django.conf import settings

from backups.access.secrets import SealError, unseal
from backups.gateways.elasticsearch.capabilities import Capabilities
from backups.gateways.elasticsearch.client import Access, Client, connect
from backups.gateways.elasticsearch.errors import GatewayError

from . import authorities
from .models import Cluster, ClusterCredential

CHECK_SECONDS = 5.0
"""So long a request of a check may take: a person waits for it."""


class NoCredential(GatewayError):
    """There is no credential for this purpose, or it cannot be used. Nothing was sent."""


def open_client(
    cluster: Cluster, purpose: str, credential: ClusterCredential | None = None, *, patience: float | None = None
) -> Client:
    """A client that goes to the cluster as the user in use for this purpose. Raises gateway errors.

    ``patience`` is for reads that come again anyway: no request takes longer than so many seconds, and nothing is
    tried twice at the same address, so that a cluster that hangs does not hold a worker.
    """
    limits = {} if patience is None else {"patience": patience, "read_retries": 0}
    return connect(_access(cluster, credential or _in_use(cluster, purpose), **limits))


def open_client_for_check(cluster: Cluster, purpose: str, credential: ClusterCredential | None = None) -> Client:
    """The same for somebody who waits: nothing is tried twice, and no request takes longer than CHECK_SECONDS."""
    return open_client(cluster, purpose, credential, patience=CHECK_SECONDS)


def capabilities_of(cluster: Cluster) -> Capabilities:
    """What the cluster can do, from what it said when it was last asked."""
    return Capabilities.parse(cluster.product, cluster.version)


def _in_use(cluster: Cluster, purpose: str) -> ClusterCredential:
    credential = cluster.credential(purpose)
    if credential is not None:
        return credential
    if cluster.credentials.filter(purpose=purpose).exists():
        raise NoCredential(
            f"The {purpose} credential of {cluster} was saved, but no test has found it good. Test the connection on "
            "the page of the cluster; if the test fails, enter the credential again."
        )
    raise NoCredential(
        f"{cluster} has no {purpose} credential; a new address removes the stored ones. An administrator can enter "
        "it on the page of the cluster."
    )


def _access(cluster: Cluster, credential: ClusterCredential, **patience) -> Access:
    return Access(
        tuple(cluster.addresses),
        credential.username,
        _password(credential),
        ca_pem=authorities.read(cluster.ca_file),
        allow_http=settings.CLUSTER_ALLOW_HTTP,
        networks=settings.CLUSTER_NETWORKS,
        **patience,
    )


def _password(credential: ClusterCredential) -> str:
    try:
        return unseal(credential.context, credential.sealed)
    except SealError as error:
        raise NoCredential(
            f"This worker cannot open the stored password of {credential.username}. Its key is missing or not the "
            "one that the password was saved with. Put the key back, or enter the password again.",
            str(error),
        ) from error
