"""What `make run` executes: a real Elasticsearch and a Redis with data, a tree of files, the console connected to all
of them, and one way to stop everything.

It stays in the foreground and every process hangs on it: whatever ends it, even SIGKILL, ends all of them.
Everything is kept in var/, so that the next start takes seconds and goes on where this one ended.
"""

import datetime as dt
import fcntl
import os
import signal
import sys
import time
from pathlib import Path

from deploy.sandbox import console, elasticsearch, packages, redis_data, seed, tree
from deploy.sandbox.elasticsearch import CHECKOUT, NotStarted

VAR = CHECKOUT / "var"
SANDBOX, LOGS = VAR / "sandbox", VAR / "log"
PEOPLE = SANDBOX / "people.txt"
FIRST_PORT = 8000
LOOK_EVERY = 0.5


class Stopped(BaseException):
    """Somebody wants this to end. Not an Exception, so that nobody takes it for a failure."""


class Run:
    def __init__(self, lock: int) -> None:
        self.console = console.Console(LOGS / "console.log", lock)
        self.server: elasticsearch.Server | None = None
        self.redis: redis_data.Sandbox | None = None
        self.web = None

    def start(self) -> str:
        """Start everything; returns the console's address."""
        known = self.console.known()
        if reason := left_out(known["clusters"]):
            say(f"Without the sandbox: {reason}")
        else:
            self._without_if_impossible(self._start_server)
        if not known["administrator"]:
            say("Setting up the console")
            self.console.initialise(PEOPLE)
        if self.server:
            self._without_if_impossible(self._connect_server)
            self._connect_archives()
        say("Starting the console")
        port = console.free_port(int(os.environ.get("PORT", FIRST_PORT)))
        self.web = self.console.start(port)
        url = f"http://127.0.0.1:{port}"
        self.console.wait_for_page(url, self.web)
        if self.server and not self.console.wait_until_tested():
            say(f"The users of the sandbox were not tested in {console.TESTED_WITHIN:.0f} s; its page says why.")
        return url

    def stay(self) -> None:
        """Until the console ends; an Elasticsearch that ends is started again."""
        parent = os.getppid()
        while self.web.poll() is None:
            if os.getppid() != parent:  # make was killed
                raise Stopped
            if self.server and self.server.process.poll() is not None:
                say("Elasticsearch ended; starting it again")
                self._without_if_impossible(self._start_server)
                self._without_if_impossible(self._connect_server)
            time.sleep(LOOK_EVERY)
        raise console.ConsoleError(f"The console ended by itself; see {self.console.log}.")

    def stop(self) -> None:
        """The console first, while its servers still answer."""
        for process in (self.web, self.server and self.server.process, self.redis and self.redis.process):
            if process:
                process.terminate()
                process.wait()

    def _start_server(self) -> None:
        say(f"Starting {elasticsearch.DEFAULT}")
        log = LOGS / "elasticsearch.log"
        self.server = elasticsearch.start(SANDBOX / "elasticsearch", log=log, say=say)

    def _connect_server(self) -> None:
        if self.server:
            self.server.wait_ready()
            seed.seed(self.server, dt.datetime.now(dt.UTC).date(), say)
            self.console.connect(self.server)

    def _connect_archives(self) -> None:
        """A profile of what CyberSift learns: files, and a Redis where one can be had."""
        archives = VAR / "archives"
        archives.mkdir(exist_ok=True)
        servers = []
        try:
            say("Starting a Redis with about 20,000 keys of every type")
            self.redis = redis_data.Sandbox(SANDBOX / "redis", say)
            self.console.connect_redis(self.redis)
            servers = [console.NAME]
        except (packages.Missing, RuntimeError, OSError) as problem:
            say(f"{problem}\nGoing on without Redis.")
        self.console.connect_archives(tree.grow(SANDBOX / "learned", say), archives, servers)

    def _without_if_impossible(self, step) -> None:
        """The console is useful without a sandbox; the line says what was missing."""
        try:
            step()
        except (packages.Missing, NotStarted, OSError) as problem:
            say(f"{problem}\nGoing on without the sandbox.")
            if self.server:
                self.server.stop()
            self.server = None


def main() -> None:
    for folder in (SANDBOX, LOGS):
        folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    run = Run(take_lock(SANDBOX / "lock"))
    try:
        url = run.start()
        introduce(url, run.server)
        run.stay()
    except Stopped:
        say("Stopping")
    except console.ConsoleError as error:
        sys.exit(str(error))
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # stopping takes seconds and ends by itself
        run.stop()


def on_signal(*_) -> None:
    raise Stopped


def take_lock(file: Path, timeout: float = 40.0) -> int:
    """One at a time in a checkout. What a killed one left behind needs a moment to end: wait for it."""
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(lock, 20, 0).decode().strip() or "0"
            if Path(f"/proc/{owner}").is_dir() or time.monotonic() > end:
                sys.exit(f"The console of this checkout is already running (process {owner}).")
            time.sleep(0.2)
        else:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            return lock


def left_out(clusters: list[str]) -> str:
    """Why no sandbox is started; empty when one is. A console of other clusters gets none unasked."""
    said = os.environ.get("SANDBOX", "").lower()
    if said in ("no", "0", "false", "off"):
        return f"SANDBOX is {said}."
    if said or not clusters or console.NAME in clusters:
        return ""
    return f"the console has other clusters ({', '.join(clusters)}). To start it all the same: SANDBOX=yes make run"


def introduce(url: str, server: elasticsearch.Server | None) -> None:
    if server:
        say(f"Elasticsearch: {server.url}; repositories may lie below {server.path_repo}")
    if not PEOPLE.is_file():
        say(f"Console ready: {url}")
        return
    for line in PEOPLE.read_text().splitlines():
        name, password, roles = line.split("\t")
        say(f"  {name:<16}{password:<24}{roles}")
    say(f"Console ready: {url}  (people and passwords: {PEOPLE.relative_to(CHECKOUT)})")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
