"""What `make test` runs: one layer after the other, from the quickest to the one that needs most.

usage: python -m deploy.test [long | LAYER...]

``long`` is everything: the layers of `make test` and those of LONG, and writes what came of it to docs/.

A layer whose server or browser cannot be had is named "not tested" at the end; with CI=true that is a failure.
"""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from deploy import lint, servers_page
from deploy.sandbox import elasticsearch, kinds, packages, postgres
from deploy.sandbox.fetch import unpacked
from deploy.sandbox.packages import Missing

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "var" / "test"
STOPS_WITHIN = 60
NOTHING_FOUND = 5  # pytest's code


def need_postgres() -> None:
    postgres.find(say)


def need_redis() -> None:
    packages.program("redis-server", "redis-server", say)


def need_elasticsearch() -> None:
    packages.java(*kinds.DEFAULT.java, say)
    unpacked(kinds.DEFAULT, elasticsearch.SERVERS, say)


def need_chromium() -> None:
    packages.program("chromium", "chromium", say)


LAYERS: dict[str, tuple[Callable[[], None], ...]] = {
    "lint": (),
    "fast": (),
    "postgres": (need_postgres,),
    "elasticsearch": (need_elasticsearch,),
    "redis": (need_redis,),
    "browser": (need_chromium, need_elasticsearch, need_redis),
    "faults": (need_postgres, need_redis),
}
# What takes too long for every day: a layer here, and in tests/layers.py its name.
LONG: dict[str, tuple[Callable[[], None], ...]] = {
    "servers": (need_elasticsearch,),
    "browser-long": (need_chromium, need_elasticsearch),
}


@dataclass
class Total:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    not_tested: list[str] = field(default_factory=list)
    layers: dict[str, str] = field(default_factory=dict)
    """Each layer's result and seconds, in words."""

    def missing(self, what: str) -> None:
        self.not_tested.append(what)
        self.failed += os.environ.get("CI") == "true"

    def add_pytest(self, layer: str, returncode: int, result: Path) -> None:
        if returncode == NOTHING_FOUND:
            return self.missing(f"{layer}: there are no tests")
        before = self.failed
        if result.is_file():
            for case in ElementTree.parse(result).iter("testcase"):  # noqa: S314 our own pytest wrote it
                self._add_case(case)
        self.failed += returncode != 0 and self.failed == before  # ended without saying which test
        return None

    def _add_case(self, case: ElementTree.Element) -> None:
        skip = case.find("skipped")
        if skip is not None:
            self.skipped += 1
            reason = f"{case.get('classname')}: {skip.get('message')}"
            self.not_tested += [] if reason in self.not_tested else [reason]
        elif case.find("failure") is not None or case.find("error") is not None:
            self.failed += 1
        else:
            self.passed += 1


def main(wanted: list[str]) -> int:
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs deaf to it
    every = LAYERS | LONG
    unknown = set(wanted) - {"long", *every}
    if unknown:
        sys.exit(f"There is no layer {', '.join(unknown)}; there are: {', '.join(every)}.")
    total, begun = Total(), time.monotonic()
    chosen = list(every) if "long" in wanted else wanted or list(LAYERS)
    for layer in every:
        if layer in chosen:
            run_layer(layer, every[layer], total)
    today = dt.datetime.now(dt.UTC).date()
    if "servers" in chosen:
        servers_page.write_servers([RESULTS / "servers.xml"], today)
    if "long" in wanted:
        servers_page.write_long(total.layers, today)
    for line in total.not_tested:
        say(f"not tested: {line}")
    say(f"All of it took {time.monotonic() - begun:.0f} s.")
    say(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


def run_layer(layer: str, needs: tuple[Callable[[], None], ...], total: Total) -> None:
    begun, before = time.monotonic(), (total.passed, total.failed, total.skipped)
    say(f"== {layer}")
    try:
        for need in needs:
            need()
    except (Missing, OSError) as missing:
        total.missing(f"{layer}: {missing}")
    else:
        run_lint(total) if layer == "lint" else run_pytest(layer, total)
    seconds = time.monotonic() - begun
    now = (total.passed, total.failed, total.skipped)
    passed, failed, skipped = (after - earlier for after, earlier in zip(now, before, strict=True))
    total.layers[layer] = f"{passed} passed, {failed} failed, {skipped} skipped, {seconds:.0f} s"
    say(f"== {layer} took {seconds:.0f} s")


def run_lint(total: Total) -> None:
    failed = lint.main()
    total.failed += failed
    total.passed += len(lint.checks()) - failed


def run_pytest(layer: str, total: Total) -> None:
    result = RESULTS / f"{layer}.xml"
    RESULTS.mkdir(parents=True, exist_ok=True)
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.layers", "--layer", layer, f"--junitxml={result}"]
    with database(layer) as environment:
        total.add_pytest(layer, run_until_over(command, environment), result)


@contextmanager
def database(layer: str) -> Iterator[dict[str, str]]:
    """The environment of a layer's tests: SQLite in a file, or a PostgreSQL of their own."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    if layer != "postgres":
        yield environment
        return
    server = postgres.start(say)
    try:
        server.wait_ready()
        yield {**environment, "DATABASE_URL": server.url()}
    finally:
        server.stop()


def run_until_over(command: list[str], environment: dict[str, str]) -> int:
    """Whatever ends us, pytest gets the time to stop the servers that it has started."""
    process = subprocess.Popen(command, cwd=CHECKOUT, env=environment)
    try:
        return process.wait()
    except BaseException as end:
        if not isinstance(end, KeyboardInterrupt):  # Ctrl-C reaches pytest by itself
            process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOPS_WITHIN)
        raise
    finally:
        process.kill()


def stop(*_) -> None:
    raise SystemExit("Stopped.")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("Stopped.")
