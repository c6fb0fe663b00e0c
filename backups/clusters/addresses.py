"""The shape of addresses, before they are saved. What is behind them is checked by the worker at every use."""

from collections.abc import Iterable
from ipaddress import ip_address

from django.conf import settings

from backups.gateways.elasticsearch.addresses import check_peer, check_shape

MOST = 20
MOVED = "The addresses changed, so the password is asked again: a stored one is never sent to another place."


def clean(addresses: Iterable[str]) -> list[str]:
    """The addresses without blanks, slashes at the end and doubles. Raises BadAddress for one that cannot be."""
    found: dict[str, None] = {}
    for address in addresses:
        if address := address.strip().rstrip("/"):
            _check(address)
            found[address] = None
    return list(found)


def places(addresses: Iterable[str]) -> set[tuple[str, str, int]]:
    """Where they lead: scheme, host and port."""
    parts = (check_shape(address) for address in addresses)
    return {(part.scheme, part.hostname or "", part.port or 0) for part in parts}


def _check(address: str) -> None:
    parts = check_shape(address)
    try:
        ip_address(parts.hostname or "")
    except ValueError:
        return  # a name: only a worker asks the DNS
    check_peer(
        parts.hostname,
        scheme=parts.scheme,
        allow_http=settings.CLUSTER_ALLOW_HTTP,
        networks=settings.CLUSTER_NETWORKS,
    )
