"""Connections of the official client, held to the rules of ``addresses`` and kept out of the logs.

Everything that fails in ``connect()`` fails before a byte of a request left. That is why it is named here:
after it, a write without an answer is ``OutcomeUnknown``.
"""

import errno
import ssl

import urllib3
from elastic_transport import NodeConfig, Urllib3HttpNode

from .addresses import BadAddress, check_address, check_peer
from .errors import GatewayError, NotElasticsearch, Unreachable, Untrusted

CONNECT_SECONDS = 5.0

# OpenSSL's verify codes: 62 = host name, 64 = IP address, 9 and 10 = dates.
_WRONG_NAME = (62, 64)
_WRONG_TIME = (9, 10)


def guarded_node(*, allow_http: bool, networks: tuple[str, ...]) -> type[Urllib3HttpNode]:
    """The official client's node, with every connection checked."""
    rules = {"allow_http": allow_http, "networks": networks}

    class GuardedNode(Urllib3HttpNode):
        def __init__(self, config: NodeConfig):
            super().__init__(config)
            known = {"address": self.base_url, "rules": rules}
            self.pool.ConnectionCls = type("GuardedConnection", (_Guard, self.pool.ConnectionCls), known)

        def _log_request(self, **_):
            """Nothing: the client would log headers and bodies, and a body may hold what nobody should
            read.
            """

    return GuardedNode


class _Guard:
    """Mixed into urllib3's connections."""

    address: str
    rules: dict

    def connect(self):
        check_address(self.address, **self.rules)
        if self.timeout is None or self.timeout > CONNECT_SECONDS:
            self.timeout = CONNECT_SECONDS
        try:
            super().connect()
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise not_connected(self.address, error) from error
        self._check_where_we_are()

    def _check_where_we_are(self):
        """The name was resolved once more for the connection; it may have been another address."""
        try:
            check_peer(self.sock.getpeername()[0], scheme=self.address.partition(":")[0], **self.rules)
        except (BadAddress, OSError):
            self.close()
            raise


def not_connected(address: str, error: Exception) -> GatewayError:
    """Why there is no connection, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Untrusted(_certificate_words(address, error), str(error))
    if isinstance(error, ssl.SSLError):
        return _handshake_words(address, error)
    cause = _first_cause(error)
    return Unreachable(f"{address} cannot be reached: {_why(cause)}.", str(cause)[:300])


def _why(cause: BaseException) -> str:
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused. Check that Elasticsearch runs there, and on which port"
    if isinstance(cause, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:.0f} seconds. Check that the host is up and no firewall is between"
    if cause.args and cause.args[0] in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "this machine has no route to it. Check the address and the network"
    return "the connection broke at once. Check the address and the port"


def _certificate_words(address: str, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _WRONG_NAME:
        return (
            f"The certificate of {address} is made out to another name. Use the name in the certificate as "
            "the address, or give the node a certificate for this one."
        )
    if error.verify_code in _WRONG_TIME:
        return (
            f"The certificate of {address} has expired or is not valid yet. Renew it on the node, and check "
            "the clock of this machine."
        )
    return (
        f"The certificate of {address} is not signed by an authority that this cluster's settings trust. "
        "Enter the certificate of the authority that signed it as the cluster's CA."
    )


def _handshake_words(address: str, error: ssl.SSLError) -> GatewayError:
    if getattr(error, "reason", None) in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return NotElasticsearch(
            f"{address} does not speak TLS. Check the port; if Elasticsearch has TLS off there, the address "
            "begins with http://.",
            str(error),
        )
    return Untrusted(
        f"{address} and the console could not agree on a TLS connection. Check the node's TLS settings.",
        str(error),
    )


def _first_cause(error: BaseException) -> BaseException:
    """urllib3 wraps the error of the socket."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
