"""The sandbox's certificate is good for this machine, and for nothing else."""

import socket
import ssl
import threading

import pytest

from deploy.sandbox import certificates


@pytest.fixture(scope="module")
def made():
    return certificates.make()


@pytest.fixture
def handshake(made, tmp_path):
    """Does a client that trusts this authority accept the server under this name?"""

    def shake(name: str, ca: str) -> None:
        (tmp_path / "server.pem").write_text(made.server + made.key)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(tmp_path / "server.pem")
        client = ssl.create_default_context(cadata=ca)
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        here, there = socket.socketpair()

        def serve() -> None:
            with there:
                try:
                    server.wrap_socket(there, server_side=True).close()
                except (ssl.SSLError, OSError):
                    return  # the client's refusal, which is what the test looks at

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with here:
                client.wrap_socket(here, server_hostname=name).close()
        finally:
            thread.join()

    return shake


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_this_machine_is_trusted(handshake, made, name):
    handshake(name, made.ca)


def test_another_name_is_not_trusted(handshake, made):
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        handshake("elasticsearch.example.org", made.ca)


def test_another_authority_is_not_trusted(handshake):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake("localhost", certificates.make().ca)
