"""Screenshots of every page, both themes, desk and phone, into var/shots/; those of the documents into docs/screens/.

python tests/browser/shots.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import expect, sync_playwright  # noqa: E402

from tests.browser.console import Console  # noqa: E402
from tests.browser.pages import EMPTY, IN_DOCUMENTS, PAGES  # noqa: E402
from tests.browser.person import CHROMIUM, DESK, FLAGS, PHONE, Person  # noqa: E402
from tests.browser.scene import make  # noqa: E402
from tests.fakes.elasticsearch import FakeElasticsearch  # noqa: E402

SHOTS, SCREENS = ROOT / "var" / "shots", ROOT / "docs" / "screens"


def main() -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    SCREENS.mkdir(parents=True, exist_ok=True)
    console, fake = Console().start(), FakeElasticsearch().start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            everywhere(browser, console, EMPTY, {})
            everywhere(browser, console, PAGES, make(console, fake, days=6))
            browser.close()
    finally:
        console.stop()
        fake.stop()
    count = len(EMPTY) + len(PAGES)
    print(f"Screenshots of {count} pages are in {SHOTS.relative_to(ROOT)}, those of the documents in docs/screens.")


def everywhere(browser, console: Console, pages: dict, scene: dict) -> None:
    for theme in ("light", "dark"):
        for size, width in ((DESK, "1440"), (PHONE, "390")):
            for who in sorted({who for who, _ in pages.values()}):
                one = Person(browser, console, size=size, theme=theme)
                if who:
                    one.sign_in(who)
                for name, (opener, path) in pages.items():
                    if opener == who:
                        shoot(one.open(path.format(**scene)), name, theme, width)
                one.close()


def shoot(page, name: str, theme: str, width: str) -> None:
    page.wait_for_load_state("load")
    page.evaluate("document.fonts.ready")
    expect(page.locator("#preview .spin, #check .spin, [hx-get*='/checks/'] .spin")).to_have_count(0, timeout=30_000)
    page.screenshot(path=SHOTS / f"{name}-{theme}-{width}.png", full_page=True)
    if name in IN_DOCUMENTS and (theme, width) == ("light", "1440"):
        page.screenshot(path=SCREENS / f"{name}.png")


if __name__ == "__main__":
    main()
