"""A real Elasticsearch of one's own, to be killed as a power cut would, and started again on the same data."""

import os
import signal
from pathlib import Path

from deploy.sandbox import elasticsearch


class Mortal:
    """Stands for its server (url, ca_pem, request, users...), whichever process that is at the moment."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._server = elasticsearch.start(home)
        self._server.wait_ready()

    def __getattr__(self, name: str):
        return getattr(self._server, name)

    def kill(self) -> None:
        """SIGKILL to the whole server at once; nothing is written or said goodbye to."""
        os.killpg(_child(self._server.process.pid), signal.SIGKILL)
        self._server.process.wait()

    def start_again(self) -> None:
        """What was being restored stays without shards, so nobody waits for all of them."""
        self._server = elasticsearch.start(self._home)
        self._server.wait_ready(status="red")


def _child(guard: int) -> int:
    """The process that the guard watches: the leader of the server's group."""
    return int(Path(f"/proc/{guard}/task/{guard}/children").read_text().split()[0])
