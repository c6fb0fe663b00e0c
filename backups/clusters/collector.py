"""Refreshes what the pages say of a cluster: identity, health, nodes, a summary of its indices.

At most six calls, all with the everyday credential and a short patience. A look that failed overwrites no figures;
their age is shown. Credentials are judged by their test, never here.
"""

from contextlib import suppress
from datetime import timedelta

from django.conf import settings

from backups import clock
from backups.audit import act
from backups.audit.acts import Act
from backups.gateways.elasticsearch import indices as es_indices
from backups.gateways.elasticsearch.errors import BadCredential, Forbidden, GatewayError

from . import leases
from .connection import NoCredential, open_client
from .contact import Contact, look
from .models import Cluster, ClusterState, Purpose
from .record import figures

CALL_SECONDS = 5

# A restart of a node takes a moment; only what lasts is worth an entry.
AWAY_AFTER = timedelta(seconds=30)


def collect(pk: int, fence: int) -> bool:
    """One refresh under a lease that was claimed; whether the cluster answered. A late one writes nothing."""
    cluster = Cluster.objects.prefetch_related("credentials").filter(pk=pk, collect_fence=fence).first()
    if cluster is None:
        return False
    contact, indices = Contact(), cluster.indices
    try:
        client = open_client(cluster, Purpose.EVERYDAY, patience=CALL_SECONDS)
        look(client, cluster, contact)
        with suppress(GatewayError):  # it answers; sums that are late say nothing against it
            indices = es_indices.summary(client)
    except GatewayError as error:
        contact.problem = error
    with act(None) as a:
        if contact.problem:
            _failed(a, cluster, fence, contact.problem)
        else:
            _answered(a, cluster, fence, contact, indices)
    return contact.problem is None


def _answered(a: Act, cluster: Cluster, fence: int, contact: Contact, indices: dict) -> None:
    columns = figures(contact) | {"state": ClusterState.GOOD, "message": "", "detail": "", "indices": indices}
    columns |= leases.done(settings.COLLECT_SECONDS) | {"failures": 0, "failing_since": None, "loss_told": False}
    if not leases.still_mine(Cluster.objects, cluster.pk, fence, **columns):
        return
    if cluster.failures:
        leases.soon(cluster.repositories.all())
    if cluster.loss_told and cluster.failing_since:
        since = cluster.failing_since.isoformat(timespec="seconds")
        a.record("cluster.returned", cluster, change={"failing since": since})


def _failed(a: Act, cluster: Cluster, fence: int, problem: GatewayError) -> None:
    now, failures = clock.now(), cluster.failures + 1
    since = cluster.failing_since or now
    refused = isinstance(problem, (BadCredential, Forbidden, NoCredential))
    columns = {"message": problem.message, "detail": problem.detail, "state": ClusterState.BAD, "looked_at": now}
    lasts = now - since >= AWAY_AFTER
    columns |= {"failures": failures, "failing_since": since, "loss_told": lasts}
    columns |= leases.done(leases.wait_for_cluster(failures, refused=refused))
    if not leases.still_mine(Cluster.objects, cluster.pk, fence, **columns):
        return
    if lasts and not cluster.loss_told:
        a.record("cluster.lost", cluster, outcome="failure", change={"why": problem.message})
