"""Goes to a cluster with each of its credentials and brings back what was found. Writes nothing."""

from dataclasses import asdict, dataclass, field

from backups.gateways.elasticsearch import cluster as es
from backups.gateways.elasticsearch.client import Client
from backups.gateways.elasticsearch.errors import BadCredential, Forbidden, GatewayError

from . import rights
from .connection import NoCredential, open_client_for_check
from .models import Cluster, ClusterCredential, CredentialState


class AnotherCluster(GatewayError):
    """The cluster that answers is not the one that answered before."""


OF_THE_CREDENTIAL = (BadCredential, Forbidden, NoCredential)
"""Errors that say something about the user. All others are about the place: another user would fare the same."""


@dataclass
class Trial:
    """What became of one credential. It stays unchecked when the cluster could not be asked."""

    credential: ClusterCredential
    state: str = CredentialState.UNCHECKED
    may: dict = field(default_factory=dict)
    message: str = ""
    detail: str = ""

    @property
    def good(self) -> bool:
        return self.state == CredentialState.GOOD


@dataclass
class Contact:
    """What one look found. ``problem`` is what kept it from the cluster as a whole."""

    trials: list[Trial] = field(default_factory=list)
    identity: es.Identity | None = None
    health: es.Health | None = None
    nodes: tuple[es.Node, ...] = ()
    problem: GatewayError | None = None

    def works(self, purpose: str) -> bool:
        return any(trial.good for trial in self.trials if trial.credential.purpose == purpose)

    def node_rows(self) -> list[dict]:
        """The nodes as they are kept with the cluster."""
        return [asdict(node) | {"writes_snapshots": node.writes_snapshots} for node in self.nodes]


def make_contact(cluster: Cluster) -> Contact:
    """Try every credential of the cluster, the everyday ones first, those in use before new ones."""
    contact = Contact()
    for credential in cluster.credentials.order_by("purpose", "-in_use", "pk"):
        trial = Trial(credential)
        contact.trials.append(trial)
        try:
            _try(cluster, trial, contact)
        except OF_THE_CREDENTIAL as error:
            trial.state, trial.message, trial.detail = CredentialState.BAD, error.message, error.detail
        except GatewayError as error:
            contact.problem = error
            break
    return contact


def _try(cluster: Cluster, trial: Trial, contact: Contact) -> None:
    """Who the user is, what it may do, and with the first one that may see it: what the cluster is."""
    client = open_client_for_check(cluster, trial.credential.purpose, trial.credential)
    found = es.privileges(client)
    trial.may = asdict(found) if found else {}
    if lacks := rights.lacking(trial.credential.purpose, trial.may):
        trial.state, trial.message = CredentialState.BAD, missing_rights(trial.credential, lacks)
    if contact.identity is None and (not trial.may or trial.may["cluster"]["monitor"]):
        look(client, cluster, contact)
    if not lacks:
        trial.state = CredentialState.GOOD


def look(client: Client, cluster: Cluster, contact: Contact) -> None:
    """What the cluster is and how it does. Raises AnotherCluster and other gateway errors."""
    found = es.identify(client)
    if cluster.uuid and found.uuid != cluster.uuid:
        raise AnotherCluster(
            f"Another cluster answers: {found.name} instead of {cluster.cluster_name}. If it was replaced on "
            "purpose, enter the everyday password again; the console then takes it as the new one.",
            f"cluster uuid {found.uuid}, expected {cluster.uuid}",
        )
    contact.health, contact.nodes = es.health(client), es.nodes(client)
    contact.identity = found


def missing_rights(credential: ClusterCredential, lacks: list[str]) -> str:
    """The sentence for a user who can sign in, but may do too little."""
    noun = "privilege" if len(lacks) == 1 else "privileges"
    return (
        f"The password is right, but user {credential.username} lacks the {noun} {', '.join(lacks)}. Add "
        f"{'it' if len(lacks) == 1 else 'them'} to a role of this user on the cluster, then test again."
    )
