"""Restores as people ask for them, decide about them and take them back: each in a browser of their own.

The cluster is the fake one; what a real one does with the calls is tested in ``tests/elasticsearch``.
"""

import re

import pytest
from playwright.sync_api import expect

from backups.access.roles import APPROVER
from tests.browser.deciding import SOON, approve, find, open_run, send
from tests.browser.person import PHONE
from tests.browser.scene import stage
from tests.fakes.elasticsearch import FakeElasticsearch

pytestmark = pytest.mark.timeout(300)
REASON = "Analysts miss the events of the night in the search."

# A cluster with its repository, and a snapshot of two indices with the global state.
PLACES = """
url, everyday, restricted = given["server"]
save_cluster(name="soc-prod", addresses=[url], ca_file="", actor=admin,
    credentials={"everyday": everyday, "restricted": restricted})
cluster = until(lambda: Cluster.objects.filter(name="soc-prod", state="good").first())
place = "/srv/backups/nightly"
done(request_registration(cluster=cluster, name="nightly", location=place, compress=True, actor=admin))
nightly = cluster.repositories.get(name="nightly")
run = done(queue_snapshot(actor=operator, repository=nightly, name="soc-night", patterns=["events-*"],
    global_state=True))
assert run.state == "succeeded", run.error
show(snapshot=run.snapshot.pk)
"""
ALSO_APPROVER = """
from django.contrib.auth.models import Group
operator.groups.add(Group.objects.get(name=given["role"]))
show()
"""
NO_LONGER = """
operator.groups.remove(Group.objects.get(name=given["role"]))
show()
"""


@pytest.fixture(scope="module")
def fake():
    fake = FakeElasticsearch()
    fake.add_index("events-1", 120)
    fake.add_index("events-2", 80, primaries=2)
    fake.disk = {"total_in_bytes": 2**40, "available_in_bytes": 2**39}
    yield fake.start()
    fake.stop()


@pytest.fixture(scope="module")
def play(console, fake):
    with stage(console) as play:
        yield play


@pytest.fixture(scope="module")
def snapshot(play, fake) -> int:
    found = play(PLACES, server=(fake.url, fake.everyday, fake.restricted))["snapshot"]
    fake.write("events-1", 7)
    return found


@pytest.fixture
def planned(person, snapshot):
    """``planned("operator", mode)``: that person, on the page of a plan for events-1."""

    def plan(who: str, mode: str = "Replace it by swap", **window):
        one = person(who, **window)
        page = one.open(f"/restores/snapshot/{snapshot}/")
        page.get_by_label("events-1").check()
        page.get_by_label(mode).check()
        page.get_by_role("button", name="Check the plan").click()
        page.wait_for_url(re.compile(r"/restores/plans/\d+/"), timeout=SOON)
        return one

    return plan


def test_three_people_replace_a_live_index_and_take_it_back(person, fake, snapshot):
    """Request, plan, question, changed, two approvals, run, verdict, roll back."""
    asker, first, second = person("operator"), person("approver"), person("approver2")
    page = asker.open(f"/snapshots/{snapshot}/")
    page.get_by_role("link", name="Restore…").click()
    page.get_by_label("events-1").check()
    page.get_by_label("Replace it by swap").check()
    page.get_by_role("button", name="Check the plan").click()
    page.wait_for_url(re.compile(r"/restores/plans/\d+/"), timeout=SOON)
    expect(page.get_by_role("row", name=re.compile("events-1"))).to_contain_text("now 127")
    expect(page.get_by_text("It replaces 1 live index.").first).to_be_visible()
    assert asker.axe() == []
    number = send(page, REASON)
    expect(page.get_by_text("You asked for this, so someone else decides.")).to_be_visible()

    page = find(first, number)
    expect(page.get_by_text("Everything that the plan relies on is as it was.")).to_be_visible(timeout=SOON)
    page.get_by_label("Say something").fill("Does the template of the events come back as well?")
    page.get_by_role("button", name="Comment", exact=True).click()
    page = asker.page
    page.reload()
    page.get_by_label("Say something").fill("No, only the documents. It should, you are right.")
    page.get_by_role("button", name="Comment", exact=True).click()
    page = find(first, number)
    page.get_by_label("Say something").fill("Please take the global state with it.")
    page.get_by_role("button", name="Ask for a change").click()
    expect(page.get_by_text("Asks for a change")).to_be_visible()

    page = asker.page
    page.reload()
    page.get_by_role("button", name=f"Withdraw {number}").click()
    page.get_by_role("link", name="Ask again").click()
    page.get_by_role("link", name="Change it…").click()
    expect(page.get_by_label("events-1")).to_be_checked()
    page.get_by_label("Restore the global state").check()
    page.get_by_role("button", name="Check the plan").click()
    page.wait_for_url(re.compile(r"/restores/plans/\d+/"), timeout=SOON)
    expect(page.get_by_text(f"It takes the place of {number}")).to_be_visible()
    expect(page.get_by_text("2 other people have to approve.")).to_be_visible()
    changed = send(page, REASON)

    page = find(first, changed)
    expect(page.get_by_role("link", name=f"Takes the place of {number}")).to_be_visible()
    approve(first)
    expect(page.get_by_text("1 of 2")).to_be_visible()
    assert fake.indices["events-1"].documents == 127
    find(second, changed)
    approve(second)

    page = asker.page
    open_run(page)
    page.get_by_role("link", name=re.compile("Open Restore events-1")).click()
    verdict = page.get_by_role("region", name="Verdict of each index")
    expect(verdict).to_contain_text("events-1 is in place with 120 documents.")
    assert fake.indices["events-1"].documents == 120
    assert asker.axe() == []

    page.get_by_role("button", name="Roll back…").click()
    page.wait_for_url(re.compile(r"/restores/plans/\d+/"), timeout=SOON)
    expect(page.locator("h1")).to_contain_text("Roll back events-1 on soc-prod")
    back = send(page, "The restore took the wrong night; the original has to come back.")
    for one in (first, second):
        find(one, back)
        approve(one)
    open_run(page)
    assert fake.indices["events-1"].documents == 127
    page.get_by_role("link", name=re.compile("Open Roll back events-1")).click()
    expect(page.get_by_text("events-1 is in place with 127 documents.")).to_be_visible()


def test_a_vote_about_what_was_withdrawn_is_refused(planned, person):
    """The approver's page is from before."""
    asker, approver = planned("operator"), person("approver")
    number = send(asker.page, REASON)
    find(approver, number)
    asker.page.get_by_role("button", name=f"Withdraw {number}").click()
    expect(asker.page.locator("h1")).to_contain_text("Withdrawn")

    page = approver.page
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("dialog").get_by_label("Your password").fill(approver.console.people["approver"])
    with page.expect_response(re.compile("/approve/")) as answer:
        page.keyboard.press("Enter")

    assert answer.value.status == 409
    expect(page.get_by_role("alert")).to_contain_text("This request is not pending any more.")
    expect(page.get_by_text("0 of 1")).to_be_visible()
    approver.complaints = [text for text in approver.complaints if "409" not in text]


def test_a_vote_about_another_plan_is_refused(planned, person):
    """The digest in the approver's page is not that of the request."""
    asker, approver = planned("operator"), person("approver")
    number = send(asker.page, REASON)
    page = find(approver, number)
    page.evaluate("document.querySelector('#decide [name=digest]').value = '0'.repeat(64)")
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("dialog").get_by_label("Your password").fill(approver.console.people["approver"])
    with page.expect_response(re.compile("/approve/")) as answer:
        page.keyboard.press("Enter")

    assert answer.value.status == 409
    expect(page.get_by_text("0 of 1")).to_be_visible()
    asker.page.get_by_role("button", name=f"Withdraw {number}").click()
    approver.complaints = [text for text in approver.complaints if "409" not in text]


def test_what_happened_since_the_plan_is_seen_and_stops_it(planned, person, fake):
    """Another index has the name by now: the approver sees it, and even with the vote nothing is done. It is asked
    for again, with a plan and a vote of its own."""
    asker, approver = planned("operator"), person("approver")
    number = send(asker.page, REASON)
    fake.add_index("events-1", 99)
    page = find(approver, number)
    expect(page.get_by_text("The plan is out of date")).to_be_visible(timeout=SOON)
    expect(page.get_by_text(re.compile("events-1.*: was .*, is "))).to_be_visible()
    approve(approver)

    page = asker.page
    page.reload()
    page.get_by_role("link", name=re.compile("Open run")).click()
    expect(page.locator("h1")).to_contain_text("Failed", timeout=SOON)
    assert fake.indices["events-1"].documents == 99
    page.get_by_role("link", name=re.compile("Open Restore events-1")).click()
    expect(page.get_by_role("heading", name="Out of date")).to_be_visible()
    page.get_by_role("button", name="Check again").click()
    page.wait_for_url(re.compile(r"/restores/plans/\d+/\?earlier="), timeout=SOON)
    again = send(page, REASON)
    page = find(approver, again)
    expect(page.get_by_role("link", name=f"Takes the place of {number}")).to_be_visible()
    approve(approver)
    open_run(asker.page)
    assert fake.indices["events-1"].documents == 120
    fake.write("events-1", 7)


def test_nobody_approves_of_their_own_by_hand_made_post(planned, play, fake):
    """The requester is an approver as well, has the token, the cookie, the digest and the password."""
    play(ALSO_APPROVER, role=APPROVER)
    try:
        one = planned("operator")
        number = send(one.page, REASON)
        expect(one.page.get_by_role("button", name="Approve…")).to_have_count(0)
        plan = one.page.request.get(f"{one.page.url}")
        digest = re.search(r"SHA-256 ([0-9a-f]{64})", plan.text()).group(1)
        token = one.page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value")
        given = {"csrfmiddlewaretoken": token, "digest": digest, "password": one.console.people["operator"]}
        headers = {"Origin": one.console.url, "Referer": one.page.url}

        answer = one.page.request.post(f"{one.page.url}approve/", form=given, headers=headers)

        assert answer.status == 403
        assert "someone else decides" in answer.text()
        one.page.reload()
        expect(one.page.get_by_text("0 of 1")).to_be_visible()
        one.page.get_by_role("button", name=f"Withdraw {number}").click()
    finally:
        play(NO_LONGER, role=APPROVER)


def test_glass_is_broken_by_one_and_looked_at_by_another(planned, person, fake):
    admin = planned("administrator")
    page = admin.page
    page.get_by_label("Reason").fill("The search is down for the whole night shift, nobody is there.")
    page.locator("#id_typed_name").fill("soc-prod")
    page.get_by_text("Break the glass").click()
    page.get_by_role("button", name="Start without approval").click()
    expect(page.get_by_text("The glass was broken: this goes without approval")).to_be_visible()
    page.get_by_role("link", name=re.compile("Open run")).click()
    expect(page.locator("h1")).to_contain_text("Success", timeout=SOON)
    assert fake.indices["events-1"].documents == 120

    reviewer = person("approver2")
    page = reviewer.open("/")
    page.locator("a.bell").click()
    page.get_by_role("link", name=re.compile("Review RR-")).click()
    page.get_by_label("It was right").check()
    page.get_by_role("textbox", name="Why").fill("I called the night shift: the search was down, as was said.")
    page.get_by_role("button", name="Save review").click()
    expect(page.get_by_text("Reviewed: it was right")).to_be_visible()
    fake.write("events-1", 7)


def test_an_approver_decides_on_a_phone(planned, person, fake):
    asker = planned("operator")
    number = send(asker.page, REASON)
    one = person("approver", size=PHONE)
    page = find(one, number)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("button", name="Approve…").click()
    expect(page.get_by_role("dialog").get_by_label("Your password")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert one.axe() == []
    page.keyboard.press("Escape")
    approve(one)

    page.get_by_role("link", name=re.compile("Open run")).click()
    expect(page.locator("h1")).to_contain_text("Success", timeout=SOON)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
