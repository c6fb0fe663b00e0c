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


A4 = {"width": 703, "height": 1032}  # without its margins, as wide as a tablet: yet nothing is drawn as on a phone


@pytest.mark.parametrize("path", ["/runs/", "/audit/", "/snapshots/", "/snapshots/{snapshot}/", "/repositories/"])
def test_a_table_stays_a_table_on_a_sheet_of_paper(person, scene, path):
    page = person("administrator", size=A4).open(path.format(**scene))
    page.emulate_media(media="print")

    shown = "(cells) => [...new Set(cells.map((cell) => getComputedStyle(cell).display))]"
    assert page.eval_on_selector_all(".table thead", shown) == ["table-header-group"]
    assert page.eval_on_selector_all(".table tbody tr", shown) == ["table-row"]
    assert page.locator(".table thead th").first.bounding_box()["height"] > 10
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_printed_log_has_the_numbers_and_levels_of_its_lines_once(person, scene):
    page = person("operator", size=A4).open("/runs/{run}/".format(**scene))
    page.emulate_media(media="print")
    line = page.locator(".log li[id]").first

    assert line.inner_text().split()[:3] == ["1", line.locator("time").inner_text(), "INFO"]
    assert line.inner_text().count("INFO") == 1
