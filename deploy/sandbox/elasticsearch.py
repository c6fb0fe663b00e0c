"""Start a real Elasticsearch or OpenSearch on this machine; where the server can, with TLS by an authority of its
own and two users with few rights.

Everything that a server writes is in its home, which may be used again: data, certificates, passwords and,
when it is free, the port stay the same. The unpacked server is shared and never written to.
"""

import base64
import fcntl
import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.sandbox import guard, packages, unprivileged
from deploy.sandbox.configuration import configure
from deploy.sandbox.fetch import unpacked
from deploy.sandbox.files import write_whole
from deploy.sandbox.kinds import DEFAULT, ServerKind
from deploy.sandbox.packages import Say

CHECKOUT = Path(__file__).resolve().parents[2]
SERVERS = CHECKOUT / "var" / "servers"
# A server for one reader: the quick compiler alone halves the work of a start.
JVM_OPTIONS = "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1 -XX:-UsePerfData"
# These distributions cannot make the index in which the server wants to list its roles, and would try for ever.
JVM_OPTIONS += " -Des.queryable_built_in_roles_enabled=false"
STARTS_WITHIN = 180.0


class NotStarted(Exception):
    """The server ended or did not answer; the message says why and where its log is."""


@dataclass
class Server:
    """A started server. `process` is its guard: the server ends with it, and with whoever started it."""

    home: Path
    process: subprocess.Popen
    path_repo: Path
    passwords: dict[str, str]
    log: Path
    kind: ServerKind = DEFAULT
    port: int = 0

    @property
    def url(self) -> str:
        scheme = "https" if self.kind.secure else "http"
        return f"{scheme}://127.0.0.1:{self.port or self._wait_for_port(STARTS_WITHIN)}"

    @property
    def version(self) -> str:
        return self.kind.version

    @property
    def product(self) -> str:
        return self.kind.product

    @property
    def ca_file(self) -> Path:
        return self.home / "config" / "certs" / "ca.pem"

    @property
    def ca_pem(self) -> str:
        """Empty for a server without TLS."""
        return self.ca_file.read_text() if self.kind.secure else ""

    @property
    def everyday(self) -> tuple[str, str]:
        return "everyday", self.passwords["everyday"]

    @property
    def restricted(self) -> tuple[str, str]:
        return "restricted", self.passwords["restricted"]

    @property
    def superuser(self) -> tuple[str, str]:
        return "superuser", self.passwords["superuser"]

    def request(self, method: str, path: str, body: bytes | None = None, timeout: float = 60.0) -> dict:
        """One call as the superuser, for seeding and for the tests' own preparations."""
        name, password = self.superuser
        token = base64.b64encode(f"{name}:{password}".encode()).decode()
        kind = "application/x-ndjson" if path.endswith("_bulk") else "application/json"
        headers = {"Authorization": f"Basic {token}", "Content-Type": kind}
        call = urllib.request.Request(self.url + path, body, headers, method=method)  # noqa: S310 our own server
        trusted = urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=self.ca_pem or None))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusted)  # never by a proxy
        with opener.open(call, timeout=timeout) as answer:
            return json.loads(answer.read() or b"{}")

    def wait_ready(self, timeout: float = STARTS_WITHIN, status: str = "yellow") -> None:
        """Return when the server answers and every primary shard is there; with ``status`` red some may not be."""
        end = time.monotonic() + timeout
        self._wait_for_port(timeout)
        while True:
            self._still_running()
            try:
                self.request("GET", f"/_cluster/health?wait_for_status={status}&timeout=5s", timeout=15)
            except (OSError, urllib.error.HTTPError) as error:
                if time.monotonic() > end:
                    raise NotStarted(f"{self.kind} did not become ready in {timeout:.0f} s: {error}") from error
                time.sleep(0.2)
            else:
                return

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def _wait_for_port(self, timeout: float) -> int:
        """The server picks its port itself, so that two that start together cannot pick the same one."""
        end = time.monotonic() + timeout
        ports = self.home / "logs" / "http.ports"
        while not ports.is_file():
            self._still_running()
            if time.monotonic() > end:
                raise NotStarted(f"{self.kind} did not start in {timeout:.0f} s; its log: {self.log}")
            time.sleep(0.1)
        self.port = int(ports.read_text().split()[0].rpartition(":")[2])
        write_whole(self.home / "port", f"{self.port}\n")
        return self.port

    def _still_running(self) -> None:
        if self.process.poll() is not None:
            raise NotStarted(f"{self.kind} ended by itself: {_last_error(self.log)} (its log: {self.log})")


def start(
    home: Path,
    *,
    kind: ServerKind = DEFAULT,
    servers: Path = SERVERS,
    path_repo: Path | None = None,
    http_port: int | None = None,
    log: Path | None = None,
    say: Say = print,
) -> Server:
    """Start the server of this home and return at once; `wait_ready()` waits for it."""
    home, path_repo = home.resolve(), (path_repo or home / "repo").resolve()
    java = packages.java(*kind.java, say)
    unzipped = unpacked(kind, servers.resolve(), say)
    log = log or home / "logs" / "server.log"
    with _lock(home) as lock:
        for directory in (home / "data", home / "logs", home / "tmp", path_repo):
            directory.mkdir(parents=True, exist_ok=True)
        passwords = configure(home, unzipped, path_repo, http_port, kind)
        (home / "logs" / "http.ports").unlink(missing_ok=True)
        command = [*unprivileged.prefix(home, path_repo), str(unzipped / "bin" / kind.product)]
        environment = _environment(home, java, kind.prefix)
        with log.open("wb") as out:
            process = guard.start(command, cwd=home, env=environment, stdout=out, stderr=out, pass_fds=[lock])
    return Server(home, process, path_repo, passwords, log, kind)


def _environment(home: Path, java: Path, prefix: str) -> dict[str, str]:
    """Only what the server needs: no setting of the caller's leaks into it, nothing lands in /tmp."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(home),
        "JAVA_HOME": str(java),  # the only name that the oldest ones know
        f"{prefix}_JAVA_HOME": str(java),
        f"{prefix}_PATH_CONF": str(home / "config"),
        f"{prefix}_TMPDIR": str(home / "tmp"),
        f"{prefix}_JAVA_OPTS": JVM_OPTIONS,
        "CLI_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:-UsePerfData",
    }


@contextmanager
def _lock(home: Path, timeout: float = 40.0) -> Iterator[int]:
    """One server in a home. The guard keeps the lock until its server is gone, and a server whose parent was
    killed needs a moment for that: wait for it."""
    home.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + timeout
    with (home / "lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    raise NotStarted(f"Another server is running in {home}.") from None
            time.sleep(0.2)
        yield lock.fileno()


def _last_error(log: Path) -> str:
    """The line that explains the end: the first one of an exception, or else the last of all."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    fatal = [line for line in lines if "ERROR" in line or "Exception" in line]
    return fatal[0][:300] if fatal else (lines or ["no output"])[-1][:300]
