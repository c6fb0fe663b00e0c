"""Start a throw-away Redis for the tests: a free port on loopback, nothing kept on disk."""

import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.sandbox import guard, packages
from deploy.sandbox.certificates import Certificates
from deploy.sandbox.packages import Say


class Redis:
    """`url` is what BROKER_REDIS_URL expects. A server that was killed can be started again, empty, on its port.

    ``options`` are as on the command line of redis-server, such as ``--requirepass``; ``binary`` is another one than
    the system's. With ``tls`` it speaks nothing else; the certificates are written to ``folder``, its directory.
    """

    def __init__(
        self,
        say: Say = print,
        *,
        binary: str = "",
        options: Sequence[str] = (),
        folder: Path | None = None,
        tls: Certificates | None = None,
    ) -> None:
        self.binary = binary or packages.program("redis-server", "redis-server", say)
        self.options = [*(["--dir", str(folder)] if folder else []), *options]
        self.tls = tls_options(tls, folder) if tls else []
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        port = ["--port", "0", "--tls-port", str(self.port), *self.tls] if self.tls else ["--port", str(self.port)]
        options = ["--bind", "127.0.0.1", *port, "--save", "", "--appendonly", "no"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = guard.start([self.binary, *options, *self.options], **quiet)
        self.wait_ready()

    def wait_ready(self, timeout: float = 30.0) -> None:
        end = time.monotonic() + timeout
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("Redis did not start") from error
                time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: the kernel ends the server with its guard."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def tls_options(certificates: Certificates, folder: Path) -> list[str]:
    """Clients need no certificate of their own."""
    options = ["--tls-auth-clients", "no"]
    named = {"tls-ca-cert-file": "ca", "tls-cert-file": "server", "tls-key-file": "key"}
    for option, name in named.items():
        file = folder / f"redis-{name}.pem"
        file.write_text(getattr(certificates, name), encoding="ascii")
        options += [f"--{option}", str(file)]
    return options
