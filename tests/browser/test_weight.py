"""How heavy pages are, as they go over the wire: nothing is timed, so nothing depends on the machine."""

import gzip
from urllib.parse import urlsplit

import pytest

from tests.browser.pages import PAGES
from tests.browser.scene import make
from tests.browser.test_every_page import _expected
from tests.fakes.elasticsearch import FakeElasticsearch

pytestmark = pytest.mark.timeout(300)

KB = 1000
MOST = {"html": 15 * KB, "css": 14 * KB, "js": 22 * KB, "icons": 5 * KB, "font": 65 * KB, "total": 110 * KB}
DOM_NODES = 1500
SHIFT = 0.02
OVER_THE_WIRE = "performance.getEntriesByType('resource').filter((file) => file.transferSize > 0).length"
SHIFTS = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((e) => { if (!e.hadRecentInput) sum += e.value; }))
    .observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(sum), 0)));
})"""


@pytest.fixture(scope="module")
def scene(console):
    fake = FakeElasticsearch().start()
    yield make(console, fake)
    fake.stop()


def kind_of(url: str) -> str:
    name = urlsplit(url).path.rsplit("/", 1)[-1]
    suffix = name.rsplit(".", 1)[-1]
    return {"css": "css", "js": "js", "woff2": "font"}.get(suffix) or (
        "icons" if name.startswith("icons") else "mark" if suffix == "svg" else "html"
    )


def sizes(answers: list) -> dict[str, int]:
    """Bytes by kind as sent with gzip; fonts are compressed already."""
    found: dict[str, int] = {}
    for answer in answers:
        kind, body = kind_of(answer.url), answer.body()
        found[kind] = found.get(kind, 0) + (len(body) if kind == "font" else len(gzip.compress(body, 6)))
    return found


def test_every_page_is_light(person, scene):
    heavy = []
    for who in sorted({who for who, _ in PAGES.values()}):
        one = person(who)
        for name, (opener, path) in PAGES.items():
            if opener != who:
                continue
            with one.page.expect_response(lambda answer: answer.request.is_navigation_request()) as opened:
                page = one.open(path.format(**scene))
            html = len(gzip.compress(opened.value.body(), 6))
            nodes = page.evaluate("document.querySelectorAll('*').length")
            shift = page.evaluate(SHIFTS)
            print(f"{name:24} {html / KB:5.1f} KB  {nodes:4} nodes  shift {shift:.4f}")
            if html > MOST["html"] or nodes > DOM_NODES or shift > SHIFT:
                heavy.append((name, html, nodes, shift))
        one.complaints = [text for text in one.complaints if not _expected(text)]
    assert heavy == []


def test_the_first_and_the_second_visit(person, scene):
    fresh = person()
    answers = []
    fresh.page.on("requestfinished", lambda request: answers.append(request.response()))
    fresh.open("/sign-in/").wait_for_load_state("networkidle")
    first = sizes(answers)
    print(first, len(answers))

    assert {kind: size for kind, size in first.items() if size > MOST.get(kind, MOST["html"])} == {}
    assert sum(first.values()) <= MOST["total"]
    assert len(answers) <= 8

    page = fresh.open("/sign-in/")
    page.wait_for_load_state("networkidle")
    assert 1 + page.evaluate(OVER_THE_WIRE) <= 2


def test_files_are_kept_for_a_year_and_pages_not_at_all(person, scene):
    one = person()
    kept = {}
    one.page.on("response", lambda answer: kept.setdefault(kind_of(answer.url), answer.headers["cache-control"]))
    one.open("/sign-in/").wait_for_load_state("networkidle")

    assert kept.pop("html") == "no-store"
    assert set(kept) >= {"css", "js", "icons", "font"}
    assert {kind for kind, rule in kept.items() if "immutable" not in rule} == set()
