"""A restore from an archive over what changed since, as people ask for it, decide about it and take it back; with the
files and the Redis of `make run`."""

import re

import pytest
import redis
from playwright.sync_api import expect

from deploy.sandbox import redis_data, tree
from tests.browser.deciding import SOON, approve, find, open_run, send
from tests.browser.scene import stage
from tests.restores.archives.conftest import copied, differences

pytestmark = pytest.mark.timeout(300)
DATABASE = 2
FOLDERS = ("models", "params")

# An archive of two folders and of the Redis server.
PLACES = """
location = save_location(name="Share", host=settings.WORKER_HOST, path=given["place"], actor=admin)
until(lambda: ArchiveLocation.objects.get(pk=location.pk).state == "good")
state = save_server(actor=admin, name="sensors-state", host=settings.WORKER_HOST, address=given["redis"], password="")
until(lambda: RedisServer.objects.get(pk=state.pk).state != "unchecked")
all_of = {"include": [], "exclude": []}
sources = [{"name": name, "path": given["tree"] + "/" + name} | all_of for name in given["folders"]]
wanted = ArchiveProfile(name="Learned state", location=location, sources=sources)
learned = archive_profiles.save_profile(actor=admin, profile=wanted, redis=[state])
run = done(queue_archive(actor=operator, profile=learned, name="before-upgrade"))
assert run.state == "succeeded", run.error
show(archive=run.archive_run.archive.pk)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = redis_data.Sandbox(tmp_path_factory.mktemp("redis"), print)
    yield redis.Redis(port=running.port, db=DATABASE)
    running.stop()


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    return tree.grow(tmp_path_factory.mktemp("learned"), print)


@pytest.fixture(scope="module")
def archive(console, server, learned) -> int:
    place = console.home / "archives-of-the-journey"
    place.mkdir()
    address = f"127.0.0.1:{server.connection_pool.connection_kwargs['port']}"
    with stage(console) as play:
        return play(PLACES, place=str(place), redis=address, tree=str(learned), folders=FOLDERS)["archive"]


def keys_of(server: redis.Redis) -> dict[bytes, tuple[bytes, int]]:
    """Every key with its value, and the moment at which it expires."""
    return {name: (server.dump(name), server.pexpiretime(name)) for name in server.scan_iter()}


def trees_differ(one, other) -> list[str]:
    return [line for name in FOLDERS for line in differences(one / name, other / name)]


def harm(learned, server: redis.Redis) -> None:
    """What a person would like to take back."""
    (learned / "params/team-00/run-0000.json").write_text('{"learning_rate": 1000}')
    (learned / "params/team-01/run-0001.json").unlink()
    (learned / "params/team-01/tuned-by-hand.json").write_text("{}")
    (learned / "models/current").unlink()
    (learned / "models/current").symlink_to("ueba-v6")
    name = next(name for name in server.scan_iter() if name.startswith(b"queue:"))
    server.rpush(name, "an event that nobody sent")
    server.delete(next(name for name in server.scan_iter() if name.startswith(b"alerts:")))
    server.set("written-since", "the archive")


def test_an_archive_over_what_changed_and_back(person, archive, learned, server, tmp_path):
    """Plan with its differences, compared, approved, run, verdict; rolled back with a plan and a vote of its own."""
    packed = [copied(learned, tmp_path / "packed"), keys_of(server)]
    harm(learned, server)
    found = [copied(learned, tmp_path / "found"), keys_of(server)]
    asker, decider = person("operator"), person("approver")

    page = asker.open(f"/archives/{archive}/")
    page.get_by_role("link", name="Restore…").click()
    page.get_by_label("Remove files that the archive does not have").check()
    page.get_by_label(re.compile(f"sensors-state, database {DATABASE}")).select_option("Replace all of the database")
    page.get_by_role("button", name="Check the plan").click()
    page.wait_for_url(re.compile(r"/restores/plans/\d+/"), timeout=SOON)
    files = page.get_by_role("region", name="Files")
    for path, action in (
        ("params/team-00/run-0000.json", "Replace"),
        ("params/team-01/run-0001.json", "Create"),
        ("params/team-01/tuned-by-hand.json", "Remove"),
        ("models/current", "Replace"),
    ):
        expect(files.get_by_role("listitem").filter(has_text=path).last).to_contain_text(action)
    row = page.get_by_role("row", name=re.compile(f"database {DATABASE}"))
    expect(row).to_contain_text("1 key drops out.")
    assert asker.axe() == []
    number = send(page, "The models of the night have to be those of before the upgrade.")

    page = find(decider, number)
    expect(page.get_by_text("params/team-01/tuned-by-hand.json")).to_be_visible()
    page.get_by_role("button", name="Compare with now").click()
    expect(page.get_by_text("Everything that the plan relies on is as it was.")).to_be_visible(timeout=SOON)
    assert decider.axe() == []
    assert [trees_differ(found[0], learned), keys_of(server)] == [[], found[1]]
    approve(decider)

    page = asker.page
    open_run(page)
    page.get_by_role("link", name=re.compile("Open Restore models, params")).click()
    verdict = page.get_by_role("region", name="What came of it")
    expect(verdict).to_contain_text("params: 613 entries read again, and all are right.")
    expect(verdict).to_contain_text("was proven and exchanged, and has 200 keys now")
    assert [trees_differ(packed[0], learned), keys_of(server)] == [[], packed[1]]

    page.get_by_role("button", name="Roll back…").click()
    page.wait_for_url(re.compile(r"/restores/plans/\d+/"), timeout=SOON)
    expect(page.locator(".lede")).to_contain_text("comes back on soc-prod-console-01")
    back = send(page, "The upgrade needs the parameters that were tuned by hand.")
    find(decider, back)
    approve(decider)
    open_run(page)
    assert [trees_differ(found[0], learned), keys_of(server)] == [[], found[1]]
