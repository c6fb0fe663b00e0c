"""Which addresses the console may connect to.

An administrator types them, so they are checked when they are saved and at every new connection: a name
may point elsewhere by then.
"""

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from .errors import GatewayError

# Link-local (with the metadata services of clouds), "this host", multicast, reserved, and IPv6 ranges that
# carry an IPv4 address inside.
NEVER = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.100.100.200/32",
        "169.254.0.0/16",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "64:ff9b::/96",
        "2002::/16",
        "fd00:ec2::254/128",
        "fe80::/10",
        "ff00::/8",
    )
)

Address = IPv4Address | IPv6Address


class BadAddress(GatewayError, ValueError):
    """The address is malformed, or the console may not connect to it. Nothing was sent."""


def resolve_host(host: str, port: int) -> set[str]:
    """Every address that the name stands for now."""
    return {str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}


def check_address(
    url: str,
    *,
    allow_http: bool,
    networks: Iterable[str],
    resolve: Callable[[str, int], Iterable[str]] = resolve_host,
) -> None:
    """Raise BadAddress unless every address behind ``url`` may be connected to."""
    parts = check_shape(url)
    try:
        found = set(resolve(parts.hostname, parts.port))
    except (OSError, UnicodeError) as error:
        raise BadAddress(
            f"The name {parts.hostname} is not known to this machine's DNS. Check the spelling, or use the "
            "IP address.",
            str(error),
        ) from None
    for text in found:
        check_peer(text, scheme=parts.scheme, allow_http=allow_http, networks=networks)


def check_shape(url: str) -> SplitResult:
    """The parts of an address that is written as it should be. Does not look at the network."""
    if any(ord(character) <= 32 or ord(character) == 127 for character in url) or "\\" in url:
        raise BadAddress("The address contains a space, a backslash or a control character. Remove it.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadAddress(f"{url} is not an address: {error}. Write it like https://es1.example.org:9200.") from None
    if parts.username is not None or parts.password is not None:
        raise BadAddress("The address contains a user or a password. Enter them in their own fields.")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise BadAddress(f"{url} is not a web address. Write it like https://es1.example.org:9200.")
    if not port:
        raise BadAddress(f"{url} names no port. Elasticsearch usually listens on 9200: {_with_port(parts)}.")
    if parts.query or parts.fragment or ".." in parts.path:
        raise BadAddress(f"{url} has more than a host, a port and a path. Remove what follows.")
    return parts


def check_peer(text: str, *, scheme: str, allow_http: bool, networks: Iterable[str]) -> None:
    """Raise BadAddress unless this one IP address may be connected to."""
    address = _unmapped(text)
    if _inside(address, NEVER):
        raise BadAddress(
            f"{address} is a link-local, metadata, multicast or reserved address. The console never connects "
            "to those. Use the address of the server itself."
        )
    if scheme == "http" and not allow_http and not address.is_loopback:
        raise BadAddress(
            f"http:// would send the password to {address} in clear text. Use https://, or set "
            "CLUSTER_ALLOW_HTTP when the network between is trusted."
        )
    allowed = [ip_network(network, strict=False) for network in networks]
    if allowed and not _inside(address, allowed):
        raise BadAddress(
            f"{address} is outside the networks that CLUSTER_NETWORKS allows. Use an address inside them, or "
            "add its network to CLUSTER_NETWORKS."
        )


def _unmapped(text: str) -> Address:
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _inside(address: Address, networks: Iterable) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _with_port(parts: SplitResult) -> str:
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:9200{parts.path}"
