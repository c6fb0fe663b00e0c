"""Keeps what a look at a cluster found: in the commit of the check's turn."""

from dataclasses import asdict

from django.utils import timezone

from backups.audit.acts import Act

from .contact import Contact, Trial
from .models import Cluster, ClusterCredential, ClusterState, CredentialState, Purpose


def record_contact(a: Act, cluster: Cluster, contact: Contact) -> None:
    """Keep what a look at the cluster found. Figures stay as they were when it did not answer: their age is shown."""
    # What the collector makes of it is due at once: a test changes what can be known.
    columns = figures(contact) | _verdict(contact) | {"collect_at": None}
    # The cluster before its credentials, as whoever saves one does: in another order they lock each other out.
    Cluster.objects.filter(pk=cluster.pk).update(**columns)
    for trial in contact.trials:
        _record_trial(a, cluster, trial)


def figures(contact: Contact) -> dict:
    """Columns of what was seen of the cluster; without an answer only when it was looked at."""
    now = timezone.now()
    if contact.problem or not contact.identity:
        return {"looked_at": now}
    known = asdict(contact.identity)
    columns = {"looked_at": now, "answered_at": now, "cluster_name": known.pop("name"), **known}
    return columns | {"health": asdict(contact.health), "nodes": contact.node_rows()}


def _verdict(contact: Contact) -> dict:
    """The state of the cluster as a whole: good when the everyday credential reaches it."""
    if contact.problem:
        return {"state": ClusterState.BAD, "message": contact.problem.message, "detail": contact.problem.detail}
    if contact.works(Purpose.EVERYDAY):
        return {"state": ClusterState.GOOD, "message": "", "detail": ""}
    refused = next((trial for trial in contact.trials if trial.message), None)
    message = refused.message if refused else "There is no everyday credential."
    return {"state": ClusterState.BAD, "message": message, "detail": refused.detail if refused else ""}


def _record_trial(a: Act, cluster: Cluster, trial: Trial) -> None:
    if trial.state == CredentialState.UNCHECKED:
        return  # the cluster did not answer, which says nothing about the credential
    credential = trial.credential
    row = ClusterCredential.objects.filter(pk=credential.pk)
    columns = {"state": trial.state, "may": trial.may, "message": trial.message, "detail": trial.detail}
    if not row.update(checked_at=timezone.now(), **columns):
        return  # another one was saved in its place since
    change = {"purpose": credential.purpose, "user": credential.username}
    if trial.good and not credential.in_use:
        cluster.credentials.filter(purpose=credential.purpose).exclude(pk=credential.pk).delete()
        row.update(in_use=True)
        a.record("credential.promoted", cluster, change=change)
    elif not trial.good and credential.state != trial.state:
        a.record("credential.refused", cluster, outcome="failure", change=change | {"why": trial.message})
