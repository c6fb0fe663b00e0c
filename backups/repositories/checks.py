"""The check ``location``: whether a repository could be registered, before anything is sent."""

from backups.clusters.connection import open_client_for_check
from backups.clusters.models import Cluster, Purpose
from backups.gateways.elasticsearch import cluster as es_cluster
from backups.gateways.elasticsearch import repositories as es
from backups.gateways.elasticsearch.errors import GatewayError
from backups.runs import Turn

from .preflight import Preflight, examine


def check_location(turn: Turn) -> dict:
    """Params: ``cluster`` (primary key), ``name``, ``settings``. The result is what the fragment of checks shows."""
    params = turn.run.params
    cluster = Cluster.objects.get(pk=params["cluster"])
    try:
        client = open_client_for_check(cluster, Purpose.EVERYDAY)
        nodes, registered = es_cluster.nodes(client), es.list_repositories(client)
    except GatewayError as error:
        title = f"{cluster} could not be asked"
        return {"state": "bad", "title": title, "text": error.message, "lines": [], "detail": error.detail}
    found = examine(params["name"], params["settings"], nodes, registered)
    sent = found.good and not found.registered
    return {
        "state": "good" if found.good else "bad",
        "title": _title(found),
        "text": found.refusal,
        "setting": found.remedy,
        "lines": [line.as_dict() for line in found.lines],
        "call": es.register_call(params["name"], "fs", params["settings"]).text() if sent else "",
    }


def _title(found: Preflight) -> str:
    if found.registered:
        return "It is registered already"
    return "It can be registered" if found.good else "This cannot be registered"
