"""One Chromium for all tests of this folder, a console for each file, a fresh browser window for each test."""

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.console import Console
from tests.browser.person import CHROMIUM, FLAGS, Person
from tests.fakes.elasticsearch import FakeElasticsearch


@pytest.fixture(scope="session")
def browser():
    if not Path(CHROMIUM).exists():
        pytest.fail("Chromium is missing: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def console():
    """A new one for each file: the first run is only the first once."""
    running = Console()
    yield running.start()
    running.stop()


@pytest.fixture(scope="session")
def slow_cluster():
    """A fake cluster whose snapshots run until they are cancelled."""
    fake = FakeElasticsearch().start()
    fake.add_index("events-1", 100)
    fake.hold_snapshots()
    yield fake
    fake.stop()


@pytest.fixture
def person(browser, console):
    """``person("operator")`` is that person, signed in. What the browser complained about fails the test."""
    people = []

    def arrive(name: str = "", **window) -> Person:
        people.append(Person(browser, console, **window))
        return people[-1].sign_in(name) if name else people[-1]

    yield arrive
    complaints = [complaint for one in people for complaint in one.complaints]
    for one in people:
        one.close()
    assert complaints == []
