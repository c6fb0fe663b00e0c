"""Sends calls to one cluster as one user, over the official client's transport."""

import base64
import functools
import os
import ssl
from dataclasses import dataclass, field

from elastic_transport import ConnectionTimeout, NodeConfig, SerializationError, Transport, TransportError
from elasticsearch import Elasticsearch

from .addresses import check_shape
from .answers import judge, lost, unreadable
from .call import Call
from .errors import Answered, GatewayError, Unreachable, Untrusted
from .guard import guarded_node

READ_RETRIES = 2
RETRIED_STATES = (502, 503, 504)
HIDDEN_FROM = 8
"""Shorter passwords are not looked for in answers: they would be found inside words."""


@dataclass(frozen=True)
class Access:
    """Where a cluster is, and as whom to go there.

    ``patience`` is the longest that one request may take, whatever its call says: short when somebody waits.
    """

    addresses: tuple[str, ...]
    username: str
    password: str = field(repr=False)
    ca_pem: str = field(default="", repr=False)
    allow_http: bool = False
    networks: tuple[str, ...] = ()
    patience: float = 20.0
    read_retries: int = READ_RETRIES


def connect(access: Access) -> "Client":
    """The client for this access; one per process. Opens no connection yet."""
    return _client(access, os.getpid())


@functools.lru_cache(maxsize=64)
def _client(access: Access, pid: int) -> "Client":
    # The process is part of the key: a forked worker must not share its parent's sockets.
    return Client(access)


class Client:
    """Made by ``connect``. Safe to use from several threads."""

    def __init__(self, access: Access):
        self.access = access
        self._headers = {"accept": "application/json"}
        if access.username:
            self._headers["authorization"] = f"Basic {_token(access)}"
        self._transport = _transport(access)

    def __repr__(self) -> str:
        return f"<Client {self.access.username}@{','.join(self.access.addresses)}>"

    def send(self, call: Call, opaque_id: str = "") -> dict:
        """The answer's body. A read is tried three times, a write once.

        ``opaque_id`` (the run) is written into the server's own logs and tasks.
        """
        headers = dict(self._headers)
        if opaque_id:
            headers["x-opaque-id"] = opaque_id
        if call.body is not None:
            headers["content-type"] = "application/json"
        try:
            meta, body = self._transport.perform_request(
                call.method,
                call.target,
                headers=headers,
                body=call.payload,
                request_timeout=min(call.timeout, self.access.patience),
                max_retries=self._retries if call.reads else 0,
                retry_on_status=RETRIED_STATES if call.reads and self.access.read_retries else (),
                retry_on_timeout=False,
            )
        except (SerializationError, RecursionError):
            # Broken JSON, or nested without end. Its text is the whole answer of whoever answered; it must not
            # reach a log.
            raise unreadable(call, self._where) from None
        except TransportError as error:
            raise self._no_answer(call, error) from error
        try:
            return judge(call, meta.status, body, user=self.access.username, where=self._where)
        except Answered as error:
            raise _without_secrets(error, self.access) from None

    @property
    def _retries(self) -> int:
        """Where nothing is tried twice, each of the addresses is still tried once."""
        return self.access.read_retries or min(len(self.access.addresses) - 1, READ_RETRIES)

    @property
    def _where(self) -> str:
        return " or ".join(self.access.addresses)

    def _no_answer(self, call: Call, error: TransportError) -> GatewayError:
        if isinstance(error.__cause__, GatewayError):
            return self._of_all(error.__cause__, error)
        seconds = min(call.timeout, self.access.patience) if isinstance(error, ConnectionTimeout) else None
        return lost(call, self._where, seconds, str(error.__cause__ or error))

    def _of_all(self, last: GatewayError, error: TransportError) -> GatewayError:
        """The last failure, with how many of several addresses gave no answer."""
        addresses, tried = len(self.access.addresses), {str(each.__cause__) for each in (*error.errors, error)}
        if addresses == 1 or not isinstance(last, Unreachable):
            return last
        message = f"No answer from {len(tried)} of {addresses} addresses. {last.message}"
        return Unreachable(message, last.detail)


def _without_secrets(error: Answered, access: Access) -> Answered:
    """Whoever answers may repeat our own headers; some proxies do, for debugging."""
    for secret in (_token(access), access.password):
        if len(secret) >= HIDDEN_FROM:
            error.message, error.detail, error.reason = (
                text.replace(secret, "…") for text in (error.message, error.detail, error.reason)
            )
    error.args = (error.message, error.detail)
    return error


def _token(access: Access) -> str:
    return base64.b64encode(f"{access.username}:{access.password}".encode()).decode("ascii")


def _transport(access: Access) -> Transport:
    client = Elasticsearch(
        [_node(address, access) for address in access.addresses],
        node_class=guarded_node(allow_http=access.allow_http, networks=access.networks),
        max_retries=0,
        retry_on_timeout=False,
        meta_header=False,
    )
    return client.transport


def _node(address: str, access: Access) -> NodeConfig:
    parts = check_shape(address)
    return NodeConfig(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port,
        path_prefix=parts.path.rstrip("/"),
        ssl_context=_tls(access.ca_pem) if parts.scheme == "https" else None,
    )


def _tls(ca_pem: str) -> ssl.SSLContext:
    """Trusts the cluster's own authority only, or where none is given those of the system."""
    try:
        context = ssl.create_default_context(cadata=ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise Untrusted(
            "The CA certificate of this cluster cannot be read. It must be text that begins with "
            "-----BEGIN CERTIFICATE-----.",
            str(error),
        ) from None
    # A site may give the node's own certificate or an intermediate one instead of the root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
