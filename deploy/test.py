"""What `make test` runs: lint, and then the layers, AT_ONCE of them at a time: most wait for others half of the time.

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
from contextlib import ExitStack, contextmanager, suppress
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
AT_ONCE = min(2, os.cpu_count() or 1)
# A container says the second one: every layer would compile all tests again, which takes longer than to find them.
NOT_FOR_TESTS = ("DATABASE_URL", "PYTHONDONTWRITEBYTECODE")


def need_postgres() -> None:
    postgres.find(say)


def need_redis() -> None:
    packages.program("redis-server", "redis-server", say)


def need_elasticsearch() -> None:
    packages.java(*kinds.DEFAULT.java, say)
    unpacked(kinds.DEFAULT, elasticsearch.SERVERS, say)


def need_chromium() -> None:
    packages.program("chromium", "chromium", say)


# In this order they begin: those that start Elasticsearch seldom meet, and the last two end at about the same time.
LAYERS: dict[str, tuple[Callable[[], None], ...]] = {
    "lint": (),
    "elasticsearch": (need_elasticsearch,),
    "fast": (),
    "postgres": (need_postgres,),
    "browser": (need_chromium, need_elasticsearch, need_redis),
    "faults": (need_postgres, need_redis, need_elasticsearch),
    "redis": (need_redis,),
}
# What takes too long for every day: a layer here, and in tests/layers.py its name.
LONG: dict[str, tuple[Callable[[], None], ...]] = {
    "servers": (need_elasticsearch, need_redis),
    "browser-long": (need_chromium, need_elasticsearch),
    "explorer": (),
}


@dataclass
class Total:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    not_tested: list[str] = field(default_factory=list)
    layers: dict[str, str] = field(default_factory=dict)
    """Each layer's result and seconds, in words."""

    def add(self, layer: str, own: "Total", seconds: float) -> None:
        self.passed += own.passed
        self.failed += own.failed
        self.skipped += own.skipped
        self.not_tested += [each for each in own.not_tested if each not in self.not_tested]
        words = f"{own.passed} passed, {own.failed} failed, {own.skipped} skipped, {seconds:.0f} s"
        self.layers[layer] = words
        say(f"== {layer}: {words}")

    def missing(self, what: str) -> None:
        self.not_tested.append(what)
        self.failed += os.environ.get("CI") == "true"

    def add_pytest(self, layer: str, returncode: int, result: Path) -> None:
        if returncode == NOTHING_FOUND:
            return self.missing(f"{layer}: there are no tests")
        if result.is_file():
            for case in ElementTree.parse(result).iter("testcase"):  # noqa: S314 our own pytest wrote it
                self._add_case(case)
        self.failed += returncode != 0 and self.failed == 0  # ended without saying which test
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
    if "lint" in chosen:
        run_lint(total)
    tested = [layer for layer in every if layer in chosen and layer != "lint"]
    if tested := [layer for layer in tested if can_be_had(layer, every[layer], total)]:
        run_layers(tested, total)
    today = dt.datetime.now(dt.UTC).date()
    if "servers" in chosen:
        servers_page.write_servers([RESULTS / "servers.xml"], today)
    if "long" in wanted:
        servers_page.write_long({layer: total.layers[layer] for layer in every}, today)
    for line in total.not_tested:
        say(f"not tested: {line}")
    say(f"All of it took {time.monotonic() - begun:.0f} s.")
    say(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


def run_lint(total: Total) -> None:
    begun, failed = time.monotonic(), lint.main()
    total.add("lint", Total(len(lint.checks()) - failed, failed), time.monotonic() - begun)


def can_be_had(layer: str, needs: tuple[Callable[[], None], ...], total: Total) -> bool:
    begun, own = time.monotonic(), Total()
    try:
        for need in needs:
            need()
    except (Missing, OSError) as missing:
        own.missing(f"{layer}: {missing}")
        total.add(layer, own, time.monotonic() - begun)
        return False
    return True


def run_layers(layers: list[str], total: Total) -> None:
    """Whatever ends us, every pytest gets the time to stop the servers that it has started."""
    waiting, running, alone = list(layers), [], len(layers) == 1
    say(f"== {', '.join(layers)}" + ("" if alone else f": {AT_ONCE} at a time, what they say is in {RESULTS}"))
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                running.append(Running(waiting.pop(0), alone))
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                one.end(total)
            time.sleep(0.1)
    except BaseException as end:
        if not isinstance(end, KeyboardInterrupt):  # Ctrl-C reaches each pytest by itself
            for one in running:
                one.process.send_signal(signal.SIGINT)
        for one in running:
            with suppress(subprocess.TimeoutExpired):
                one.process.wait(STOPS_WITHIN)
        raise
    finally:
        for one in running:
            one.process.kill()
            one.around.close()


class Running:
    """A layer at work. What its pytest says is shown at once where it runs ``alone``, else as a whole if it fails."""

    def __init__(self, layer: str, alone: bool) -> None:
        self.layer, self.begun, self.around = layer, time.monotonic(), ExitStack()
        self.result, self.log = RESULTS / f"{layer}.xml", RESULTS / f"{layer}.log"
        RESULTS.mkdir(parents=True, exist_ok=True)
        for earlier in (self.result, self.log):
            earlier.unlink(missing_ok=True)
        environment = self.around.enter_context(database(layer))
        out = None if alone else self.around.enter_context(self.log.open("wb"))
        self.process = subprocess.Popen(
            command(layer, self.result), cwd=CHECKOUT, env=environment, stdout=out, stderr=out
        )

    def end(self, total: Total) -> None:
        self.around.close()
        own = Total()
        own.add_pytest(self.layer, self.process.returncode, self.result)
        if own.failed and self.log.is_file():
            say(self.log.read_text(errors="replace"))
        total.add(self.layer, own, time.monotonic() - self.begun)


def command(layer: str, result: Path) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-p", "tests.layers", "--layer", layer, f"--junitxml={result}"]


@contextmanager
def database(layer: str) -> Iterator[dict[str, str]]:
    """The environment of a layer's tests: SQLite in a file, or a PostgreSQL of their own."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_TESTS}
    if layer != "postgres":
        yield environment
        return
    server = postgres.start(say)
    try:
        server.wait_ready()
        yield {**environment, "DATABASE_URL": server.url()}
    finally:
        server.stop()


def stop(*_) -> None:
    raise SystemExit("Stopped.")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("Stopped.")
