"""Every page in a real browser: no console message, no policy violation, nothing that axe finds."""

import re

import pytest

from backups.urls import urlpatterns
from tests.browser.pages import ON_THE_PHONE, PAGES
from tests.browser.person import PHONE
from tests.browser.scene import make
from tests.fakes.elasticsearch import FakeElasticsearch

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def scene(console):
    fake = FakeElasticsearch().start()
    yield make(console, fake)
    fake.stop()


def visit(person, scene, names, **window) -> list[str]:
    """Open the pages, one person after the other; returns what axe found."""
    found = []
    for who in sorted({PAGES[name][0] for name in names}):
        one = person(who, **window)
        for name in names:
            if PAGES[name][0] == who:
                one.open(PAGES[name][1].format(**scene))
                found += [f"{name}: {line}" for line in one.axe()]
        one.complaints = [text for text in one.complaints if not _expected(text)]
    return found


def _expected(text: str) -> bool:
    """The browser's own remark on the two pages that are errors on purpose."""
    return ("/people/" in text and "403" in text) or ("/nothing/here/" in text and "404" in text)


def test_all_pages_light_at_a_desk(person, scene):
    assert visit(person, scene, list(PAGES)) == []


def test_some_pages_dark_on_a_phone(person, scene):
    assert visit(person, scene, ON_THE_PHONE, size=PHONE, theme="dark") == []


# Cards whose first words stand at their very edge.
CRAMPED = """() => [...document.querySelectorAll('.main .card')].filter((card) => {
  const walker = document.createTreeWalker(card, NodeFilter.SHOW_TEXT, (text) =>
    text.textContent.trim() && text.parentElement.checkVisibility() ? 1 : 2);
  const range = document.createRange();
  if (!walker.nextNode()) return false;
  range.selectNodeContents(walker.currentNode);
  return range.getBoundingClientRect().top - card.getBoundingClientRect().top < 8;
}).map((card) => card.textContent.trim().slice(0, 60))"""


def test_on_a_phone_no_page_scrolls_sideways_and_no_card_is_cramped(person, scene):
    wrong = []
    for who in sorted({who for who, _ in PAGES.values()}):
        one = person(who, size=PHONE)
        for name, (opener, path) in PAGES.items():
            if opener == who:
                page = one.open(path.format(**scene))
                if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                    wrong.append(f"{name} is too wide")
                wrong += [f"{name}: {card}" for card in page.evaluate(CRAMPED)]
        one.complaints = [text for text in one.complaints if not _expected(text)]

    assert wrong == []


def test_the_list_of_pages_is_complete():
    """Every URL that answers with a page of its own is in PAGES."""
    parts = (
        "live",
        "log",
        "check",
        "test",
        "verify",
        "preview",
        "cancel",
        "export",
        "text",
        "theme",
        "out",
        "reactivate",
        "compare",
        "contents",
        "take-out",
        "files",
        "sum",
        "probe",
        "prove",
        "remove",
        "approve",
        "reject",
        "comment",
        "withdraw",
        "review",
        "break-glass",
        "again",
        "json",
        "plans/<int:pk>/ask",
        "clear-locks",
        "undo",
    )
    known = {path.split("?")[0] for _, path in PAGES.values()}

    missing = [
        url for url in _urls(urlpatterns) if not any(part in url for part in parts) and not _matches(url, known)
    ]

    assert missing == []


def _urls(patterns, prefix: str = "/") -> list[str]:
    found = []
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        found += _urls(pattern.url_patterns, route) if hasattr(pattern, "url_patterns") else [route]
    return found


def _matches(url: str, known: set[str]) -> bool:
    expression = re.sub(r"<int:\w+>", r"(\\{\\w+\\}|\\d+)", url)
    return any(re.fullmatch(expression, path) for path in known)
