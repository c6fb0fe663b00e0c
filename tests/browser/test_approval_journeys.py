"""What people do with a request at a browser, by mouse and keyboard."""

import pytest
from playwright.sync_api import expect

ASK = """
import json
from backups.access.models import User
from backups.approvals.services import file_request
asked = file_request(actor=User.objects.get(username="operator"), kind="restore", title="{title}", risk="R3",
    risk_reason="2 live indices are replaced", text=json.dumps({{"indices": ["a"]}}), template="none", summary={{}},
    subject="soc", reason="Analysts miss events of two days", key="{title}")
"""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def asked(console):
    """Files a request of the operator in the console's own database."""
    return lambda title: console.manage("shell", "-c", ASK.format(title=title))


def test_approve_with_the_password_and_the_enter_key(console, person, asked):
    asked("Restore by keyboard")
    one = person("approver")
    page = one.open("/")
    page.locator("a.bell").click()
    page.get_by_role("link", name="Restore by keyboard").click()
    expect(page.get_by_text("0 of 2")).to_be_visible()

    page.get_by_label("Comment").fill("Looks right")
    page.get_by_role("button", name="Approve…").click()
    expect(page.get_by_role("dialog").get_by_label("Your password")).to_be_focused()
    assert one.axe() == []
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("tries left")
    expect(page.get_by_label("Comment")).to_have_value("Looks right")  # nothing is asked twice

    page.get_by_label("Your password").fill(console.people["approver"])
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 of 2")).to_be_visible()
    expect(page.get_by_text("You approved RR-")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    assert [text for text in one.complaints if "422" not in text] == []
    one.complaints.clear()


def test_reject_with_a_reason_and_the_password(console, person, asked):
    asked("Restore to be rejected")
    one = person("approver")
    page = one.open("/approvals/")
    page.get_by_role("link", name="Restore to be rejected").click()
    page.get_by_role("button", name="Reject…").click()
    expect(page.get_by_label("Why you reject it")).to_be_focused()
    assert one.axe() == []
    page.keyboard.type("Please restore it under new names")
    page.get_by_role("dialog").get_by_label("Your password").fill(console.people["approver"])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Rejected")
    expect(page.get_by_text("Please restore it under new names").first).to_be_visible()
