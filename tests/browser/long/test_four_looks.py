"""axe on every page in light and dark, at a desk and on a phone; also with its menus and dialogs open."""

import pytest

from tests.browser.pages import PAGES
from tests.browser.person import DESK, PHONE
from tests.browser.scene import make
from tests.browser.test_every_page import visit
from tests.fakes.elasticsearch import FakeElasticsearch

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def scene(console):
    fake = FakeElasticsearch().start()
    yield make(console, fake)
    fake.stop()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["1440", "390"])
def test_axe_finds_nothing_on_any_page(person, scene, theme, size):
    assert visit(person, scene, list(PAGES), size=size, theme=theme) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_menus_and_dialogs(person, scene, theme):
    one = person("auditor", theme=theme)
    page = one.open("/audit/")
    found = []
    for menu in page.locator("details.dd > summary").all():
        menu.click()
        found += one.axe()
        page.keyboard.press("Escape")
    page.keyboard.press("?")
    found += one.axe()

    assert found == []
