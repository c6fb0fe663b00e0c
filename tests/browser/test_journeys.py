"""What people come for, in a real browser, on the whole product."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.timeout(300)
SOON = 30_000


def test_signing_in(person):
    one = person()
    page = one.open("/runs/")
    expect(page).to_have_url(re.compile("/sign-in/"))
    page.get_by_label("Sign-in name").fill("operator")
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Name or password is wrong")).to_be_visible()
    page.get_by_label("Password", exact=True).fill(one.console.people["operator"])
    page.get_by_role("button", name="Sign in").click()

    expect(page).to_have_url(f"{one.console.url}/runs/")
    one.complaints = [text for text in one.complaints if "422" not in text]  # the wrong password, on purpose

    page.get_by_role("banner").get_by_text("Maria Zammit").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in/"))


def test_from_the_first_run_to_the_first_snapshot(person, console, real_elasticsearch):
    """An administrator connects a real cluster, registers a repository, makes a profile and starts its snapshot."""
    (console.home / "ca").mkdir(exist_ok=True)
    (console.home / "ca" / "sandbox.pem").write_text(real_elasticsearch.ca_pem)
    real_elasticsearch.request("PUT", "/journey-1/_doc/1?refresh=true", b'{"user": "mzammit"}')
    one = person("administrator")
    page = one.page
    expect(page.get_by_role("heading", name="Set up this console")).to_be_visible()
    assert one.axe() == []

    page.get_by_role("link", name="Connect cluster").click()
    page.get_by_label("Name", exact=True).fill("soc-prod")
    page.get_by_label("Addresses").fill(real_elasticsearch.url)
    page.get_by_label("Certificate of the authority").select_option("sandbox.pem")
    everyday = page.get_by_role("region", name="Everyday credential")
    everyday.get_by_label("User").fill(real_elasticsearch.everyday[0])
    everyday.get_by_label("Password").fill(real_elasticsearch.everyday[1])
    restricted = page.get_by_role("region", name="Restricted credential")
    restricted.get_by_label("User").fill(real_elasticsearch.restricted[0])
    restricted.get_by_label("Password").fill(real_elasticsearch.restricted[1])
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_text("Connected to Elasticsearch 8.19.0").first).to_be_visible(timeout=SOON)

    one.open("/")
    page.get_by_role("main").get_by_role("link", name="Register repository").click()
    page.get_by_label("Name", exact=True).fill("nightly")
    page.get_by_label("Location").fill("journey-nightly")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#check")).not_to_contain_text("Looking", timeout=SOON)
    page.get_by_role("button", name="Register repository").click()
    expect(page.locator("h1")).to_contain_text("Success", timeout=SOON)

    one.open("/")
    page.get_by_role("main").get_by_role("link", name="profile").click()
    page.get_by_label("Name", exact=True).fill("SOC indices")
    page.get_by_label("Indices").fill("journey-*")
    page.get_by_role("button", name="Save profile").click()
    page.get_by_role("link", name="Start snapshot").click()
    expect(page.locator("#preview")).to_contain_text("journey-1", timeout=SOON)
    page.get_by_role("button", name="Start snapshot").click()
    expect(page).to_have_url(re.compile(r"/runs/\d+/"))
    expect(page.locator("h1")).to_contain_text("Success", timeout=SOON)

    one.open("/")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    one.open("/snapshots/")
    expect(page.get_by_role("cell", name="Verified")).to_be_visible()
    assert real_elasticsearch.request("GET", "/_snapshot/nightly/_all")["snapshots"][0]["state"] == "SUCCESS"


def test_a_viewer_may_look_and_not_touch(person):
    one = person("viewer")

    page = one.open("/snapshots/")
    expect(page.get_by_role("link", name="Start snapshot")).to_have_count(0)
    expect(page.get_by_role("link", name="People")).to_have_count(0)
    page = one.open("/snapshots/start/")

    expect(page.get_by_role("main")).to_contain_text("operator")
    assert [text for text in one.complaints if "403" not in text] == []
    one.complaints = []


def test_cancel(person, console, slow_cluster):
    """A snapshot that would run for ever is cancelled: its name is typed, and it is gone from the cluster."""
    console.connect("ot-sensors", slow_cluster)
    one = person("administrator")
    page = one.open("/repositories/register/")
    page.get_by_label("Cluster").select_option("ot-sensors")
    page.get_by_label("Name", exact=True).fill("slow")
    page.get_by_label("Location").fill("/srv/backups/slow")
    page.get_by_role("button", name="Register repository").click()
    expect(page.locator("h1")).to_contain_text("Success", timeout=SOON)
    page = one.open("/snapshots/start/?profile=none")
    page.get_by_label("Repository").select_option(label="slow on ot-sensors")
    page.get_by_label("Name", exact=True).fill("cancel-me")
    page.get_by_role("button", name="Start snapshot").click()
    expect(page.get_by_text("0 of 1 shards").first).to_be_visible(timeout=SOON)
    assert "cancel-me" in slow_cluster.repositories["slow"].snapshots

    page.get_by_role("button", name="Cancel run…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel run")).to_be_disabled()
    dialog.get_by_role("textbox").fill("cancel-me")
    dialog.get_by_role("button", name="Cancel run").click()

    expect(page.locator("h1")).to_contain_text("Cancelled", timeout=SOON)
    assert "cancel-me" not in slow_cluster.repositories["slow"].snapshots
