"""Screenshots of every page, both themes, desk and phone, into var/shots/; those of the documents into docs/screens/.

python tests/browser/shots.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import sync_playwright  # noqa: E402

from tests.browser.console import Console  # noqa: E402
from tests.browser.pages import IN_DOCUMENTS, PAGES  # noqa: E402
from tests.browser.person import CHROMIUM, DESK, FLAGS, PHONE, Person  # noqa: E402
from tests.browser.scene import make  # noqa: E402
from tests.fakes.elasticsearch import FakeElasticsearch  # noqa: E402

SHOTS, SCREENS = ROOT / "var" / "shots", ROOT / "docs" / "screens"


def main() -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    SCREENS.mkdir(parents=True, exist_ok=True)
    console, fake = Console().start(), FakeElasticsearch().start()
    try:
        scene = make(console, fake)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for theme in ("light", "dark"):
                for size, width in ((DESK, "1440"), (PHONE, "390")):
                    shoot(browser, console, scene, theme, size, width)
            browser.close()
    finally:
        console.stop()
        fake.stop()
    print(
        f"Screenshots of {len(PAGES)} pages are in {SHOTS.relative_to(ROOT)}, those of the documents in docs/screens."
    )


def shoot(browser, console: Console, scene: dict, theme: str, size: dict, width: str) -> None:
    for who in sorted({who for who, _ in PAGES.values()}):
        one = Person(browser, console, size=size, theme=theme)
        if who:
            one.sign_in(who)
        for name, (opener, path) in PAGES.items():
            if opener != who:
                continue
            page = one.open(path.format(**scene))
            page.wait_for_load_state("networkidle")
            page.screenshot(path=SHOTS / f"{name}-{theme}-{width}.png", full_page=True)
            if name in IN_DOCUMENTS and (theme, width) == ("light", "1440"):
                page.screenshot(path=SCREENS / f"{name}.png")
        one.close()


if __name__ == "__main__":
    main()
