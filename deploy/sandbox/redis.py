"""Start a throw-away Redis for the tests: a free port on loopback, nothing kept on disk."""

import socket
import subprocess
import time

from deploy.sandbox import guard, packages
from deploy.sandbox.packages import Say


class Redis:
    """`url` is what BROKER_REDIS_URL expects. A server that was killed can be started again, empty, on its port."""

    def __init__(self, say: Say = print) -> None:
        self.binary = packages.program("redis-server", "redis-server", say)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = guard.start([self.binary, *options], **quiet)
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
