"""The console without a mouse: every control is reached in the order of the page, seen, and never a trap."""

import pytest
from playwright.sync_api import expect

from tests.browser.pages import PAGES
from tests.browser.scene import make
from tests.browser.test_every_page import _expected
from tests.fakes.elasticsearch import FakeElasticsearch

pytestmark = pytest.mark.timeout(900)

# What a keyboard must reach: shown, enabled, and not the lesser buttons of one radio group.
CONTROLS = """() => {
  const all = [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')];
  const shown = all.filter((e) => !e.disabled && e.tabIndex >= 0 && e.checkVisibility({ visibilityProperty: true })
    && !e.closest('[popover]:not(:popover-open):not(.side), details:not([open]) > :not(summary)')
    && !(e.type === 'radio' && !e.checked));
  shown.forEach((e, number) => { e.dataset.walk = number; });
  return shown.length;
}"""
FOCUS = """() => {
  const e = document.activeElement;
  if (!e || e === document.body || e.dataset.walk === undefined) return null;
  const box = e.getBoundingClientRect(), style = getComputedStyle(e);
  const top = document.querySelector('.top');
  const under = top && !top.contains(e) && !e.closest('.side, .skip') && !e.matches('.skip')
    ? box.bottom <= top.getBoundingClientRect().bottom : false;
  return { number: Number(e.dataset.walk), html: e.outerHTML.slice(0, 120), hidden: under,
    ring: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== 'none' };
}"""


@pytest.fixture(scope="module")
def scene(console):
    fake = FakeElasticsearch().start()
    yield make(console, fake)
    fake.stop()


# Some pages give a field the focus: without this, the next Tab would go on from there.
TO_THE_TOP = """() => {
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute('tabindex');
  window.scrollTo(0, 0);
}"""


def walk(page) -> list[str]:
    """Tab from the top to the end; returns what is wrong."""
    count, wrong, seen = page.evaluate(CONTROLS), [], []
    page.evaluate(TO_THE_TOP)
    for _ in range(count + 5):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        if focus is None or focus["number"] in seen:
            break
        seen.append(focus["number"])
        wrong += [] if focus["ring"] else [f"no ring: {focus['html']}"]
        wrong += [f"hidden under the top bar: {focus['html']}"] if focus["hidden"] else []
    missing = [number for number in range(count) if number not in seen]
    wrong += [f"not reached: {page.evaluate(HTML_OF, number)}" for number in missing]
    return wrong if seen == sorted(seen) else [*wrong, f"order: {seen}"]


HTML_OF = "(number) => document.querySelector(`[data-walk='${number}']`)?.outerHTML.slice(0, 120)"


@pytest.mark.parametrize("who", sorted({who for who, _ in PAGES.values()}))
def test_tab_reaches_everything_in_order_and_is_seen(person, scene, who):
    one = person(who)
    wrong = []
    for name, (opener, path) in PAGES.items():
        if opener == who:
            wrong += [f"{name}: {line}" for line in walk(one.open(path.format(**scene)))]
    one.complaints = [text for text in one.complaints if not _expected(text)]
    assert wrong == []


def test_the_skip_link_leads_past_the_sections(person, scene):
    page = person("operator").open("/runs/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_menus_open_and_close_with_the_keyboard_and_give_the_focus_back(person, scene):
    page = person("auditor").open("/audit/")
    for menu in page.locator("details.dd > summary").all():
        menu.focus()
        page.keyboard.press("Enter")
        expect(menu.locator("xpath=..")).to_have_attribute("open", "")
        page.keyboard.press("Tab")
        assert menu.locator("xpath=..").evaluate("(menu) => menu.contains(document.activeElement)")
        page.keyboard.press("Escape")
        expect(menu.locator("xpath=..")).not_to_have_attribute("open", "")
        expect(menu).to_be_focused()


def test_the_list_of_shortcuts_opens_and_closes_with_the_keyboard(person, scene):
    page = person("operator").open("/runs/")
    link = page.locator(".nav a").first
    link.focus()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#shortcuts")).to_be_hidden()
    expect(link).to_be_focused()


@pytest.mark.parametrize(("key", "path"), [("d", "/"), ("s", "/snapshots/"), ("r", "/runs/"), ("l", "/audit/")])
def test_g_and_a_letter_lead_to_a_section(person, scene, key, path):
    one = person("operator")
    page = one.open("/account/")
    page.keyboard.press("g")
    page.keyboard.press(key)
    page.wait_for_url(f"{one.console.url}{path}")


def test_shortcuts_stay_silent_in_a_field_and_rows_are_walked(person, scene):
    page = person("operator").open("/runs/")
    page.keyboard.press("/")
    expect(page.locator(".main .search .input")).to_be_focused()
    page.keyboard.type("g?j")
    expect(page.locator(".main .search .input")).to_have_value("g?j")
    page.locator("h1").click()
    page.keyboard.press("j")
    expect(page.locator(".table tbody tr a").first).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*/")
