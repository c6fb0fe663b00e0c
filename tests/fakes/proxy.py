"""Stands before an Elasticsearch and swallows answers, and calls.

It speaks TLS with a certificate of its own (give ``ca_pem`` to the client), because it has to see which
requests are writes. A call whose answer is ``LOST`` has been carried out by the server; the client's connection is
reset instead. One that is ``LATE`` reaches the server only after the client has given it up, and one that ``NEVER``
arrives is reset before.
"""

import contextlib
import http.client
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from deploy.sandbox import certificates
from tests.fakes.elasticsearch import reset, server_tls

LOST, LATE, NEVER = "lost", "late", "never"
NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}


class Proxy:
    """``with Proxy(server.url, server.ca_pem) as proxy:``"""

    def __init__(self, upstream: str, upstream_ca_pem: str):
        self._made = certificates.make("Swallowing proxy")
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._server.socket = server_tls(self._made).wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.upstream = urlsplit(upstream)
        self.trusted = ssl.create_default_context(cadata=upstream_ca_pem or None)
        self.swallowed: list[str] = []
        """Request line and the status that the server gave, of each answer that was kept back."""
        self.writes: list[str] = []
        """Request line of each write that was passed on."""
        self._orders: list[str] = []

    def swallow_next_write(self, how: str = LOST) -> None:
        """The next write gets no answer."""
        self._orders.append(how)

    @property
    def left_to_swallow(self) -> int:
        return len(self._orders)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    @property
    def ca_pem(self) -> str:
        return self._made.ca

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def order(self) -> str:
        return self._orders.pop(0) if self._orders else ""

    def forward(self, method: str, target: str, headers: dict, body: bytes) -> http.client.HTTPResponse:
        where = (self.upstream.hostname, self.upstream.port)
        if self.upstream.scheme == "https":
            server = http.client.HTTPSConnection(*where, context=self.trusted, timeout=60)
        else:
            server = http.client.HTTPConnection(*where, timeout=60)
        server.request(method, target, body or None, headers)
        return server.getresponse()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: Proxy

    def handle_error(self, request, client_address):
        """Connections break here on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """The test output belongs to the tests."""

    def _any(self):
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        write = self.command not in ("GET", "HEAD")
        order = proxy.order() if write else ""
        if order == NEVER:
            return reset(self)
        if order == LATE:
            self._wait_for_hang_up()
        headers = {key: value for key, value in self.headers.items() if key.lower() not in NOT_PASSED_ON}
        if write:
            proxy.writes.append(f"{self.command} {self.path}")
        answer = proxy.forward(self.command, self.path, headers, body)
        data = answer.read()
        if order:
            proxy.swallowed.append(f"{self.command} {self.path} -> {answer.status}")
            return reset(self)
        return self._send(answer, data)

    def _wait_for_hang_up(self):
        with contextlib.suppress(OSError):
            self.connection.recv(1)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any

    def _send(self, answer: http.client.HTTPResponse, data: bytes):
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in NOT_PASSED_ON:
                self.send_header(key, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
