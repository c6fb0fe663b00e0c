"""`make test` counts rightly, and what was not tested is said."""

import os
import signal
import subprocess
import sys

import pytest

from deploy import test as layers
from tests import layers as chosen
from tests.sandbox.eventually import eventually

RESULT = """<testsuites><testsuite>
<testcase classname="tests.a" name="good"/>
<testcase classname="tests.a" name="bad"><failure message="no"/></testcase>
<testcase classname="tests.a" name="broken"><error message="no"/></testcase>
<testcase classname="tests.b" name="one"><skipped message="Java 21 is missing"/></testcase>
<testcase classname="tests.b" name="two"><skipped message="Java 21 is missing"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def result(tmp_path):
    (tmp_path / "result.xml").write_text(RESULT)
    return tmp_path / "result.xml"


def test_results_are_counted_and_skips_are_named_once(result):
    total = layers.Total()

    total.add_pytest("fast", 1, result)

    assert (total.passed, total.failed, total.skipped) == (1, 2, 2)
    assert total.not_tested == ["tests.b: Java 21 is missing"]


def test_a_crash_without_a_result_is_a_failure(tmp_path):
    total = layers.Total()

    total.add_pytest("fast", 3, tmp_path / "missing.xml")

    assert total.failed == 1


@pytest.mark.parametrize(("ci", "failed"), [("true", 1), ("", 0)])
def test_a_missing_layer_fails_in_ci_only(monkeypatch, ci, failed):
    monkeypatch.setenv("CI", ci)
    total = layers.Total()

    total.missing("browser: Chromium is missing")

    assert total.failed == failed
    assert total.not_tested == ["browser: Chromium is missing"]


def test_a_layer_whose_server_cannot_be_had_is_named_with_the_command():
    def need():
        raise layers.Missing("Chromium is missing. On Debian: sudo apt-get install chromium")

    total = layers.Total()

    assert not layers.can_be_had("browser", (need,), total)
    assert total.not_tested == ["browser: Chromium is missing. On Debian: sudo apt-get install chromium"]


@pytest.fixture
def played(monkeypatch, tmp_path):
    """``played(fast=script, redis=script)``: these layers are scripts, and two run at a time."""
    monkeypatch.setattr(layers, "RESULTS", tmp_path)
    monkeypatch.setattr(layers, "AT_ONCE", 2)

    def play(**scripts: str) -> layers.Total:
        monkeypatch.setattr(layers, "command", lambda layer, result: [sys.executable, "-c", scripts[layer]])
        total = layers.Total()
        layers.run_layers(list(scripts), total)
        return total

    return play


def test_what_a_failed_layer_says_is_shown_whole_and_a_good_one_is_one_line(played, tmp_path, capfd):
    """Each of the two waits until the other one has begun to speak."""
    talk = """
import sys, time
from pathlib import Path
here, there, code = Path({0!r}), Path({1!r}), {2}
print("first of", here.name, flush=True)
here.touch()
while not there.exists():
    time.sleep(0.01)
print("second of", here.name, flush=True)
sys.exit(code)
"""
    good, bad = str(tmp_path / "good"), str(tmp_path / "bad")

    total = played(fast=talk.format(good, bad, 0), redis=talk.format(bad, good, 1), faults="")

    shown = capfd.readouterr().out
    assert "first of bad\nsecond of bad\n" in shown
    assert "of good" not in shown
    assert [line.split(",")[0] for line in shown.splitlines() if "passed" in line][-1] == "== faults: 0 passed"
    assert total.failed == 1


ALL_OF_THEM = """
import signal, sys
from pathlib import Path
from deploy import test as layers
layers.RESULTS, layers.AT_ONCE = Path(sys.argv[1]), 2
layers.command = lambda layer, result: [sys.executable, "-c", sys.argv[2], sys.argv[1] + "/" + layer]
signal.signal(signal.SIGTERM, layers.stop)
layers.run_layers(["fast", "redis", "faults"], layers.Total())
"""
ONE = """
import sys, time
from pathlib import Path
try:
    Path(sys.argv[1] + ".begun").touch()
    time.sleep(600)
except KeyboardInterrupt:
    Path(sys.argv[1] + ".cleared").touch()
"""


@pytest.mark.parametrize("ctrl_c", [True, False], ids=["ctrl-c", "sigterm"])
def test_the_end_of_all_lets_every_layer_clear_up_and_begins_no_other(tmp_path, ctrl_c):
    process = subprocess.Popen(
        [sys.executable, "-c", ALL_OF_THEM, tmp_path, ONE], start_new_session=True, stderr=subprocess.DEVNULL
    )
    eventually(lambda: len([*tmp_path.glob("*.begun")]) == 2)

    os.killpg(process.pid, signal.SIGINT) if ctrl_c else process.terminate()

    assert process.wait(120) != 0
    assert sorted(path.name for path in tmp_path.glob("*.cleared")) == ["fast.cleared", "redis.cleared"]
    assert not (tmp_path / "faults.begun").exists()


def test_both_sides_know_the_same_layers():
    assert {*layers.LAYERS, *layers.LONG} == {"lint", *chosen.LAYERS}


SHORT = "test_short[elasticsearch-8.19.0]"
PROJECT = """
import pytest

@pytest.fixture
def any_server(request): ...

@pytest.mark.long("servers")
def test_long(): ...

@pytest.mark.parametrize("any_server", ["elasticsearch-7.2.0", "opensearch-1.3.20"], indirect=True)
def test_life(any_server): ...

@pytest.mark.short
@pytest.mark.parametrize("any_server", ["elasticsearch-8.19.0"], indirect=True)
def test_short(any_server): ...

@pytest.fixture
def real_elasticsearch(): ...

@pytest.fixture
def chromium(): ...

def test_plain(): ...
def test_server(real_elasticsearch): ...
def test_page(chromium, real_elasticsearch): ...

@pytest.mark.db
def test_database(): ...

@pytest.mark.parametrize("kind", ["fake", "real"])
def test_both(kind): ...
"""


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        ("fast", ["test_plain", "test_database", "test_both[fake]"]),
        ("postgres", ["test_database"]),
        ("elasticsearch", ["test_life[elasticsearch-7.2.0]", SHORT, "test_server", "test_both[real]"]),
        ("servers", ["test_long", "test_life[elasticsearch-7.2.0]", "test_life[opensearch-1.3.20]", SHORT]),
        ("browser", ["test_page"]),
    ],
)
def test_a_test_belongs_to_the_layer_of_what_it_uses(tmp_path, layer, names):
    (tmp_path / "test_project.py").write_text(PROJECT)
    plugin = (layers.CHECKOUT / "tests" / "layers.py").read_text()
    (tmp_path / "layers.py").write_text(plugin)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  db\n  long\n  short\n")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "layers", "--layer", layer]

    shown = subprocess.run([*command, "-p", "no:django"], cwd=tmp_path, capture_output=True, text=True).stdout

    assert [line.partition("::")[2] for line in shown.splitlines() if "::" in line] == names
