"""Archives that wear out whoever opens them: what they cost is limited, remembered, and hides no other."""

import json

import pytest

from backups.archives.locations import opening
from backups.archives.models import Archive
from backups.archives.services import look_inside, queue_verify
from backups.runs.models import RunState
from tests.archives.making import HEAD, Item, Maker, Redis
from tests.archives.test_collector import put, put_ours, refresh, settle, states
from tests.turns import work

pytestmark = pytest.mark.db

COUNTED = HEAD | {"counts": {"files": 1, "bytes": 1, "changed": 0, "skipped": 0}}
FILES = [Item("files/a", data=b"x")]


def with_errors(number: int) -> bytes:
    """An archive of one file whose manifest has so many errors."""
    maker = Maker(head=COUNTED)
    maker.bytes_of(FILES)
    head = json.dumps(COUNTED | {"complete": True})[:-1]
    text = f'{head},\n"files": [\n{json.dumps(maker.lines[0])}\n],\n"redis": [\n],\n"errors": [\n'.encode()
    error = b'{"path":"a","why":"b"}'
    maker.manifest = text + (error + b",\n") * (number - 1) + error + b"\n]}"
    return maker.bytes_of(FILES)


@pytest.mark.parametrize(
    ("limit", "value"), [("CPU_SECONDS", 1), ("MEMORY", 128 << 20), ("MOST_TEXT", 1 << 20)], ids=lambda value: value
)
def test_one_that_costs_too_much_is_listed_and_not_tried_again(location, tree, monkeypatch, limit, value):
    monkeypatch.setattr(opening, limit, value)
    put(location, "endless.tar.gz", with_errors(1_500_000))
    put_ours(location, tree)
    refresh(location)

    assert states(location) == {"endless.tar.gz": "found", "ours.tar.gz": "found"}
    found = Archive.objects.get(name="endless.tar.gz")
    assert (found.host, found.files, found.sources, found.keys) == ("tests", 1, [], None)
    assert "could not be read within" in found.message
    assert location.message == ""

    opened = []
    monkeypatch.setattr(opening, "look_into", lambda where, file: opened.append(file.name))
    refresh(location)
    assert opened == []


def test_one_that_was_too_big_is_opened_again_when_it_changes(location, tree, monkeypatch):
    with monkeypatch.context() as limits:
        limits.setattr(opening, "MOST_TEXT", 100)
        path = put_ours(location, tree)
        refresh(location)
    assert Archive.objects.get().sources == []

    settle(path)
    refresh(location)
    found = Archive.objects.get()
    assert ([source["name"] for source in found.sources], found.keys, found.message) == (["t"], 0, "")


def test_one_with_too_many_files_for_a_look_is_told_in_full_by_its_verification(location, tree, cast, monkeypatch):
    monkeypatch.setattr(opening, "MOST_TEXT", 100)
    put_ours(location, tree)
    refresh(location)
    found = Archive.objects.get()
    assert (found.files, found.host, found.sources) == (123, "far-away", [])
    check = work(look_inside(found, actor=cast["operator"]))
    assert (
        check.result["error"]
        == "The archive cannot be listed: Its list of files was too much for a look. Verify it first."
    )

    assert work(queue_verify(found, actor=cast["operator"])).state == RunState.SUCCEEDED

    found.refresh_from_db()
    assert (found.state, found.message, found.keys) == ("verified", "", 0)
    assert found.sources == [{"name": "t", "files": 123, "bytes": found.bytes, "packed": found.sources[0]["packed"]}]
    assert work(look_inside(found, actor=cast["operator"])).result["rows"]


@pytest.mark.parametrize(("number", "state", "kept"), [(100, "found", 100), (3_000, "damaged", 0)])
def test_more_redis_servers_than_an_archive_can_have_are_not_believed(location, number, state, kept):
    servers = [Redis(f"r{number}") for number in range(number)]
    put(location, "many.tar.gz", Maker(redis=servers, head=COUNTED).bytes_of(FILES))
    refresh(location)

    found = Archive.objects.get()
    assert (found.state, len(found.redis)) == (state, kept)
    assert len(json.dumps(found.redis)) < 30_000


class Talkative(Redis):
    def line(self, at: int) -> dict:
        return super().line(at) | {"server": "7" * 100_000}


def test_redis_servers_that_say_too_much_are_not_believed(location):
    maker = Maker(redis=[Talkative(f"r{number}") for number in range(5)], head=COUNTED)
    put(location, "talks.tar.gz", maker.bytes_of(FILES))
    refresh(location)

    found = Archive.objects.get()
    assert (found.state, found.redis) == ("damaged", [])
    assert "has a server that cannot be" in found.detail


def test_a_helper_that_is_killed_says_nothing_of_the_file(location, monkeypatch):
    put(location, "a.tar.gz", Maker(head=COUNTED).bytes_of(FILES))
    with monkeypatch.context() as broken:
        broken.setattr(opening.sys, "executable", "/bin/false")
        refresh(location)
    assert states(location) == {} and "the helper for that ended with 1" in location.message

    refresh(location)
    assert states(location) == {"a.tar.gz": "found"}
