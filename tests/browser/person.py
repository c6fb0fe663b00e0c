"""A person at a browser: signs in, clicks, and notices everything that a browser complains about."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.console import Console

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


class Person:
    """``page`` is Playwright's; ``complaints`` are console errors, policy violations and failed answers."""

    def __init__(self, browser: Browser, console: Console, *, size: dict = DESK, theme: str = "light") -> None:
        self.console, self.name = console, ""
        self.context = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")
        self.context.set_default_timeout(15_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))
        self.page.on("response", self._answered)

    def sign_in(self, name: str) -> "Person":
        self.name = name
        self.page.goto(f"{self.console.url}/sign-in/")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password", exact=True).fill(self.console.people[name])
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "/sign-in/" not in url)
        return self

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.console.url}{path}")
        return self.page

    def axe(self) -> list[str]:
        """What axe finds on the page as it is now, a line each."""
        found = Axe().run(self.page)
        return [
            f"{self.page.url}: {violation['id']} {node['target']}: {node['html'][:150]}"
            for violation in found.response["violations"]
            for node in violation["nodes"]
        ]

    def close(self) -> None:
        self.context.close()

    def _hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _answered(self, response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.url} answered {response.status}")
