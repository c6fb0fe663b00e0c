"""The whole product as a person starts it: web and worker as processes, in a home of its own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from backups.worker.supervisor import die_with_parent

ROOT = Path(__file__).resolve().parent.parent.parent
STARTS_WITHIN = 90


class Console:
    """``manage.py up`` with the cast. ``people`` maps names to passwords; everything is in ``home``."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="console-browser-"))
        self.port = _free_port()
        self.environ = {
            **os.environ,
            "CONSOLE_HOME": str(self.home),
            "HTTPS": "no",
            "WORKER_HOST": "soc-prod-console-01",
        }
        self.environ["DJANGO_SETTINGS_MODULE"] = "cybersift_backup_site.settings"
        self.people: dict[str, str] = {}
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Console":
        self.manage("init", "--people", str(self.home / "people.txt"))
        for line in (self.home / "people.txt").read_text().splitlines():
            name, password, _ = line.split("\t")
            self.people[name] = password
        log = (self.home / "console.log").open("ab")
        command = [sys.executable, str(ROOT / "manage.py"), "up", "--bind", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(
            command,
            env=self.environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent,  # a killed test run leaves nobody behind
        )
        self._wait_for_page()
        return self

    def manage(self, *words: str, **environ: str) -> None:
        command = [sys.executable, str(ROOT / "manage.py"), *words]
        done = subprocess.run(command, env={**self.environ, **environ}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def connect(self, name: str, server, ca_file: Path | None = None) -> None:
        """Add a cluster as `make run` does. ``server`` has url, everyday and restricted."""
        ca = ("--ca", str(ca_file)) if ca_file else ()
        users = ("--everyday", server.everyday[0], "--restricted", server.restricted[0])
        secrets = {"EVERYDAY_PASSWORD": server.everyday[1], "RESTRICTED_PASSWORD": server.restricted[1]}
        self.manage("add_cluster", "--name", name, "--address", server.url, *ca, *users, **secrets)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(60)
        shutil.rmtree(self.home, ignore_errors=True)

    def _wait_for_page(self) -> None:
        end = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.url}/sign-in/", timeout=5).read()  # noqa: S310 http on loopback
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
            assert self.process.poll() is None, (self.home / "console.log").read_text()[-4000:]
        raise AssertionError(f"no page after {STARTS_WITHIN} s: {(self.home / 'console.log').read_text()[-4000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
