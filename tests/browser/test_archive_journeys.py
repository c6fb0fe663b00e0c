"""Archives, as an administrator and an operator make, look into and verify them; with a real Redis."""

import re
import shutil
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from deploy.sandbox import redis_data, tree

pytestmark = pytest.mark.timeout(300)
SOON = 30_000


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    return tree.grow(tmp_path_factory.mktemp("learned"), print)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    server = redis_data.Sandbox(tmp_path_factory.mktemp("redis"), print)
    yield server
    server.stop()


def test_from_a_location_to_a_file_of_a_verified_archive(person, console, learned, state, tmp_path):
    """Location, Redis with its test, profile with its preview; archive; browse, search, download; verify; a damaged
    byte is named."""
    place = console.home / "archives-of-the-journey"
    place.mkdir()
    one = person("administrator")
    page = one.open("/archives/locations/add/")
    main = page.get_by_role("main")
    page.get_by_label("Name", exact=True).fill("Share")
    page.get_by_label("Directory").fill(str(place))
    page.get_by_role("button", name="Save location").click()
    expect(page.locator("h1")).to_contain_text("Works", timeout=SOON)

    page = one.open("/archives/redis/add/")
    page.get_by_label("Name", exact=True).fill("sensors-state")
    page.get_by_label("Address", exact=True).fill(state.address)
    page.locator("[name=username]").fill(state.user)
    page.locator("[name=password]").fill(state.password)
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_role("heading", name="Both ways work")).to_be_visible(timeout=SOON)
    expect(main.get_by_text("20,200 keys in 3 databases")).to_be_visible()
    assert one.axe() == []

    page = one.open("/archives/profiles/add/")
    page.get_by_label("Profile name").fill("Learned state")
    page.get_by_label("Folder", exact=True).first.fill(str(learned / "modles"))
    expect(main.get_by_text(f"Did you mean {learned}/models?")).to_be_visible(timeout=SOON)
    page.get_by_label("Folder", exact=True).first.fill(str(learned / "models"))
    page.get_by_label("Exclude").first.fill("cache/")
    expect(main.get_by_text("24 files").first).to_be_visible(timeout=SOON)
    page.get_by_role("checkbox", name=re.compile("sensors-state")).check()
    page.get_by_role("button", name="Save profile").click()
    expect(page.locator("h1")).to_contain_text("Learned state")

    page.get_by_role("link", name="Make archive now").click()
    page.get_by_label("Name", exact=True).fill("before-upgrade")
    page.get_by_role("button", name="Make archive").click()
    expect(page).to_have_url(re.compile(r"/runs/\d+/"))
    expect(page.locator("h1")).to_contain_text("Success", timeout=2 * SOON)

    one.open("/archives/")
    page.get_by_role("link", name="before-upgrade.tar.gz").click()
    expect(page.locator("h1")).to_contain_text("Verified")
    expect(page.get_by_role("region", name="Databases of sensors-state")).to_contain_text("16,000")
    page.get_by_role("button", name="files").click()
    page.locator("#contents").get_by_role("button", name="models").click()
    page.locator("#contents").get_by_role("button", name="detector-v14").click()
    expect(page.locator("#contents")).to_contain_text("weights-00-of-09.safetensors", timeout=SOON)
    assert one.axe() == []
    page.get_by_label("Find in the archive").fill("config.json")
    page.get_by_label("Find in the archive").press("Enter")
    expect(page.locator("#contents")).to_contain_text("files/models/ueba-v6/config.json", timeout=SOON)
    row = page.get_by_role("row", name=re.compile("ueba-v6"))
    row.get_by_role("button", name=re.compile("Download")).click()
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download config.json").click(timeout=SOON)
    taken = tmp_path / "config.json"
    coming.value.save_as(taken)
    assert taken.read_bytes() == (learned / "models/ueba-v6/config.json").read_bytes()

    damaged = place / "before-upgrade.tar.gz"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    one.open("/archives/")
    page.get_by_role("link", name="before-upgrade.tar.gz").click()
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("h1")).to_contain_text("Failed", timeout=SOON)
    expect(main.get_by_text(re.compile(r"The archive is damaged: \d+ entr")).first).to_be_visible()


def test_what_lies_beside_an_archive_restores_it_without_the_console(console, tmp_path):
    """With the file and the Python of the system, nothing else."""
    place = console.home / "archives-of-the-journey"
    shutil.copytree(place, tmp_path / "bare")
    program, archive = tmp_path / "bare/cybersift_restore.py", tmp_path / "bare/before-upgrade.tar.gz"

    done = subprocess.run([sys.executable, "-I", program, "verify", archive], capture_output=True, text=True)

    assert done.returncode == 1, done.stderr
    assert "safetensors" in done.stdout + done.stderr
