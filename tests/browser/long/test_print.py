"""Paper: no sections, no buttons, light, all lines of a log, heads of tables on every sheet, and who printed what."""

import pytest
from playwright.sync_api import expect

from tests.browser.scene import make
from tests.fakes.elasticsearch import FakeElasticsearch

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def scene(console):
    fake = FakeElasticsearch().start()
    yield make(console, fake)
    fake.stop()


@pytest.mark.parametrize(
    "path", ["/runs/{run}/", "/runs/?state=failed", "/audit/?outcome=success", "/snapshots/{snapshot}/"]
)
def test_a_page_on_paper(person, scene, path):
    one = person("administrator", theme="dark")
    page = one.open(path.format(**scene))
    page.emulate_media(media="print")

    for left_out in (".side", ".top", ".btn", ".toolbar", ".dialog"):
        assert [shown for shown in page.locator(left_out).all() if shown.is_visible()] == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    printed = page.locator("#printed")
    expect(printed).to_be_visible()
    expect(printed).to_contain_text("Printed by Daniel Farrugia")
    expect(printed).to_contain_text(f"{one.console.url}{path.format(**scene)}")
    heads = page.evaluate("[...document.querySelectorAll('thead')].map((head) => getComputedStyle(head).display)")
    assert set(heads) <= {"table-header-group"}


def test_a_log_is_printed_whole(person, scene):
    page = person("operator").open("/runs/{run}/".format(**scene))
    page.emulate_media(media="print")
    log = page.locator(".log")

    assert log.evaluate("(log) => log.scrollHeight <= log.clientHeight + 1")
