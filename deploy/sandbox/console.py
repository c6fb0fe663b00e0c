"""The console of this checkout, as `make run` drives it: through its own commands, never through its code."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from deploy.sandbox import guard
from deploy.sandbox.elasticsearch import CHECKOUT, Server

NAME = "sandbox"
STARTS_WITHIN = 120.0
TESTED_WITHIN = 30.0
STOPS_WITHIN = 25.0  # a little more than `manage.py up` gives its own children
LOG_MAY_GROW_TO = 10_000_000


class ConsoleError(Exception):
    """A command of the console failed, or it does not answer; the message says why."""


class Console:
    """`lock` is the descriptor of the lock on this checkout."""

    def __init__(self, log: Path, lock: int) -> None:
        self.log, self.lock = log, lock
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.is_file() and log.stat().st_size > LOG_MAY_GROW_TO:
            log.replace(log.with_suffix(".log.1"))
        # Plain HTTP is for a browser on this machine; one web process is enough for its one reader.
        self.environment = {"HTTPS": "no", "WEB_PROCESSES": "1", **os.environ}

    def known(self) -> dict:
        return json.loads(self._run("-m", "deploy.sandbox.known"))

    def initialise(self, people: Path) -> None:
        self._run("manage.py", "init", "--people", str(people))

    def connect(self, server: Server) -> None:
        """Make the server known as cluster "sandbox", or say where it is now."""
        (everyday, password), (restricted, other_password) = server.everyday, server.restricted
        users = ["--everyday", everyday, "--restricted", restricted]
        address = ["--address", server.url, "--ca", str(server.ca_file)]
        secrets = {"EVERYDAY_PASSWORD": password, "RESTRICTED_PASSWORD": other_password}
        self._run("manage.py", "add_cluster", "--name", NAME, *address, *users, more=secrets)

    def connect_redis(self, redis) -> None:
        """Make the Redis known as "sandbox", or say where it is now. ``redis`` has address, user and password."""
        words = ["--name", NAME, "--address", redis.address, "--user", redis.user]
        self._run("manage.py", "add_redis_server", *words, more={"REDIS_PASSWORD": redis.password})

    def connect_archives(self, tree: Path, archives: Path, servers: list[str]) -> None:
        """A profile of the folders of ``tree`` and these Redis servers; one that is there is left alone."""
        folders = [f"--folder={folder.name}={folder}" for folder in sorted(tree.iterdir()) if folder.is_dir()]
        redis = [f"--redis={name}" for name in servers]
        where = ["--location", str(archives), "--exclude", "cache/"]
        self._run("manage.py", "add_archive_profile", "--name", NAME, *where, *folders, *redis)

    def start(self, port: int) -> subprocess.Popen:
        """Web and worker under one supervisor."""
        with self.log.open("ab") as log:
            return self._guarded(["manage.py", "up", "--bind", f"127.0.0.1:{port}"], {}, stdout=log, stderr=log)

    def wait_for_page(self, url: str, process: subprocess.Popen) -> None:
        browser = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        end = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                browser.open(url, timeout=10).close()
                return
            except OSError as error:
                if process.poll() is not None or time.monotonic() > end:
                    raise ConsoleError(f"The console does not answer ({error}); see {self.log}.") from error
                time.sleep(0.1)

    def wait_until_tested(self) -> bool:
        """Whether the worker has tried the sandbox's users: until then, pages offer nothing that needs them."""
        end = time.monotonic() + TESTED_WITHIN
        while NAME in self.known()["untested"]:
            if time.monotonic() > end:
                return False
        return True

    def _run(self, *words: str, more: dict[str, str] | None = None) -> str:
        """One command to its end; its log lines go to the log, its output to the caller."""
        with self.log.open("a+b") as log:
            begin = log.seek(0, os.SEEK_END)
            process = self._guarded([*words], more or {}, stdout=subprocess.PIPE, stderr=log)
            try:
                output, _ = process.communicate()
            finally:
                process.terminate()
                process.wait()
            log.seek(begin)
            lines = log.read().decode(errors="replace").splitlines()
        if process.returncode != 0:
            plain = [line for line in lines if line.strip() and not line.startswith("{")]
            last = plain[-1] if plain else f"it ended with {process.returncode}; see {self.log}"
            raise ConsoleError(f"{' '.join(words[:2])} failed: {last}")
        return output.decode()

    def _guarded(self, words: list[str], more: dict[str, str], **popen) -> subprocess.Popen:
        """Started so that it ends with us; the lock of this checkout stays taken until it has ended."""
        environment = {**self.environment, **more}
        command = [sys.executable, *words]
        return guard.start(command, grace=STOPS_WITHIN, cwd=CHECKOUT, env=environment, pass_fds=[self.lock], **popen)


def free_port(first: int) -> int:
    """The first free port from here on."""
    for port in range(first, min(first + 200, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ConsoleError(f"No port is free from {first} on.")
