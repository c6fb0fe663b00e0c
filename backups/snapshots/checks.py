"""What a set of patterns would take, and which name is free: the preview of the start form."""

from django.utils import timezone

from backups.clusters.connection import open_client_for_check
from backups.clusters.models import Purpose
from backups.gateways.elasticsearch import indices, patterns
from backups.gateways.elasticsearch.errors import GatewayError
from backups.repositories.models import Repository
from backups.runs import Turn

from . import selection

SHOWN = 200


def check_patterns(turn: Turn) -> dict:
    """Params: ``repository`` (its primary key) and ``patterns``.

    Result: ``error`` and ``detail``, or ``indices`` (name, documents, bytes, state; the first 200), their number and
    sums, ``unmatched`` patterns, ``hints`` on those that name a data stream, and how many indices of
    ``data_streams`` are left out.
    """
    repository = Repository.objects.select_related("cluster").get(pk=turn.run.params["repository"])
    wanted = turn.run.params["patterns"]
    try:
        found = indices.list_indices(open_client_for_check(repository.cluster, Purpose.EVERYDAY))
    except GatewayError as error:
        return {"error": error.message, "detail": error.detail}
    names = set(patterns.expand(wanted, found))
    chosen = [index for index in found if index.name in names]
    return {
        "at": timezone.now().isoformat(),
        "number": len(chosen),
        "documents": sum(index.documents or 0 for index in chosen),
        "bytes": sum(index.bytes or 0 for index in chosen),
        "unmatched": selection.unmatched(wanted, found),
        "data_streams": selection.left_out(names, found),
        "hints": selection.stream_hints(wanted, found),
        "indices": [
            {"name": i.name, "documents": i.documents, "bytes": i.bytes, "state": i.state, "health": i.health}
            for i in chosen[:SHOWN]
        ],
    }
