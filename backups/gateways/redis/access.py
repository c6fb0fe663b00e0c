"""Where a Redis server is, as whom to go there, and the socket that leads there."""

import socket
import ssl
from dataclasses import dataclass, field

from .errors import Unreachable, Untrusted


@dataclass(frozen=True)
class RedisAccess:
    """A unix socket where one is given, else host and port. ``peers`` are the addresses that may be connected to, so
    that the name is not asked for a second time; ``username`` is empty for the user 'default'.

    ``connect_timeout`` is the longest to wait for the connection, ``timeout`` the longest silence of the server
    afterwards; both in seconds.
    """

    host: str = "127.0.0.1"
    port: int = 6379
    unix_socket: str = ""
    peers: tuple[str, ...] = ()
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_pem: str = field(default="", repr=False)
    connect_timeout: float = 5.0
    timeout: float = 60.0

    @property
    def where(self) -> str:
        """For people."""
        return self.unix_socket or f"{self.host}:{self.port}"


def open_socket(access: RedisAccess) -> socket.socket:
    """A connected socket, with TLS where it is wanted, on which ``timeout`` is set."""
    try:
        plain = _unix(access) if access.unix_socket else _tcp(access)
    except (OSError, UnicodeError) as error:
        raise Unreachable(_why(access, error), str(error)) from error
    try:
        ready = _wrapped(plain, access) if access.tls else plain
    except BaseException:
        plain.close()
        raise
    ready.settimeout(access.timeout)
    return ready


def _unix(access: RedisAccess) -> socket.socket:
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        ours.settimeout(access.connect_timeout)
        ours.connect(access.unix_socket)
    except OSError:
        ours.close()
        raise
    return ours


def _tcp(access: RedisAccess) -> socket.socket:
    ours = _first(access.peers or (access.host,), access)
    # Commands are collected before they are sent: nothing is gained by waiting for more.
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours


def _first(peers: tuple[str, ...], access: RedisAccess) -> socket.socket:
    """Connected to the first that answers; the error of the last."""
    for peer in peers:
        try:
            return socket.create_connection((peer, access.port), timeout=access.connect_timeout)
        except OSError as error:
            last = error
    raise last


def _wrapped(plain: socket.socket, access: RedisAccess) -> socket.socket:
    context = _context(access.ca_pem)
    try:
        return context.wrap_socket(plain, server_hostname=access.host)
    except ssl.SSLCertVerificationError as error:
        message = (
            f"The certificate of {access.where} is not trusted. Give the CA certificate that issued it, and the name "
            "that stands in it as host."
        )
        raise Untrusted(message, error.verify_message) from error
    except (OSError, ValueError) as error:
        message = f"{access.where} does not speak TLS as it should. Is it the TLS port of the server?"
        raise Untrusted(message, str(error)) from error


def _context(ca_pem: str) -> ssl.SSLContext:
    """Trusts the given authority only, or where none is given those of the system."""
    try:
        context = ssl.create_default_context(cadata=ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        message = "The CA certificate cannot be read. It must be text that begins with -----BEGIN CERTIFICATE-----."
        raise Untrusted(message, str(error)) from None
    # A site may give the server's own certificate or an intermediate one instead of the root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _why(access: RedisAccess, error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"The name {access.host} is not known. Check how it is written."
    if isinstance(error, TimeoutError):
        seconds = f"{access.connect_timeout:g} s"
        return f"{access.where} did not answer within {seconds}. Check the address and the firewall."
    if isinstance(error, ConnectionRefusedError):
        return f"Nothing listens at {access.where}. Is Redis running, and is this its address?"
    if isinstance(error, FileNotFoundError):
        return f"There is no socket {access.where}. Is Redis running, and does it have this unixsocket?"
    if isinstance(error, PermissionError):
        return f"The console may not open {access.where}. Check the permissions of the socket (unixsocketperm)."
    return f"No connection to {access.where}."
