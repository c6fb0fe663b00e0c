"""Start a throw-away PostgreSQL for the tests: no port, no password, no promise to keep anything."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from deploy.sandbox import guard, packages, unprivileged
from deploy.sandbox.packages import Missing, Say

PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin")
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "timezone": "UTC",
}


@dataclass
class Postgres:
    """`url(name)` is what DATABASE_URL expects; the server ends with `process`, or with whoever started it."""

    home: Path
    binaries: Path
    process: subprocess.Popen

    def url(self, database: str = "postgres") -> str:
        # Host names in URLs lose their upper case; the directory has none.
        return f"postgresql://postgres@{quote(str(self.home), safe='')}/{database}"

    def create_database(self, name: str) -> str:
        """A new, empty database; returns its URL."""
        self._run("createdb", name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        self._run("dropdb", "--force", "--if-exists", name)

    def wait_ready(self, timeout: float = 60.0) -> None:
        end = time.monotonic() + timeout
        while self._answers() is False:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start: {(self.home / 'log').read_text()[-500:]}")
            time.sleep(0.05)

    def restart(self, how: int) -> None:
        """Stop the server by a signal (SIGINT: fast, SIGQUIT: immediate) and start it again on the same data."""
        number = int((self.home / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(number, how)
        self.process.wait()
        self.process = _serve(self.home, self.binaries)
        self.wait_ready()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self) -> bool:
        return subprocess.run([self.binaries / "pg_isready", "-q", "-h", self.home]).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [self.binaries / program, "-h", self.home, "-U", "postgres", *arguments]
        subprocess.run(command, check=True, capture_output=True, text=True)


def start(say: Say = print) -> Postgres:
    """Start a new, empty server in a directory of its own."""
    binaries = find(say)
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    home.chmod(0o755)
    as_other = unprivileged.prefix(home)
    initialise = [binaries / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    done = subprocess.run([*as_other, *initialise, "--no-sync"], capture_output=True, text=True, cwd=home)
    if done.returncode != 0:
        shutil.rmtree(home, ignore_errors=True)
        raise Missing(f"PostgreSQL's initdb failed: {done.stderr.strip()[-300:]}")
    return Postgres(home, binaries, _serve(home, binaries))


def _serve(home: Path, binaries: Path) -> subprocess.Popen:
    options = [f"--{name}={value}" for name, value in {**SETTINGS, "unix_socket_directories": str(home)}.items()]
    command = [*unprivileged.prefix(home), str(binaries / "postgres"), "-D", str(home / "data"), *options]
    with (home / "log").open("ab") as log:
        # SIGTERM would wait until everybody has left.
        return guard.start(command, end_by=signal.SIGINT, cwd=home, stdout=log, stderr=log)


def find(say: Say = print) -> Path:
    """The directory of the newest server's programs, installed from Debian when there is none."""
    if found := _found():
        return found
    packages.install("PostgreSQL", ["postgresql"], say)
    if found := _found():
        return found
    raise Missing("PostgreSQL is missing. On Debian: apt-get install postgresql")


def _found() -> Path | None:
    places = [place for pattern in PLACES for place in Path("/").glob(pattern) if (place / "initdb").is_file()]
    return max(
        places, key=lambda place: [int(part) for part in place.parent.name.split("-") if part.isdigit()], default=None
    )
