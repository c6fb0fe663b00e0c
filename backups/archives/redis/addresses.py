"""Addresses of Redis servers: host:port, or the path of a unix socket; of Sentinels several, separated by spaces."""

import re
from ipaddress import ip_address

from django.conf import settings

from backups.gateways.elasticsearch.addresses import BadAddress, check_peer

PORT, SENTINEL_PORT, MOST = 6379, 26379, 10
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


def clean(text: str, *, several: bool = False) -> str:
    """The address, or several of Sentinels, as they are kept. Raises BadAddress."""
    words = text.replace(",", " ").split()
    if not words or len(words) > (MOST if several else 1):
        raise BadAddress(
            f"Write up to {MOST} addresses of Sentinels, like sentinel-1:26379."
            if several
            else "Write one address, like 127.0.0.1:6379, or the path of a socket. Several need the name of a group."
        )
    return " ".join(_cleaned(word, SENTINEL_PORT if several else PORT) for word in words)


def place_of(address: str, port: int = PORT) -> tuple[str, int, str]:
    """Host, port and unix socket of one address; the socket is empty for host:port. Raises BadAddress."""
    if address.startswith("/"):
        if ".." in address or len(address) > 100:
            raise BadAddress("Write the path of the socket without '..', with at most 100 characters.")
        return "", 0, address
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?", address)
    host, number = bracketed.groups() if bracketed else _parted(address)
    if not bracketed and not HOST.fullmatch(host):
        raise BadAddress(f"{address} is no address. Write it like redis-1.example.org:{port}.")
    if not 0 < int(number or port) < 65536:
        raise BadAddress(f"{number} is no port.")
    return host, int(number or port), ""


def _parted(address: str) -> tuple[str, str]:
    host, colon, number = address.rpartition(":")
    if not colon:
        return address, ""
    if not re.fullmatch(r"[0-9]{1,5}", number):
        raise BadAddress(f"{address} is no address. Write it like redis-1.example.org:{PORT}.")
    return host, number


def _cleaned(word: str, port: int) -> str:
    host, number, unix_socket = place_of(word, port)
    if unix_socket:
        return unix_socket
    try:
        ip_address(host)
    except ValueError:
        return f"{host}:{number}"  # a name: only a worker asks the DNS
    check_peer(host, scheme="redis", allow_http=True, networks=settings.CLUSTER_NETWORKS)
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
