"""What people do with a request at a browser: send it, find it, approve it."""

import re

from playwright.sync_api import expect

from tests.browser.person import Person

SOON = 30_000


def send(page, reason: str) -> str:
    """Send the plan that is open for approval; returns the number of its request."""
    page.get_by_label("Reason").fill(reason)
    if page.locator("#id_typed_name").count():
        page.locator("#id_typed_name").fill(page.locator("label[for=id_typed_name] code").inner_text())
    page.get_by_role("button", name="Send for approval").click()
    page.wait_for_url(re.compile(r"/approvals/\d+/"))
    return re.match(r"RR-\d+", page.locator("h1").inner_text()).group()


def find(one: Person, number: str):
    """From the bell to the request, as everybody does."""
    page = one.open("/")
    page.locator("a.bell").click()
    page.get_by_role("link", name=re.compile(number)).first.click()
    expect(page.locator("h1")).to_contain_text(number)
    return page


def approve(one: Person) -> None:
    """The request that is open, with the password."""
    page = one.page
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("dialog").get_by_label("Your password").fill(one.console.people[one.name])
    page.keyboard.press("Enter")
    expect(page.get_by_text("You approved RR-")).to_be_visible()


def open_run(page) -> None:
    """From the page of an approved request to its run, until that has ended well."""
    page.reload()
    page.get_by_role("link", name=re.compile("Open run")).click()
    expect(page.locator("h1")).to_contain_text("Success", timeout=SOON)
